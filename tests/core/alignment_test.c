/* Aligned allocation: every power of two from 1 to 16 MiB (more than a slab) and beyond, with sizes
 * around it; wrong alignments are refused; aligned blocks are blocks like any other.
 */
#include "tests/core/figures.h"

enum { LAST_SHIFT = 24 };

static const size_t sizes[] = {0,     1,     7,     8,     15,      16,      17,     48,
                               100,   128,   129,   1000,  1024,    1025,    4096,   10000,
                               32768, 40000, 65536, 70000, 1000000, 4000000, 5000000};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

/* heap NULL: the thread's. */
static void *aligned(fe_heap_t *heap, size_t alignment, size_t size) {
  return heap == NULL ? fe_aligned_alloc(alignment, size)
                      : fe_heap_aligned_alloc(heap, alignment, size);
}

/* Writes and checks the whole block, or the first and last 100,000 bytes of a big one. */
static void fill(char *block, size_t size, uint64_t seed) {
  size_t edge = size < 100000 ? size : 100000;
  pattern_fill(block, edge, seed);
  if (size >= 2 * edge + 8) {
    pattern_fill(block + ((size - edge) & ~(size_t)7), edge & ~(size_t)7, seed + 1);
  }
}

static bool is_filled(const char *block, size_t size, uint64_t seed) {
  size_t edge = size < 100000 ? size : 100000;
  return pattern_holds(block, edge, seed) &&
         (size < 2 * edge + 8 ||
          pattern_holds(block + ((size - edge) & ~(size_t)7), edge & ~(size_t)7, seed + 1));
}

static void *aligned_and_filled(fe_heap_t *heap, size_t alignment, size_t size) {
  char *block = aligned(heap, alignment, size);
  if (block == NULL) {
    fail_msg("no block of %zu bytes aligned to %zu", size, alignment);
  }
  if (!aligned_to(block, alignment)) {
    fail_msg("block %p of %zu bytes is not aligned to %zu", (void *)block, size, alignment);
  }
  assert_true(fe_malloc_size(block) >= size);
  assert_true(fe_owns(block));
  fill(block, size, alignment + size);
  return block;
}

/* All sizes for one alignment live at once, then the sizes around the alignment itself. */
static void all_sizes(fe_heap_t *heap, size_t alignment) {
  void *blocks[SIZE_COUNT];
  extent_t extents[SIZE_COUNT];
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    blocks[i] = aligned_and_filled(heap, alignment, sizes[i]);
    extents[i] = (extent_t){blocks[i], sizes[i]};
  }
  assert_disjoint(extents, SIZE_COUNT);
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    assert_true(is_filled(blocks[i], sizes[i], alignment + sizes[i]));
    fe_free(blocks[i]);
  }
  const size_t around[] = {alignment - 1, alignment, alignment + 1, 2 * alignment};
  for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
    void *block = aligned_and_filled(heap, alignment, around[i]);
    assert_true(is_filled(block, around[i], alignment + around[i]));
    fe_free(block);
  }
}

static void every_alignment_with_every_kind_of_size(void **state) {
  (void)state;
  for (int shift = 0; shift <= LAST_SHIFT; shift++) {
    all_sizes(NULL, (size_t)1 << shift);
  }
}

static void every_alignment_from_a_heap(void **state) {
  (void)state;
  for (size_t granule = 8; granule <= 16; granule += 8) {
    fe_heap_options_t options = {.granule = granule};
    fe_heap_t *heap = fe_heap_create(&options);
    assert_non_null(heap);
    for (int shift = 0; shift <= LAST_SHIFT; shift++) {
      all_sizes(heap, (size_t)1 << shift);
      assert_int_equal(fe_heap_used_bytes(heap), 0);
    }
    fe_heap_destroy(heap);
  }
}

static void posix_memalign_takes_every_multiple_of_a_pointer(void **state) {
  (void)state;
  for (int shift = 3; shift <= LAST_SHIFT; shift++) {
    size_t alignment = (size_t)1 << shift;
    for (size_t i = 0; i < SIZE_COUNT; i++) {
      void *block = NULL;
      errno = 77;
      assert_int_equal(fe_posix_memalign(&block, alignment, sizes[i]), 0);
      assert_int_equal(errno, 77);
      assert_non_null(block);
      assert_true(aligned_to(block, alignment));
      fill(block, sizes[i], i);
      assert_true(is_filled(block, sizes[i], i));
      fe_free(block);
    }
  }
}

/* Large blocks that leave no byte, or few, between their end and that of their last shard. */
static void blocks_that_end_with_their_shard_are_whole(void **state) {
  (void)state;
  for (size_t alignment = 8; alignment <= 4096; alignment *= 2) {
    for (size_t spare = 96; spare <= 4096 + 112; spare += 16) {
      size_t size = 4 * UNIT_BYTES - spare;
      char *block = fe_aligned_alloc(alignment, size);
      assert_non_null(block);
      assert_true(aligned_to(block, alignment));
      assert_true(fe_malloc_size(block) >= size);
      char *behind = fe_malloc(UNIT_BYTES);
      assert_non_null(behind);
      pattern_fill(block, size, spare);
      fe_free(behind);
      assert_true(pattern_holds(block, size, spare));
      fe_free(block);
    }
  }
}

static void many_aligned_blocks_keep_apart(void **state) {
  (void)state;
  enum { COUNT = 3000 };
  static void *blocks[COUNT];
  static size_t block_sizes[COUNT];
  random_source_t source = {7};
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < COUNT; i++) {
      block_sizes[i] = random_size(&source, 8192);
      blocks[i] = aligned_and_filled(NULL, (size_t)1 << random_below(&source, 14), block_sizes[i]);
      pattern_fill(blocks[i], block_sizes[i], i);
    }
    for (size_t i = 0; i < COUNT; i++) {
      assert_true(pattern_holds(blocks[i], block_sizes[i], i));
      fe_free(blocks[i]);
    }
  }
}

/* Where plain blocks have left much room, aligned ones of the same class take a shard for
 * themselves, and no more than they fill; the plain ones go on in it. */
static void aligned_blocks_take_the_shards_that_they_need(void **state) {
  (void)state;
  enum { COUNT = 10 * UNIT_BYTES / 64, SIZE = 64 - TRAILER, ROUNDS = 20 };
  static void *plain[COUNT], *aligned_ones[COUNT];
  fe_heap_t *heap = new_heap(NULL);
  for (size_t i = 0; i < COUNT; i++) assert_non_null(plain[i] = fe_heap_alloc(heap, SIZE));
  for (size_t i = 0; i < COUNT; i += 2) fe_heap_free(heap, plain[i]);
  size_t before = stats_of(heap).shard_count;
  size_t most = 0;
  for (int round = 0; round < ROUNDS; round++) {
    for (size_t i = 0; i < COUNT / 5; i++) {
      aligned_ones[i] = aligned_and_filled(heap, 64, SIZE);
      assert_non_null(plain[2 * i] = fe_heap_alloc(heap, SIZE));
    }
    size_t count = stats_of(heap).shard_count;
    if (count > most) most = count;
    for (size_t i = 0; i < COUNT / 5; i++) {
      assert_true(is_filled(aligned_ones[i], SIZE, 64 + SIZE));
      fe_heap_free(heap, aligned_ones[i]);
      fe_heap_free(heap, plain[2 * i]);
    }
  }
  /* A fifth of what there was, twice, and one shard that is not full. */
  assert_in_range(most, before, before + before * 2 / 5 + 2);
  fe_heap_destroy(heap);
}

/* Neither they nor their neighbours go slow ways: the figures of these do not move. */
static void aligned_blocks_go_short_ways(void **state) {
  (void)state;
  fe_heap_t *heap = new_heap(NULL);
  void *first = aligned_and_filled(heap, 64, 64);
  fe_heap_stats_t before = stats_of(heap);
  for (size_t i = 0; i < 10000; i++) {
    void *block = fe_heap_aligned_alloc(heap, 64, 64);
    assert_true(aligned_to(block, 64));
    fe_heap_free(heap, block);
  }
  fe_heap_stats_t after = stats_of(heap);
  assert_in_range(after.refills, before.refills, before.refills + 2);
  assert_int_equal(after.shard_count, before.shard_count);
  fe_heap_free(heap, first);
  fe_heap_destroy(heap);
}

static void wrong_alignments_are_refused(void **state) {
  (void)state;
  static const size_t wrong[] = {0, 3, 24, 48, 100, 4097, SIZE_MAX, SIZE_MAX - 15};
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    errno = 0;
    assert_null(fe_aligned_alloc(wrong[i], 100));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(fe_heap_aligned_alloc(heap, wrong[i], 100));
    assert_int_equal(errno, EINVAL);
    void *untouched = &untouched;
    errno = 77;
    assert_int_equal(fe_posix_memalign(&untouched, wrong[i], 100), EINVAL);
    assert_ptr_equal(untouched, &untouched);
    assert_int_equal(errno, 77);
  }
  fe_heap_destroy(heap);
}

static void posix_memalign_refuses_less_than_a_pointer(void **state) {
  (void)state;
  for (size_t alignment = 1; alignment < sizeof(void *); alignment *= 2) {
    void *untouched = &untouched;
    assert_int_equal(fe_posix_memalign(&untouched, alignment, 100), EINVAL);
    assert_ptr_equal(untouched, &untouched);
  }
}

static void realloc_keeps_the_content_of_aligned_blocks(void **state) {
  (void)state;
  for (int shift = 0; shift <= LAST_SHIFT; shift++) {
    for (size_t i = 0; i < SIZE_COUNT; i++) {
      size_t size = sizes[i];
      size_t next = sizes[(i + 5) % SIZE_COUNT] + 1;
      void *block = aligned_and_filled(NULL, (size_t)1 << shift, size);
      size_t kept = size < next ? size : next;
      kept = kept < 100000 ? kept : 100000;
      block = fe_realloc(block, next);
      assert_non_null(block);
      assert_true(pattern_holds(block, kept, ((size_t)1 << shift) + size));
      assert_true(fe_malloc_size(block) >= next);
      fill(block, next, 3);
      assert_true(is_filled(block, next, 3));
      fe_free(block);
    }
  }
}

static void aligned_blocks_hold_what_malloc_size_says(void **state) {
  (void)state;
  enum { COUNT = 20 };
  for (int shift = 0; shift <= 16; shift++) {
    for (size_t i = 0; i < SIZE_COUNT && sizes[i] <= 100000; i++) {
      void *blocks[COUNT];
      for (size_t j = 0; j < COUNT; j++) {
        blocks[j] = fe_aligned_alloc((size_t)1 << shift, sizes[i]);
        assert_non_null(blocks[j]);
        pattern_fill(blocks[j], fe_malloc_size(blocks[j]), j);
      }
      for (size_t j = 0; j < COUNT; j++) {
        assert_true(pattern_holds(blocks[j], fe_malloc_size(blocks[j]), j));
        fe_free(blocks[j]);
      }
    }
  }
}

static void free_handed_block(void *block) { fe_free(block); }

static void another_thread_may_free_aligned_blocks(void **state) {
  (void)state;
  for (int shift = 0; shift <= LAST_SHIFT; shift++) {
    for (size_t i = 0; i < SIZE_COUNT; i += 4) {
      run_in_thread(free_handed_block, aligned_and_filled(NULL, (size_t)1 << shift, sizes[i]));
    }
  }
}

/* Address space is all that such an alignment costs; up to 1 GiB there is enough of it. */
static void huge_alignments(void **state) {
  (void)state;
  for (int shift = LAST_SHIFT + 1; shift <= 30; shift++) {
    void *block = aligned_and_filled(NULL, (size_t)1 << shift, 100);
    block = fe_realloc(block, 10000);
    assert_non_null(block);
    assert_true(pattern_holds(block, 100, ((size_t)1 << shift) + 100));
    fe_free(block);
    fe_free(aligned_and_filled(NULL, (size_t)1 << shift, 5 * MIB));
  }
}

/* More than the address space holds, alone or together with the size. */
static void alignments_and_sizes_without_room(void **state) {
  (void)state;
  static const size_t wishes[][2] = {
      {SIZE_MAX / 2 + 1, 1},
      {SIZE_MAX / 4 + 1, SIZE_MAX / 4 + 1},
      {BEYOND_MEMORY, 100},
      {16, SIZE_MAX},
      {16, SIZE_MAX - 15},
      {4096, SIZE_MAX - 100},
      {64, (size_t)PTRDIFF_MAX + 1},
      {16 * 1024 * 1024, SIZE_MAX - 1000},
      {8, BEYOND_MEMORY},
      {SIZE_MAX / 2 + 1, PTRDIFF_MAX},
      {SIZE_MAX / 4 + 1, PTRDIFF_MAX},
  };
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
    errno = 0;
    assert_null(fe_aligned_alloc(wishes[i][0], wishes[i][1]));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(fe_heap_aligned_alloc(heap, wishes[i][0], wishes[i][1]));
    assert_int_equal(errno, ENOMEM);
    void *untouched = &untouched;
    errno = 77;
    assert_int_equal(fe_posix_memalign(&untouched, wishes[i][0], wishes[i][1]), ENOMEM);
    assert_ptr_equal(untouched, &untouched);
    assert_int_equal(errno, 77);
  }
  fe_heap_destroy(heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(every_alignment_with_every_kind_of_size),
      test_that(every_alignment_from_a_heap),
      test_that(posix_memalign_takes_every_multiple_of_a_pointer),
      test_that(blocks_that_end_with_their_shard_are_whole),
      test_that(many_aligned_blocks_keep_apart),
      test_that(aligned_blocks_take_the_shards_that_they_need),
      test_that(aligned_blocks_go_short_ways),
      test_that(wrong_alignments_are_refused),
      test_that(posix_memalign_refuses_less_than_a_pointer),
      test_that(realloc_keeps_the_content_of_aligned_blocks),
      test_that(aligned_blocks_hold_what_malloc_size_says),
      test_that(another_thread_may_free_aligned_blocks),
      test_that(huge_alignments),
      test_that(alignments_and_sizes_without_room),
  };
  return cmocka_run_group_tests_name("alignment", tests, NULL, NULL);
}
