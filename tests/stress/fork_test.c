/* fork from a program whose threads are busy in their heaps: the child, in which only the forking
 * thread goes on, allocates and frees, its own blocks and those of threads that it does not have.
 * None may hang; a child that does is ended by its alarm, and that fails the test.
 *
 * Each busy thread allocates from its own heap and from an explicit one, small and large blocks,
 * frees its own and those of others, collects, and makes and ends heaps, all the time.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/core/support.h"

/* Of a thread's letters some are there for the children, and never taken by other threads; the
 * others are for whoever is faster. */
enum { THREADS = 8, KEPT_LETTERS = 4, LETTERS = 8, CHILD_BLOCKS = 400, HANG_SECONDS = 120 };

/* Under ThreadSanitizer a fork waits for all threads, and a child costs several times as much. */
#if defined(__SANITIZE_THREAD__)
enum { CHILDREN = 200 };
#else
enum { CHILDREN = 1000 };
#endif

static atomic_bool is_over;
static pthread_barrier_t all_began;
static _Atomic(uint64_t *) letters[THREADS][LETTERS];

/* A letter holds its own size and a number that belongs to it. */
static uint64_t *new_letter(fe_heap_t *heap, random_source_t *source) {
  size_t limit = random_below(source, 200) == 0 ? 600000 : 2000;
  size_t size = 16 + random_size(source, limit);
  uint64_t *letter = random_below(source, 2) == 0 ? fe_malloc(size) : fe_heap_alloc(heap, size);
  require(letter != NULL);
  letter[0] = size;
  letter[1] = size * 31 + 7;
  return letter;
}

static void check_and_free(uint64_t *letter) {
  if (letter != NULL) {
    require(letter[1] == letter[0] * 31 + 7);
    fe_free(letter);
  }
}

static void exchange_letter(size_t thread, size_t i, uint64_t *letter) {
  check_and_free(atomic_exchange_explicit(&letters[thread][i], letter, memory_order_acq_rel));
}

/* A heap that begins and ends, with blocks in it. */
static void use_short_lived_heap(random_source_t *source) {
  fe_heap_t *heap = fe_heap_create(NULL);
  require(heap != NULL);
  for (int i = 0; i < 20; i++) {
    void *block = fe_heap_resize(heap, NULL, 0, 1 + random_size(source, 100000));
    require(block != NULL);
  }
  fe_heap_destroy(heap);
}

static void work_once(size_t self, fe_heap_t *heap, random_source_t *source) {
  exchange_letter(self, random_below(source, LETTERS), new_letter(heap, source));
  size_t other = random_below(source, THREADS);
  exchange_letter(other, KEPT_LETTERS + random_below(source, LETTERS - KEPT_LETTERS), NULL);
  switch (random_below(source, 500)) {
    case 0:
      fe_collect(random_below(source, 10) == 0);
      break;
    case 1:
      use_short_lived_heap(source);
      break;
    case 2:
      fe_heap_collect(heap, false);
      break;
    default:
      break;
  }
}

static fe_heap_t *explicit_heaps[THREADS];

static void *keep_busy(void *argument) {
  size_t self = (uintptr_t)argument;
  random_source_t source = {self};
  for (size_t i = 0; i < LETTERS; i++) {
    exchange_letter(self, i, new_letter(explicit_heaps[self], &source));
  }
  pthread_barrier_wait(&all_began);
  while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
    work_once(self, explicit_heaps[self], &source);
  }
  return NULL;
}

static void allocate_and_free(fe_heap_t *heap, size_t number) {
  static void *blocks[CHILD_BLOCKS];
  for (size_t i = 0; i < CHILD_BLOCKS; i++) {
    size_t size = 1 + (i * 37 + number) % (i % 500 == 0 ? 100000 : 3000);
    blocks[i] = fe_heap_alloc(heap, size);
    require(blocks[i] != NULL);
    pattern_fill(blocks[i], size, i);
  }
  for (size_t i = 0; i < CHILD_BLOCKS; i++) {
    size_t size = 1 + (i * 37 + number) % (i % 500 == 0 ? 100000 : 3000);
    require(pattern_holds(blocks[i], size, i));
    fe_free(blocks[i]);
  }
}

/* Nobody else is here, so the letters belong to the child: some of every thread. */
static void free_inherited_letters(void) {
  for (size_t thread = 0; thread < THREADS; thread++) {
    for (size_t i = 0; i < LETTERS; i++) {
      require(i >= KEPT_LETTERS || letters[thread][i] != NULL);
      exchange_letter(thread, i, NULL);
    }
  }
}

/* A thread of the child's gets a heap that is idle or new, never one of a thread that is gone. */
static void *work_in_child(void *argument) {
  allocate_and_free(fe_thread_heap(), (uintptr_t)argument);
  return NULL;
}

#if defined(__SANITIZE_THREAD__)
/* TSan knows no threads in the child of a program with threads. */
static void run_thread_in_child(size_t number) { work_in_child((void *)number); }
#else
static void run_thread_in_child(size_t number) {
  pthread_t thread;
  require(pthread_create(&thread, NULL, work_in_child, (void *)number) == 0);
  require(pthread_join(thread, NULL) == 0);
}
#endif

static _Noreturn void child_main(fe_heap_t *inherited, void *kept, size_t number) {
  alarm(HANG_SECONDS);
  allocate_and_free(fe_thread_heap(), number);
  free_inherited_letters();
  require(pattern_holds(kept, 5000, number));
  fe_free(kept);
  allocate_and_free(inherited, number);
  fe_heap_destroy(inherited);
  fe_heap_t *heap = fe_heap_create(NULL);
  require(heap != NULL);
  allocate_and_free(heap, number);
  fe_heap_destroy(heap);
  allocate_and_free(fe_thread_heap(), number);
  fe_collect(true);
  run_thread_in_child(number);
  _exit(0);
}

static void fork_one_child(size_t number) {
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  assert_non_null(fe_heap_alloc(heap, 100));
  void *kept = fe_malloc(5000);
  assert_non_null(kept);
  pattern_fill(kept, 5000, number);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    child_main(heap, kept, number);
  }
  allocate_and_free(heap, number);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  if (status != 0) {
    fail_msg("child %zu ended with status 0x%x%s", number, (unsigned)status,
             WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ": it hung" : "");
  }
  assert_true(pattern_holds(kept, 5000, number));
  fe_free(kept);
  fe_heap_destroy(heap);
}

static void start_busy_threads(pthread_t *threads) {
  assert_int_equal(pthread_barrier_init(&all_began, NULL, THREADS + 1), 0);
  for (size_t i = 0; i < THREADS; i++) {
    explicit_heaps[i] = fe_heap_create(NULL);
    assert_non_null(explicit_heaps[i]);
    assert_int_equal(pthread_create(&threads[i], NULL, keep_busy, (void *)i), 0);
  }
  pthread_barrier_wait(&all_began);
}

static void end_busy_threads(pthread_t *threads) {
  atomic_store(&is_over, true);
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  }
  free_inherited_letters();
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(fe_heap_used_bytes(explicit_heaps[i]), 0);
    fe_heap_destroy(explicit_heaps[i]);
  }
}

static void children_of_a_busy_program_work_and_end(void **state) {
  (void)state;
  pthread_t threads[THREADS];
  start_busy_threads(threads);
  for (size_t number = 0; number < rounds_of(CHILDREN); number++) {
    fork_one_child(number);
  }
  end_busy_threads(threads);
  print_message("%zu children ended\n", rounds_of(CHILDREN));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(children_of_a_busy_program_work_and_end),
  };
  return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
