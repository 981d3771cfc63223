/* Threads' heaps on arenas of the program's own, and the end of these: what keeps them, what ends
 * with them; in a forked child, and among many threads.
 */
#include "tests/core/thread_heaps.h"

/* -- The end of the arenas ---------------------------------------------------------------------
 */

static void require_busy(void *arenas) {
  errno = 0;
  require(!fe_arenas_destroy(arenas));
  require(errno == EBUSY);
}

static void assert_busy(fe_arenas_t *arenas) {
  assert_child_says(require_busy, arenas, "fe_arenas_destroy", "still stand", NULL);
}

/* Without a word on stderr where a child would not be the same. */
static void assert_busy_here(fe_arenas_t *arenas) {
  assert_true(fe_option_set("on_error", "silent"));
  require_busy(arenas);
  assert_true(fe_option_set("on_error", "report"));
}

static void heaps_of_ended_threads_end_with_the_arenas(void **state) {
  (void)state;
  for (int round = 0; round < 20; round++) {
    report_t report = {.arenas = arenas_on_region()}, reports[TOGETHER];
    assert_int_equal(pthread_barrier_init(&all_are_here, NULL, TOGETHER), 0);
    pthread_t threads[TOGETHER];
    for (size_t i = 0; i < TOGETHER; i++) {
      reports[i].arenas = report.arenas;
      assert_int_equal(pthread_create(&threads[i], NULL, note_heap_together, &reports[i]), 0);
    }
    for (size_t i = 0; i < TOGETHER; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&all_are_here);
    run_in_thread(leave_blocks, &report);
    assert_busy(report.arenas);
    run_in_thread(free_blocks, &report);
    assert_true(fe_arenas_destroy(report.arenas));
    assert_false(fe_owns(region + REGION_BYTES / 2));
  }
}

static void a_live_block_keeps_the_arenas(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    fe_arenas_t *arenas = i % 2 == 0 ? arenas_on_kernel() : arenas_on_region();
    fe_heap_t *heap = own_heap(arenas);
    char *block = fe_heap_alloc(heap, sizes[i]);
    assert_non_null(block);
    pattern_fill(block, sizes[i], i);
    assert_busy_here(arenas);
    assert_ptr_equal(own_heap(arenas), heap);
    assert_true(pattern_holds(block, sizes[i], i));
    fe_free(block);
    assert_true(fe_arenas_destroy(arenas));
  }
}

/* A refusal leaves the caller what it had. */
static void the_callers_heap_stays_if_the_arenas_do(void **state) {
  (void)state;
  fe_arenas_t *arenas = arenas_on_region();
  fe_heap_t *heap = own_heap(arenas);
  fe_context_t *context = fe_context_create(arenas);
  assert_non_null(context);
  assert_busy_here(arenas);
  assert_ptr_equal(own_heap(arenas), heap);
  fe_heap_t *child = fe_heap_create(&(fe_heap_options_t){.parent = heap});
  assert_non_null(child);
  assert_true(fe_context_destroy(context));
  assert_busy_here(arenas);
  char *block = fe_heap_alloc(heap, 100);
  assert_non_null(block);
  fe_heap_free(heap, block);
  fe_heap_destroy(child);
  assert_true(fe_arenas_destroy(arenas));
}

typedef struct held {
  report_t report;
  pthread_barrier_t is_there, may_go;
} held_t;

static void *hold(void *argument) {
  held_t *held = argument;
  note_heap(&held->report);
  pthread_barrier_wait(&held->is_there);
  pthread_barrier_wait(&held->may_go);
  return NULL;
}

static pthread_t start_holder(held_t *held, fe_arenas_t *arenas, void *(*body)(void *)) {
  held->report = (report_t){.arenas = arenas};
  pthread_t thread;
  require(pthread_barrier_init(&held->is_there, NULL, 2) == 0);
  require(pthread_barrier_init(&held->may_go, NULL, 2) == 0);
  require(pthread_create(&thread, NULL, body, held) == 0);
  pthread_barrier_wait(&held->is_there);
  return thread;
}

static void end_holder(held_t *held, pthread_t thread) {
  pthread_barrier_wait(&held->may_go);
  require(pthread_join(thread, NULL) == 0);
  pthread_barrier_destroy(&held->is_there);
  pthread_barrier_destroy(&held->may_go);
}

static void a_heap_of_a_running_thread_keeps_the_arenas(void **state) {
  (void)state;
  fe_arenas_t *arenas = arenas_on_region();
  fe_heap_t *heap = own_heap(arenas);
  held_t held;
  pthread_t thread = start_holder(&held, arenas, hold);
  assert_busy_here(arenas);
  assert_ptr_equal(own_heap(arenas), heap);
  end_holder(&held, thread);
  assert_true(fe_arenas_destroy(arenas));
}

/* New arenas have new heaps, wherever they lie. */
static void arenas_may_be_made_again_at_the_same_address(void **state) {
  (void)state;
  report_t report;
  for (int round = 0; round < 100; round++) {
    report.arenas = arenas_on_region();
    assert_int_equal(sum_of(report.arenas).heap_count, 0);
    leave_blocks(&report);
    assert_int_equal(sum_of(report.arenas).heap_count, 1);
    assert_true(is_in_region(report.blocks[0], sizes[0]));
    free_blocks(&report);
    run_in_thread(note_heap, &report);
    assert_ptr_not_equal(report.heap, own_heap(report.arenas));
    assert_true(fe_arenas_destroy(report.arenas));
    memset(region, 0xe5, sizeof region); /* it is the program's again */
  }
}

/* -- Forks -------------------------------------------------------------------------------------
 */

typedef struct family {
  fe_arenas_t *arenas, *others;
  fe_heap_t *heap, *heap_of_gone;
  char *block, *block_of_gone;
} family_t;

static void go_on_in_child(void *argument) {
  family_t *family = argument;
  require(own_heap(family->arenas) == family->heap);
  require(pattern_holds(family->block, 1000, 1));
  fe_heap_free(family->heap, family->block);
  /* Nobody but the caller has a heap on the others now: it goes on with the one that is there. */
  require(own_heap(family->others) == family->heap_of_gone);
  require(pattern_holds(family->block_of_gone, 1000, 2));
  fe_heap_free(family->heap_of_gone, family->block_of_gone);
  void *another = fe_heap_alloc(family->heap_of_gone, 5000);
  require(another != NULL);
  fe_heap_free(family->heap_of_gone, another);
  require(fe_heap_used_bytes(family->heap) == 0);
  require(fe_arenas_destroy(family->arenas));
}

static void end_arenas_in_child(void *argument) {
  family_t *family = argument;
  fe_free(family->block_of_gone);
  require(fe_arenas_destroy(family->others));
}

static void *hold_with_a_block(void *argument) {
  held_t *held = argument;
  note_heap(&held->report);
  held->report.blocks[0] = fe_heap_alloc(held->report.heap, 1000);
  require(held->report.blocks[0] != NULL);
  pattern_fill(held->report.blocks[0], 1000, 2);
  pthread_barrier_wait(&held->is_there);
  pthread_barrier_wait(&held->may_go);
  require(own_heap(held->report.arenas) == held->report.heap);
  fe_heap_free(held->report.heap, held->report.blocks[0]);
  return NULL;
}

static void a_forked_child_takes_over_the_heaps_of_threads_that_are_gone(void **state) {
  (void)state;
  family_t family = {.arenas = arenas_on_region(), .others = arenas_on_kernel()};
  family.heap = own_heap(family.arenas);
  family.block = fe_heap_alloc(family.heap, 1000);
  assert_non_null(family.block);
  pattern_fill(family.block, 1000, 1);
  held_t held;
  pthread_t thread = start_holder(&held, family.others, hold_with_a_block);
  family.heap_of_gone = held.report.heap;
  family.block_of_gone = held.report.blocks[0];
  assert_child_succeeds(go_on_in_child, &family);
  assert_child_succeeds(end_arenas_in_child, &family);
  end_holder(&held, thread);
  assert_ptr_equal(own_heap(family.arenas), family.heap);
  fe_heap_free(family.heap, family.block);
  assert_true(fe_arenas_destroy(family.arenas));
  assert_true(fe_arenas_destroy(family.others));
}

/* -- Many threads at once ----------------------------------------------------------------------
 */

enum { WORKERS = 6, PLACES = 200, STEPS = 4000, SHARED = 3 };

/* Blocks that any thread may take, free and put there. */
static void *places[PLACES];
static fe_arenas_t *shared[SHARED];

static void exchange_blocks(void *number) {
  random_source_t source = {(size_t)number};
  for (int step = 0; step < STEPS; step++) {
    size_t size = 2 * sizeof(size_t) + random_size(&source, 2 * MEDIUM_MAX);
    size_t *block = fe_heap_alloc(own_heap(shared[random_below(&source, SHARED)]), size);
    require(block != NULL);
    *block = size;
    ((char *)block)[size - 1] = (char)size;
    size_t *other = __atomic_exchange_n(&places[random_below(&source, PLACES)], (void *)block,
                                        __ATOMIC_ACQ_REL);
    if (other == NULL) continue;
    require(((char *)other)[*other - 1] == (char)*other);
    if (step % 3 == 0) {
      fe_heap_free(own_heap(shared[step % SHARED]), other);
    } else {
      fe_free(other);
    }
  }
}

static void *start_generations(void *number) {
  for (size_t i = 0; i < 3; i++) run_in_thread(exchange_blocks, number);
  return NULL;
}

static void *trim_until_over(void *over) {
  while (!__atomic_load_n((bool *)over, __ATOMIC_RELAXED)) fe_trim();
  return NULL;
}

static void threads_that_come_and_go_exchange_blocks(void **state) {
  (void)state;
  for (size_t i = 0; i < SHARED; i++) shared[i] = arenas_on_kernel();
  pthread_t threads[WORKERS], trimmer;
  bool is_over = false;
  pthread_create(&trimmer, NULL, trim_until_over, &is_over);
  for (size_t i = 0; i < WORKERS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, start_generations, (void *)(i + 1)), 0);
  }
  for (size_t i = 0; i < WORKERS; i++) pthread_join(threads[i], NULL);
  __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
  pthread_join(trimmer, NULL);
  for (size_t i = 0; i < SHARED; i++) assert_true(heap_count(shared[i]) <= WORKERS);
  for (size_t i = 0; i < PLACES; i++) {
    fe_free(places[i]);
    places[i] = NULL;
  }
  for (size_t i = 0; i < SHARED; i++) {
    assert_int_equal(heap_count(shared[i]), 0);
    assert_true(fe_arenas_destroy(shared[i]));
  }
}

/* Threads end, trim, and look for heaps, while arenas come and go beside them. */
static void *make_and_end_arenas(void *unused) {
  for (int round = 0; round < 30; round++) {
    report_t report = {.arenas = arenas_on_kernel()};
    run_in_thread(leave_blocks, &report);
    run_in_thread(note_heap, &report);
    free_blocks(&report);
    if (round % 2 == 0) note_heap(&report);
    require(fe_arenas_destroy(report.arenas));
  }
  return unused;
}

static void arenas_come_and_go_in_many_threads(void **state) {
  (void)state;
  pthread_t threads[WORKERS], trimmer;
  bool is_over = false;
  pthread_create(&trimmer, NULL, trim_until_over, &is_over);
  for (size_t i = 0; i < WORKERS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, make_and_end_arenas, NULL), 0);
  }
  for (size_t i = 0; i < WORKERS; i++) pthread_join(threads[i], NULL);
  __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
  pthread_join(trimmer, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(heaps_of_ended_threads_end_with_the_arenas),
      test_that(a_live_block_keeps_the_arenas),
      test_that(the_callers_heap_stays_if_the_arenas_do),
      test_that(a_heap_of_a_running_thread_keeps_the_arenas),
      test_that(arenas_may_be_made_again_at_the_same_address),
      test_that(a_forked_child_takes_over_the_heaps_of_threads_that_are_gone),
      test_that(threads_that_come_and_go_exchange_blocks),
      test_that(arenas_come_and_go_in_many_threads),
  };
  return cmocka_run_group_tests_name("arenas_thread_heap_end", tests, NULL, NULL);
}
