/* fe_collect and fe_heap_collect: what is free goes back to the system, what is live stays. */
#include "tests/core/support.h"

enum { MOST = 1500000 };
static void *blocks[MOST];

#define FILLED ((is_slow() ? 40 : 200) * MIB)

/* Blocks of one size, which fill so much together, every byte written. */
static size_t fill_memory(fe_heap_t *heap, size_t size) {
  size_t count = FILLED / size;
  require(count <= MOST);
  for (size_t i = 0; i < count; i++) {
    blocks[i] = heap == NULL ? fe_malloc(size) : fe_heap_alloc(heap, size);
    require(blocks[i] != NULL);
    memset(blocks[i], 0x55, size);
  }
  return count;
}

static void assert_given_back(size_t peak, size_t size) {
  size_t now = resident_bytes();
  if (peak < now + FILLED / 4 * 3) {
    fail_msg("blocks of %zu bytes: resident memory was %zu bytes, and is %zu after the collect",
             size, peak, now);
  }
}

static const size_t sizes[] = {144, 1000, 8000, 32000, 100000, 1000000, 3000000, 6000000, 40000000};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

static void a_forced_collect_returns_the_memory_of_every_size(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    size_t count = fill_memory(NULL, sizes[i]);
    size_t peak = resident_bytes();
    for (size_t j = 0; j < count; j++) {
      fe_free(blocks[j]);
    }
    fe_collect(true);
    assert_given_back(peak, sizes[i]);
  }
}

static void a_forced_collect_returns_the_memory_of_a_heap(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    size_t count = fill_memory(heap, sizes[i]);
    size_t peak = resident_bytes();
    for (size_t j = 0; j < count; j++) {
      fe_heap_free(heap, blocks[j]);
    }
    fe_heap_collect(heap, true);
    assert_given_back(peak, sizes[i]);
  }
  fe_heap_destroy(heap);
}

static void the_memory_of_a_destroyed_heap_can_be_returned(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    fe_heap_t *heap = fe_heap_create(NULL);
    assert_non_null(heap);
    fill_memory(heap, sizes[i]);
    size_t peak = resident_bytes();
    fe_heap_destroy(heap);
    fe_collect(true);
    assert_given_back(peak, sizes[i]);
  }
}

static void free_handed(void *argument) {
  const size_t *count = argument;
  for (size_t i = 0; i < *count; i++) {
    fe_free(blocks[i]);
  }
}

static void memory_freed_by_another_thread_is_returned(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    size_t count = fill_memory(NULL, sizes[i]);
    size_t peak = resident_bytes();
    run_in_thread(free_handed, &count);
    fe_collect(true);
    assert_given_back(peak, sizes[i]);
  }
}

typedef struct order {
  size_t size;
  size_t count;
} order_t;

static void fill_for_others(void *argument) {
  order_t *order = argument;
  order->count = fill_memory(NULL, order->size);
}

/* What an ended thread left behind, and others freed, is nobody's any more. */
static void memory_of_an_ended_thread_is_returned(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    order_t order = {sizes[i], 0};
    run_in_thread(fill_for_others, &order);
    size_t peak = resident_bytes();
    free_handed(&order.count);
    fe_collect(true);
    assert_given_back(peak, sizes[i]);
  }
}

/* A collect, forced or not, at any moment: nothing live changes, and memory stays usable. */
static void live_blocks_stay(void **state) {
  (void)state;
  enum { COUNT = 3000 };
  static size_t block_sizes[COUNT];
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  random_source_t source = {5};
  for (int round = 0; round < 6; round++) {
    for (size_t i = 0; i < COUNT; i++) {
      block_sizes[i] = random_size(&source, i % 300 == 0 ? MIB : 3000);
      blocks[i] = i % 2 == 0 ? fe_malloc(block_sizes[i]) : fe_heap_alloc(heap, block_sizes[i]);
      assert_non_null(blocks[i]);
      pattern_fill(blocks[i], block_sizes[i], i);
    }
    for (size_t part = 0; part < 3; part++) {
      for (size_t i = part; i < COUNT; i += 3) {
        assert_true(pattern_holds(blocks[i], block_sizes[i], i));
        fe_free(blocks[i]);
      }
      fe_collect(round % 2 == 0);
      fe_heap_collect(heap, round % 2 == 0);
    }
    assert_int_equal(fe_heap_used_bytes(heap), 0);
  }
  fe_heap_destroy(heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_forced_collect_returns_the_memory_of_every_size),
      test_that(a_forced_collect_returns_the_memory_of_a_heap),
      test_that(the_memory_of_a_destroyed_heap_can_be_returned),
      test_that(memory_freed_by_another_thread_is_returned),
      test_that(memory_of_an_ended_thread_is_returned),
      test_that(live_blocks_stay),
  };
  return cmocka_run_group_tests_name("collect", tests, NULL, NULL);
}
