/* fork from a program whose threads keep the thread of background_purge busy: it is in the middle
 * of anything, and is not there in the child. The child works and ends; where the option stays on,
 * its own memory goes back while it sleeps. A child that hangs is ended by its alarm, and that
 * fails the test. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/core/support.h"

enum { THREADS = 3, SLEEPERS_EVERY = 30, HANG_SECONDS = 120 };

/* TSan knows no threads in the child of a program with threads, and a fork waits for all. A child
 * cannot use what ASan locked when others were just starting and ending threads. */
#if defined(__SANITIZE_THREAD__) || defined(HAS_ADDRESS_SANITIZER)
enum { CHILDREN = 40, CHILD_MAY_HAVE_THREADS = 0 };
#else
enum { CHILDREN = 300, CHILD_MAY_HAVE_THREADS = 1 };
#endif

#define PEAK (24 * MIB)

static atomic_bool is_over;

/* Runs of units and small blocks that come and go, and now and then a pause in which they age. */
static void *keep_busy(void *argument) {
  random_source_t source = {(uintptr_t)argument};
  while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
    enum { BLOCKS = 200 };
    void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
      size_t size = 1 + random_size(&source, i % 20 == 0 ? 2 * MIB : 20000);
      blocks[i] = fe_malloc(size);
      require(blocks[i] != NULL);
      *(char *)blocks[i] = 1;
    }
    for (int i = 0; i < BLOCKS; i++) fe_free(blocks[i]);
    usleep((useconds_t)random_below(&source, 2000));
  }
  return NULL;
}

/* So that some forks come while the thread is being started or ended. */
static void *start_and_end(void *unused) {
  (void)unused;
  while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
    require(fe_option_set("background_purge", "0"));
    require(fe_option_set("background_purge", "1"));
    usleep(20000);
  }
  return NULL;
}

static void leave_a_heap(void *unused) {
  (void)unused;
  fe_free(fe_malloc(1000));
}

static size_t committed_bytes(void) {
  fe_arenas_stats_t stats = {.struct_size = sizeof stats};
  require(fe_arenas_stats(NULL, &stats));
  return stats.committed_bytes;
}

static void make_and_free_peak(void) {
  enum { BLOCK_BYTES = 50000, BLOCKS = PEAK / BLOCK_BYTES };
  static void *blocks[BLOCKS];
  for (size_t i = 0; i < BLOCKS; i++) {
    blocks[i] = fe_malloc(BLOCK_BYTES);
    require(blocks[i] != NULL);
    memset(blocks[i], 1, BLOCK_BYTES);
  }
  for (size_t i = 0; i < BLOCKS; i++) fe_free(blocks[i]);
}

static bool is_option_on(void) {
  char text[4];
  fe_option_get("background_purge", text, sizeof text);
  return text[0] == '1';
}

/* What other threads had at the fork stays. */
static void sleep_until_memory_is_down(void) {
  if (!is_option_on()) require(fe_option_set("background_purge", "1"));
  require(fe_option_set("purge_delay_ms", "60000"));
  make_and_free_peak();
  fe_free(fe_malloc(2 * MIB)); /* is worth a thread, however much was inherited */
  size_t peak = committed_bytes();
  require(fe_option_set("purge_delay_ms", "50"));
  for (int i = 0; i < 600 && committed_bytes() + PEAK / 2 > peak; i++) usleep(50000);
  require(committed_bytes() + PEAK / 2 <= peak);
}

static void work_in_child(size_t number) {
  if (CHILD_MAY_HAVE_THREADS && number % SLEEPERS_EVERY == 0) {
    sleep_until_memory_is_down();
    return;
  }
  if (!CHILD_MAY_HAVE_THREADS || number % 3 == 0) require(fe_option_set("background_purge", "0"));
  if (CHILD_MAY_HAVE_THREADS && number % 3 == 1) require(fe_option_set("background_purge", "1"));
  make_and_free_peak();
}

static _Noreturn void child_main(size_t number) {
  alarm(HANG_SECONDS);
  work_in_child(number);
  if (!CHILD_MAY_HAVE_THREADS) _exit(0);
  /* With the destructors, among them the one that ends the thread. */
  exit(0);
}

static void fork_one_child(size_t number) {
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) child_main(number);
  run_in_thread(leave_a_heap, NULL);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  if (status != 0) {
    fail_msg("child %zu ended with status 0x%x%s", number, (unsigned)status,
             WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ": it hung" : "");
  }
}

static void children_of_a_program_in_the_middle_of_a_purge_work(void **state) {
  (void)state;
  assert_true(fe_option_set("purge_delay_ms", "1"));
  assert_true(fe_option_set("background_purge", "1"));
  pthread_t threads[THREADS + 1];
  assert_int_equal(pthread_create(&threads[THREADS], NULL, start_and_end, NULL), 0);
  for (uintptr_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, keep_busy, (void *)i), 0);
  }
  for (size_t number = 0; number < rounds_of(CHILDREN); number++) {
    fork_one_child(number);
  }
  atomic_store(&is_over, true);
  for (int i = 0; i <= THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_true(fe_option_set("background_purge", "0"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(children_of_a_program_in_the_middle_of_a_purge_work),
  };
  return cmocka_run_group_tests_name("background_fork", tests, NULL, NULL);
}
