/* Blocks of every size: aligned, apart from each other, and keeping what is written to them, on
 * fresh and on reused memory, from the thread's heap and from heaps of both granules.
 */
#include "tests/core/figures.h"

enum { LARGEST_SMALL = 5000, SMALL_COUNT = LARGEST_SMALL + 1 };

/* heap NULL: the thread's. */
static void *allocate(fe_heap_t *heap, size_t size) {
  return heap == NULL ? fe_malloc(size) : fe_heap_alloc(heap, size);
}

static void check_block(const void *block, size_t size, uint64_t seed) {
  if (!pattern_holds(block, size, seed)) {
    fail_msg("block %p of %zu bytes changed at offset %zu", block, size,
             pattern_check(block, size, seed));
  }
}

/* Allocates one block of each size from 0 to LARGEST_SMALL, checks them, frees them in the order
 * that order gives: 0 ascending, 1 descending, 2 random. */
static void every_small_size_once(fe_heap_t *heap, size_t alignment, int order) {
  static void *blocks[SMALL_COUNT];
  static extent_t extents[SMALL_COUNT];
  for (size_t size = 0; size < SMALL_COUNT; size++) {
    blocks[size] = allocate(heap, size);
    assert_non_null(blocks[size]);
    assert_true(aligned_to(blocks[size], alignment));
    pattern_fill(blocks[size], size, size);
    extents[size] = (extent_t){blocks[size], size};
  }
  assert_disjoint(extents, SMALL_COUNT);
  for (size_t size = 0; size < SMALL_COUNT; size++) {
    check_block(blocks[size], size, size);
  }
  if (order == 1) {
    for (size_t i = SMALL_COUNT; i > 0; i--) {
      fe_free(blocks[i - 1]);
    }
    return;
  }
  if (order == 2) {
    random_source_t source = {1};
    shuffle(blocks, SMALL_COUNT, &source);
  }
  for (size_t i = 0; i < SMALL_COUNT; i++) {
    fe_free(blocks[i]);
  }
}

static void every_small_size(fe_heap_t *heap, size_t alignment) {
  for (int round = 0; round < 6; round++) {
    every_small_size_once(heap, alignment, round % 3);
  }
}

static void every_small_size_from_the_thread_heap(void **state) {
  (void)state;
  every_small_size(NULL, GRANULE);
}

static void every_small_size_from_a_heap(size_t granule) {
  fe_heap_options_t options = {.granule = granule};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  every_small_size(heap, granule);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

static void every_small_size_from_a_heap_of_granule_16(void **state) {
  (void)state;
  every_small_size_from_a_heap(16);
}

static void every_small_size_from_a_heap_of_granule_8(void **state) {
  (void)state;
  every_small_size_from_a_heap(8);
}

/* 2^k - 1, 2^k and 2^k + 1 for all k up to 64 MiB; up to 4 MiB all live together. */
static void sizes_around_powers_of_two(void **state) {
  (void)state;
  enum { TOGETHER = 23, LAST = 27 };
  static void *blocks[LAST][3];
  for (size_t k = 0; k < LAST; k++) {
    for (size_t i = 0; i < 3; i++) {
      size_t size = ((size_t)1 << k) - 1 + i;
      blocks[k][i] = fe_malloc(size);
      assert_non_null(blocks[k][i]);
      assert_true(aligned_to(blocks[k][i], GRANULE));
      pattern_fill(blocks[k][i], size, size + i);
    }
    for (size_t i = 0; k >= TOGETHER && i < 3; i++) {
      size_t size = ((size_t)1 << k) - 1 + i;
      check_block(blocks[k][i], size, size + i);
      fe_free(blocks[k][i]);
    }
  }
  for (size_t k = 0; k < TOGETHER; k++) {
    for (size_t i = 0; i < 3; i++) {
      size_t size = ((size_t)1 << k) - 1 + i;
      check_block(blocks[k][i], size, size + i);
      fe_free(blocks[k][i]);
    }
  }
}

/* Fills several shards of one size, frees every other block and fills the gaps again: nobody
 * else's content may change. */
static void many_blocks_of_one_size(size_t size) {
  enum { MOST = 60000 };
  static void *blocks[MOST];
  size_t count = 3 * MIB / (size + 1);
  count = count < 24 ? 24 : count > MOST ? MOST : count;
  for (size_t i = 0; i < count; i++) {
    blocks[i] = fe_malloc(size);
    assert_non_null(blocks[i]);
    pattern_fill(blocks[i], size, i);
  }
  for (size_t i = 0; i < count; i += 2) {
    check_block(blocks[i], size, i);
    fe_free(blocks[i]);
  }
  for (size_t i = 0; i < count; i += 2) {
    blocks[i] = fe_malloc(size);
    assert_non_null(blocks[i]);
    pattern_fill(blocks[i], size, i + count);
  }
  for (size_t i = 0; i < count; i++) {
    check_block(blocks[i], size, i % 2 == 0 ? i + count : i);
    fe_free(blocks[i]);
  }
}

static void many_blocks_of_one_size_keep_apart(void **state) {
  (void)state;
  static const size_t sizes[] = {1,      8,       16,      24,      48,     56,    100,    128,
                                 200,    400,     1000,    1024,    1025,   2000,  4096,   8192,
                                 16384,  32768,   32769,   40000,   65536,  65537, 100000, 131072,
                                 300000, 1000000, 1900000, 3900000, 4200000};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    many_blocks_of_one_size(sizes[i]);
  }
}

static void blocks_of_zero_bytes_are_distinct(void **state) {
  (void)state;
  enum { COUNT = 1000 };
  static void *blocks[COUNT];
  static extent_t extents[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    blocks[i] = fe_malloc(0);
    assert_non_null(blocks[i]);
    extents[i] = (extent_t){blocks[i], 0};
  }
  assert_disjoint(extents, COUNT);
  for (size_t i = 0; i < COUNT; i++) {
    fe_free(blocks[i]);
  }
}

/* Those of shards, that is: the nursery's lie wherever there is room. */
static void blocks_of_up_to_a_cache_line_lie_in_one(void **state) {
  (void)state;
  enum { COUNT = 3000, OF_SHARDS = 1000, LINE = 64 };
  for (size_t size = 16; size <= LINE; size *= 2) {
    if (size <= TRAILER) continue;
    fe_heap_t *heap = fe_heap_create(NULL);
    require(heap != NULL);
    for (size_t i = 0; i < COUNT; i++) {
      uintptr_t block = (uintptr_t)fe_heap_alloc(heap, BLOCK(size));
      require(block != 0);
      if (i >= COUNT - OF_SHARDS) assert_int_equal(block / LINE, (block + size - 1) / LINE);
    }
    fe_heap_destroy(heap);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(every_small_size_from_the_thread_heap),
      test_that(every_small_size_from_a_heap_of_granule_16),
      test_that(every_small_size_from_a_heap_of_granule_8),
      test_that(sizes_around_powers_of_two),
      test_that(many_blocks_of_one_size_keep_apart),
      test_that(blocks_of_zero_bytes_are_distinct),
      test_that(blocks_of_up_to_a_cache_line_lie_in_one),
  };
  return cmocka_run_group_tests_name("sizes", tests, NULL, NULL);
}
