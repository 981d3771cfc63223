/* Heaps as values: allocate, reallocate, free and align in one; used_bytes; many heaps at once;
 * blocks that come home from other threads.
 */
#include "tests/core/support.h"

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* The most that a live block of this size may count. */
static size_t most_counted(size_t size, size_t granule) {
  size += TRAILER;
  size_t stepped = (size + granule - 1) / granule * granule;
  size_t eighth = size + size / 8;
  return size <= granule ? granule : stepped > eighth ? stepped : eighth;
}

/* Fills and checks the content, and compares used_bytes with the sum over a shadow list, while
 * blocks come and go in random order. */
static void blocks_come_and_go(size_t granule) {
  enum { SLOTS = 500, STEPS = 20000 };
  static struct {
    void *block;
    size_t size;
  } slots[SLOTS];
  memset(slots, 0, sizeof(slots));
  fe_heap_options_t options = {.granule = granule};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  random_source_t source = {granule};
  size_t least = 0;
  size_t most = 0;
  for (size_t step = 0; step < STEPS; step++) {
    size_t i = random_below(&source, SLOTS);
    if (slots[i].block == NULL) {
      slots[i].size = random_size(&source, random_below(&source, 50) == 0 ? 3 * MIB : 5000);
      slots[i].block = fe_heap_alloc(heap, slots[i].size);
      assert_non_null(slots[i].block);
      assert_true(aligned_to(slots[i].block, granule));
      pattern_fill(slots[i].block, smaller(slots[i].size, 20000), i);
      least += slots[i].size;
      most += most_counted(slots[i].size, granule);
    } else {
      assert_true(pattern_holds(slots[i].block, smaller(slots[i].size, 20000), i));
      fe_heap_free(heap, slots[i].block);
      slots[i].block = NULL;
      least -= slots[i].size;
      most -= most_counted(slots[i].size, granule);
    }
    if (step % 50 == 0) {
      size_t used = fe_heap_used_bytes(heap);
      if (used < least || used > most) {
        fail_msg("used_bytes is %zu, the blocks need %zu to %zu", used, least, most);
      }
    }
  }
  for (size_t i = 0; i < SLOTS; i++) {
    fe_heap_free(heap, slots[i].block);
  }
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

static void used_bytes_follows_the_blocks_at_granule_16(void **state) {
  (void)state;
  blocks_come_and_go(16);
}

static void used_bytes_follows_the_blocks_at_granule_8(void **state) {
  (void)state;
  blocks_come_and_go(8);
}

/* Each size on its own: counted while it lives, and no longer. */
static void used_bytes_is_right_for_every_size_type(void **state) {
  (void)state;
  for (size_t granule = 8; granule <= 16; granule += 8) {
    fe_heap_options_t options = {.granule = granule};
    fe_heap_t *heap = fe_heap_create(&options);
    assert_non_null(heap);
    for (size_t size = 0; size < 30 * MIB; size += 1 + size / 9) {
      void *block = fe_heap_alloc(heap, size);
      assert_non_null(block);
      size_t used = fe_heap_used_bytes(heap);
      if (used < size || used > most_counted(size, granule)) {
        fail_msg("%zu bytes count as %zu (granule %zu)", size, used, granule);
      }
      fe_heap_free(heap, block);
      assert_int_equal(fe_heap_used_bytes(heap), 0);
    }
    fe_heap_destroy(heap);
  }
}

static void every_function_gives_blocks_of_the_heap(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  for (size_t size = 1; size < 10 * MIB; size *= 6) {
    void *const blocks[] = {
        fe_heap_alloc(heap, size), fe_heap_calloc(heap, size, 1), fe_heap_realloc(heap, NULL, size),
        fe_heap_aligned_alloc(heap, 128, size), fe_heap_resize(heap, NULL, 0, size)};
    enum { COUNT = sizeof(blocks) / sizeof(blocks[0]) };
    for (size_t i = 0; i < COUNT; i++) {
      assert_non_null(blocks[i]);
      assert_true(fe_heap_contains(heap, blocks[i]));
      assert_true(fe_malloc_size(blocks[i]) >= size);
      pattern_fill(blocks[i], size, i);
    }
    for (size_t i = 0; i < COUNT; i++) {
      assert_true(pattern_holds(blocks[i], size, i));
    }
    fe_heap_free(heap, blocks[0]);
    fe_free(blocks[1]);
    assert_null(fe_heap_realloc(heap, blocks[2], 0));
    assert_null(fe_realloc(blocks[3], 0));
    assert_null(fe_heap_resize(heap, blocks[4], size, 0));
    assert_int_equal(fe_heap_used_bytes(heap), 0);
  }
  fe_heap_destroy(heap);
}

static void a_foreign_block_goes_home(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  fe_heap_t *other = fe_heap_create(NULL);
  assert_non_null(heap);
  assert_non_null(other);
  for (size_t size = 1; size < 10 * MIB; size *= 6) {
    void *block = fe_heap_alloc(other, size);
    assert_non_null(block);
    fe_heap_free(heap, block);
    assert_int_equal(fe_heap_used_bytes(other), 0);
    void *threads = fe_malloc(size);
    assert_non_null(threads);
    fe_heap_free(heap, threads);
  }
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
  fe_heap_destroy(other);
}

enum { HEAPS = 2000, BLOCKS_EACH = 12 };

static size_t size_of_block(size_t heap, size_t block) {
  return block == 0 && heap % 40 == 0 ? 100000 : 1 + (heap * 7 + block * 131) % 1500;
}

/* Heaps keep apart from each other, and go in any order. */
static void many_heaps_at_once(void **state) {
  (void)state;
  static fe_heap_t *heaps[HEAPS];
  static void *blocks[HEAPS][BLOCKS_EACH];
  for (size_t i = 0; i < HEAPS; i++) {
    fe_heap_options_t options = {.granule = i % 2 == 0 ? 8 : 16};
    heaps[i] = fe_heap_create(&options);
    assert_non_null(heaps[i]);
  }
  for (size_t j = 0; j < BLOCKS_EACH; j++) {
    for (size_t i = 0; i < HEAPS; i++) {
      blocks[i][j] = fe_heap_alloc(heaps[i], size_of_block(i, j));
      assert_non_null(blocks[i][j]);
      pattern_fill(blocks[i][j], size_of_block(i, j), i * BLOCKS_EACH + j);
    }
  }
  for (size_t n = 0; n < HEAPS; n++) {
    size_t i = (n * 1237) % HEAPS;
    for (size_t j = 0; j < BLOCKS_EACH; j++) {
      assert_true(fe_heap_contains(heaps[i], blocks[i][j]));
      fe_heap_t *neighbour = heaps[(i + 1) % HEAPS];
      assert_false(neighbour != NULL && fe_heap_contains(neighbour, blocks[i][j]));
      assert_true(pattern_holds(blocks[i][j], size_of_block(i, j), i * BLOCKS_EACH + j));
    }
    fe_heap_destroy(heaps[i]);
    heaps[i] = NULL;
  }
}

enum { HANDED = 3000 };

static void free_handed_blocks(void *argument) {
  void **blocks = argument;
  for (size_t i = 0; i < HANDED; i++) {
    fe_free(blocks[i]);
  }
}

static void blocks_freed_by_another_thread_come_home(void **state) {
  (void)state;
  static void *blocks[HANDED];
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  size_t mapped = 0;
  for (int round = 0; round < 30; round++) {
    for (size_t i = 0; i < HANDED; i++) {
      size_t size = i % 500 == 0 ? 60000 : 1 + i % 900;
      blocks[i] = fe_heap_alloc(heap, size);
      assert_non_null(blocks[i]);
      pattern_fill(blocks[i], size, i);
    }
    run_in_thread(free_handed_blocks, blocks);
    if (round == 5) {
      mapped = mapped_bytes();
    }
  }
  assert_true(mapped_bytes() <= mapped + 16 * MIB);
  fe_heap_collect(heap, false);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

/* One thread at a time, but not always the same. */
static void use_heap(void *argument) {
  fe_heap_t *heap = argument;
  void *blocks[200];
  for (size_t i = 0; i < 200; i++) {
    blocks[i] = fe_heap_alloc(heap, i * 11);
    require(blocks[i] != NULL);
    pattern_fill(blocks[i], i * 11, i);
  }
  for (size_t i = 0; i < 200; i++) {
    require(pattern_holds(blocks[i], i * 11, i));
    fe_heap_free(heap, blocks[i]);
  }
  require(fe_heap_used_bytes(heap) == 0);
}

static void end_heap(void *heap) { fe_heap_destroy(heap); }

static void a_heap_moves_between_threads(void **state) {
  (void)state;
  for (int round = 0; round < 50; round++) {
    fe_heap_t *heap = fe_heap_create(NULL);
    assert_non_null(heap);
    run_in_thread(use_heap, heap);
    use_heap(heap);
    run_in_thread(use_heap, heap);
    assert_non_null(fe_heap_alloc(heap, 100));
    run_in_thread(end_heap, heap);
  }
}

static void the_thread_heap_is_a_heap_too(void **state) {
  (void)state;
  fe_heap_t *heap = fe_thread_heap();
  assert_non_null(heap);
  assert_ptr_equal(fe_thread_heap(), heap);
  size_t before = fe_heap_used_bytes(heap);
  void *block = fe_malloc(100);
  assert_non_null(block);
  assert_true(fe_heap_contains(heap, block));
  assert_true(fe_heap_used_bytes(heap) >= before + 100);
  fe_heap_free(heap, block);
  block = fe_heap_alloc(heap, 5000);
  assert_non_null(block);
  fe_free(block);
  assert_int_equal(fe_heap_used_bytes(heap), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(used_bytes_follows_the_blocks_at_granule_16),
      test_that(used_bytes_follows_the_blocks_at_granule_8),
      test_that(used_bytes_is_right_for_every_size_type),
      test_that(every_function_gives_blocks_of_the_heap),
      test_that(a_foreign_block_goes_home),
      test_that(many_heaps_at_once),
      test_that(blocks_freed_by_another_thread_come_home),
      test_that(a_heap_moves_between_threads),
      test_that(the_thread_heap_is_a_heap_too),
  };
  return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
