/* A base whose functions use ferroc themselves: they may allocate from the process's arenas and
 * give memory back, though the heap whom they work for is just in the middle of something.
 */
#include <signal.h>

#include "tests/core/figures.h"
#include "tests/core/patience.h"

static hooked_base_t hooked;
static fe_arenas_t *the_arenas;

/* Set when the test's heap is about to call the base; the first call does what is due, and clears
 * it. */
static bool is_due;

/* -- What the functions do -- */

/* Large ones look at the clock, and at what other heaps have been told, every 200 ms. */
static void use_heap_late(void) {
  usleep(210000);
  use(NULL);
}

/* Waits for whoever is inside of a heap, but not for ever. */
static void trim(void) { fe_trim(); }

/* As a signal's handler may that comes in the midst of it. */
static void ask_for_figures(int signal) {
  (void)signal;
  fe_heap_stats_t sum = {.struct_size = sizeof sum};
  require(fe_stats(the_arenas, &sum) && sum.heap_count >= 1);
  require(fe_stats(NULL, &sum));
  require(arenas_stats_of(the_arenas).taken_bytes > 0);
}

static void be_interrupted(void) {
  require(signal(SIGUSR1, ask_for_figures) != SIG_ERR);
  require(raise(SIGUSR1) == 0);
}

static void (*deed)(void);

static bool call_back(bool is_wanted) {
  (void)is_wanted;
  if (!is_due) return true;
  is_due = false;
  deed();
  return true;
}

/* -- A heap with something to find for those who look into heaps -- */

enum { COUNT = 2000, SIZE = 300 };
static void *blocks[COUNT];

static void free_blocks(void *unused) {
  (void)unused;
  for (size_t i = 0; i < COUNT; i++) fe_free(blocks[i]);
}

static void let_others_free(fe_heap_t *heap) {
  for (size_t i = 0; i < COUNT; i++) {
    blocks[i] = fe_heap_alloc(heap, SIZE);
    require(blocks[i] != NULL);
  }
  run_in_thread(free_blocks, NULL);
}

/* A chunk of its own comes, and goes. */
static void with_deed(void (*what)(void), bool is_thread_heap) {
  fe_arenas_t *arenas = the_arenas = arenas_with_hook(&hooked, call_back);
  fe_context_t *context = is_thread_heap ? NULL : fe_context_create(arenas);
  fe_heap_t *heap = is_thread_heap ? fe_arenas_thread_heap(arenas) : new_heap(context);
  assert_non_null(heap);
  deed = what;
  let_others_free(heap);
  is_due = true;
  void *block = fe_heap_alloc(heap, CHUNK);
  assert_non_null(block);
  assert_false(is_due);
  let_others_free(heap);
  is_due = true;
  fe_heap_free(heap, block);
  fe_heap_collect(heap, true);
  assert_false(is_due);
  use(heap);
  if (!is_thread_heap) fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context) && fe_arenas_destroy(arenas));
}

static void a_base_may_allocate_and_free(void **state) {
  (void)state;
  with_deed(use_heap_late, false);
  with_deed(use_heap_late, true);
}

static void a_base_may_trim(void **state) {
  (void)state;
  with_deed(trim, false);
}

static void a_signal_may_ask_for_figures(void **state) {
  (void)state;
  with_deed(be_interrupted, false);
  with_deed(be_interrupted, true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that_ends(a_base_may_allocate_and_free),
      test_that_ends(a_base_may_trim),
      test_that_ends(a_signal_may_ask_for_figures),
  };
  return cmocka_run_group_tests_name("base_calls_back", tests, NULL, NULL);
}
