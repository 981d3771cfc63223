/* Forks in which somebody waits for somebody: handlers that run inside of ferroc's own, with all
 * heaps stopped, and wait for a thread's end, fork, or end the thread of background_purge; threads
 * that are inside of their heaps and wait for a lock that the fork has. It comes to an end, and
 * parent and child go on with all that there is.
 */
#include "tests/core/figures.h"
#include "tests/core/patience.h"

/* In a child, threads that were about to be joined in the program are nobody's. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "report_thread_leaks=0"; }

/* Of the second kind few, each of which takes some time. */
enum { FORKS = 10, FORKS_AT_A_LOOK = 7 };

/* -- Handlers -- */

/* What the test at hand does in them; NULL: nothing. The first ones were registered before ferroc's
 * own, so that they run inside of these; the last one runs before them. */
static void (*prepare_inside)(void), (*parent_inside)(void);
static void (*prepare_outside)(void), (*after_outside)(void);

static void call(void (*handler)(void)) {
  if (handler != NULL) handler();
}

static void call_prepare_inside(void) { call(prepare_inside); }
static void call_parent_inside(void) { call(parent_inside); }
static void call_prepare_outside(void) { call(prepare_outside); }
static void call_after_outside(void) { call(after_outside); }

/* Before the library's constructor. */
__attribute__((constructor(101))) static void register_early(void) {
  pthread_atfork(call_prepare_inside, call_parent_inside, NULL);
}

static int register_late(void **state) {
  (void)state;
  return pthread_atfork(call_prepare_outside, call_after_outside, call_after_outside);
}

/* -- Forks -- */

static void use_everything(void) {
  use(NULL);
  fe_heap_t *heap = fe_heap_create(NULL);
  require(heap != NULL);
  use(heap);
  fe_heap_destroy(heap);
  fe_trim();
}

static void fork_once(void) {
  pid_t child = fork();
  if (child == 0) {
    alarm(HANG_SECONDS);
    use_everything();
    _exit(0);
  }
  use_everything();
  wait_for_child(child);
}

static void fork_often(size_t count) {
  for (size_t i = 0; i < count; i++) fork_once();
}

/* -- A thread that ends -- */

static pthread_t worker;
static atomic_bool has_begun, shall_end;

/* The last it does is on slow ways, which the fork has stopped. */
static void *work(void *unused) {
  use(NULL);
  atomic_store(&has_begun, true);
  wait_until(&shall_end);
  use(NULL);
  return unused;
}

static void begin_worker(void) {
  atomic_store(&has_begun, false);
  atomic_store(&shall_end, false);
  require(pthread_create(&worker, NULL, work, NULL) == 0);
  wait_until(&has_begun);
}

static void end_worker(void) {
  atomic_store(&shall_end, true);
  require(pthread_join(worker, NULL) == 0);
}

static void a_handler_may_wait_for_the_end_of_a_thread(void **state) {
  (void)state;
  begin_worker();
  prepare_inside = end_worker;
  parent_inside = begin_worker;
  fork_often(FORKS);
  prepare_inside = parent_inside = NULL;
  end_worker();
}

/* -- A fork within a fork -- */

static fe_heap_t *shared_heap;
static atomic_bool may_end_heap, has_ended_heap;

/* Needs the list of all heaps, which a fork has for itself. */
static void *end_heap(void *heap) {
  wait_until(&may_end_heap);
  require(fe_heap_take_over(heap));
  fe_heap_destroy(heap);
  atomic_store(&has_ended_heap, true);
  return NULL;
}

/* What the outer fork has for itself, it still has when the inner one is over. */
static void fork_within(void) {
  prepare_inside = NULL;
  fork_once();
  prepare_inside = fork_within;
  atomic_store(&may_end_heap, true);
  usleep(20000);
  require(!atomic_load(&has_ended_heap));
}

static void a_handler_may_fork(void **state) {
  (void)state;
  for (size_t i = 0; i < FORKS; i++) {
    shared_heap = fe_heap_create(NULL);
    assert_non_null(shared_heap);
    fe_heap_hand_over(shared_heap);
    atomic_store(&may_end_heap, false);
    atomic_store(&has_ended_heap, false);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, end_heap, shared_heap), 0);
    prepare_inside = fork_within;
    fork_once();
    prepare_inside = NULL;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(atomic_load(&has_ended_heap));
  }
}

/* -- The thread of background_purge -- */

static void switch_off(void) { require(fe_option_set("background_purge", "0")); }
static void switch_on(void) { require(fe_option_set("background_purge", "1")); }

/* What is given wakes it; by then it has come to where it wants to look at all heaps, which the
 * fork has. */
static void switch_off_when_it_looks(void) {
  fe_free(fe_malloc(3 * UNIT_BYTES));
  usleep(250000);
  switch_off();
}

static void a_handler_may_end_the_thread_of_background_purge(void **state) {
  (void)state;
  assert_true(fe_option_set("purge_delay_ms", "1"));
  switch_on();
  prepare_inside = switch_off_when_it_looks;
  parent_inside = switch_on;
  fork_often(FORKS_AT_A_LOOK);
  prepare_inside = parent_inside = NULL;
  switch_off();
  assert_true(fe_option_set("purge_delay_ms", "50"));
}

/* -- A base's lock that a fork takes -- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool is_watched, is_at_the_lock;

static void lock_base(void) { pthread_mutex_lock(&lock); }
static void unlock_base(void) { pthread_mutex_unlock(&lock); }

static bool use_lock(bool is_wanted) {
  (void)is_wanted;
  if (atomic_load(&is_watched)) atomic_store(&is_at_the_lock, true);
  lock_base();
  unlock_base();
  return true;
}

/* Another thread is inside of its heap, at the lock, when ferroc's own handler comes. */
static void lock_base_with_somebody_there(void) {
  lock_base();
  atomic_store(&is_at_the_lock, false);
  atomic_store(&is_watched, true);
  atomic_store(&shall_end, true);
  wait_until(&is_at_the_lock);
  atomic_store(&is_watched, false);
}

static hooked_base_t hooked;

static void *use_base(void *arenas) {
  fe_heap_t *heap = fe_arenas_thread_heap(arenas);
  require(heap != NULL);
  use(heap);
  wait_until(&shall_end);
  void *block = fe_heap_alloc(heap, CHUNK);
  require(block != NULL);
  fe_heap_free(heap, block);
  return NULL;
}

static void a_fork_may_have_a_lock_that_a_base_waits_for(void **state) {
  (void)state;
#if defined(__SANITIZE_THREAD__)
  skip(); /* sees that a trim, which nobody runs meanwhile, has all heaps when it calls the base */
#endif
  fe_arenas_t *arenas = arenas_with_hook(&hooked, use_lock);
  fe_heap_t *heap = fe_arenas_thread_heap(arenas);
  assert_non_null(heap);
  for (size_t i = 0; i < FORKS; i++) {
    atomic_store(&shall_end, false);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, use_base, arenas), 0);
    prepare_outside = lock_base_with_somebody_there;
    after_outside = unlock_base;
    pid_t child = fork();
    prepare_outside = after_outside = NULL;
    use(heap);
    use_everything();
    if (child == 0) _exit(0);
    wait_for_child(child);
    assert_int_equal(pthread_join(thread, NULL), 0);
  }
  assert_true(fe_arenas_destroy(arenas));
}

/* -- Somebody in the middle of getting memory -- */

/* More often than a refusal takes, less often than waiting for somebody. */
enum { ASKED_SELDOM = 20 };

static void *ask_for_much(void *heap) {
  require(fe_heap_take_over(heap));
  require(fe_heap_alloc(heap, CHUNK) == NULL);
  fe_heap_hand_over(heap);
  return NULL;
}

/* In the child nobody waits for one who is not there. */
static void a_child_is_refused_at_once_what_is_not_there(void **state) {
  (void)state;
  fe_arenas_t *arenas = arenas_with_hook(&hooked, keep_first);
  fe_context_t *contexts[2] = {fe_context_create(arenas), fe_context_create(arenas)};
  fe_heap_t *heap = new_heap(contexts[0]), *first = new_heap(contexts[1]);
  pthread_t thread;
  fe_heap_hand_over(first);
  begin_keeping(SIZE_MAX);
  assert_int_equal(pthread_create(&thread, NULL, ask_for_much, first), 0);
  wait_until(&is_first_there);
  pid_t child = fork();
  if (child == 0) {
    alarm(HANG_SECONDS);
    require(fe_heap_alloc(heap, CHUNK) == NULL);
    require(atomic_load(&others_count) < ASKED_SELDOM);
    atomic_store(&is_keeping, false);
    use(heap);
    _exit(0);
  }
  wait_for_child(child);
  atomic_store(&may_first_go, true);
  assert_int_equal(pthread_join(thread, NULL), 0);
  atomic_store(&is_keeping, false);
  use(heap);
  fe_heap_destroy(heap);
  assert_true(fe_heap_take_over(first));
  fe_heap_destroy(first);
  assert_true(fe_context_destroy(contexts[0]) && fe_context_destroy(contexts[1]));
  assert_true(fe_arenas_destroy(arenas));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that_ends(a_handler_may_wait_for_the_end_of_a_thread),
      test_that_ends(a_handler_may_fork),
      test_that_ends(a_handler_may_end_the_thread_of_background_purge),
      test_that_ends(a_fork_may_have_a_lock_that_a_base_waits_for),
      test_that_ends(a_child_is_refused_at_once_what_is_not_there),
  };
  return cmocka_run_group_tests_name("fork_waiting", tests, register_late, NULL);
}
