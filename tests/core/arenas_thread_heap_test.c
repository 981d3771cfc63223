/* fe_arenas_thread_heap: a heap for each thread on arenas of the program's own, handed on from
 * thread to thread.
 */
#include <limits.h>

#include "tests/core/checking_base.h"
#include "tests/core/thread_heaps.h"

/* -- Whose heap it is --------------------------------------------------------------------------
 */

static void the_same_heap_comes_again(void **state) {
  (void)state;
  fe_arenas_t *arenas = arenas_on_region();
  fe_heap_t *heap = own_heap(arenas);
  assert_ptr_not_equal(heap, fe_thread_heap());
  for (size_t i = 0; i < 1000; i++) {
    char *block = fe_heap_alloc(own_heap(arenas), i);
    assert_non_null(block);
    assert_true(is_in_region(block, i));
    assert_true(fe_heap_contains(heap, block));
    fe_heap_free(own_heap(arenas), block);
    assert_ptr_equal(own_heap(arenas), heap);
  }
  assert_int_equal(sum_of(arenas).heap_count, 1);
  assert_true(fe_arenas_destroy(arenas));
}

static void without_arenas_it_is_the_threads_ordinary_heap(void **state) {
  (void)state;
  assert_ptr_equal(fe_arenas_thread_heap(NULL), fe_thread_heap());
}

static void threads_at_the_same_time_have_heaps_of_their_own(void **state) {
  (void)state;
  fe_arenas_t *arenas = arenas_on_region();
  assert_int_equal(pthread_barrier_init(&all_are_here, NULL, TOGETHER), 0);
  report_t reports[TOGETHER + 1];
  extent_t extents[TOGETHER + 1];
  pthread_t threads[TOGETHER];
  reports[TOGETHER].heap = own_heap(arenas);
  for (int round = 0; round < 20; round++) {
    for (size_t i = 0; i < TOGETHER; i++) {
      reports[i].arenas = arenas;
      assert_int_equal(pthread_create(&threads[i], NULL, note_heap_together, &reports[i]), 0);
    }
    for (size_t i = 0; i < TOGETHER; i++) pthread_join(threads[i], NULL);
    assert_ptr_equal(own_heap(arenas), reports[TOGETHER].heap);
    for (size_t i = 0; i <= TOGETHER; i++) {
      extents[i] = (extent_t){(const char *)reports[i].heap, 0};
    }
    assert_disjoint(extents, TOGETHER + 1);
    assert_true(sum_of(arenas).heap_count <= TOGETHER + 1);
  }
  pthread_barrier_destroy(&all_are_here);
  assert_true(fe_arenas_destroy(arenas));
}

static void require_no_destroy(void *heap) {
  fe_heap_destroy(heap);
  require(errno == EINVAL);
}

static void require_no_hand_over(void *heap) {
  fe_heap_hand_over(heap);
  require(errno == EINVAL);
}

static void it_is_neither_destroyed_nor_handed_over(void **state) {
  (void)state;
  fe_arenas_t *arenas = arenas_on_region();
  fe_heap_t *heap = own_heap(arenas);
  assert_child_says(require_no_destroy, heap, "fe_heap_destroy", "thread", NULL);
  assert_child_says(require_no_hand_over, heap, "fe_heap_hand_over", "thread", NULL);
  assert_false(fe_heap_take_over(heap));
  assert_true(fe_arenas_destroy(arenas));
}

/* -- From thread to thread ---------------------------------------------------------------------
 */

static void a_later_thread_goes_on_with_it(void **state) {
  (void)state;
  fe_arenas_t *arenas = arenas_on_region();
  report_t report = {.arenas = arenas};
  run_in_thread(leave_blocks, &report);
  fe_heap_t *heap = report.heap;
  run_in_thread(note_heap, &(report_t){.arenas = NULL}); /* an ordinary one, which is another's */
  for (int i = 0; i < 50; i++) {
    run_in_thread(note_heap, &report);
    assert_ptr_equal(report.heap, heap);
  }
  free_blocks(&report);
  assert_ptr_equal(own_heap(arenas), heap);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  assert_true(fe_arenas_destroy(arenas));
}

static void it_ends_when_nothing_lives_in_it(void **state) {
  (void)state;
  fe_arenas_t *arenas = arenas_on_region();
  report_t report = {.arenas = arenas};
  run_in_thread(note_heap, &report);
  assert_int_equal(heap_count(arenas), 0);
  run_in_thread(leave_blocks, &report);
  assert_int_equal(heap_count(arenas), 1);
  run_in_thread(free_blocks, &report);
  assert_int_equal(heap_count(arenas), 0);
  assert_int_equal(arenas_stats_of(arenas).taken_bytes, 0);
  assert_true(fe_arenas_destroy(arenas));
}

static void set_limit(void *argument) {
  note_heap(argument);
  fe_heap_set_limit(((report_t *)argument)->heap, 1000);
  require(fe_heap_alloc(((report_t *)argument)->heap, 2000) == NULL);
}

static void a_limit_ends_with_its_thread(void **state) {
  (void)state;
  report_t report = {.arenas = arenas_on_region()};
  run_in_thread(set_limit, &report);
  fe_heap_t *heap = own_heap(report.arenas);
  assert_ptr_equal(heap, report.heap);
  assert_int_equal(fe_heap_limit(heap), 0);
  assert_true(fe_arenas_destroy(report.arenas));
}

/* More than a thread finds at once. */
enum { ARENAS = 9 };

typedef struct collection {
  fe_arenas_t *arenas[ARENAS];
  fe_heap_t *heaps[ARENAS];
} collection_t;

static void use_all(void *argument) {
  collection_t *all = argument;
  random_source_t source = {1};
  bool is_known[ARENAS] = {false};
  for (int step = 0; step < 2000; step++) {
    size_t i = random_below(&source, ARENAS);
    fe_heap_t *heap = own_heap(all->arenas[i]);
    require(!is_known[i] || heap == all->heaps[i]);
    is_known[i] = true;
    all->heaps[i] = heap;
    char *block = fe_heap_alloc(heap, 100);
    require(block != NULL && fe_heap_contains(heap, block));
    fe_heap_free(own_heap(all->arenas[(i + 1) % ARENAS]), block);
    all->heaps[(i + 1) % ARENAS] = own_heap(all->arenas[(i + 1) % ARENAS]);
    is_known[(i + 1) % ARENAS] = true;
  }
}

static void a_thread_may_have_many(void **state) {
  (void)state;
  collection_t all;
  extent_t extents[ARENAS];
  for (size_t i = 0; i < ARENAS; i++) all.arenas[i] = arenas_on_kernel();
  run_in_thread(use_all, &all);
  collection_t before = all;
  run_in_thread(use_all, &all); /* each goes on with the one on the same arenas */
  assert_memory_equal(all.heaps, before.heaps, sizeof all.heaps);
  use_all(&all);
  assert_memory_equal(all.heaps, before.heaps, sizeof all.heaps);
  for (size_t i = 0; i < ARENAS; i++) extents[i] = (extent_t){(const char *)all.heaps[i], 0};
  assert_disjoint(extents, ARENAS);
  /* The end of some leaves the others. */
  for (size_t i = 0; i < ARENAS; i += 2) assert_true(fe_arenas_destroy(all.arenas[i]));
  for (size_t i = 1; i < ARENAS; i += 2) {
    assert_ptr_equal(own_heap(all.arenas[i]), before.heaps[i]);
    assert_true(fe_arenas_destroy(all.arenas[i]));
  }
}

static pthread_key_t late_key;
static fe_arenas_t *late_arenas;

/* Runs when the thread's heaps may already have been handed on. */
static void allocate_late(void *block) {
  require(pattern_holds(block, 500, 9));
  fe_heap_free(own_heap(late_arenas), block);
}

static void end_with_a_late_destructor(void *argument) {
  (void)argument;
  char *block = fe_heap_alloc(own_heap(late_arenas), 500);
  require(block != NULL);
  pattern_fill(block, 500, 9);
  require(pthread_setspecific(late_key, block) == 0);
}

static void destructors_at_the_thread_end_may_still_ask(void **state) {
  (void)state;
  late_arenas = arenas_on_region();
  run_in_thread(note_heap, &(report_t){.arenas = late_arenas}); /* ferroc's key comes first */
  assert_int_equal(pthread_key_create(&late_key, allocate_late), 0);
  for (int round = 0; round < 200; round++) run_in_thread(end_with_a_late_destructor, NULL);
  assert_true(sum_of(late_arenas).heap_count <= 1);
  pthread_key_delete(late_key);
  assert_true(fe_arenas_destroy(late_arenas));
}

/* In each round, beside the thread's own heap. */
static void end_arenas_late(void *round) {
  fe_arenas_t *arenas = arenas_on_region();
  fe_heap_free(own_heap(arenas), fe_heap_alloc(own_heap(arenas), 500));
  fe_free(fe_malloc(500));
  require(fe_arenas_destroy(arenas));
  require(pthread_setspecific(late_key, (char *)round + 1) == 0);
}

static void end_with_arenas(void *rounds) {
  fe_free(fe_malloc(500));
  require(pthread_setspecific(late_key, rounds) == 0);
}

static void destructors_at_the_thread_end_may_end_arenas(void **state) {
  (void)state;
  if (HAS_SANITIZER_MEMORY) skip(); /* for it the thread is over in the last round */
  static char rounds[PTHREAD_DESTRUCTOR_ITERATIONS + 1];
  fe_free(fe_malloc(1)); /* ferroc's key comes first */
  size_t before = heap_count(NULL);
  assert_int_equal(pthread_key_create(&late_key, end_arenas_late), 0);
  for (int i = 0; i < 100; i++) run_in_thread(end_with_arenas, rounds);
  pthread_key_delete(late_key);
  assert_int_equal(heap_count(NULL), before);
}

/* -- Blocks ------------------------------------------------------------------------------------
 */

static void blocks_freed_by_other_threads_come_back(void **state) {
  (void)state;
  report_t report = {.arenas = arenas_on_region()};
  for (int round = 0; round < 100; round++) {
    leave_blocks(&report);
    run_in_thread(free_blocks, &report);
  }
  assert_int_equal(fe_heap_used_bytes(report.heap), 0);
  assert_int_equal(sum_of(report.arenas).heap_count, 1);
  assert_true(fe_arenas_destroy(report.arenas));
}

static void shrink_in_own_heap(void *argument) {
  report_t *report = argument;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    char *block = fe_heap_realloc(own_heap(report->arenas), report->blocks[i], sizes[i] - 1);
    require(block != NULL && (IS_CHECKED || block == report->blocks[i]));
    require(is_in_region(block, sizes[i] - 1) && pattern_holds(block, sizes[i] - 1, i));
    report->blocks[i] = block;
  }
}

/* Among threads' heaps a block may stay where it is, if these stand on the same arenas. */
static void a_reallocation_keeps_a_block_on_its_arenas(void **state) {
  (void)state;
  report_t report = {.arenas = arenas_on_region()};
  leave_blocks(&report);
  run_in_thread(shrink_in_own_heap, &report);
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    char *block = fe_realloc(report.blocks[i], sizes[i] - 1);
    assert_non_null(block);
    assert_false(is_in_region(block, 1));
    assert_true(pattern_holds(block, sizes[i] - 1, i));
    block = fe_heap_realloc(report.heap, block, sizes[i] - 1);
    assert_non_null(block);
    assert_true(is_in_region(block, sizes[i] - 1));
    assert_true(pattern_holds(block, sizes[i] - 1, i));
    fe_free(block);
  }
  assert_true(fe_arenas_destroy(report.arenas));
}

static void a_trim_leaves_nothing_that_is_free(void **state) {
  (void)state;
  report_t report = {.arenas = arenas_on_kernel()};
  for (size_t i = 0; i < 50; i++) {
    leave_blocks(&report);
    free_blocks(&report);
  }
  fe_trim();
  assert_int_equal(arenas_stats_of(report.arenas).taken_bytes, UNIT_BYTES); /* the heap itself */
  assert_true(fe_arenas_destroy(report.arenas));
}

/* -- No memory ---------------------------------------------------------------------------------
 */

static void require_no_heap(void *arenas) {
  errno = 0;
  require(fe_arenas_thread_heap(arenas) == NULL);
  require(errno == ENOMEM);
}

static void a_full_region_has_no_room_for_it(void **state) {
  (void)state;
  fe_arenas_t *arenas = arenas_on_region();
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_t *heap = new_heap(context);
  static void *blocks[REGION_BYTES / MEDIUM_MAX + 1];
  size_t count = 0;
  while ((blocks[count] = fe_heap_alloc(heap, MEDIUM_MAX - TRAILER)) != NULL) count++;
  require_no_heap(arenas);
  run_in_thread(require_no_heap, arenas);
  while (count > 0) fe_heap_free(heap, blocks[--count]);
  fe_heap_collect(heap, false);
  assert_non_null(fe_arenas_thread_heap(arenas));
  run_in_thread(note_heap, &(report_t){.arenas = arenas});
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
}

/* The n-th call of the base fails, for each n up to that which none reaches any more. */
static void each_call_of_the_base_may_fail(void **state) {
  (void)state;
  checking_base_t checking;
  size_t refusals = 0;
  bool is_reached = true;
  for (size_t n = 1; is_reached; n++) {
    checking_base_init(&checking, 4096);
    report_t report = {.arenas = fe_arenas_create(&checking.base, NULL, 0)};
    assert_non_null(report.arenas);
    checking.failing_call = n;
    checking.fails_for_good = true;
    report.heap = fe_arenas_thread_heap(report.arenas);
    is_reached = checking.failing_call == 1;
    if (report.heap == NULL) {
      assert_int_equal(errno, ENOMEM);
      refusals++;
    }
    checking.failing_call = 0;
    run_in_thread(leave_blocks, &report);
    free_blocks(&report);
    assert_non_null(fe_arenas_thread_heap(report.arenas));
    assert_true(fe_arenas_destroy(report.arenas));
    checking_base_end(&checking);
  }
  assert_true(refusals > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(the_same_heap_comes_again),
      test_that(without_arenas_it_is_the_threads_ordinary_heap),
      test_that(threads_at_the_same_time_have_heaps_of_their_own),
      test_that(it_is_neither_destroyed_nor_handed_over),
      test_that(a_later_thread_goes_on_with_it),
      test_that(it_ends_when_nothing_lives_in_it),
      test_that(a_limit_ends_with_its_thread),
      test_that(a_thread_may_have_many),
      test_that(destructors_at_the_thread_end_may_still_ask),
      test_that(destructors_at_the_thread_end_may_end_arenas),
      test_that(blocks_freed_by_other_threads_come_back),
      test_that(a_reallocation_keeps_a_block_on_its_arenas),
      test_that(a_trim_leaves_nothing_that_is_free),
      test_that(a_full_region_has_no_room_for_it),
      test_that(each_call_of_the_base_may_fail),
  };
  return cmocka_run_group_tests_name("arenas_thread_heap", tests, NULL, NULL);
}
