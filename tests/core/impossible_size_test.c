/* Sizes that no machine can give: NULL and ENOMEM from every function, at once, and the heap works
 * on as before.
 */
#include "tests/core/support.h"

static const size_t impossible[] = {
    SIZE_MAX,
    SIZE_MAX - 1,
    SIZE_MAX - 7,
    SIZE_MAX - 15,
    SIZE_MAX - 16,
    SIZE_MAX - 4095,
    SIZE_MAX - 65535,
    SIZE_MAX - 4 * 1024 * 1024,
    SIZE_MAX - 8 * 1024 * 1024,
    SIZE_MAX / 2 + 2,
    (size_t)PTRDIFF_MAX + 1,
#ifndef __i386__ /* a kernel with 64 bits gives a program with 32 nearly 4 GiB */
    PTRDIFF_MAX,
    (size_t)PTRDIFF_MAX - 4096,
    SIZE_MAX / 4 + 1,
#endif
    BEYOND_MEMORY,
};
enum { COUNT = sizeof(impossible) / sizeof(impossible[0]) };

static void assert_refused(void *block, size_t size) {
  if (block != NULL || errno != ENOMEM) {
    fail_msg("%zu bytes: got %p, errno %d", size, block, errno);
  }
  errno = 0;
}

static void the_thread_heap_refuses(void **state) {
  (void)state;
  errno = 0;
  for (size_t i = 0; i < COUNT; i++) {
    assert_refused(fe_malloc(impossible[i]), impossible[i]);
    assert_refused(fe_calloc(1, impossible[i]), impossible[i]);
    assert_refused(fe_calloc(impossible[i], 1), impossible[i]);
    assert_refused(fe_realloc(NULL, impossible[i]), impossible[i]);
    assert_refused(fe_aligned_alloc(16, impossible[i]), impossible[i]);
    assert_refused(fe_heap_resize(NULL, NULL, 0, impossible[i]), impossible[i]);
  }
}

static void a_heap_refuses(void **state) {
  (void)state;
  for (size_t granule = 8; granule <= 16; granule += 8) {
    fe_heap_options_t options = {.granule = granule};
    fe_heap_t *heap = fe_heap_create(&options);
    assert_non_null(heap);
    errno = 0;
    for (size_t i = 0; i < COUNT; i++) {
      assert_refused(fe_heap_alloc(heap, impossible[i]), impossible[i]);
      assert_refused(fe_heap_calloc(heap, 1, impossible[i]), impossible[i]);
      assert_refused(fe_heap_realloc(heap, NULL, impossible[i]), impossible[i]);
      assert_refused(fe_heap_aligned_alloc(heap, 4096, impossible[i]), impossible[i]);
      assert_refused(fe_heap_resize(heap, NULL, 5, impossible[i]), impossible[i]);
      void *block = fe_heap_alloc(heap, 100);
      assert_non_null(block);
      pattern_fill(block, 100, i);
      errno = 0;
      assert_refused(fe_heap_resize(heap, block, 100, impossible[i]), impossible[i]);
      assert_true(pattern_holds(block, 100, i));
      fe_heap_free(heap, block);
    }
    assert_int_equal(fe_heap_used_bytes(heap), 0);
    fe_heap_destroy(heap);
  }
}

/* A refused request must not leave address space behind. */
static void refusals_cost_nothing(void **state) {
  (void)state;
  size_t before = mapped_bytes();
  for (int round = 0; round < 1000; round++) {
    for (size_t i = 0; i < COUNT; i++) {
      assert_null(fe_malloc(impossible[i]));
    }
  }
  assert_true(mapped_bytes() <= before + 8 * MIB);
}

/* As many units as a header can count, before they are rounded up to whole slabs. */
static void a_count_of_units_does_not_wrap_around(void **state) {
  (void)state;
  if (sizeof(size_t) == 4) return; /* no size has so many units */
  fe_free(fe_malloc(100));
  size_t before = mapped_bytes();
  for (size_t units = UINT32_MAX - 2; units <= (size_t)UINT32_MAX + 2; units++) {
    size_t size = units * UNIT_BYTES - UNIT_BYTES / 2;
    char *block = fe_malloc(size);
    if (block == NULL) continue;
    block[size - 1] = 1;
    assert_true(fe_malloc_size(block) >= size);
    fe_free(block);
  }
  assert_true(mapped_bytes() <= before + 8 * MIB);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(the_thread_heap_refuses),
      test_that(a_heap_refuses),
      test_that(refusals_cost_nothing),
      test_that(a_count_of_units_does_not_wrap_around),
  };
  return cmocka_run_group_tests_name("impossible_size", tests, NULL, NULL);
}
