/* fork from a program whose threads are busy in their heaps: the child, in which only the forking
 * thread goes on, allocates and frees, its own blocks and those of threads that it does not have.
 * None may hang; a child that does is ended by its alarm, and that fails the test.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/core/support.h"

enum { THREADS = 3, MAILBOXES = 16, CHILDREN = 30, CHILD_BLOCKS = 3000, HANG_SECONDS = 120 };

static atomic_bool is_over;
static _Atomic(uint64_t *) mailboxes[MAILBOXES];

/* A mailbox's block holds its own size and a number that belongs to it. */
static uint64_t *new_letter(random_source_t *source) {
  size_t size = 16 + random_size(source, random_below(source, 200) == 0 ? 200000 : 2000);
  uint64_t *letter = fe_malloc(size);
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

static void *keep_busy(void *argument) {
  random_source_t source = {(uintptr_t)argument};
  while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
    uint64_t *letter = random_below(&source, 8) == 0 ? NULL : new_letter(&source);
    size_t i = random_below(&source, MAILBOXES);
    check_and_free(atomic_exchange_explicit(&mailboxes[i], letter, memory_order_acq_rel));
    if (random_below(&source, 1000) == 0) {
      fe_collect(false);
    }
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

/* Nobody else is here, so the letters belong to the child. */
static void free_inherited_letters(void) {
  for (size_t i = 0; i < MAILBOXES; i++) {
    check_and_free(atomic_exchange_explicit(&mailboxes[i], NULL, memory_order_acquire));
  }
}

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
  allocate_and_free(fe_thread_heap(), number);
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

static void children_of_a_busy_program_work_and_end(void **state) {
  (void)state;
  pthread_t threads[THREADS];
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, keep_busy, (void *)(i + 1)), 0);
  }
  for (size_t number = 0; number < CHILDREN; number++) {
    fork_one_child(number);
  }
  atomic_store(&is_over, true);
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  }
  free_inherited_letters();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(children_of_a_busy_program_work_and_end),
  };
  return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
