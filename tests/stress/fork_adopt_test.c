/* fork from a program whose threads are in the middle of everything: the child takes over the heaps
 * of threads that it does not have. Blocks that were live are intact and can be freed, what lay in
 * those heaps is had again, and children of children do not hold more and more.
 *
 * Each kind of operation has threads of its own, which do nothing else; letters (blocks with a
 * pattern) lie in boxes, where all of them, and the children, find them.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/core/figures.h"

/* In a child, threads that were about to be joined in the program are nobody's. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "report_thread_leaks=0"; }

enum { BOXES = 600, KINDS = 7, THREADS_EACH = 2, HANG_SECONDS = 200, LEVELS = 3 };

#if defined(__SANITIZE_THREAD__)
enum { FORKS = 40, FORKS_WHILE_EMPTIED = 10, FORKS_OF_JUGGLER = 50 };
#else
enum { FORKS = 150, FORKS_WHILE_EMPTIED = 60, FORKS_OF_JUGGLER = 1000 };
#endif

typedef struct letter {
  size_t size;
  uint64_t seed;
  unsigned char text[];
} letter_t;

static _Atomic(letter_t *) boxes[BOXES];
static atomic_bool is_over;

/* -- Letters -- */

static letter_t *sign(letter_t *letter, size_t size, random_source_t *random) {
  if (letter == NULL) return NULL;
  letter->size = size;
  letter->seed = random_next(random);
  pattern_fill(letter->text, size - sizeof *letter, letter->seed);
  return letter;
}

static void burn(letter_t *letter) {
  if (letter == NULL) return;
  require(pattern_holds(letter->text, letter->size - sizeof *letter, letter->seed));
  fe_free(letter);
}

static void post(letter_t *letter, random_source_t *random) {
  size_t box = random_below(random, BOXES);
  burn(atomic_exchange_explicit(&boxes[box], letter, memory_order_acq_rel));
}

static letter_t *write_letter(size_t most, random_source_t *random) {
  size_t size = sizeof(letter_t) + random_size(random, most);
  letter_t *letter = sign(fe_malloc(size), size, random);
  require(letter != NULL);
  return letter;
}

/* -- What the threads do, each one kind -- */

/* The quick ways. */
static void allocate_and_free(random_source_t *random) {
  letter_t *few[50];
  for (size_t i = 0; i < 50; i++) few[i] = write_letter(200, random);
  for (size_t i = 0; i < 50; i++) burn(few[i]);
}

/* Full shards, mixed ones, and those that others empty. */
static void post_letters(random_source_t *random) {
  size_t most = random_below(random, 2) == 0 ? 300 : MEDIUM_MAX;
  for (size_t i = 0; i < 100; i++) post(write_letter(most, random), random);
}

static void use_large_blocks(random_source_t *random) {
  size_t size = 2 * UNIT_BYTES + random_below(random, 5 * UNIT_BYTES);
  letter_t *letter = sign(fe_calloc(1, size), size, random);
  require(letter != NULL);
  size_t larger = size + random_below(random, SLAB_BYTES);
  letter = fe_realloc(letter, larger);
  require(letter != NULL);
  post(letter, random);
}

static void use_short_lived_heaps(random_source_t *random) {
  fe_heap_options_t options = {.memory_limit = 100 * KIB};
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  for (size_t i = 0; i < 150; i++) fe_heap_alloc(heap, 1 + random_below(random, 3000));
  fe_heap_hand_over(heap);
  require(fe_heap_take_over(heap));
  fe_heap_destroy(heap);
}

static void *come_and_go(void *seed) {
  random_source_t random = {(uintptr_t)seed};
  for (size_t i = 0; i < 60; i++) post(write_letter(2000, &random), &random);
  return NULL;
}

static void start_threads(random_source_t *random) {
  pthread_t thread;
  require(pthread_create(&thread, NULL, come_and_go, (void *)(uintptr_t)random_next(random)) == 0);
  require(pthread_join(thread, NULL) == 0);
}

static void trim(random_source_t *random) {
  fe_trim();
  sched_yield();
  if (random_below(random, 4) == 0) require(sum_of(NULL).heap_count > 0);
}

/* Whole shards at once, of the forking thread's heaps too. */
static void empty_boxes(random_source_t *random) {
  for (size_t i = 0; i < BOXES; i++) burn(atomic_exchange(&boxes[i], NULL));
  for (size_t i = 0; i < 20; i++) post(write_letter(1000, random), random);
}

static void (*const kinds[KINDS])(random_source_t *random) = {
    allocate_and_free, post_letters, use_large_blocks, use_short_lived_heaps,
    start_threads,     trim,         empty_boxes};

static void *work(void *number) {
  random_source_t random = {(uintptr_t)number};
  while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
    kinds[(uintptr_t)number % KINDS](&random);
  }
  return NULL;
}

/* -- The child -- */

static void use_heap(fe_heap_t *heap, random_source_t *random) {
  enum { COUNT = 300 };
  static letter_t *letters[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    size_t most = i % 100 == 99 ? 5 * UNIT_BYTES : i % 10 == 9 ? MEDIUM_MAX : 500;
    size_t size = sizeof(letter_t) + random_size(random, most);
    letters[i] = sign(fe_heap_alloc(heap, size), size, random);
    require(letters[i] != NULL);
  }
  for (size_t i = 0; i < COUNT; i++) burn(letters[i]);
}

static void *use_own_heap(void *seed) {
  random_source_t random = {(uintptr_t)seed};
  use_heap(fe_thread_heap(), &random);
  return NULL;
}

/* ThreadSanitizer knows no threads in the child of a program with threads. */
static void use_heaps_of_new_threads(void) {
  enum { COUNT = 4 };
  pthread_t threads[COUNT];
  if (HAS_SANITIZER_MEMORY) return;
  for (size_t i = 0; i < COUNT; i++) {
    require(pthread_create(&threads[i], NULL, come_and_go, (void *)i) == 0);
  }
  for (size_t i = 0; i < COUNT; i++) require(pthread_join(threads[i], NULL) == 0);
  require(pthread_create(&threads[0], NULL, use_own_heap, NULL) == 0);
  require(pthread_join(threads[0], NULL) == 0);
}

static void burn_all(void) {
  for (size_t i = 0; i < BOXES; i++) burn(atomic_exchange(&boxes[i], NULL));
}

/* What no thread of the program can have had in its hands: each had a few blocks. */
static void check_what_is_left(void) {
  fe_trim();
  size_t used = sum_of(NULL).used_bytes;
  size_t bound = KINDS * THREADS_EACH * (2 * SLAB_BYTES + 12 * UNIT_BYTES);
  if (used <= bound) return;
  fprintf(stderr, "%zu bytes are in use\n", used);
  abort();
}

static void wait_for(pid_t child, size_t number) {
  int status;
  require(child > 0 && waitpid(child, &status, 0) == child);
  if (status == 0) return;
  fprintf(stderr, "child %zu ended with status 0x%x\n", number, (unsigned)status);
  abort();
}

static _Noreturn void live_as_child(fe_heap_t *inherited, random_source_t *random) {
  alarm(HANG_SECONDS);
  use_heap(fe_thread_heap(), random);
  use_heap(inherited, random);
  burn_all();
  check_what_is_left();
  size_t taken = arenas_stats_of(NULL).taken_bytes;
  use_heaps_of_new_threads();
  use_heap(inherited, random);
  fe_heap_destroy(inherited);
  /* A child of it, of a program that is at rest, and so on: none has more than the one before. */
  for (int level = 1; level < LEVELS; level++) {
    use_heaps_of_new_threads();
    pid_t child = fork();
    if (child != 0) {
      wait_for(child, 0);
      _exit(0);
    }
    burn_all();
    use_heap(fe_thread_heap(), random);
    check_what_is_left();
    require(arenas_stats_of(NULL).taken_bytes <= taken + 8 * UNIT_BYTES);
  }
  _exit(0);
}

/* -- The program -- */

/* Much of the forking thread's heaps is in boxes, so that others look into these heaps. */
static void fork_with_letters_around(fe_heap_t *heap, random_source_t *random, size_t number) {
  size_t size = sizeof(letter_t) + random_below(random, 2000);
  for (size_t i = 0; i < 300; i++) {
    letter_t *letter = i % 2 == 0 ? fe_malloc(size) : fe_heap_alloc(heap, size);
    post(sign(letter, size, random), random);
  }
  pid_t child = fork();
  if (child == 0) live_as_child(heap, random);
  for (int i = 0; i < 3; i++) use_heap(heap, random);
  wait_for(child, number);
}

typedef struct stranger {
  fe_heap_t *heap;
  random_source_t *random;
} stranger_t;

/* A thread that never allocated. */
static void *fork_without_heap(void *argument) {
  stranger_t *stranger = argument;
  pid_t child = fork();
  if (child == 0) live_as_child(stranger->heap, stranger->random);
  wait_for(child, 0);
  return NULL;
}

static void children_take_over_the_heaps_of_threads_that_are_gone(void **state) {
  (void)state;
  enum { THREADS = KINDS * THREADS_EACH };
  pthread_t threads[THREADS];
  random_source_t random = {random_seed()};
  fe_heap_t *heap = new_heap(NULL);
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
  }
  for (size_t number = 0; number < rounds_of(FORKS); number++) {
    if (number % 4 != 3) {
      fork_with_letters_around(heap, &random, number);
      continue;
    }
    pthread_t stranger;
    stranger_t argument = {heap, &random};
    assert_int_equal(pthread_create(&stranger, NULL, fork_without_heap, &argument), 0);
    pthread_join(stranger, NULL);
  }
  atomic_store(&is_over, true);
  for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  burn_all();
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

/* -- A heap of the forking thread, while others empty it ------------------------------------------
 *
 * Those who free the last blocks of many shards look into the heap: the child must not find it in
 * the middle of that.
 */

enum { EMPTIED = 4000 };

static void *emptied[EMPTIED];
static atomic_size_t next_emptied;

static void *empty_heap(void *argument) {
  for (size_t i = 0; i < EMPTIED; i++) {
    atomic_store(&next_emptied, i + 1);
    fe_free(emptied[i]);
  }
  return argument;
}

/* At most one block, or all of a shard that was about to be told of, is in nobody's hands. */
static _Noreturn void find_nothing_left(fe_heap_t *heap, random_source_t *random) {
  alarm(HANG_SECONDS);
  for (size_t i = atomic_load(&next_emptied); i < EMPTIED; i++) fe_free(emptied[i]);
  fe_trim();
  require(fe_heap_used_bytes(heap) <= 2 * UNIT_BYTES);
  use_heap(heap, random);
  _exit(0);
}

static void a_heap_that_others_look_into_is_whole_in_the_child(void **state) {
  (void)state;
  random_source_t random = {random_seed()};
  fe_heap_t *heaps[2] = {new_heap(NULL), fe_thread_heap()};
  for (size_t number = 0; number < rounds_of(FORKS_WHILE_EMPTIED); number++) {
    fe_heap_t *heap = heaps[number % 2];
    for (size_t i = 0; i < EMPTIED; i++) {
      emptied[i] = fe_heap_alloc(heap, MEDIUM_MAX - TRAILER);
      assert_non_null(emptied[i]);
    }
    atomic_store(&next_emptied, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, empty_heap, NULL), 0);
    size_t when = random_below(&random, EMPTIED);
    while (atomic_load(&next_emptied) < when) continue;
    pid_t child = fork();
    if (child == 0) find_nothing_left(heap, &random);
    wait_for(child, number);
    pthread_join(thread, NULL);
  }
  assert_int_equal(fe_heap_used_bytes(heaps[0]), 0);
  fe_heap_destroy(heaps[0]);
}

/* -- A heap whose thread is cut off on a quick way ------------------------------------------------
 *
 * The thread takes a block and frees it again, all the time, of a size of which it has few: those
 * that are free wait in bins. In the child the heap has what was live, and at most that block
 * besides.
 */

enum { JUGGLED = UNIT_BYTES / 12, WAITING = 3, LIVE = 17 };

typedef struct juggler {
  _Atomic(fe_heap_t *) heap; /* its own, when it has begun */
  size_t live_bytes;
  atomic_size_t turns;
} juggler_t;

static void *juggle(void *argument) {
  juggler_t *juggler = argument;
  void *blocks[WAITING + LIVE];
  for (size_t i = 0; i < WAITING + LIVE; i++) blocks[i] = fe_malloc(JUGGLED);
  for (size_t i = 0; i < WAITING; i++) fe_free(blocks[i]);
  juggler->live_bytes = fe_heap_used_bytes(fe_thread_heap());
  atomic_store(&juggler->heap, fe_thread_heap());
  while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
    fe_free(fe_malloc(JUGGLED));
    atomic_fetch_add_explicit(&juggler->turns, 1, memory_order_relaxed);
  }
  for (size_t i = WAITING; i < WAITING + LIVE; i++) fe_free(blocks[i]);
  return NULL;
}

/* So that each fork finds it in another place. */
static void wait_for_turns(juggler_t *juggler) {
  size_t turns = atomic_load(&juggler->turns);
  while (atomic_load(&juggler->turns) == turns) sched_yield();
}

static _Noreturn void find_what_was_live(const juggler_t *juggler) {
  alarm(HANG_SECONDS);
  fe_trim();
  size_t used_bytes = peek(juggler->heap).used_bytes;
  require(used_bytes >= juggler->live_bytes);
  require(used_bytes - juggler->live_bytes <= fe_good_size(JUGGLED) + TRAILER);
  _exit(0);
}

static void a_heap_whose_thread_was_cut_off_counts_what_is_live(void **state) {
  (void)state;
  juggler_t juggler = {.heap = NULL};
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, juggle, &juggler), 0);
  while (atomic_load(&juggler.heap) == NULL) sched_yield();
  for (size_t number = 0; number < rounds_of(FORKS_OF_JUGGLER); number++) {
    wait_for_turns(&juggler);
    pid_t child = fork();
    if (child == 0) find_what_was_live(&juggler);
    wait_for(child, number);
  }
  atomic_store(&is_over, true);
  pthread_join(thread, NULL);
  atomic_store(&is_over, false);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      /* First: when much was in use before, few forks cut the thread off where it matters. */
      test_that(a_heap_whose_thread_was_cut_off_counts_what_is_live),
      test_that(children_take_over_the_heaps_of_threads_that_are_gone),
      test_that(a_heap_that_others_look_into_is_whole_in_the_child),
  };
  return cmocka_run_group_tests_name("fork_adopt", tests, NULL, NULL);
}
