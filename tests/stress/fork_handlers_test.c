/* fork with handlers of others around ferroc's own: those that were registered before run inside of
 * them, those that were registered later outside. In each place they may allocate, free what is of
 * other threads, make and end heaps, and meet limits, while other threads are at work. And fork
 * without handlers: vfork, posix_spawn.
 */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/core/figures.h"

/* In a child, threads that were about to be joined in the program are nobody's. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "report_thread_leaks=0"; }

enum { THREADS = 3, BOXES = 256, HANG_SECONDS = 60 };

#if defined(__SANITIZE_THREAD__)
enum { FORKS = 30 };
#else
enum { FORKS = 150 };
#endif

static _Atomic(void *) boxes[BOXES];
static atomic_bool is_over;

/* -- What handlers do -- */

static bool is_on; /* the test forks, and not cmocka */
static size_t call_count;
static fe_heap_t *held; /* the forking thread's; made and ended in handlers */

static void use(fe_heap_t *heap, size_t seed) {
  void *blocks[100];
  random_source_t random = {seed};
  for (size_t i = 0; i < 100; i++) {
    size_t size = 1 + random_size(&random, i % 50 == 49 ? 4 * UNIT_BYTES : 4000);
    blocks[i] = heap == NULL ? fe_malloc(size) : fe_heap_alloc(heap, size);
    require(blocks[i] != NULL);
    memset(blocks[i], (int)i, size);
  }
  for (size_t i = 0; i < 100; i++) fe_free(blocks[i]);
}

static void meet_limits(void) {
  fe_heap_options_t parent_options = {.memory_limit = 50 * KIB};
  fe_heap_t *parent = fe_heap_create(&parent_options);
  fe_heap_options_t options = {.parent = parent};
  fe_heap_t *child = fe_heap_create(&options);
  require(parent != NULL && child != NULL);
  while (fe_heap_alloc(child, 1000) != NULL) continue;
  require(fe_heap_alloc(parent, 40 * KIB) == NULL);
  fe_heap_destroy(child);
  require(fe_heap_alloc(parent, 40 * KIB) != NULL);
  fe_heap_destroy(parent);
  require(fe_malloc(BEYOND_MEMORY) == NULL);
}

/* Of whichever thread. */
static void free_boxes(void) {
  for (size_t i = 0; i < BOXES; i += 3) fe_free(atomic_exchange(&boxes[i], NULL));
}

static void in_a_handler(void) {
  if (!is_on) return;
  size_t number = call_count++;
  use(NULL, number);
  free_boxes();
  meet_limits();
  fe_trim();
  fe_collect(true);
  /* A heap that one handler makes, a later one uses and ends. */
  if (held == NULL) {
    held = fe_heap_create(NULL);
    require(held != NULL && fe_heap_alloc(held, 100) != NULL);
  } else if (number % 3 == 1) {
    use(held, number);
    fe_heap_destroy(held);
    held = NULL;
  }
}

/* As the C library has them: held while something is allocated, and waited for by a fork after the
 * library's own handler has run. */
static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER;
static void lock_outer(void) { pthread_mutex_lock(&outer); }
static void unlock_outer(void) { pthread_mutex_unlock(&outer); }

/* Before the library's own constructor, which registers its handlers. */
__attribute__((constructor(101))) static void register_early(void) {
  pthread_atfork(in_a_handler, in_a_handler, in_a_handler);
  pthread_atfork(lock_outer, unlock_outer, unlock_outer);
}

/* -- Threads at work -- */

static void allocate_with_a_lock(void) {
  lock_outer();
  for (size_t i = 0; i < 20; i++) fe_free(fe_malloc(i % 2 == 0 ? 3 * UNIT_BYTES : 3000));
  unlock_outer();
}

/* Its first allocation, and others, are made with a lock that forks wait for. */
static void *begin_with_a_lock(void *argument) {
  for (size_t i = 0; i < 3; i++) allocate_with_a_lock();
  return argument;
}

static void *work(void *number) {
  random_source_t random = {(uintptr_t)number};
  while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
    for (size_t i = 0; i < 200; i++) {
      size_t size = 1 + random_size(&random, i % 100 == 99 ? 4 * UNIT_BYTES : 4000);
      void *block = fe_malloc(size);
      require(block != NULL);
      memset(block, 1, size);
      fe_free(atomic_exchange(&boxes[random_below(&random, BOXES)], block));
    }
    allocate_with_a_lock();
    if ((uintptr_t)number == 0) {
      pthread_t thread;
      require(pthread_create(&thread, NULL, begin_with_a_lock, NULL) == 0);
      pthread_join(thread, NULL);
      fe_trim();
    }
  }
  return NULL;
}

static void start(pthread_t *threads) {
  atomic_store(&is_over, false);
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
  }
}

static void end(pthread_t *threads) {
  atomic_store(&is_over, true);
  for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (size_t i = 0; i < BOXES; i++) fe_free(atomic_exchange(&boxes[i], NULL));
}

/* -- Tests -- */

static void wait_for(pid_t child) {
  int status;
  require(child > 0 && waitpid(child, &status, 0) == child);
  if (status != 0) fail_msg("a child ended with status 0x%x", (unsigned)status);
}

static void fork_once(size_t number) {
  alarm(HANG_SECONDS);
  pid_t child = fork();
  if (child == 0) {
    alarm(HANG_SECONDS);
    use(NULL, number);
    for (size_t i = 0; i < BOXES; i++) fe_free(atomic_exchange(&boxes[i], NULL));
    meet_limits();
    fe_trim();
    _exit(0);
  }
  use(NULL, number);
  wait_for(child);
}

static void handlers_of_others_may_do_as_they_like(void **state) {
  (void)state;
  pthread_t threads[THREADS];
  is_on = true;
  start(threads);
  for (size_t number = 0; number < rounds_of(FORKS); number++) fork_once(number);
  pthread_atfork(in_a_handler, in_a_handler, in_a_handler);
  for (size_t number = 0; number < rounds_of(FORKS); number++) fork_once(number);
  is_on = false;
  end(threads);
  fe_heap_destroy(held);
  held = NULL;
}

static void *fork_in_a_thread(void *number) {
  fork_once((uintptr_t)number);
  return NULL;
}

/* The handlers' allocations are the first ones of their thread. */
static void a_thread_may_get_its_heap_in_a_handler(void **state) {
  (void)state;
  pthread_t threads[THREADS], forking;
  size_t before = sum_of(NULL).heap_count;
  is_on = true;
  start(threads);
  for (size_t number = 0; number < rounds_of(FORKS); number++) {
    assert_int_equal(pthread_create(&forking, NULL, fork_in_a_thread, (void *)number), 0);
    pthread_join(forking, NULL);
  }
  is_on = false;
  end(threads);
  if (held != NULL) fe_heap_destroy(held);
  held = NULL;
  fe_trim();
  /* The idle ones end, and those of the forks are among them. */
  assert_true(sum_of(NULL).heap_count <= before + 1);
}

static void children_without_handlers_start_and_end(void **state) {
  (void)state;
  extern char **environ;
  pthread_t threads[THREADS];
  start(threads);
  for (size_t number = 0; number < rounds_of(FORKS); number++) {
    alarm(HANG_SECONDS);
    pid_t child;
    char *arguments[] = {"true", NULL};
    assert_int_equal(posix_spawnp(&child, "true", NULL, NULL, arguments, environ), 0);
    wait_for(child);
    child = vfork();
    if (child == 0) _exit(0);
    wait_for(child);
    use(NULL, number);
  }
  end(threads);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(handlers_of_others_may_do_as_they_like),
      test_that(a_thread_may_get_its_heap_in_a_handler),
      test_that(children_without_handlers_start_and_end),
  };
  return cmocka_run_group_tests_name("fork_handlers", tests, NULL, NULL);
}
