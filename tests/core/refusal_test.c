/* No memory is said only when there is none: units that somebody else has for a moment and does not
 * keep are waited for. A base whose functions take their time makes that moment long. */
#include "tests/core/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOMENT_US = 50000 };

/* A base of a few slabs whose functions take their time and refuse when they are told to. */
typedef struct pool {
  fe_base_t base;
  char *memory;
  size_t slab_count;
  _Atomic(size_t) slabs_given;
  _Atomic(int) slow_calls; /* so many calls yet take a moment */
  atomic_bool is_slow_now; /* one does */
  atomic_bool refuses;     /* to commit */
} pool_t;

static pool_t pool;

static void take_a_moment(void) {
  if (atomic_load(&pool.slow_calls) <= 0 || atomic_fetch_sub(&pool.slow_calls, 1) <= 0) return;
  atomic_store(&pool.is_slow_now, true);
  usleep(MOMENT_US);
}

static void *pool_allocate(const fe_base_t *base, size_t size, size_t alignment) {
  (void)base;
  (void)alignment;
  size_t count = size / SLAB_BYTES;
  size_t given = atomic_load(&pool.slabs_given);
  do {
    if (given + count > pool.slab_count) return NULL;
  } while (!atomic_compare_exchange_weak(&pool.slabs_given, &given, given + count));
  take_a_moment();
  return pool.memory + given * SLAB_BYTES;
}

static bool pool_commit(const fe_base_t *base, void *start, size_t size) {
  (void)base;
  (void)start;
  (void)size;
  if (!atomic_load(&pool.refuses)) return true;
  take_a_moment();
  return false;
}

static bool pool_decommit(const fe_base_t *base, void *start, size_t size) {
  (void)base;
  take_a_moment();
  return madvise(start, size, MADV_DONTNEED) == 0;
}

static fe_arenas_t *arenas;

static char *align(char *start) { return start + (-(uintptr_t)start & (SLAB_BYTES - 1)); }

static char *mapping;
static size_t mapping_size;

static void make_pool(size_t slab_count, bool commits) {
  memset(&pool, 0, sizeof pool);
  pool.base = (fe_base_t){.allocate = pool_allocate,
                          .commit = commits ? pool_commit : NULL,
                          .decommit = pool_decommit,
                          .is_zeroed = true,
                          .page_size = 4096};
  mapping = mmap(NULL, (slab_count + 2) * SLAB_BYTES, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  require(mapping != MAP_FAILED);
  mapping_size = (slab_count + 2) * SLAB_BYTES;
  pool.memory = align(mapping);
  pool.slab_count = slab_count;
  arenas = fe_arenas_create(&pool.base, NULL, 0);
  require(arenas != NULL);
}

static void end_pool(void) {
  require(fe_arenas_destroy(arenas));
  munmap(mapping, mapping_size);
}

static fe_heap_t *make_heap(fe_context_t **context) {
  *context = fe_context_create(arenas);
  require(*context != NULL);
  fe_heap_options_t options = {.context = *context};
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  return heap;
}

static void end_heap(fe_heap_t *heap, fe_context_t *context) {
  fe_heap_destroy(heap);
  require(fe_context_destroy(context));
}

/* -- One thread in the middle of something, another that asks meanwhile -- */

typedef struct meanwhile {
  void (*slow)(fe_heap_t *heap); /* what the other does */
  fe_heap_t *heap;               /* with this */
} meanwhile_t;

static void *do_slowly(void *argument) {
  meanwhile_t *meanwhile = argument;
  meanwhile->slow(meanwhile->heap);
  return NULL;
}

/* Asks while the other thread is in its slow call. */
static void *alloc_meanwhile(meanwhile_t *meanwhile, fe_heap_t *heap, size_t size) {
  pthread_t thread;
  atomic_store(&pool.slow_calls, 1);
  require(pthread_create(&thread, NULL, do_slowly, meanwhile) == 0);
  while (!atomic_load(&pool.is_slow_now)) usleep(100);
  void *block = fe_heap_alloc(heap, size);
  require(pthread_join(thread, NULL) == 0);
  return block;
}

static void use_up(fe_heap_t *heap, size_t size, void **last) {
  *last = NULL;
  for (void *block; (block = fe_heap_alloc(heap, size)) != NULL; *last = block) {
  }
  require(*last != NULL);
}

static void collect(fe_heap_t *heap) { fe_heap_collect(heap, true); }

static void what_a_purge_has_is_waited_for(void **state) {
  (void)state;
  require(fe_option_set("purge_delay_ms", "60000")); /* nobody else purges what is freed */
  static const size_t sizes[] = {4 * UNIT_BYTES, SLAB_BYTES};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    make_pool(4, false);
    fe_context_t *context, *other_context;
    fe_heap_t *heap = make_heap(&context);
    meanwhile_t purge = {collect, make_heap(&other_context)};
    void *last;
    use_up(heap, sizes[i], &last);
    fe_heap_free(heap, last);
    fe_heap_collect(heap, false); /* its run goes to the arenas */
    assert_non_null(alloc_meanwhile(&purge, heap, sizes[i]));
    end_heap(heap, context);
    end_heap(purge.heap, other_context);
    end_pool();
  }
  require(fe_option_set("purge_delay_ms", "50"));
}

/* The number of the first block whose unit lies right before that of the next. */
static size_t find_neighbours(char *const *blocks, size_t count) {
  size_t i = 0;
  while (i + 1 < count &&
         (uintptr_t)blocks[i + 1] / UNIT_BYTES != (uintptr_t)blocks[i] / UNIT_BYTES + 1) {
    i++;
  }
  require(i + 1 < count);
  return i;
}

#define UNIT_BLOCK (MEDIUM_MAX + 1) /* has a unit for itself */

static void ask_for_two_units(fe_heap_t *heap) { require(fe_heap_alloc(heap, UNIT_BYTES) == NULL); }

/* Of two free units one has memory. The other thread wants both, and the base has no more. */
static void units_that_the_base_refuses_another_are_waited_for(void **state) {
  (void)state;
  static char *blocks[3 * UNITS_PER_SLAB];
  make_pool(2, true);
  require(fe_option_set("purge_delay_ms", "1000000"));
  fe_context_t *context, *other_context;
  fe_heap_t *heap = make_heap(&context);
  meanwhile_t refused = {ask_for_two_units, make_heap(&other_context)};
  size_t count = 0;
  while ((blocks[count] = fe_heap_alloc(heap, UNIT_BLOCK)) != NULL) count++;
  size_t first = find_neighbours(blocks, count);
  fe_heap_free(heap, blocks[first]);
  fe_heap_collect(heap, true);
  fe_heap_free(heap, blocks[first + 1]);
  fe_heap_collect(heap, false);
  atomic_store(&pool.refuses, true);
  assert_non_null(alloc_meanwhile(&refused, heap, UNIT_BLOCK));
  assert_null(fe_heap_alloc(heap, UNIT_BLOCK));
  require(fe_option_set("purge_delay_ms", "50"));
  end_heap(heap, context);
  end_heap(refused.heap, other_context);
  end_pool();
}

static void ask_for_a_unit(fe_heap_t *heap) { require(fe_heap_alloc(heap, UNIT_BLOCK) != NULL); }

/* The base gives its last chunk to another thread, which has not come to add it yet. */
static void a_chunk_that_another_adds_is_waited_for(void **state) {
  (void)state;
  make_pool(2, false);
  fe_context_t *context, *other_context;
  fe_heap_t *heap = make_heap(&context);
  meanwhile_t adding = {ask_for_a_unit, make_heap(&other_context)};
  void *last;
  use_up(heap, UNIT_BLOCK, &last);
  pool.slab_count = 3;
  assert_non_null(alloc_meanwhile(&adding, heap, UNIT_BLOCK));
  end_heap(heap, context);
  end_heap(adding.heap, other_context);
  end_pool();
}

/* -- As many blocks as threads: each always finds one -- */

enum { THREADS = 3, ROUNDS = 1000 };
static _Atomic(int) ended_count;

static void *take_and_give(void *heap) {
  size_t size = SLAB_BYTES - UNIT_BYTES;
  for (size_t round = 0; round < rounds_of(ROUNDS); round++) {
    char *block = fe_heap_alloc(heap, size);
    require(block != NULL);
    for (size_t page = 0; page < size; page += 4096) block[page] = 1;
    fe_heap_free(heap, block);
  }
  atomic_fetch_add(&ended_count, 1);
  return NULL;
}

/* A block is a slab; what else the heaps need lies in the first one. All the time somebody disturbs
 * what is free or becomes so. */
static void assert_all_find_one(bool commits, void (*disturb)(fe_heap_t *, fe_context_t *)) {
  make_pool(1 + THREADS, commits);
  fe_context_t *contexts[THREADS + 1];
  fe_heap_t *heaps[THREADS + 1];
  pthread_t threads[THREADS];
  for (size_t i = 0; i <= THREADS; i++) heaps[i] = make_heap(&contexts[i]);
  atomic_store(&ended_count, 0);
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, heaps[i]), 0);
  }
  while (atomic_load(&ended_count) < THREADS) disturb(heaps[THREADS], contexts[THREADS]);
  for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  for (size_t i = 0; i <= THREADS; i++) end_heap(heaps[i], contexts[i]);
  end_pool();
}

static void purge(fe_heap_t *heap, fe_context_t *context) {
  (void)context;
  fe_heap_collect(heap, true);
}

static void as_many_threads_as_blocks_find_one_each_during_purges(void **state) {
  (void)state;
  assert_all_find_one(false, purge);
  assert_all_find_one(true, purge);
}

/* What is freed while somebody looks at all shards is given back after that. */
static void count(fe_heap_t *heap, fe_context_t *context) {
  (void)heap;
  fe_heap_stats_t stats = {.struct_size = sizeof stats};
  require(fe_context_stats(context, &stats));
}

static void as_many_threads_as_blocks_find_one_each_during_counts(void **state) {
  (void)state;
  assert_all_find_one(false, count);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(what_a_purge_has_is_waited_for),
      test_that(units_that_the_base_refuses_another_are_waited_for),
      test_that(a_chunk_that_another_adds_is_waited_for),
      test_that(as_many_threads_as_blocks_find_one_each_during_purges),
      test_that(as_many_threads_as_blocks_find_one_each_during_counts),
  };
  return cmocka_run_group_tests_name("refusal", tests, NULL, NULL);
}
