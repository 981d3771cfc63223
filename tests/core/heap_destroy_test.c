/* fe_heap_destroy: live blocks of all size types go with the heap, and what it took is used again:
 * neither resident memory nor address space grows with the number of heaps that came and went.
 */
#include "tests/core/support.h"

/* A heap with blocks of many sizes; now and then a large, seldom a huge one. */
static fe_heap_t *heap_with_blocks(size_t number) {
  fe_heap_options_t options = {.granule = number % 2 == 0 ? 8 : 16};
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  for (size_t i = 0; i < 15; i++) {
    size_t size = 1 + (number * 37 + i * i * 29) % 3000;
    char *block = fe_heap_alloc(heap, size);
    require(block != NULL);
    block[0] = block[size - 1] = (char)i;
  }
  if (number % 20 == 0) {
    char *large = fe_heap_alloc(heap, 40000 + number % 900000);
    require(large != NULL);
    large[0] = large[39999] = 1;
  }
  if (number % 500 == 0) {
    char *huge = fe_heap_alloc(heap, 6 * MIB);
    require(huge != NULL);
    huge[0] = huge[6 * MIB - 1] = 1;
  }
  return heap;
}

static void assert_bounded(size_t resident_before, size_t mapped_before) {
  if (is_emulated()) return;
  size_t resident = resident_bytes();
  size_t mapped = mapped_bytes();
  if (resident > resident_before + 24 * MIB || mapped > mapped_before + 64 * MIB) {
    fail_msg("resident memory went from %zu to %zu bytes, mapped memory from %zu to %zu",
             resident_before, resident, mapped_before, mapped);
  }
}

static void many_thousand_heaps_leave_nothing_behind(void **state) {
  (void)state;
  size_t resident = 0;
  size_t mapped = 0;
  for (size_t number = 0; number < 4000 + rounds_of(96000); number++) {
    if (number == 2000) {
      resident = resident_bytes();
      mapped = mapped_bytes();
    }
    fe_heap_destroy(heap_with_blocks(number));
  }
  assert_bounded(resident, mapped);
}

/* A window of live heaps, of which the oldest goes when a new one comes. */
static void overlapping_lifetimes_leave_nothing_behind(void **state) {
  (void)state;
  enum { WINDOW = 50 };
  static fe_heap_t *window[WINDOW];
  size_t resident = 0;
  size_t mapped = 0;
  for (size_t number = 0; number < 4000 + rounds_of(16000); number++) {
    if (number == 2000) {
      resident = resident_bytes();
      mapped = mapped_bytes();
    }
    size_t slot = number * 7 % WINDOW;
    fe_heap_destroy(window[slot]);
    window[slot] = heap_with_blocks(number);
  }
  assert_bounded(resident, mapped);
  for (size_t slot = 0; slot < WINDOW; slot++) {
    fe_heap_destroy(window[slot]);
  }
}

static void live_blocks_of_every_size_go_with_the_heap(void **state) {
  (void)state;
  static const size_t sizes[] = {1,      16,      100,     1000,    8000,    30000,
                                 100000, 1000000, 3900000, 5000000, 50000000};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    size_t count = 2 * MIB / sizes[i] > 2000 ? 2000 : 1 + 2 * MIB / sizes[i];
    size_t mapped = 0;
    for (size_t round = 0; round < 20 + rounds_of(40); round++) {
      fe_heap_t *heap = fe_heap_create(NULL);
      assert_non_null(heap);
      for (size_t j = 0; j < count; j++) {
        char *block = fe_heap_alloc(heap, sizes[i]);
        assert_non_null(block);
        block[0] = block[sizes[i] - 1] = 1;
      }
      fe_heap_destroy(heap);
      if (round == 10) {
        mapped = mapped_bytes();
      }
    }
    assert_true(mapped_bytes() <= mapped + 64 * MIB);
  }
}

static void free_every_other(void *argument) {
  void **blocks = argument;
  for (size_t i = 0; blocks[i] != NULL; i += 2) {
    fe_free(blocks[i]);
  }
}

/* Blocks that another thread freed, and the heap never took in, go with it too. */
static void blocks_freed_by_others_go_with_the_heap(void **state) {
  (void)state;
  enum { COUNT = 1000 };
  static void *blocks[COUNT + 2];
  size_t resident = 0;
  size_t mapped = 0;
  for (size_t round = 0; round < 100 + rounds_of(400); round++) {
    if (round == 50) {
      resident = resident_bytes();
      mapped = mapped_bytes();
    }
    fe_heap_t *heap = fe_heap_create(NULL);
    assert_non_null(heap);
    for (size_t i = 0; i < COUNT; i++) {
      blocks[i] = fe_heap_alloc(heap, i % 100 == 0 ? 50000 : 1 + i * 3);
      assert_non_null(blocks[i]);
    }
    run_in_thread(free_every_other, blocks);
    fe_heap_destroy(heap);
  }
  assert_bounded(resident, mapped);
}

static void make_and_end_heaps(void *argument) {
  size_t first = *(size_t *)argument;
  for (size_t number = first; number < first + 50; number++) {
    fe_heap_destroy(heap_with_blocks(number));
  }
}

static void heaps_of_ended_threads_leave_nothing_behind(void **state) {
  (void)state;
  size_t resident = 0;
  size_t mapped = 0;
  for (size_t round = 0; round < 100 + rounds_of(200); round++) {
    if (round == 50) {
      resident = resident_bytes();
      mapped = mapped_bytes();
    }
    run_in_thread(make_and_end_heaps, &round);
  }
  assert_bounded(resident, mapped);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(many_thousand_heaps_leave_nothing_behind),
      test_that(overlapping_lifetimes_leave_nothing_behind),
      test_that(live_blocks_of_every_size_go_with_the_heap),
      test_that(blocks_freed_by_others_go_with_the_heap),
      test_that(heaps_of_ended_threads_leave_nothing_behind),
  };
  return cmocka_run_group_tests_name("heap_destroy", tests, NULL, NULL);
}
