/* Heaps of threads that ended: nothing grows with the number of threads that ever were, what lives
 * in them stays, can be freed by anybody, and then they end.
 */
#include "tests/core/figures.h"

#include <limits.h>
#include <pthread.h>

enum { THREADS = 40, BLOCKS = 200 };

typedef struct worker {
  pthread_t thread;
  pthread_barrier_t *all_are_here;
  size_t number;
  fe_heap_t *heap;
  unsigned char *kept[BLOCKS];
  size_t kept_count;
} worker_t;

static worker_t workers[THREADS];
static pthread_barrier_t all_are_here;

static size_t size_of_block(size_t i) {
  static const size_t sizes[] = {16, 100, 700, 1000, 5000, 20000};
  return i % 50 == 49 ? 3 * UNIT_BYTES : sizes[i % 6] % MEDIUM_MAX;
}

/* Allocates, keeps the first of its blocks, and frees the others. */
static void *work(void *argument) {
  worker_t *worker = argument;
  unsigned char *blocks[BLOCKS];
  worker->heap = fe_thread_heap();
  for (size_t i = 0; i < BLOCKS; i++) {
    blocks[i] = fe_malloc(size_of_block(i));
    require(blocks[i] != NULL);
    pattern_fill(blocks[i], size_of_block(i), worker->number + i);
  }
  pthread_barrier_wait(&all_are_here); /* so that each has a heap of its own */
  for (size_t i = 0; i < BLOCKS; i++) {
    require(pattern_holds(blocks[i], size_of_block(i), worker->number + i));
    if (i < worker->kept_count) {
      worker->kept[i] = blocks[i];
    } else {
      fe_free(blocks[i]);
    }
  }
  return NULL;
}

static void run_workers(size_t kept_count) {
  assert_int_equal(pthread_barrier_init(&all_are_here, NULL, THREADS), 0);
  for (size_t i = 0; i < THREADS; i++) {
    workers[i] = (worker_t){.number = i * 1000, .kept_count = kept_count};
    assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
  for (size_t i = 0; i < THREADS; i++) pthread_join(workers[i].thread, NULL);
  pthread_barrier_destroy(&all_are_here);
}

static void free_kept(worker_t *worker, size_t first, size_t step) {
  for (size_t i = first; i < worker->kept_count; i += step) {
    require(pattern_holds(worker->kept[i], size_of_block(i), worker->number + i));
    fe_free(worker->kept[i]);
  }
}

static size_t heap_count(void) {
  fe_trim();
  return sum_of(NULL).heap_count;
}

static void they_end_when_nothing_lives_in_them(void **state) {
  (void)state;
  size_t before = heap_count();
  size_t taken = arenas_stats_of(NULL).taken_bytes;
  for (int round = 0; round < (int)rounds_of(10) + 1; round++) {
    run_workers(0);
    assert_int_equal(heap_count(), before);
    assert_int_equal(arenas_stats_of(NULL).taken_bytes, taken);
  }
}

static void those_with_a_block_stay_until_it_is_freed(void **state) {
  (void)state;
  static const size_t kept_counts[] = {1, 3, BLOCKS};
  for (size_t i = 0; i < 3; i++) {
    size_t before = heap_count();
    size_t taken = arenas_stats_of(NULL).taken_bytes;
    run_workers(kept_counts[i]);
    assert_int_equal(heap_count(), before + THREADS);
    for (size_t j = 0; j < THREADS; j += 2) free_kept(&workers[j], 0, 1);
    assert_int_equal(heap_count(), before + THREADS / 2);
    for (size_t j = 1; j < THREADS; j += 2) free_kept(&workers[j], 0, 1);
    assert_int_equal(heap_count(), before);
    assert_int_equal(arenas_stats_of(NULL).taken_bytes, taken);
  }
}

/* Each frees a share of what every ended thread left, all at the same time. */
static void *free_a_share(void *number) {
  pthread_barrier_wait(&all_are_here);
  for (size_t i = 0; i < THREADS; i++) free_kept(&workers[i], (size_t)number, 4);
  return NULL;
}

static void *trim_all_the_time(void *over) {
  while (!__atomic_load_n((bool *)over, __ATOMIC_RELAXED)) fe_trim();
  return NULL;
}

/* Heaps end under those who free, while others make them end. */
static void several_threads_may_free_their_blocks_while_others_trim(void **state) {
  (void)state;
  for (int round = 0; round < (int)rounds_of(15) + 1; round++) {
    size_t before = heap_count();
    run_workers(BLOCKS);
    pthread_t threads[4], trimmers[2];
    bool is_over = false;
    assert_int_equal(pthread_barrier_init(&all_are_here, NULL, 4), 0);
    for (size_t i = 0; i < 2; i++) pthread_create(&trimmers[i], NULL, trim_all_the_time, &is_over);
    for (size_t i = 0; i < 4; i++) pthread_create(&threads[i], NULL, free_a_share, (void *)i);
    for (size_t i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < 2; i++) pthread_join(trimmers[i], NULL);
    pthread_barrier_destroy(&all_are_here);
    assert_int_equal(heap_count(), before);
  }
}

/* -- A heap that others stand under --------------------------------------------------------------
 */

static void make_child(void *child) {
  fe_heap_options_t options = {.parent = fe_thread_heap()};
  *(fe_heap_t **)child = fe_heap_create(&options);
  require(*(fe_heap_t **)child != NULL);
  require(fe_heap_alloc(*(fe_heap_t **)child, 100) != NULL);
}

static void a_parent_stays_as_long_as_its_children(void **state) {
  (void)state;
  size_t before = heap_count();
  fe_heap_t *child;
  run_in_thread(make_child, &child);
  assert_int_equal(heap_count(), before + 2);
  for (int i = 0; i < 100; i++) assert_non_null(fe_heap_alloc(child, 1000));
  assert_int_equal(heap_count(), before + 2);
  fe_heap_destroy(child);
  assert_int_equal(heap_count(), before);
}

/* -- A thread that met a limit -------------------------------------------------------------------
 */

static void *given[40000];

/* Until no more is given; all is freed again. */
static void use_up_the_limit(void *argument) {
  (void)argument;
  size_t count = 0;
  while (count < 40000 && (given[count] = fe_malloc(count % 2 == 0 ? 100 : 1000)) != NULL) count++;
  require(count < 40000);
  while (count > 0) fe_free(given[--count]);
}

static void meet_an_own_limit(void *argument) {
  fe_heap_set_limit(fe_thread_heap(), 100 * KIB);
  use_up_the_limit(argument);
}

static void heaps_that_met_a_limit_end_too(void **state) {
  (void)state;
  size_t before = heap_count();
  for (int i = 0; i < 5; i++) run_in_thread(meet_an_own_limit, NULL);
  assert_int_equal(heap_count(), before);
  assert_true(fe_option_set("memory_limit", "16M"));
  for (int i = 0; i < 5; i++) run_in_thread(use_up_the_limit, NULL);
  assert_int_equal(heap_count(), before);
  assert_true(fe_option_set("memory_limit", "0"));
}

static void take_more(void *argument) {
  (void)argument;
  void *block = fe_malloc(200 * KIB);
  require(block != NULL);
  fe_free(block);
}

/* The heap may be handed on; the limit is not, which was that thread's own. */
static void a_limit_ends_with_its_thread(void **state) {
  (void)state;
  for (int i = 0; i < 20; i++) {
    run_in_thread(meet_an_own_limit, NULL);
    run_in_thread(take_more, NULL);
  }
}

/* -- Nobody asks for it --------------------------------------------------------------------------
 */

static void *come_and_go(void *argument) {
  fe_free(fe_malloc(1000));
  return argument;
}

static void thousands_of_threads_one_after_the_other_leave_nothing(void **state) {
  (void)state;
  size_t before = heap_count();
  size_t resident = resident_bytes();
  for (int i = 0; i < (int)rounds_of(3000); i++) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, come_and_go, NULL), 0);
    pthread_join(thread, NULL);
    assert_true(sum_of(NULL).heap_count <= before + 1);
  }
  assert_int_equal(heap_count(), before);
  assert_true(HAS_SANITIZER_MEMORY || resident_bytes() < resident + 4 * MIB);
}

/* -- Destructors of keys that allocate in every round --------------------------------------------
 */

static pthread_key_t late_key;
static char rounds[PTHREAD_DESTRUCTOR_ITERATIONS + 1]; /* the key's values point into it */

static void allocate_once_more(void *round) {
  void *block = fe_malloc(1000);
  require(block != NULL);
  memset(block, 1, 1000);
  fe_free(block);
  require(pthread_setspecific(late_key, (char *)round + 1) == 0);
}

static void *end_late(void *unused) {
  (void)unused;
  fe_free(fe_malloc(1000)); /* ferroc's key comes first */
  require(pthread_setspecific(late_key, &rounds[0]) == 0);
  pthread_barrier_wait(&all_are_here);
  return NULL;
}

static void *begin_late(void *unused) {
  (void)unused;
  require(pthread_setspecific(late_key, &rounds[0]) == 0);
  pthread_barrier_wait(&all_are_here);
  return NULL;
}

static void run_late_threads(void *(*body)(void *), size_t count) {
  pthread_t threads[THREADS];
  assert_int_equal(pthread_barrier_init(&all_are_here, NULL, (unsigned)count), 0);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, body, NULL), 0);
  }
  for (size_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&all_are_here);
}

static void destructors_that_allocate_in_every_round_leave_no_heap(void **state) {
  (void)state;
  if (HAS_SANITIZER_MEMORY) skip(); /* for it the thread is over in the last round */
  fe_free(fe_malloc(1));
  assert_int_equal(pthread_key_create(&late_key, allocate_once_more), 0);
  size_t before = heap_count();
  size_t taken = arenas_stats_of(NULL).taken_bytes;
  for (int round = 0; round < (int)rounds_of(20); round++) {
    run_late_threads(end_late, THREADS);
    run_late_threads(begin_late, THREADS);
    assert_int_equal(heap_count(), before);
    assert_int_equal(arenas_stats_of(NULL).taken_bytes, taken);
  }
  for (int round = 0; round < (int)rounds_of(500); round++) {
    run_late_threads(end_late, 1);
    assert_in_range(sum_of(NULL).heap_count, before, before + 2);
  }
  pthread_key_delete(late_key);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(they_end_when_nothing_lives_in_them),
      test_that(those_with_a_block_stay_until_it_is_freed),
      test_that(several_threads_may_free_their_blocks_while_others_trim),
      test_that(a_parent_stays_as_long_as_its_children),
      test_that(heaps_that_met_a_limit_end_too),
      test_that(a_limit_ends_with_its_thread),
      test_that(thousands_of_threads_one_after_the_other_leave_nothing),
      test_that(destructors_that_allocate_in_every_round_leave_no_heap),
  };
  return cmocka_run_group_tests_name("thread_heaps_end", tests, NULL, NULL);
}
