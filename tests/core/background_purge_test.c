/* The option background_purge: memory goes back while the whole program sleeps, by a thread that is
 * there only if it is wanted, and sleeps itself unless there is something to do. */
#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/core/figures.h"
#include "tests/core/support.h"

#define THREAD_NAME "ferroc-purge"

#define PEAK (64 * MIB)
#define LITTLE (8 * MIB)

/* -- The thread, as the system sees it --------------------------------------------------------- */

/* The number behind "name:" in a thread's status, read with that base; -1 if there is no thread. */
static long long thread_status(int thread, const char *name, int base) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/status", thread);
  FILE *file = fopen(path, "r");
  if (file == NULL) return -1;
  char line[256];
  size_t length = strlen(name);
  long long value = -1;
  while (fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, name, length) != 0 || line[length] != ':') continue;
    value = (long long)strtoull(line + length + 1, NULL, base);
  }
  fclose(file);
  return value;
}

static bool has_name(int thread, const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/comm", thread);
  FILE *file = fopen(path, "r");
  if (file == NULL) return false;
  char line[64] = "";
  bool is_read = fgets(line, sizeof line, file) != NULL;
  fclose(file);
  return is_read && strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == '\n';
}

typedef struct threads {
  int count;
  int purger_count;
  int purger; /* 0: none */
} threads_t;

static threads_t look_at_threads(void) {
  threads_t threads = {0};
  DIR *folder = opendir("/proc/self/task");
  require(folder != NULL);
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    int thread = atoi(entry->d_name);
    if (thread <= 0) continue;
    threads.count++;
    if (!has_name(thread, THREAD_NAME)) continue;
    threads.purger_count++;
    threads.purger = thread;
  }
  closedir(folder);
  return threads;
}

/* A thread gets its name only after it began. */
static int wait_for_purger(void) {
  for (int i = 0; i < 5000; i++) {
    threads_t threads = look_at_threads();
    if (threads.purger_count == 1) return threads.purger;
    usleep(1000);
  }
  return 0;
}

/* A thread that was waited for may be seen for a moment more. */
static bool is_purger_gone(void) {
  for (int i = 0; i < 5000; i++) {
    if (look_at_threads().purger_count == 0) return true;
    usleep(1000);
  }
  return false;
}

/* -- Memory that comes and goes ----------------------------------------------------------------
 */

static size_t committed_bytes(void) { return arenas_stats_of(NULL).committed_bytes; }

enum { BLOCKS_MAX = 1 << 18 };
static void *blocks[BLOCKS_MAX];
static size_t block_count;

static void make_peak(void *unused) {
  (void)unused;
  static const size_t sizes[] = {40, 500, 3000, 12000, 200, 100000};
  block_count = 0;
  for (size_t bytes = 0; bytes < PEAK; block_count++) {
    size_t size = sizes[block_count % (sizeof sizes / sizeof sizes[0])];
    require(block_count < BLOCKS_MAX);
    blocks[block_count] = fe_malloc(size);
    require(blocks[block_count] != NULL);
    memset(blocks[block_count], 1, size);
    bytes += size;
  }
}

static void free_peak(void *unused) {
  (void)unused;
  for (size_t i = 0; i < block_count; i++) {
    fe_free(blocks[i]);
  }
}

/* Nothing of ferroc's is called but its figures, which give nothing back. */
static void require_sleep_brings_memory_down(void) {
  int steps = 0;
  for (; steps < 200 && committed_bytes() >= LITTLE; steps++) usleep(50000);
  print_message("          sleep of %d ms\n", steps * 50);
  require(committed_bytes() < LITTLE);
  bool can_see_memory = !HAS_SANITIZER_MEMORY && !IS_CHECKED;
  require(!can_see_memory || resident_bytes() < PEAK / 2);
}

static void switch_on(void) { require(fe_option_set("background_purge", "1")); }
static void switch_off(void) { require(fe_option_set("background_purge", "0")); }

/* Each test begins and ends without the thread. */
static int begin(void **state) {
  switch_off();
  fe_trim();
  return remember_used_bytes(state);
}

static int end(void **state) {
  switch_off();
  return check_used_bytes(state);
}

#define test_of_thread(function) cmocka_unit_test_setup_teardown(function, begin, end)

/* -- Tests -------------------------------------------------------------------------------------
 */

static void what_the_program_freed_goes_back_while_it_sleeps(void **state) {
  (void)state;
  switch_on();
  make_peak(NULL);
  assert_true(committed_bytes() >= PEAK);
  free_peak(NULL);
  require_sleep_brings_memory_down();
}

static void also_what_was_freed_before_the_option_was_set(void **state) {
  (void)state;
  assert_true(fe_option_set("purge_delay_ms", "60000"));
  make_peak(NULL);
  free_peak(NULL);
  assert_true(committed_bytes() >= PEAK);
  assert_true(fe_option_set("purge_delay_ms", "50"));
  switch_on();
  require_sleep_brings_memory_down();
}

/* The heap of the thread is nobody's when the blocks are freed. */
static void also_what_an_ended_thread_had(void **state) {
  (void)state;
  switch_on();
  run_in_thread(make_peak, NULL);
  free_peak(NULL);
  require_sleep_brings_memory_down();
}

static void also_what_an_ended_thread_freed(void **state) {
  (void)state;
  switch_on();
  make_peak(NULL);
  run_in_thread(free_peak, NULL);
  fe_collect(false); /* what others freed in a heap in use waits for its thread */
  require_sleep_brings_memory_down();
}

static void make_and_free_small_blocks(void *unused) {
  (void)unused;
  for (size_t size = 16; size < 20000; size += size / 8 + 1) {
    fe_free(memset(fe_malloc(size), 1, size));
  }
}

/* The thread gives nothing to the arenas, but leaves a heap that keeps some. */
static void also_what_the_heap_of_an_ended_thread_kept(void **state) {
  (void)state;
  fe_heap_t *ignored = fe_thread_heap();
  assert_non_null(ignored);
  run_in_thread(make_and_free_small_blocks, NULL);
  fe_trim();
  size_t least = committed_bytes();
  switch_on();
  run_in_thread(make_and_free_small_blocks, NULL);
  int steps = 0;
  for (; steps < 200 && committed_bytes() > least; steps++) usleep(50000);
  assert_true(committed_bytes() <= least);
}

static long long wake_ups(int thread) {
  return thread_status(thread, "voluntary_ctxt_switches", 10);
}

/* Not only between two instructions, in the midst of its work, as on a machine with little time. */
static bool sleeps(int thread) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
  FILE *file = fopen(path, "r");
  require(file != NULL);
  char state = '?';
  bool is_read = fscanf(file, "%*d (" THREAD_NAME ") %c", &state) == 1;
  fclose(file);
  return is_read && state == 'S';
}

/* Waits until the thread has slept for half a second, which it must within some seconds. */
static void assert_falls_asleep(int thread) {
  long long before = wake_ups(thread);
  size_t purges_before = arenas_stats_of(NULL).purges;
  for (size_t i = 0; i < 20 * slowness(); i++) {
    usleep(500000);
    long long now = wake_ups(thread);
    size_t purges = arenas_stats_of(NULL).purges;
    if (now == before && purges == purges_before && sleeps(thread)) return;
    before = now;
    purges_before = purges;
  }
  fail_msg("the thread goes on waking up");
}

static void the_thread_sleeps_when_all_has_gone(void **state) {
  (void)state;
  switch_on();
  int thread = wait_for_purger();
  assert_true(thread != 0);
  assert_falls_asleep(thread);
  make_peak(NULL);
  free_peak(NULL);
  assert_falls_asleep(thread);
  assert_true(committed_bytes() < LITTLE);
  long long before = wake_ups(thread);
  assert_true(before > 0);
  usleep(1500000);
  assert_int_equal(wake_ups(thread), before);
}

/* Live blocks here and there keep huge pages, which are not split. */
static void what_cannot_go_does_not_keep_it_awake(void **state) {
  (void)state;
  assert_true(fe_option_set("huge_pages", "always"));
  switch_on();
  make_peak(NULL);
  enum { KEPT = 200 };
  for (size_t i = 0; i < block_count; i++) {
    if (i % KEPT != 0) fe_free(blocks[i]);
  }
  assert_falls_asleep(wait_for_purger());
  bool has_huge_pages = SLAB_BYTES >= 2 * MIB;
  if (has_huge_pages) assert_true(arenas_stats_of(NULL).purgeable_bytes >= MIB);
  for (size_t i = 0; i < block_count; i += KEPT) fe_free(blocks[i]);
  assert_true(fe_option_set("huge_pages", "by_need"));
}

static void it_comes_and_goes_with_the_option(void **state) {
  (void)state;
  for (int i = 0; i < 200; i++) {
    switch_on();
    switch_on();
    if (i % 10 == 0) assert_true(wait_for_purger() != 0);
    if (i % 3 == 0) fe_free(memset(fe_malloc(5 * MIB), 1, 5 * MIB));
    switch_off();
    switch_off();
    assert_true(is_purger_gone());
  }
}

static void *switch_now_and_then(void *argument) {
  random_source_t source = {(uintptr_t)argument};
  for (int i = 0; i < 200; i++) {
    require(fe_option_set("background_purge", random_below(&source, 2) == 0 ? "0" : "1"));
    void *block = fe_malloc(200000);
    require(block != NULL);
    fe_free(block);
  }
  return NULL;
}

static void threads_may_switch_it_at_the_same_time(void **state) {
  (void)state;
  enum { THREADS = 4 };
  pthread_t threads[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, switch_now_and_then, (void *)i), 0);
  }
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  switch_on();
  assert_true(wait_for_purger() != 0);
  switch_off();
  assert_true(is_purger_gone());
}

static void it_takes_no_signals_and_has_no_heap(void **state) {
  (void)state;
  size_t heaps = sum_of(NULL).heap_count;
  switch_on();
  int thread = wait_for_purger();
  unsigned long long blocked = (unsigned long long)thread_status(thread, "SigBlk", 16);
  static const int signals[] = {SIGTERM, SIGINT, SIGALRM, SIGCHLD, SIGUSR1, SIGPROF};
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
    assert_true(blocked >> (signals[i] - 1) & 1);
  }
  make_peak(NULL);
  free_peak(NULL);
  require_sleep_brings_memory_down();
  assert_int_equal(sum_of(NULL).heap_count, heaps);
}

/* -- The environment: this program once more, with another part to play -- */

typedef struct role {
  const char *name;
  void (*play)(void);
} role_t;

static bool has_other_threads(void) { return HAS_SANITIZER_MEMORY; }

static void play_without_option(void) {
  make_peak(NULL);
  free_peak(NULL);
  threads_t threads = look_at_threads();
  require(threads.purger_count == 0);
  require(has_other_threads() || threads.count == 1);
}

static void play_small(void) {
  fe_free(fe_malloc(1000));
  require(look_at_threads().purger_count == 0);
}

static void play_sleeper(void) {
  errno = 7;
  make_peak(NULL);
  require(errno == 7);
  free_peak(NULL);
  require(wait_for_purger() != 0);
  require_sleep_brings_memory_down();
}

static void play_single_block(void) {
  fe_free(memset(fe_malloc(20 * MIB), 1, 20 * MIB));
  require(wait_for_purger() != 0);
  require_sleep_brings_memory_down();
}

static void play_quick_end(void) {
  make_peak(NULL);
  free_peak(NULL);
  usleep((useconds_t)(getpid() * 7919 % 150) * 1000);
}

/* With the program's addresses limited to what it has, there is no room for a stack. */
static void play_refused(void) {
  fe_free(fe_malloc(MIB));
  struct rlimit limit = {1, 1};
  require(setrlimit(RLIMIT_AS, &limit) == 0);
  errno = 0;
  require(!fe_option_set("background_purge", "1"));
  require(errno == EAGAIN || errno == ENOMEM);
  char text[4];
  fe_option_get("background_purge", text, sizeof text);
  require(strcmp(text, "0") == 0);
  fe_free(fe_malloc(MIB));
}

/* A child that only ends, or becomes another program, has no use for a thread. */
static void play_parent(void) {
  make_peak(NULL);
  require(wait_for_purger() != 0);
  pid_t child = fork();
  require(child >= 0);
  if (child == 0) {
    for (size_t size = 1; size < 20000; size *= 10) fe_free(fe_malloc(size));
    require(look_at_threads().count == 1);
    fe_free(fe_malloc(2 * MIB));
    require(wait_for_purger() != 0);
    _exit(0);
  }
  int status;
  require(waitpid(child, &status, 0) == child && status == 0);
}

static const role_t roles[] = {
    {"without_option", play_without_option},
    {"small", play_small},
    {"sleeper", play_sleeper},
    {"single_block", play_single_block},
    {"quick_end", play_quick_end},
    {"refused", play_refused},
    {"parent", play_parent},
};

#define ROLE_ARGUMENT "--role"

static int play(const char *name) {
  for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
    if (strcmp(roles[i].name, name) != 0) continue;
    roles[i].play();
    return 0;
  }
  return 1;
}

typedef struct start {
  char *role;
  char **environment;
} start_t;

static void run_self(void *argument) {
  start_t *start = argument;
  char *arguments[] = {"background_purge_test", ROLE_ARGUMENT, start->role, NULL};
  execve("/proc/self/exe", arguments, start->environment);
}

/* Under valgrind /proc/self/exe is another program. */
static bool can_run_self(void) {
  const char *checker = getenv("FERROC_TEST_SANITIZER");
  return checker == NULL || strcmp(checker, "valgrind") != 0;
}

static void assert_plays(char *role, bool with_option) {
  if (!can_run_self()) skip();
  char *option[] = {"FERROC_BACKGROUND_PURGE=1", NULL};
  start_t start = {role, with_option ? option : option + 1};
  child_result_t result;
  run_in_child(&result, run_self, &start);
  if (result.status != 0) fail_msg("%s: 0x%x, %s", role, (unsigned)result.status, result.errors);
  assert_null(strstr(result.errors, "ferroc:"));
}

static void run_self_without_option(void *role) {
  char *environment[] = {NULL};
  start_t start = {role, environment};
  run_self(&start);
}

/* In a program without threads that ended, whose stacks the C library keeps. */
static void a_refusal_is_said_and_the_program_goes_on(void **state) {
  (void)state;
  if (HAS_SANITIZER_MEMORY || IS_CHECKED) skip();
  assert_child_says(run_self_without_option, "refused",
                    "background_purge: no thread can be started", NULL);
}

static void by_default_there_is_no_thread(void **state) {
  (void)state;
  assert_plays("without_option", false);
}

static void a_variable_starts_it_when_it_is_worth_it(void **state) {
  (void)state;
  assert_plays("small", true);
  assert_plays("sleeper", true);
  assert_plays("single_block", true);
}

static void in_the_child_of_a_fork_it_is_started_anew(void **state) {
  (void)state;
#if defined(__SANITIZE_THREAD__)
  skip(); /* knows no threads in the child of a program with threads */
#endif
  assert_plays("parent", true);
}

static void a_program_may_end_while_it_works(void **state) {
  (void)state;
  for (int i = 0; i < 20; i++) assert_plays("quick_end", true);
}

int main(int argument_count, char **arguments) {
  if (argument_count > 2 && strcmp(arguments[1], ROLE_ARGUMENT) == 0) return play(arguments[2]);
  const struct CMUnitTest tests[] = {
      test_of_thread(what_the_program_freed_goes_back_while_it_sleeps),
      test_of_thread(also_what_was_freed_before_the_option_was_set),
      test_of_thread(also_what_an_ended_thread_had),
      test_of_thread(also_what_an_ended_thread_freed),
      test_of_thread(also_what_the_heap_of_an_ended_thread_kept),
      test_of_thread(the_thread_sleeps_when_all_has_gone),
      test_of_thread(what_cannot_go_does_not_keep_it_awake),
      test_of_thread(it_comes_and_goes_with_the_option),
      test_of_thread(threads_may_switch_it_at_the_same_time),
      test_of_thread(it_takes_no_signals_and_has_no_heap),
      test_of_thread(a_refusal_is_said_and_the_program_goes_on),
      test_of_thread(by_default_there_is_no_thread),
      test_of_thread(a_variable_starts_it_when_it_is_worth_it),
      test_of_thread(in_the_child_of_a_fork_it_is_started_anew),
      test_of_thread(a_program_may_end_while_it_works),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
