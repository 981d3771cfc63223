/* The runs of freed large blocks wait for the next blocks of as many units, and go back to whoever
 * asks for their memory.
 */
#include "tests/core/large_runs.h"
#include "tests/core/patience.h"
#include "tests/core/resize_ways.h"

/* -- Blocks that come and go -- */

static bool are_replaced_without_arenas(fe_heap_t *heap, size_t size) {
  fe_arenas_stats_t before = arenas_stats_of(NULL);
  for (size_t round = 0; round < 1000; round++) {
    void *block = fe_heap_alloc(heap, size - round % 100);
    require(block != NULL);
    fe_heap_free(heap, block);
  }
  fe_arenas_stats_t after = arenas_stats_of(NULL);
  return after.units_taken == before.units_taken &&
         after.units_given_back == before.units_given_back;
}

/* Whoever is kept from working for long may find that a tick came in between. */
static void a_block_that_is_replaced_takes_no_units(void **state) {
  (void)state;
  if (IS_CHECKED) skip();
  fe_heap_t *explicit = new_heap(NULL);
  const size_t sizes[] = {MEDIUM_MAX + 101, UNIT_BYTES, units(SOME), units(LONGEST)};
  for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
    fe_heap_t *heap = i % 2 == 0 ? explicit : fe_thread_heap();
    fe_heap_free(heap, new_block(heap, sizes[i / 2]));
    bool is_so = false;
    for (int turn = 0; !is_so && turn < 5; turn++) {
      is_so = are_replaced_without_arenas(heap, sizes[i / 2]);
    }
    assert_true(is_so);
  }
  fe_heap_destroy(explicit);
}

static void a_run_is_not_had_for_a_much_shorter_block(void **state) {
  (void)state;
  if (IS_CHECKED) skip();
  for (size_t longer = 1; longer <= LONGEST; longer++) {
    for (size_t shorter = 1; shorter <= longer; shorter++) {
      fe_heap_t *heap = new_heap(NULL);
      void *freed = new_block(heap, units(longer));
      fe_heap_free(heap, freed);
      size_t units_taken = arenas_stats_of(NULL).units_taken;
      void *block = new_block(heap, units(shorter));
      bool is_taken = arenas_stats_of(NULL).units_taken == units_taken;
      assert_int_equal(is_taken, longer - shorter <= (shorter + 4) / 8);
      if (is_taken) assert_ptr_equal(block, freed);
      fe_heap_destroy(heap);
    }
  }
}

/* Runs for smaller and larger blocks than the ones before, aligned as these were or otherwise. */
static void alignments_are_kept_to(void **state) {
  (void)state;
  enum { COUNT = 8 };
  random_source_t source = {random_seed()};
  fe_heap_t *heap = new_heap(NULL);
  char *blocks[COUNT] = {NULL};
  size_t sizes[COUNT] = {0};
  for (size_t step = 0; step < 4000; step++) {
    size_t i = random_below(&source, COUNT);
    size_t alignment = (size_t)16 << random_below(&source, FE_SHARD_SHIFT - 4);
    if (blocks[i] != NULL) assert_true(pattern_holds(blocks[i], sizes[i], i));
    fe_heap_free(heap, blocks[i]);
    sizes[i] = MEDIUM_MAX + 1 + random_below(&source, 2 * UNIT_BYTES);
    blocks[i] = fe_heap_aligned_alloc(heap, alignment, sizes[i]);
    assert_non_null(blocks[i]);
    assert_true(aligned_to(blocks[i], alignment));
    assert_true(fe_malloc_size(blocks[i]) >= sizes[i]);
    pattern_fill(blocks[i], sizes[i], i);
  }
  fe_heap_destroy(heap);
}

/* From a run that was all zeros when it was taken. */
static void calloc_gives_zeros(void **state) {
  (void)state;
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_mmap, NULL, 0);
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_t *heap = heap_with_run(context, SOME);
  for (int i = 0; i < 3; i++) {
    char *block = fe_heap_calloc(heap, 1, units(SOME) - 1000);
    assert_true(all_zero(block, fe_malloc_size(block)));
    pattern_fill(block, fe_malloc_size(block), 1);
    fe_heap_free(heap, block);
  }
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
}

/* Three blocks side by side, of which the one in the middle goes. */
static void a_block_grows_into_a_run_that_waits_behind_it(void **state) {
  (void)state;
  if (IS_CHECKED) skip();
  for (size_t way = 0; way < WAY_COUNT; way++) {
    fe_arenas_t *arenas = fe_arenas_create(&fe_base_mmap, NULL, 0);
    fe_context_t *context = fe_context_create(arenas);
    fe_heap_t *heap = new_heap(context);
    char *block = new_block(heap, units(2));
    char *behind = new_block(heap, units(2));
    new_block(heap, units(1));
    assert_in_range(behind - block, UNIT_BYTES, 3 * UNIT_BYTES);
    fe_heap_free(heap, behind);
    assert_waits(heap, 2);
    assert_ptr_equal(ways[way](heap, block, units(2), units(4)), block);
    assert_true(pattern_holds(block, units(2), units(2)));
    assert_waits(heap, 0);
    fe_heap_destroy(heap);
    assert_true(fe_context_destroy(context));
    assert_true(fe_arenas_destroy(arenas));
  }
}

/* -- Blocks that others free -- */

static void free_block(void *block) { fe_free(block); }

/* In an explicit heap it waits for the holder, then for the next block. In one that lives for good
 * it goes to the arenas, also if its run waited before. */
static void a_block_that_another_thread_freed_comes_back(void **state) {
  (void)state;
  fe_heap_t *heap = heap_with_run(NULL, SOME);
  size_t used_bytes = fe_heap_used_bytes(heap);
  void *block = new_block(heap, units(SOME));
  run_in_thread(free_block, block);
  assert_waits(heap, 0);
  assert_int_equal(fe_heap_used_bytes(heap), used_bytes);
  assert_waits(heap, SOME);
  void *next = new_block(heap, units(SOME));
  if (!IS_CHECKED) assert_ptr_equal(next, block);
  fe_heap_destroy(heap);

  block = new_block(fe_thread_heap(), units(SOME));
  fe_heap_free(fe_thread_heap(), block);
  next = new_block(fe_thread_heap(), units(SOME));
  if (!IS_CHECKED) assert_ptr_equal(next, block);
  size_t taken_bytes = arenas_stats_of(NULL).taken_bytes;
  run_in_thread(free_block, next);
  size_t given_bytes = taken_bytes - arenas_stats_of(NULL).taken_bytes;
  assert_in_range(given_bytes, units(SOME), (SOME + 1) * UNIT_BYTES);
}

/* -- Ways back -- */

static void collect_heap(void *heap) { fe_heap_collect(heap, false); }

static void trim(void *argument) {
  (void)argument;
  fe_trim();
}

static void collect_all(void *argument) {
  (void)argument;
  fe_collect(true);
}

static void trim_in_thread(void *argument) { run_in_thread(trim, argument); }

static void take_shard(void *heap) {
  for (size_t i = 0; i < 300; i++) require(fe_heap_alloc(heap, MEDIUM_MAX / 2) != NULL);
}

static void hand_over_and_trim(void *heap) {
  fe_heap_hand_over(heap);
  fe_trim();
  require(fe_heap_take_over(heap));
}

/* Blocks that never wait: at each there is a look at the clock. */
static void work_until_a_tick(void *heap) {
  while (waiting_bytes(heap) > 0) {
    fe_heap_free(heap, new_block(heap, units(UNITS_PER_SLAB + 1)));
    usleep(10 * 1000);
  }
}

/* With a heap of its own. */
static void work_elsewhere(void *heap) {
  while (waiting_bytes(heap) > 0) use(NULL);
}

static void have_another_thread_work(void *heap) { run_in_thread(work_elsewhere, heap); }

static void what_waits_goes_back(void **state) {
  (void)state;
  void (*const back[])(void *heap) = {collect_heap,      trim,
                                      collect_all,       trim_in_thread,
                                      take_shard,        hand_over_and_trim,
                                      work_until_a_tick, have_another_thread_work};
  for (size_t i = 0; i < sizeof back / sizeof *back; i++) {
    fe_collect(true); /* no heap watches any more */
    fe_heap_t *heap = heap_with_run(NULL, SOME);
    assert_waits(heap, SOME);
    back[i](heap);
    assert_waits(heap, 0);
    fe_heap_destroy(heap);
  }
}

/* Two runs of the longest, or a sixteenth of what lives; also when less and less does. */
static void not_much_waits(void **state) {
  (void)state;
  enum { COUNT = 90 };
  void *blocks[COUNT];
  fe_heap_t *heap = new_heap(NULL);
  for (size_t i = 0; i < COUNT; i++) blocks[i] = new_block(heap, units(LONGEST));
  for (size_t i = 0; i < COUNT; i++) {
    fe_heap_free(heap, blocks[i]);
    size_t waits = waiting_bytes(heap);
    size_t share = (fe_heap_used_bytes(heap) + waits + units(LONGEST)) / 16;
    size_t least = (2 * LONGEST + 4) * UNIT_BYTES;
    assert_in_range(waits, 0, share > least ? share : least);
  }
  fe_heap_destroy(heap);
}

/* So few slow calls come between two ticks that the holder is seen to be at work. */
static void a_run_of_no_use_goes_back_while_another_is_used(void **state) {
  (void)state;
  fe_collect(true); /* no heap watches any more */
  fe_heap_t *heap = heap_with_run(NULL, SOME);
  while (waiting_bytes(heap) > 2 * UNIT_BYTES) {
    fe_heap_free(heap, new_block(heap, units(2)));
    usleep(10 * 1000);
  }
  assert_waits(heap, 2);
  fe_heap_destroy(heap);
}

static void what_waits_ends_with_its_heap(void **state) {
  (void)state;
  size_t taken_bytes = arenas_stats_of(NULL).taken_bytes;
  fe_heap_destroy(heap_with_run(NULL, SOME));
  assert_int_equal(arenas_stats_of(NULL).taken_bytes, taken_bytes);
}

/* All of a region is had, by the heap itself or by another one. */
static void what_waits_is_had_before_a_request_is_refused(void **state) {
  (void)state;
  static char region[(LONGEST + 20) * UNIT_BYTES];
  for (int is_own = 0; is_own < 2; is_own++) {
    fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, region, sizeof region);
    fe_context_t *context = fe_context_create(arenas);
    fe_heap_t *other = new_heap(context);
    fe_heap_t *heap = heap_with_run(context, SOME);
    while (fe_heap_alloc(is_own ? heap : other, units(1)) != NULL) {
    }
    assert_waits(heap, 0);
    if (!IS_CHECKED) assert_int_equal(arenas_stats_of(arenas).longest_free_run_bytes, 0);
    fe_heap_destroy(other);
    fe_heap_destroy(heap);
    assert_true(fe_context_destroy(context));
    assert_true(fe_arenas_destroy(arenas));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_block_that_is_replaced_takes_no_units),
      test_that(a_run_is_not_had_for_a_much_shorter_block),
      test_that(alignments_are_kept_to),
      test_that(calloc_gives_zeros),
      test_that(a_block_grows_into_a_run_that_waits_behind_it),
      test_that(a_block_that_another_thread_freed_comes_back),
      test_that_ends(what_waits_goes_back),
      test_that(not_much_waits),
      test_that_ends(a_run_of_no_use_goes_back_while_another_is_used),
      test_that(what_waits_ends_with_its_heap),
      test_that(what_waits_is_had_before_a_request_is_refused),
  };
  return cmocka_run_group_tests_name("large_bins", tests, NULL, NULL);
}
