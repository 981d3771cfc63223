/* fe_heap_resize: one function to allocate, free and resize, in the shape of lua_Alloc. */
#include "tests/core/figures.h"

static const size_t ladder[] = {1,     7,      8,       9,       16,      17,     24,    40,
                                48,    56,     64,      65,      100,     128,    129,   500,
                                1024,  1025,   2000,    4096,    10000,   32768,  32769, 60000,
                                70000, 200000, 1500000, 3932160, 4200000, 9000000};
enum { LADDER_COUNT = sizeof(ladder) / sizeof(ladder[0]) };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static fe_heap_t *heap_of_granule(size_t granule) {
  fe_heap_options_t options = {.granule = granule};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  return heap;
}

/* Lua passes the type of the new object as old_size when there is no block yet. */
static void without_a_block_the_old_size_is_a_tag(void **state) {
  (void)state;
  static const size_t tags[] = {0, 1, 4, 5, 6, 7, 8, 9, 16, 1000000, SIZE_MAX};
  fe_heap_t *heap = heap_of_granule(8);
  for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
    for (size_t j = 0; j < LADDER_COUNT; j++) {
      void *block = fe_heap_resize(heap, NULL, tags[i], ladder[j]);
      assert_non_null(block);
      assert_true(aligned_to(block, 8));
      assert_true(fe_heap_contains(heap, block));
      assert_true(fe_heap_used_bytes(heap) >= ladder[j]);
      pattern_fill(block, smaller(ladder[j], 5000), j);
      assert_true(pattern_holds(block, smaller(ladder[j], 5000), j));
      assert_null(fe_heap_resize(heap, block, ladder[j], 0));
      assert_int_equal(fe_heap_used_bytes(heap), 0);
    }
    assert_null(fe_heap_resize(heap, NULL, tags[i], 0));
  }
  fe_heap_destroy(heap);
}

static void content_is_kept_from_every_size_to_every_other(void **state) {
  (void)state;
  for (size_t granule = 8; granule <= 16; granule += 8) {
    fe_heap_t *heap = heap_of_granule(granule);
    for (size_t i = 0; i < LADDER_COUNT; i++) {
      for (size_t j = 0; j < LADDER_COUNT; j++) {
        void *block = fe_heap_resize(heap, NULL, 0, ladder[i]);
        assert_non_null(block);
        pattern_fill(block, ladder[i], i);
        block = fe_heap_resize(heap, block, ladder[i], ladder[j]);
        assert_non_null(block);
        assert_true(aligned_to(block, granule));
        if (!pattern_holds(block, smaller(ladder[i], ladder[j]), i)) {
          fail_msg("content lost from %zu to %zu bytes", ladder[i], ladder[j]);
        }
        pattern_fill(block, ladder[j], j);
        assert_null(fe_heap_resize(heap, block, ladder[j], 0));
      }
    }
    assert_int_equal(fe_heap_used_bytes(heap), 0);
    fe_heap_destroy(heap);
  }
}

/* A block is resized again and again among its neighbours, always with the last size. */
static void sizes_follow_each_other(size_t granule) {
  enum { BLOCKS = 300, STEPS = 60000 };
  static struct {
    void *block;
    size_t size;
    uint64_t seed;
  } live[BLOCKS];
  memset(live, 0, sizeof(live));
  fe_heap_t *heap = heap_of_granule(granule);
  random_source_t source = {granule + 1};
  for (size_t step = 0; step < rounds_of(STEPS); step++) {
    size_t i = random_below(&source, BLOCKS);
    size_t size = random_below(&source, 4) == 0
                      ? 0
                      : random_size(&source, random_below(&source, 100) == 0 ? MIB : 2000);
    void *block =
        fe_heap_resize(heap, live[i].block, live[i].block == NULL ? step % 10 : live[i].size, size);
    assert_true((block == NULL) == (size == 0));
    assert_true(pattern_holds(block, smaller(size, live[i].block == NULL ? 0 : live[i].size),
                              live[i].seed));
    live[i].block = block;
    live[i].size = size;
    live[i].seed = step;
    pattern_fill(block, size, step);
  }
  for (size_t i = 0; i < BLOCKS; i++) {
    assert_true(pattern_holds(live[i].block, live[i].size, live[i].seed));
    assert_null(fe_heap_resize(heap, live[i].block, live[i].size, 0));
  }
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

static void sizes_follow_each_other_at_granule_8(void **state) {
  (void)state;
  sizes_follow_each_other(8);
}

static void sizes_follow_each_other_at_granule_16(void **state) {
  (void)state;
  sizes_follow_each_other(16);
}

static void without_a_heap_the_thread_heap_serves(void **state) {
  (void)state;
  for (size_t i = 0; i < LADDER_COUNT; i++) {
    void *block = fe_heap_resize(NULL, NULL, 5, ladder[i]);
    assert_non_null(block);
    assert_true(fe_heap_contains(fe_thread_heap(), block));
    pattern_fill(block, ladder[i], i);
    block = fe_heap_resize(NULL, block, ladder[i], ladder[i] * 2);
    assert_non_null(block);
    assert_true(pattern_holds(block, ladder[i], i));
    assert_null(fe_heap_resize(NULL, block, ladder[i] * 2, 0));
  }
  assert_null(fe_heap_resize(NULL, NULL, 5, 0));
}

/* Blocks of the heap's other functions may be resized too, with the size last asked for. */
static void blocks_of_the_other_functions_may_be_resized(void **state) {
  (void)state;
  for (size_t granule = 8; granule <= 16; granule += 8) {
    fe_heap_t *heap = heap_of_granule(granule);
    for (size_t i = 0; i < LADDER_COUNT; i++) {
      for (size_t j = 0; j < LADDER_COUNT; j++) {
        void *block =
            i % 2 == 0 ? fe_heap_alloc(heap, ladder[i]) : fe_heap_calloc(heap, 1, ladder[i]);
        assert_non_null(block);
        block = fe_heap_realloc(heap, block, ladder[j]);
        assert_non_null(block);
        pattern_fill(block, ladder[j], j);
        block = fe_heap_resize(heap, block, ladder[j], ladder[i]);
        assert_non_null(block);
        assert_true(pattern_holds(block, smaller(ladder[i], ladder[j]), j));
        pattern_fill(block, ladder[i], i);
        if (j % 2 == 0) {
          fe_free(block);
        } else {
          assert_null(fe_heap_resize(heap, block, ladder[i], 0));
        }
      }
    }
    assert_int_equal(fe_heap_used_bytes(heap), 0);
    fe_heap_destroy(heap);
  }
}

/* A shrink gives a block even when the limit leaves no room for a smaller one, and the block that
 * stayed where it was can be shrunk, grown and freed with its new size. */
static void a_shrink_never_fails(void **state) {
  (void)state;
  for (size_t granule = 8; granule <= 16; granule += 8) {
    for (size_t i = 1; i < LADDER_COUNT; i++) {
      for (size_t j = 0; j < i; j++) {
        fe_heap_t *heap = heap_of_granule(granule);
        void *block = fe_heap_resize(heap, NULL, 0, ladder[i]);
        assert_non_null(block);
        pattern_fill(block, ladder[i], i);
        fe_heap_set_limit(heap, 1);
        block = fe_heap_resize(heap, block, ladder[i], ladder[j]);
        assert_non_null(block);
        assert_true(pattern_holds(block, ladder[j], i));
        if (ladder[j] > 1) {
          block = fe_heap_resize(heap, block, ladder[j], ladder[j] / 2);
          assert_non_null(block);
          assert_true(pattern_holds(block, ladder[j] / 2, i));
          block = fe_heap_resize(heap, block, ladder[j] / 2, ladder[j] / 2);
          assert_non_null(block);
        }
        fe_heap_set_limit(heap, 0);
        size_t now = ladder[j] > 1 ? ladder[j] / 2 : 1;
        block = fe_heap_resize(heap, block, now, now + 30);
        assert_non_null(block);
        assert_true(pattern_holds(block, now, i));
        assert_null(fe_heap_resize(heap, block, now + 30, 0));
        assert_int_equal(fe_heap_used_bytes(heap), 0);
        fe_heap_destroy(heap);
      }
    }
  }
}

/* Which blocks of `index` come and go through fe_heap_resize, and which through the others. */
typedef bool (*mixture_t)(size_t index);
static bool one_in_700(size_t index) { return index % 700 == 0; }
static bool every_second(size_t index) { return index % 2 == 0; }
static bool all(size_t index) { return index != SIZE_MAX; }
static bool none(size_t index) { return index == SIZE_MAX; }

static void *alloc_by_family(fe_heap_t *heap, size_t size, bool by_resize) {
  void *block = by_resize ? fe_heap_resize(heap, NULL, 0, size) : fe_heap_alloc(heap, size);
  assert_non_null(block);
  return block;
}

static void free_by_family(fe_heap_t *heap, void *block, size_t size, bool by_resize) {
  if (by_resize) {
    assert_null(fe_heap_resize(heap, block, size, 0));
  } else {
    fe_heap_free(heap, block);
  }
}

/* A block of both families, and one that is freed by a pointer into it, are counted alike: the last
 * one to be freed empties its shard, which is given back. */
static void families_may_be_mixed(void **state) {
  (void)state;
  enum { COUNT = 20000, SIZE = 64 };
  static void *blocks[COUNT];
  static const mixture_t mixtures[] = {one_in_700, every_second, all, none};
  enum { MIXTURES = sizeof(mixtures) / sizeof(mixtures[0]) };
  for (size_t i = 0; i < MIXTURES * MIXTURES * 2; i++) {
    mixture_t takes = mixtures[i % MIXTURES];
    mixture_t frees = mixtures[i / MIXTURES % MIXTURES];
    fe_heap_t *heap = heap_of_granule(16);
    void *aligned = NULL;
    for (size_t j = 0; j < COUNT; j++) {
      blocks[j] = alloc_by_family(heap, SIZE, takes(j));
      if (j == COUNT / 2 && i >= MIXTURES * MIXTURES) {
        aligned = fe_heap_aligned_alloc(heap, 32, 48);
        assert_non_null(aligned);
      }
    }
    assert_true(stats_of(heap).shard_count >= COUNT * SIZE / UNIT_BYTES);
    free_by_family(heap, aligned, 48, aligned != NULL);
    for (size_t j = 0; j < COUNT; j++) free_by_family(heap, blocks[j], SIZE, frees(j));
    assert_int_equal(fe_heap_used_bytes(heap), 0);
    /* One of each class may stay; the aligned block may have been of another one. */
    assert_in_range(stats_of(heap).shard_count, 0, aligned != NULL ? 2 : 1);
    fe_heap_destroy(heap);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(families_may_be_mixed),
      test_that(without_a_block_the_old_size_is_a_tag),
      test_that(content_is_kept_from_every_size_to_every_other),
      test_that(sizes_follow_each_other_at_granule_8),
      test_that(sizes_follow_each_other_at_granule_16),
      test_that(without_a_heap_the_thread_heap_serves),
      test_that(blocks_of_the_other_functions_may_be_resized),
      test_that(a_shrink_never_fails),
  };
  return cmocka_run_group_tests_name("heap_resize", tests, NULL, NULL);
}
