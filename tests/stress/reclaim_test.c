/* Getting back what heaps keep, by many threads at all times, while those who hold the heaps
 * allocate and free on their quick ways, meet limits, hand heaps over, and end.
 *
 * Blocks go from hand to hand by letter boxes, so that most are freed by others than those who
 * allocated them; the whole content of each is checked when it is freed.
 *
 * FERROC_TEST_STRESS_ROUNDS: how many turns each thread of a generation takes.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tests/core/figures.h"

enum { HEAPS = 9, WORKERS = 4, VISITORS = 3, GENERATIONS = 12, BOXES = 512, OWN = 64 };

/* What a block begins with; the rest is a pattern. */
typedef struct letter {
  size_t size;
  uint64_t seed;
  unsigned char text[];
} letter_t;

typedef struct worker {
  pthread_t thread;
  random_source_t random;
  letter_t *own[OWN];
} worker_t;

static fe_heap_t *parent;
static fe_heap_t *heaps[HEAPS];
static _Atomic(letter_t *) boxes[BOXES];
static atomic_bool is_over;
static size_t rounds;
static _Atomic(size_t) refusals;

/* -- Letters -- */

static size_t any_size(random_source_t *random) {
  size_t kind = random_below(random, 1000);
  size_t most = kind < 700 ? 400 : kind < 950 ? 4000 : kind < 995 ? MEDIUM_MAX : 5 * UNIT_BYTES;
  return sizeof(letter_t) + random_size(random, most);
}

/* NULL: a limit forbids it. heap NULL: the thread's own. */
static letter_t *write_letter(fe_heap_t *heap, size_t size, random_source_t *random) {
  letter_t *letter = heap == NULL ? fe_malloc(size) : fe_heap_alloc(heap, size);
  if (letter == NULL) {
    require(heap != NULL);
    atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
    return NULL;
  }
  letter->size = size;
  letter->seed = random_next(random);
  pattern_fill(letter->text, size - sizeof *letter, letter->seed);
  return letter;
}

static void check_letter(const letter_t *letter) {
  require(pattern_holds(letter->text, letter->size - sizeof *letter, letter->seed));
}

static void burn(letter_t *letter) {
  if (letter == NULL) return;
  check_letter(letter);
  fe_free(letter);
}

static void post(letter_t *letter, random_source_t *random) {
  size_t box = random_below(random, BOXES);
  burn(atomic_exchange_explicit(&boxes[box], letter, memory_order_acq_rel));
}

/* -- Those who hold heaps -- */

/* The quick ways, over and over, in shards that others may be looking at. */
static void churn(fe_heap_t *heap, random_source_t *random) {
  letter_t *few[40];
  size_t size = sizeof(letter_t) + random_below(random, 300);
  for (int turn = 0; turn < 20; turn++) {
    size_t count = 1 + random_below(random, 40);
    for (size_t i = 0; i < count; i++) few[i] = write_letter(heap, size, random);
    for (size_t i = 0; i < count; i++) burn(few[i]);
  }
}

/* Many blocks of one size, most of which others free: shards become full, and empty. */
static void post_many(fe_heap_t *heap, random_source_t *random) {
  size_t size = sizeof(letter_t) + random_below(random, 1500);
  for (int i = 0; i < 150; i++) post(write_letter(heap, size, random), random);
}

static void swap_own(worker_t *worker, fe_heap_t *heap) {
  for (int i = 0; i < 20; i++) {
    letter_t **place = &worker->own[random_below(&worker->random, OWN)];
    burn(*place);
    *place = write_letter(heap, any_size(&worker->random), &worker->random);
  }
}

static void resize_own(worker_t *worker, fe_heap_t *heap) {
  letter_t **place = &worker->own[random_below(&worker->random, OWN)];
  if (*place == NULL || heap == NULL) return;
  check_letter(*place);
  letter_t *resized = fe_heap_realloc(heap, *place, any_size(&worker->random) + (*place)->size);
  if (resized == NULL) return;
  check_letter(resized);
  *place = resized;
}

static void use_heap(worker_t *worker, fe_heap_t *heap) {
  switch (random_below(&worker->random, 8)) {
    case 0:
    case 1:
      churn(heap, &worker->random);
      break;
    case 2:
    case 3:
      post_many(heap, &worker->random);
      break;
    case 4:
      resize_own(worker, heap);
      break;
    case 5:
      if (heap != NULL && random_below(&worker->random, 4) == 0) fe_heap_collect(heap, false);
      break;
    default:
      swap_own(worker, heap);
      break;
  }
}

/* Somebody else's, if nobody has it now; or the thread's own. */
static void take_a_turn(worker_t *worker) {
  fe_heap_t *heap = heaps[random_below(&worker->random, HEAPS)];
  if (random_below(&worker->random, 3) == 0 || !fe_heap_take_over(heap)) {
    use_heap(worker, NULL);
    return;
  }
  for (size_t i = random_below(&worker->random, 6); i > 0; i--) use_heap(worker, heap);
  fe_heap_hand_over(heap);
}

static void *work(void *argument) {
  worker_t *worker = argument;
  for (size_t round = 0; round < rounds; round++) take_a_turn(worker);
  for (size_t i = 0; i < OWN; i++) post(worker->own[i], &worker->random);
  return NULL;
}

/* -- Those who come by -- */

static void *visit(void *argument) {
  random_source_t random = {(uintptr_t)argument};
  while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
    switch (random_below(&random, 4)) {
      case 0:
        fe_trim();
        break;
      case 1:
        require(peek(heaps[random_below(&random, HEAPS)]).heap_count == 1);
        break;
      case 2:
        require(sum_of(NULL).heap_count >= HEAPS);
        break;
      default:
        post(NULL, &random);
        break;
    }
  }
  return NULL;
}

/* -- All together -- */

/* Without a limit, with one of their own, and under one that they share. */
static void make_heaps(void) {
  parent = fe_heap_create(&(fe_heap_options_t){.memory_limit = 1 * MIB});
  assert_non_null(parent);
  for (size_t i = 0; i < HEAPS; i++) {
    fe_heap_options_t options = {.granule = i % 2 == 0 ? 8 : 16,
                                 .memory_limit = i % 3 == 1 ? 200 * KIB : 0,
                                 .parent = i % 3 == 2 ? parent : NULL};
    heaps[i] = fe_heap_create(&options);
    assert_non_null(heaps[i]);
    fe_heap_hand_over(heaps[i]);
  }
}

static void end_heaps(void) {
  for (size_t i = 0; i < BOXES; i++) burn(atomic_exchange(&boxes[i], NULL));
  fe_trim();
  for (size_t i = 0; i < HEAPS; i++) {
    assert_int_equal(peek(heaps[i]).committed_bytes, UNIT_BYTES);
    assert_true(fe_heap_take_over(heaps[i]));
    assert_int_equal(fe_heap_used_bytes(heaps[i]), 0);
    fe_heap_destroy(heaps[i]);
  }
  assert_non_null(fe_heap_alloc(parent, MIB - UNIT_BYTES));
  fe_heap_destroy(parent);
}

static void run_generation(uint64_t seed) {
  static worker_t workers[WORKERS];
  for (size_t i = 0; i < WORKERS; i++) {
    workers[i] = (worker_t){.random = {seed * WORKERS + i}};
    assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
  for (size_t i = 0; i < WORKERS; i++) pthread_join(workers[i].thread, NULL);
}

static void heaps_at_work_may_be_visited_at_any_time(void **state) {
  (void)state;
  const char *given = getenv("FERROC_TEST_STRESS_ROUNDS");
  rounds = given != NULL ? strtoull(given, NULL, 0) : HAS_SANITIZER_MEMORY ? 150 : 1000;
  uint64_t seed = random_seed();
  fe_trim();
  size_t heap_count = sum_of(NULL).heap_count;
  make_heaps();
  pthread_t visitors[VISITORS];
  for (size_t i = 0; i < VISITORS; i++) {
    assert_int_equal(pthread_create(&visitors[i], NULL, visit, (void *)(i + 1)), 0);
  }
  for (uint64_t i = 0; i < GENERATIONS; i++) run_generation(seed + i);
  atomic_store(&is_over, true);
  for (size_t i = 0; i < VISITORS; i++) pthread_join(visitors[i], NULL);
  end_heaps();
  fe_trim();
  assert_int_equal(sum_of(NULL).heap_count, heap_count);
  print_message("%zu refusals\n", atomic_load(&refusals));
  assert_true(atomic_load(&refusals) > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(heaps_at_work_may_be_visited_at_any_time),
  };
  return cmocka_run_group_tests_name("reclaim_stress", tests, NULL, NULL);
}
