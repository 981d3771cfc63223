/* The older names of aligned allocation: fe_memalign, fe_valloc, fe_pvalloc; and
 * fe_heap_posix_memalign, which answers as fe_posix_memalign does.
 */
#include "tests/core/support.h"

#include <unistd.h>

static const size_t sizes[] = {0,     1,     15,    16,    100,    4095,    4096,   4097,
                               10000, 30720, 30721, 65536, 100000, 1000000, 5000000};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

static void assert_block(void *block, size_t alignment, size_t size) {
  assert_non_null(block);
  assert_true(aligned_to(block, alignment));
  assert_true(fe_malloc_size(block) >= size);
  pattern_fill(block, size, size);
  assert_true(pattern_holds(block, size, size));
  fe_free(block);
}

static void memalign_aligns(void **state) {
  (void)state;
  for (size_t alignment = 1; alignment <= MIB; alignment *= 2) {
    for (size_t i = 0; i < SIZE_COUNT; i++) {
      assert_block(fe_memalign(alignment, sizes[i]), alignment, sizes[i]);
    }
  }
}

static void memalign_refuses_what_is_no_power_of_two(void **state) {
  (void)state;
  static const size_t wrong[] = {0, 3, 24, 4097, SIZE_MAX};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    errno = 0;
    assert_null(fe_memalign(wrong[i], 100));
    assert_int_equal(errno, EINVAL);
  }
}

static void valloc_starts_at_a_page(void **state) {
  (void)state;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    assert_block(fe_valloc(sizes[i]), page, sizes[i]);
  }
}

static void pvalloc_gives_whole_pages(void **state) {
  (void)state;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    assert_block(fe_pvalloc(sizes[i]), page, (sizes[i] + page - 1) / page * page);
  }
}

static void sizes_that_overflow_are_no_memory(void **state) {
  (void)state;
  static const size_t impossible[] = {SIZE_MAX, SIZE_MAX - 100, SIZE_MAX - 4096, SIZE_MAX / 2 + 1};
  for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
    errno = 0;
    assert_null(fe_pvalloc(impossible[i]));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(fe_valloc(impossible[i]));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(fe_memalign(64, impossible[i]));
    assert_int_equal(errno, ENOMEM);
  }
}

static void a_heap_answers_as_posix_memalign(void **state) {
  (void)state;
  fe_heap_options_t options = {.memory_limit = 16 * MIB};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  void *block = NULL;
  for (size_t alignment = sizeof(void *); alignment <= 65536; alignment *= 2) {
    errno = 77;
    assert_int_equal(fe_heap_posix_memalign(heap, &block, alignment, 1000), 0);
    assert_int_equal(errno, 77);
    assert_block(block, alignment, 1000);
  }
  void *untouched = &untouched;
  static const size_t wrong[] = {0, 1, 2, sizeof(void *) / 2, 12, 24, SIZE_MAX};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    assert_int_equal(fe_heap_posix_memalign(heap, &untouched, wrong[i], 1000), EINVAL);
  }
  assert_int_equal(fe_heap_posix_memalign(heap, &untouched, 64, 17 * MIB), ENOMEM);
  assert_ptr_equal(untouched, &untouched);
  assert_int_equal(errno, 77);
  fe_heap_destroy(heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(memalign_aligns),
      test_that(memalign_refuses_what_is_no_power_of_two),
      test_that(valloc_starts_at_a_page),
      test_that(pvalloc_gives_whole_pages),
      test_that(sizes_that_overflow_are_no_memory),
      test_that(a_heap_answers_as_posix_memalign),
  };
  return cmocka_run_group_tests_name("page_alignment", tests, NULL, NULL);
}
