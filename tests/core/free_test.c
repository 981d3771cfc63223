/* fe_free: NULL is fine, errno stays, and memory is used again. */
#include "tests/core/support.h"

static void null_is_no_block(void **state) {
  (void)state;
  fe_free(NULL);
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  fe_heap_free(heap, NULL);
  assert_null(fe_heap_resize(heap, NULL, 0, 0));
  fe_heap_destroy(heap);
  fe_heap_destroy(NULL);
}

static void free_leaving_errno_alone(void *block) {
  errno = 1234;
  fe_free(block);
  require(errno == 1234);
}

static void errno_stays(void **state) {
  (void)state;
  for (size_t size = 1; size < 80 * MIB; size *= 3) {
    free_leaving_errno_alone(fe_malloc(size));
    free_leaving_errno_alone(fe_aligned_alloc(65536, size));
    run_in_thread(free_leaving_errno_alone, fe_malloc(size));
  }
  free_leaving_errno_alone(NULL);
}

/* One block at a time, a thousand times: the address space must not grow with the rounds. */
static void freed_memory_is_used_again(void **state) {
  (void)state;
  static const size_t sizes[] = {16, 1000, 30000, 200000, 3 * 1024 * 1024, 30 * 1024 * 1024};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    size_t before = 0;
    for (int round = 0; round < 1100; round++) {
      char *block = fe_malloc(sizes[i]);
      assert_non_null(block);
      block[0] = 1;
      block[sizes[i] - 1] = 1;
      fe_free(block);
      if (round == 100) {
        before = mapped_bytes();
      }
    }
    assert_true(mapped_bytes() <= before + 64 * MIB);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(null_is_no_block),
      test_that(errno_stays),
      test_that(freed_memory_is_used_again),
  };
  return cmocka_run_group_tests_name("free", tests, NULL, NULL);
}
