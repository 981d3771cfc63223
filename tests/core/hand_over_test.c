/* fe_heap_hand_over and fe_heap_take_over: a heap moves from thread to thread with all that is in
 * it, one of several takers gets it, and whoever holds it may end it.
 */
#include "tests/core/support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* -- From one thread to another -----------------------------------------------------------------
 */

typedef struct parcel {
  fe_heap_t *heap;
  char *text;
} parcel_t;

static void take_use_and_destroy(void *argument) {
  parcel_t *parcel = argument;
  require(fe_heap_take_over(parcel->heap));
  require(strcmp(parcel->text, "written by another thread") == 0);
  fe_heap_free(parcel->heap, parcel->text);
  require(fe_heap_alloc(parcel->heap, 5000) != NULL);
  fe_heap_destroy(parcel->heap);
}

static void a_heap_moves_to_another_thread_and_ends_there(void **state) {
  (void)state;
  parcel_t parcel = {.heap = fe_heap_create(NULL)};
  assert_non_null(parcel.heap);
  parcel.text = fe_heap_alloc(parcel.heap, 100);
  assert_non_null(parcel.text);
  strcpy(parcel.text, "written by another thread");
  fe_heap_hand_over(parcel.heap);
  run_in_thread(take_use_and_destroy, &parcel);
}

/* -- Several takers -----------------------------------------------------------------------------
 */

enum { TAKERS = 4, TURNS = 1500 };

/* What the holder alone reads and writes: no atomic, no mutex. */
typedef struct ledger {
  size_t turns;
  size_t sum;
  char *blocks[30];
  size_t sizes[30];
} ledger_t;

static fe_heap_t *passed;
static ledger_t *ledger;

static void take_a_turn(size_t number) {
  random_source_t source = {ledger->turns * TAKERS + number};
  size_t turns = ++ledger->turns;
  for (int i = 0; i < 3; i++) {
    size_t place = random_below(&source, 30);
    char *block = ledger->blocks[place];
    require(block == NULL || pattern_holds(block, ledger->sizes[place], place));
    fe_heap_free(passed, block);
    ledger->sizes[place] = random_size(&source, 5 * UNIT_BYTES / 4);
    ledger->blocks[place] = fe_heap_alloc(passed, ledger->sizes[place]);
    require(ledger->blocks[place] != NULL);
    pattern_fill(ledger->blocks[place], ledger->sizes[place], place);
  }
  ledger->sum += turns;
  require(ledger->turns == turns);
}

static void *take_turns(void *number) {
  for (size_t turn = 0; turn < TURNS;) {
    if (!fe_heap_take_over(passed)) {
      sched_yield();
      continue;
    }
    take_a_turn((size_t)number);
    fe_heap_hand_over(passed);
    turn++;
  }
  return NULL;
}

/* A heap without a mutex: the hand-over alone keeps its users apart. */
static void one_of_several_takers_gets_it(void **state) {
  (void)state;
  passed = fe_heap_create(NULL);
  assert_non_null(passed);
  ledger = fe_heap_calloc(passed, 1, sizeof(*ledger));
  assert_non_null(ledger);
  pthread_t threads[TAKERS];
  for (size_t i = 0; i < TAKERS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, take_turns, (void *)i), 0);
  }
  fe_heap_hand_over(passed);
  for (size_t i = 0; i < TAKERS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  }
  assert_true(fe_heap_take_over(passed));
  assert_int_equal(ledger->turns, TAKERS * TURNS);
  assert_int_equal(ledger->sum, (size_t)TAKERS * TURNS * (TAKERS * TURNS + 1) / 2);
  fe_heap_destroy(passed);
}

static pthread_barrier_t all_are_here;

static void *take_at_once(void *heap) {
  pthread_barrier_wait(&all_are_here);
  return fe_heap_take_over(heap) ? heap : NULL;
}

static void exactly_one_of_those_who_come_at_once_gets_it(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  assert_int_equal(pthread_barrier_init(&all_are_here, NULL, TAKERS), 0);
  for (int round = 0; round < 200; round++) {
    fe_heap_hand_over(heap);
    pthread_t threads[TAKERS];
    size_t holders = 0;
    for (size_t i = 0; i < TAKERS; i++) {
      assert_int_equal(pthread_create(&threads[i], NULL, take_at_once, heap), 0);
    }
    for (size_t i = 0; i < TAKERS; i++) {
      void *got;
      assert_int_equal(pthread_join(threads[i], &got), 0);
      holders += got != NULL;
    }
    assert_int_equal(holders, 1);
  }
  pthread_barrier_destroy(&all_are_here);
  fe_heap_destroy(heap);
}

/* -- Between two holders ------------------------------------------------------------------------
 */

static void free_it(void *block) { fe_free(block); }

/* Nobody holds the heap, but its blocks are still whose they are. */
static void blocks_stay_while_nobody_holds_the_heap(void **state) {
  (void)state;
  static const size_t sizes[] = {10, 1000, MEDIUM_MAX, 3 * UNIT_BYTES, 2 * SLAB_BYTES};
  enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  char *blocks[2][COUNT];
  for (size_t i = 0; i < 2 * COUNT; i++) {
    blocks[i / COUNT][i % COUNT] = fe_heap_alloc(heap, sizes[i % COUNT]);
    assert_non_null(blocks[i / COUNT][i % COUNT]);
    pattern_fill(blocks[i / COUNT][i % COUNT], sizes[i % COUNT], i);
  }
  fe_heap_hand_over(heap);
  for (size_t i = 0; i < COUNT; i++) {
    assert_true(pattern_holds(blocks[0][i], sizes[i], i));
    assert_true(fe_malloc_size(blocks[0][i]) >= sizes[i]);
    fe_free(blocks[0][i]);
    run_in_thread(free_it, blocks[1][i]);
  }
  assert_true(fe_heap_take_over(heap));
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

static atomic_bool is_over;
static _Atomic(size_t) trim_count;

static void *trim_until_it_is_over(void *argument) {
  while (!atomic_load(&is_over)) {
    atomic_fetch_add(&trim_count, 1);
    fe_trim();
  }
  return argument;
}

/* Waits until a trim has begun, and then for a moment more, a little longer each time. */
static void wait_for_a_trim(size_t turn) {
  size_t seen = atomic_load(&trim_count);
  while (atomic_load(&trim_count) == seen) sched_yield();
  for (size_t i = 0; i < turn % 100; i++) seen = atomic_load(&trim_count);
}

/* Whoever gets back what a heap keeps goes inside for a moment, and is no holder of it. */
static void a_heap_can_be_taken_while_others_trim_it(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  for (size_t size = 8; size < MEDIUM_MAX; size += 8) assert_non_null(fe_heap_alloc(heap, size));
  atomic_store(&is_over, false);
  pthread_t other;
  assert_int_equal(pthread_create(&other, NULL, trim_until_it_is_over, NULL), 0);
  size_t taken = 0;
  size_t turn;
  for (turn = 0; turn < 600 && taken == turn; turn++) {
    fe_heap_hand_over(heap);
    wait_for_a_trim(turn);
    taken += fe_heap_take_over(heap);
  }
  atomic_store(&is_over, true);
  assert_int_equal(pthread_join(other, NULL), 0);
  assert_int_equal(taken, turn);
  fe_heap_destroy(heap);
}

static void a_heap_keeps_its_limit_its_name_and_its_parent(void **state) {
  (void)state;
  fe_heap_t *parent = fe_heap_create(NULL);
  fe_heap_options_t options = {.memory_limit = 100000, .name = "guest", .parent = parent};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  fe_heap_hand_over(heap);
  assert_string_equal(fe_heap_name(heap), "guest");
  assert_true(fe_heap_take_over(heap));
  assert_int_equal(fe_heap_limit(heap), 100000);
  assert_null(fe_heap_alloc(heap, 100001));
  fe_heap_set_limit(parent, 50000);
  assert_null(fe_heap_alloc(heap, 60000));
  fe_heap_destroy(heap);
  fe_heap_destroy(parent);
}

/* -- What is wrong ------------------------------------------------------------------------------
 */

static void a_heap_that_is_held_cannot_be_taken(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  assert_false(fe_heap_take_over(heap));
  fe_heap_hand_over(heap);
  assert_true(fe_heap_take_over(heap));
  assert_false(fe_heap_take_over(heap));
  assert_non_null(fe_heap_alloc(heap, 10));
  fe_heap_destroy(heap);
  assert_false(fe_heap_take_over(fe_thread_heap()));
}

static void hand_over_wrongly(void *heap) {
  errno = 0;
  fe_heap_hand_over(heap);
  require(errno == EINVAL);
}

static void destroy_too_early(void *heap) {
  errno = 0;
  fe_heap_destroy(heap);
  require(errno == EBUSY);
}

static void misuse_is_refused_with_a_message(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  char *block = fe_heap_alloc(heap, 100);
  assert_non_null(block);
  pattern_fill(block, 100, 1);
  fe_heap_hand_over(heap);
  assert_child_says(hand_over_wrongly, heap, "fe_heap_hand_over", "already", NULL);
  assert_child_says(destroy_too_early, heap, "fe_heap_destroy", "handed over", NULL);
  assert_child_says(hand_over_wrongly, fe_thread_heap(), "fe_heap_hand_over", "thread", NULL);
  assert_true(pattern_holds(block, 100, 1));
  assert_true(fe_heap_take_over(heap));
  fe_heap_destroy(heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_heap_moves_to_another_thread_and_ends_there),
      test_that(one_of_several_takers_gets_it),
      test_that(exactly_one_of_those_who_come_at_once_gets_it),
      test_that(blocks_stay_while_nobody_holds_the_heap),
      test_that(a_heap_can_be_taken_while_others_trim_it),
      test_that(a_heap_keeps_its_limit_its_name_and_its_parent),
      test_that(a_heap_that_is_held_cannot_be_taken),
      test_that(misuse_is_refused_with_a_message),
  };
  return cmocka_run_group_tests_name("hand_over", tests, NULL, NULL);
}
