/* fe_malloc_size: at least what was asked for, writable to the last byte, and no great waste. */
#include "tests/core/support.h"

/* Four neighbours of one size, each written to the end of what fe_malloc_size says. */
static void full_size_is_ours(size_t size) {
  enum { COUNT = 4 };
  void *blocks[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    blocks[i] = fe_malloc(size);
    assert_non_null(blocks[i]);
    assert_true(fe_malloc_size(blocks[i]) >= size);
    pattern_fill(blocks[i], fe_malloc_size(blocks[i]), i);
  }
  for (size_t i = 0; i < COUNT; i++) {
    if (!pattern_holds(blocks[i], fe_malloc_size(blocks[i]), i)) {
      fail_msg("blocks of %zu bytes share what fe_malloc_size gives them", size);
    }
    fe_free(blocks[i]);
  }
}

static void small_blocks_hold_what_it_says(void **state) {
  (void)state;
  for (size_t size = 0; size <= 9000; size++) {
    full_size_is_ours(size);
  }
}

static void big_blocks_hold_what_it_says(void **state) {
  (void)state;
  for (size_t size = 9001; size < 12 * MIB; size += size / 7) {
    full_size_is_ours(size);
  }
}

/* The public header promises classes at most an eighth above the request beyond 64 bytes, and
 * steps of a granule below. */
static void blocks_are_not_much_bigger_than_asked_for(void **state) {
  (void)state;
  for (size_t size = 1; size < 16 * MIB; size += 1 + size / 500) {
    void *block = fe_malloc(size);
    assert_non_null(block);
    size_t most = size <= 64 ? (size + GRANULE - 1) / GRANULE * GRANULE : size + size / 8;
    most = most < size + GRANULE - 1 ? size + GRANULE - 1 : most;
    if (fe_malloc_size(block) > most) {
      fail_msg("%zu bytes take %zu", size, fe_malloc_size(block));
    }
    fe_free(block);
  }
}

static void null_has_no_size(void **state) {
  (void)state;
  assert_int_equal(fe_malloc_size(NULL), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(small_blocks_hold_what_it_says),
      test_that(big_blocks_hold_what_it_says),
      test_that(blocks_are_not_much_bigger_than_asked_for),
      test_that(null_has_no_size),
  };
  return cmocka_run_group_tests_name("malloc_size", tests, NULL, NULL);
}
