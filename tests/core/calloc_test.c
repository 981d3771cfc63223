/* Zeroed allocation: all bytes are zero, on fresh memory, on memory that was written to and given
 * back in any way, and an overflowing product is refused.
 */
#include "tests/core/support.h"

static const size_t all_kinds_of_sizes[] = {
    1,      7,       8,       16,      17,      48,      100,     128,   129,
    500,    1000,    1024,    1025,    2000,    4096,    4097,    8192,  10000,
    16384,  20000,   32768,   32769,   40000,   65536,   70000,   99999, 131072,
    500000, 1048576, 2000000, 3900000, 4194304, 5000000, 20000000};
enum { KIND_COUNT = sizeof(all_kinds_of_sizes) / sizeof(all_kinds_of_sizes[0]) };

static void *zeroed(fe_heap_t *heap, size_t count, size_t size) {
  return heap == NULL ? fe_calloc(count, size) : fe_heap_calloc(heap, count, size);
}

/* Rounds of calloc, check, dirty, free: from the second round on the memory has been used. */
static void zeroed_again_and_again(fe_heap_t *heap, void (*between_rounds)(fe_heap_t *heap)) {
  for (size_t i = 0; i < KIND_COUNT; i++) {
    size_t size = all_kinds_of_sizes[i];
    for (int round = 0; round < 4; round++) {
      void *blocks[3];
      for (int j = 0; j < 3; j++) {
        blocks[j] = zeroed(heap, 1, size);
        assert_non_null(blocks[j]);
        assert_true(all_zero(blocks[j], size));
        memset(blocks[j], 0xff, fe_malloc_size(blocks[j]));
      }
      for (int j = 0; j < 3; j++) {
        fe_free(blocks[j]);
      }
      between_rounds(heap);
    }
  }
}

static void nothing(fe_heap_t *heap) { (void)heap; }

static void collect_everything(fe_heap_t *heap) {
  if (heap == NULL) {
    fe_collect(true);
  } else {
    fe_heap_collect(heap, true);
  }
}

static void reused_memory_is_zeroed(void **state) {
  (void)state;
  zeroed_again_and_again(NULL, nothing);
}

static void returned_memory_is_zeroed(void **state) {
  (void)state;
  zeroed_again_and_again(NULL, collect_everything);
}

static void reused_memory_of_a_heap_is_zeroed(void **state) {
  (void)state;
  for (size_t granule = 8; granule <= 16; granule += 8) {
    fe_heap_options_t options = {.granule = granule};
    fe_heap_t *heap = fe_heap_create(&options);
    assert_non_null(heap);
    zeroed_again_and_again(heap, nothing);
    zeroed_again_and_again(heap, collect_everything);
    fe_heap_destroy(heap);
  }
}

/* What a destroyed heap wrote must not show through in the next one. */
static void memory_of_a_destroyed_heap_is_zeroed(void **state) {
  (void)state;
  for (int round = 0; round < 5; round++) {
    fe_heap_t *heap = fe_heap_create(NULL);
    assert_non_null(heap);
    for (size_t i = 0; i < KIND_COUNT; i++) {
      size_t size = all_kinds_of_sizes[i];
      void *block = fe_heap_calloc(heap, 1, size);
      assert_non_null(block);
      assert_true(all_zero(block, size));
      memset(block, 0xff, size);
    }
    fe_heap_destroy(heap);
  }
}

/* malloc dirties a block of one size, calloc then takes its memory for another. */
static void memory_of_other_sizes_is_zeroed(void **state) {
  (void)state;
  for (size_t i = 0; i < KIND_COUNT; i++) {
    void *dirty = fe_malloc(all_kinds_of_sizes[i]);
    assert_non_null(dirty);
    memset(dirty, 0xee, all_kinds_of_sizes[i]);
    fe_free(dirty);
    for (size_t j = 0; j < KIND_COUNT; j++) {
      if (is_slow() && (i + j) % 3 != 0) continue;
      void *block = fe_calloc(all_kinds_of_sizes[j], 1);
      assert_non_null(block);
      assert_true(all_zero(block, all_kinds_of_sizes[j]));
      fe_free(block);
    }
  }
}

enum { HANDED_COUNT = 2000 };

static void free_handed_blocks(void *argument) {
  void **blocks = argument;
  for (size_t i = 0; i < HANDED_COUNT; i++) {
    fe_free(blocks[i]);
  }
}

static void memory_freed_by_another_thread_is_zeroed(void **state) {
  (void)state;
  static void *blocks[HANDED_COUNT];
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < HANDED_COUNT; i++) {
      size_t size = 1 + i % 700;
      blocks[i] = fe_calloc(size, 1);
      assert_non_null(blocks[i]);
      assert_true(all_zero(blocks[i], size));
      memset(blocks[i], 0xff, size);
    }
    run_in_thread(free_handed_blocks, blocks);
  }
}

/* Blocks of mixed shards, of which some have never been in use and others have: in random order,
 * with plain ones that are dirtied, moved and cut down in between. */
static void mixed_memory_is_zeroed(void **state) {
  (void)state;
  enum { COUNT = 60, STEPS = 20000 };
  static char *blocks[COUNT];
  random_source_t source = {random_seed()};
  for (size_t granule = 8; granule <= 16; granule += 8) {
    fe_heap_options_t options = {.granule = granule};
    fe_heap_t *heap = fe_heap_create(&options);
    assert_non_null(heap);
    memset(blocks, 0, sizeof blocks);
    for (size_t step = 0; step < STEPS; step++) {
      size_t i = random_below(&source, COUNT);
      size_t size = 513 + random_below(&source, MEDIUM_MAX - 513);
      size_t kind = random_below(&source, 8);
      if (kind == 0) {
        blocks[i] = fe_heap_realloc(heap, blocks[i], size);
      } else {
        fe_heap_free(heap, blocks[i]);
        blocks[i] = kind == 1 ? fe_heap_alloc(heap, size) : fe_heap_calloc(heap, 1, size);
        if (kind > 1) assert_true(all_zero(blocks[i], fe_malloc_size(blocks[i])));
      }
      assert_non_null(blocks[i]);
      memset(blocks[i], 0xff, fe_malloc_size(blocks[i]));
      if (step % 1000 == 0) fe_heap_collect(heap, step % 2000 == 0);
    }
    fe_heap_destroy(heap);
  }
}

static void the_product_is_what_counts(void **state) {
  (void)state;
  static const size_t factors[][2] = {{3, 7},      {7, 3},      {1000, 24},
                                      {1, 100000}, {100000, 1}, {1000, 5000}};
  for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
    size_t size = factors[i][0] * factors[i][1];
    void *block = fe_calloc(factors[i][0], factors[i][1]);
    assert_non_null(block);
    assert_true(fe_malloc_size(block) >= size);
    assert_true(all_zero(block, size));
    fe_free(block);
  }
}

static void no_elements_give_distinct_blocks(void **state) {
  (void)state;
  void *none = fe_calloc(0, 100);
  void *empty = fe_calloc(100, 0);
  void *both = fe_calloc(0, 0);
  assert_non_null(none);
  assert_non_null(empty);
  assert_non_null(both);
  assert_ptr_not_equal(none, empty);
  assert_ptr_not_equal(none, both);
  assert_ptr_not_equal(empty, both);
  fe_free(none);
  fe_free(empty);
  fe_free(both);
}

static void an_overflowing_product_is_refused(void **state) {
  (void)state;
  const size_t root = (size_t)1 << (sizeof(size_t) * 4); /* of SIZE_MAX + 1 */
  const size_t factors[][2] = {
      {SIZE_MAX, 2},         {2, SIZE_MAX},
      {SIZE_MAX / 2 + 1, 2}, {SIZE_MAX / 16 + 2, 16}, /* wraps to 16 */
      {2 * root, 2 * root},  {root, root},            /* wraps to 0 */
      {SIZE_MAX, SIZE_MAX},  {PTRDIFF_MAX, 3},
  };
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
    errno = 0;
    assert_null(fe_calloc(factors[i][0], factors[i][1]));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(fe_heap_calloc(heap, factors[i][0], factors[i][1]));
    assert_int_equal(errno, ENOMEM);
  }
  fe_heap_destroy(heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(reused_memory_is_zeroed),
      test_that(returned_memory_is_zeroed),
      test_that(reused_memory_of_a_heap_is_zeroed),
      test_that(memory_of_a_destroyed_heap_is_zeroed),
      test_that(memory_of_other_sizes_is_zeroed),
      test_that(memory_freed_by_another_thread_is_zeroed),
      test_that(mixed_memory_is_zeroed),
      test_that(the_product_is_what_counts),
      test_that(no_elements_give_distinct_blocks),
      test_that(an_overflowing_product_is_refused),
  };
  return cmocka_run_group_tests_name("calloc", tests, NULL, NULL);
}
