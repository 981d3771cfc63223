/* Threads that allocate, hand blocks to each other, free in any order, and come and go; explicit
 * heaps that move between them and end with live blocks. The whole content of every block is
 * checked each time it changes hands.
 *
 * FERROC_TEST_STRESS_THREADS at a time, FERROC_TEST_STRESS_GENERATIONS one after the other, each
 * thread FERROC_TEST_STRESS_ROUNDS steps; FERROC_TEST_SEED repeats the random choices, though not
 * the way in which the threads meet.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/core/support.h"

enum { MAILBOXES = 64, SHARED_HEAPS = 6, HEAP_BLOCKS = 40, OWN_BLOCKS = 120 };

/* A block on its way, with all that its next holder needs to check it. Parcels are blocks too. */
typedef struct parcel {
  unsigned char *block;
  size_t size;
  uint64_t seed;
  int home; /* the shared heap that it came from, or -1: a thread's */
} parcel_t;

/* A heap that whoever holds the mutex uses. It may end only while no block of it is away, since
 * somebody could be freeing that one at this moment. */
typedef struct shared_heap {
  pthread_mutex_t mutex;
  fe_heap_t *heap;
  parcel_t blocks[HEAP_BLOCKS];
  atomic_int away_count;
} shared_heap_t;

typedef struct worker {
  random_source_t source;
  size_t rounds;
  parcel_t blocks[OWN_BLOCKS];
} worker_t;

static _Atomic(parcel_t *) mailboxes[MAILBOXES];
static shared_heap_t shared_heaps[SHARED_HEAPS];

/* -- Contents --------------------------------------------------------------------------------- */

static uint64_t pattern_seed(const parcel_t *parcel) {
  return parcel->seed ^ (uintptr_t)parcel->block ^ (parcel->size << 1);
}

static void write_content(parcel_t *parcel, uint64_t seed) {
  parcel->seed = seed;
  pattern_fill(parcel->block, parcel->size, pattern_seed(parcel));
}

static void check_content(const parcel_t *parcel) {
  require(fe_owns(parcel->block));
  require(pattern_holds(parcel->block, parcel->size, pattern_seed(parcel)));
}

/* -- Blocks of the thread's own heap ------------------------------------------------------------
 */

/* Mostly small ones; one in some thousands is huge. */
static size_t any_size(random_source_t *source) {
  size_t kind = random_below(source, 4000);
  size_t limit = kind < 3600 ? 1024 : kind < 3960 ? 30000 : kind < 3998 ? 300000 : 6 * MIB;
  return random_size(source, limit);
}

static void allocate(worker_t *worker, parcel_t *parcel) {
  random_source_t *source = &worker->source;
  size_t size = any_size(source);
  unsigned char *block = NULL;
  switch (random_below(source, 8)) {
    case 0:
      block = fe_calloc(1, size);
      require(block != NULL && all_zero(block, size));
      break;
    case 1: {
      size_t alignment = (size_t)16 << random_below(source, 9);
      block = fe_aligned_alloc(alignment, size);
      require(aligned_to(block, alignment));
      break;
    }
    case 2:
      size++;
      block = fe_heap_resize(NULL, NULL, 4, size);
      break;
    default:
      block = fe_malloc(size);
      break;
  }
  require(block != NULL);
  require(aligned_to(block, GRANULE));
  *parcel = (parcel_t){.block = block, .size = size, .home = -1};
  write_content(parcel, random_next(source));
}

static void release(parcel_t *parcel) {
  check_content(parcel);
  if (parcel->home < 0 && parcel->size > 0 && parcel->seed % 3 == 0) {
    require(fe_heap_resize(NULL, parcel->block, parcel->size, 0) == NULL);
  } else {
    fe_free(parcel->block);
  }
  if (parcel->home >= 0) {
    /* Release: the heap's end comes after this free. */
    atomic_fetch_sub_explicit(&shared_heaps[parcel->home].away_count, 1, memory_order_release);
  }
  parcel->block = NULL;
}

/* A block may stay where it is, and then still belongs to the heap that it came from. */
static void reallocate(worker_t *worker, parcel_t *parcel) {
  check_content(parcel);
  parcel_t before = *parcel;
  size_t size = 1 + any_size(&worker->source);
  uint64_t seed = pattern_seed(&before);
  parcel->block = fe_realloc(before.block, size);
  require(parcel->block != NULL);
  require(pattern_holds(parcel->block, size < before.size ? size : before.size, seed));
  if (before.home >= 0 && parcel->block != before.block) {
    atomic_fetch_sub_explicit(&shared_heaps[before.home].away_count, 1, memory_order_release);
    parcel->home = -1;
  }
  parcel->size = size;
  write_content(parcel, before.seed + 1);
}

/* -- Blocks that change hands -------------------------------------------------------------------
 */

/* Puts a block into a mailbox, and takes over the one that lay there. */
static void swap_with_mailbox(worker_t *worker, parcel_t *parcel) {
  parcel_t *sent = NULL;
  if (parcel->block != NULL) {
    sent = fe_malloc(sizeof(*sent));
    require(sent != NULL);
    *sent = *parcel;
    parcel->block = NULL;
  }
  size_t i = random_below(&worker->source, MAILBOXES);
  parcel_t *received = atomic_exchange_explicit(&mailboxes[i], sent, memory_order_acq_rel);
  if (received == NULL) {
    return;
  }
  *parcel = *received;
  fe_free(received);
  check_content(parcel);
  write_content(parcel, random_next(&worker->source));
}

/* -- Shared heaps -------------------------------------------------------------------------------
 */

static void create_shared_heap(shared_heap_t *shared, random_source_t *source) {
  fe_heap_options_t options = {.granule = random_below(source, 2) == 0 ? 8 : 16};
  shared->heap = fe_heap_create(&options);
  require(shared->heap != NULL);
}

/* With all blocks that are still in it, but for those that are away. */
static void end_shared_heap(shared_heap_t *shared) {
  /* Acquire: pairs with the frees of those that were away. */
  if (atomic_load_explicit(&shared->away_count, memory_order_acquire) != 0) {
    return;
  }
  for (size_t i = 0; i < HEAP_BLOCKS; i++) {
    if (shared->blocks[i].block != NULL) {
      check_content(&shared->blocks[i]);
      shared->blocks[i].block = NULL;
    }
  }
  fe_heap_destroy(shared->heap);
  shared->heap = NULL;
}

static void fill_place(shared_heap_t *shared, parcel_t *place, random_source_t *source) {
  size_t size = 1 + any_size(source);
  void *block = random_below(source, 2) == 0 ? fe_heap_alloc(shared->heap, size)
                                             : fe_heap_resize(shared->heap, NULL, 5, size);
  require(block != NULL);
  *place = (parcel_t){.block = block, .size = size, .home = (int)(shared - shared_heaps)};
  write_content(place, random_next(source));
}

static void resize_place(shared_heap_t *shared, parcel_t *place, random_source_t *source) {
  parcel_t before = *place;
  size_t size = 1 + any_size(source);
  place->block = fe_heap_resize(shared->heap, before.block, before.size, size);
  require(place->block != NULL);
  size_t kept = size < before.size ? size : before.size;
  require(pattern_holds(place->block, kept, pattern_seed(&before)));
  place->size = size;
  write_content(place, before.seed + 1);
}

/* Fills an empty place; a block that lies there is resized, freed, or taken away. */
static void change_place(shared_heap_t *shared, parcel_t *place, worker_t *worker, parcel_t *away) {
  random_source_t *source = &worker->source;
  if (place->block == NULL) {
    fill_place(shared, place, source);
    return;
  }
  check_content(place);
  switch (random_below(source, 6)) {
    case 0:
      resize_place(shared, place, source);
      break;
    case 1:
      require(fe_heap_resize(shared->heap, place->block, place->size, 0) == NULL);
      place->block = NULL;
      break;
    case 2:
      fe_heap_free(shared->heap, place->block);
      place->block = NULL;
      break;
    default:
      if (away->block == NULL) {
        *away = *place;
        place->block = NULL;
        atomic_fetch_add_explicit(&shared->away_count, 1, memory_order_relaxed);
      }
      break;
  }
}

static void check_shared_use(shared_heap_t *shared) {
  size_t least = 0;
  for (size_t i = 0; i < HEAP_BLOCKS; i++) {
    least += shared->blocks[i].block != NULL ? shared->blocks[i].size : 0;
  }
  require(fe_heap_used_bytes(shared->heap) >= least);
}

static void use_shared_heap(worker_t *worker, parcel_t *own) {
  random_source_t *source = &worker->source;
  shared_heap_t *shared = &shared_heaps[random_below(source, SHARED_HEAPS)];
  pthread_mutex_lock(&shared->mutex);
  if (shared->heap == NULL) {
    create_shared_heap(shared, source);
  }
  for (int i = 0; i < 20; i++) {
    parcel_t *place = &shared->blocks[random_below(source, HEAP_BLOCKS)];
    change_place(shared, place, worker, &own[random_below(source, OWN_BLOCKS)]);
  }
  switch (random_below(source, 10)) {
    case 0:
      fe_heap_collect(shared->heap, false);
      break;
    case 1:
      check_shared_use(shared);
      break;
    case 2:
      end_shared_heap(shared);
      break;
    default:
      break;
  }
  pthread_mutex_unlock(&shared->mutex);
}

/* -- Threads ------------------------------------------------------------------------------------
 */

static void work_on(worker_t *worker, parcel_t *parcel) {
  switch (random_below(&worker->source, 12)) {
    case 0:
      use_shared_heap(worker, worker->blocks);
      break;
    case 1:
      if (parcel->block != NULL) {
        reallocate(worker, parcel);
      }
      break;
    case 2:
    case 3:
    case 4:
    case 5:
      swap_with_mailbox(worker, parcel);
      break;
    default:
      if (parcel->block == NULL) {
        allocate(worker, parcel);
      } else {
        release(parcel);
      }
      break;
  }
}

/* A thread ends with blocks in its hands: some are freed, the others go on without it. */
static void hand_over(worker_t *worker) {
  for (size_t i = 0; i < OWN_BLOCKS; i++) {
    if (i % 2 == 0) {
      swap_with_mailbox(worker, &worker->blocks[i]);
    }
    if (worker->blocks[i].block != NULL) {
      release(&worker->blocks[i]);
    }
  }
}

static void *work(void *argument) {
  worker_t *worker = argument;
  for (size_t round = 0; round < worker->rounds; round++) {
    work_on(worker, &worker->blocks[random_below(&worker->source, OWN_BLOCKS)]);
    if (random_below(&worker->source, 5000) == 0) {
      fe_collect(random_below(&worker->source, 10) == 0);
    }
  }
  hand_over(worker);
  return NULL;
}

static size_t from_environment(const char *name, size_t otherwise) {
  const char *given = getenv(name);
  if (given == NULL) {
    return otherwise;
  }
  char *end;
  size_t value = strtoull(given, &end, 10);
  if (value == 0 || *end != '\0') {
    fail_msg("%s is \"%s\"; a number from 1 on is allowed", name, given);
  }
  return value;
}

static void start_worker(pthread_t *thread, worker_t *worker, size_t rounds, uint64_t seed) {
  memset(worker, 0, sizeof(*worker));
  worker->rounds = rounds;
  worker->source.state = seed;
  require(pthread_create(thread, NULL, work, worker) == 0);
}

static void empty_mailboxes(void) {
  for (size_t i = 0; i < MAILBOXES; i++) {
    parcel_t *received = atomic_exchange_explicit(&mailboxes[i], NULL, memory_order_acquire);
    if (received != NULL) {
      release(received);
      fe_free(received);
    }
  }
}

/* Threads of unequal length, so that new ones start while others work. */
static void blocks_survive_many_hands(void **state) {
  (void)state;
  enum { THREADS_MAX = 64 };
  static worker_t workers[THREADS_MAX];
  static pthread_t threads[THREADS_MAX];
  size_t thread_count = from_environment("FERROC_TEST_STRESS_THREADS", 4);
  size_t generations = from_environment("FERROC_TEST_STRESS_GENERATIONS", 100);
  size_t rounds = from_environment("FERROC_TEST_STRESS_ROUNDS", 8000);
  assert_true(thread_count <= THREADS_MAX);
  random_source_t source = {random_seed()};
  for (size_t i = 0; i < SHARED_HEAPS; i++) {
    assert_int_equal(pthread_mutex_init(&shared_heaps[i].mutex, NULL), 0);
  }
  for (size_t i = 0; i < thread_count; i++) {
    start_worker(&threads[i], &workers[i], rounds * (i + 1) / thread_count, random_next(&source));
  }
  for (size_t i = 0; i < thread_count * generations; i++) {
    size_t oldest = i % thread_count;
    assert_int_equal(pthread_join(threads[oldest], NULL), 0);
    start_worker(&threads[oldest], &workers[oldest], rounds, random_next(&source));
  }
  for (size_t i = 0; i < thread_count; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  }
  empty_mailboxes();
  for (size_t i = 0; i < SHARED_HEAPS; i++) {
    assert_int_equal(atomic_load(&shared_heaps[i].away_count), 0);
    if (shared_heaps[i].heap != NULL) {
      end_shared_heap(&shared_heaps[i]);
    }
    pthread_mutex_destroy(&shared_heaps[i].mutex);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(blocks_survive_many_hands),
  };
  return cmocka_run_group_tests_name("stress", tests, NULL, NULL);
}
