/* Limits that many heaps stand under: what some of them keep and do not use is no reason to refuse
 * another one, whoever holds them, and whatever lay in them. A heap's own limit is exact to the
 * byte after each step.
 */
#include "tests/core/limits.h"

#include <pthread.h>

#define LIMIT (64 * UNIT_BYTES)

/* -- Heaps that keep what was freed in them ------------------------------------------------------
 */

typedef enum keeper {
  IDLE,
  HANDED_OVER,
  WAITING,
  ENDED_THREAD,
  WAITING_THREAD,
  KEEPER_COUNT
} keeper_t;

/* What the limit is of, and how far above the heaps it is. */
typedef enum level { PROCESS, PARENT, GRANDPARENT, ROOT, LEVEL_COUNT } level_t;

enum { MOST = 20000 };

typedef struct scene {
  level_t level;
  keeper_t keeper;
  size_t size;
  fe_heap_t *above[3]; /* from the root on */
  fe_heap_t *parent;
  fe_heap_t *keeping;
  void *blocks[MOST];
  size_t count;
  pthread_t holder;
  pthread_barrier_t steps;
} scene_t;

static scene_t scene;

static void set_limit(size_t bytes) {
  limit_to(scene.level == PROCESS ? NULL : scene.above[0], bytes);
}

static void begin_above(void) {
  scene.parent = NULL;
  for (unsigned i = 0; i < (unsigned)scene.level; i++) {
    scene.parent = scene.above[i] = heap_under(scene.parent);
  }
  set_limit(LIMIT);
}

static void end_above(void) {
  set_limit(0);
  for (unsigned i = scene.level; i > 0; i--) fe_heap_destroy(scene.above[i - 1]);
}

/* Until the limit is met. */
static void use_up(fe_heap_t *heap) {
  scene.count = 0;
  while (scene.count < MOST) {
    void *block = fe_heap_alloc(heap, scene.size);
    if (block == NULL) break;
    scene.blocks[scene.count++] = block;
  }
  require(scene.count > 0 && scene.count < MOST);
}

static void *hold(void *argument) {
  bool is_own = scene.keeper == ENDED_THREAD || scene.keeper == WAITING_THREAD;
  scene.keeping = is_own ? fe_thread_heap() : heap_under(scene.parent);
  use_up(scene.keeping);
  bool frees_itself = scene.keeper == IDLE;
  for (size_t i = 0; frees_itself && i < scene.count; i++) fe_free(scene.blocks[i]);
  if (scene.keeper == HANDED_OVER) fe_heap_hand_over(scene.keeping);
  if (scene.keeper == ENDED_THREAD) return NULL;
  pthread_barrier_wait(&scene.steps);
  pthread_barrier_wait(&scene.steps);
  if (scene.keeper == HANDED_OVER) require(fe_heap_take_over(scene.keeping));
  if (is_own) {
    fe_free(fe_malloc(scene.size));
  } else {
    fe_heap_free(scene.keeping, fe_heap_alloc(scene.keeping, scene.size));
    fe_heap_destroy(scene.keeping);
  }
  return argument;
}

static void begin_keeper(void) {
  assert_int_equal(pthread_barrier_init(&scene.steps, NULL, 2), 0);
  assert_int_equal(pthread_create(&scene.holder, NULL, hold, NULL), 0);
  if (scene.keeper == ENDED_THREAD) {
    pthread_join(scene.holder, NULL);
  } else {
    pthread_barrier_wait(&scene.steps);
  }
  for (size_t i = 0; scene.keeper != IDLE && i < scene.count; i++) fe_free(scene.blocks[i]);
}

static void end_keeper(void) {
  if (scene.keeper != ENDED_THREAD) {
    pthread_barrier_wait(&scene.steps);
    pthread_join(scene.holder, NULL);
  }
  pthread_barrier_destroy(&scene.steps);
}

/* -- How another heap asks -----------------------------------------------------------------------
 */

/* Nearly all that the limit allows: but a shard for the size in use, and what this thread has. */
static const size_t MUCH = LIMIT - 4 * UNIT_BYTES;

static void ask_for_large(fe_heap_t *heap) {
  void *block = fe_heap_alloc(heap, MUCH);
  require(block != NULL);
  fe_heap_free(heap, block);
}

static void ask_for_zeros(fe_heap_t *heap) {
  void *block = fe_heap_calloc(heap, MUCH / 16, 16);
  require(block != NULL && all_zero(block, MUCH));
  fe_heap_free(heap, block);
}

static void ask_for_aligned(fe_heap_t *heap) {
  void *block = fe_heap_aligned_alloc(heap, 4096, MUCH);
  require(block != NULL && aligned_to(block, 4096));
  fe_heap_free(heap, block);
}

/* Each step fits beside the last one, so that it does not matter whether the block moves. */
static void ask_for_more_and_more(fe_heap_t *heap) {
  char *block = fe_heap_alloc(heap, 100);
  require(block != NULL);
  memset(block, 7, 100);
  for (size_t size = 200; size < MUCH / 3; size *= 2) {
    block = fe_heap_realloc(heap, block, size);
    require(block != NULL && block[99] == 7);
  }
  fe_heap_free(heap, block);
}

static void ask_for_resized(fe_heap_t *heap) {
  size_t before = 0;
  char *block = NULL;
  for (size_t size = 100; size < MUCH / 3; before = size, size += size / 2) {
    block = fe_heap_resize(heap, block, before, size);
    require(block != NULL && (before == 0 || block[99] == 7));
    block[99] = 7;
  }
  fe_heap_resize(heap, block, before, 0);
}

static void ask_for_many_small(fe_heap_t *heap) {
  static const size_t each[] = {16, 112, 1008, MEDIUM_MAX / 2 / 16 * 16};
  for (size_t i = 0; i < 4; i++) {
    void *last = NULL;
    for (size_t bytes = 0; bytes < MUCH / 2; bytes += each[i] + TRAILER) {
      void **block = fe_heap_alloc(heap, each[i]);
      require(block != NULL);
      *block = last;
      last = block;
    }
    while (last != NULL) {
      void *next = *(void **)last;
      fe_heap_free(heap, last);
      last = next;
    }
  }
}

static void (*const asks[])(fe_heap_t *heap) = {ask_for_large,   ask_for_zeros,
                                                ask_for_aligned, ask_for_more_and_more,
                                                ask_for_resized, ask_for_many_small};
enum { ASK_COUNT = sizeof(asks) / sizeof(asks[0]) };

static const size_t sizes[] = {16, 100, 1000, 3000, MEDIUM_MAX - 100, 3 * UNIT_BYTES, LIMIT / 3};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

static bool makes_sense(void) {
  bool is_of_a_thread = scene.keeper == ENDED_THREAD || scene.keeper == WAITING_THREAD;
  bool has_too_many = LIMIT / (scene.size + TRAILER) >= MOST;
  return !has_too_many && (!is_of_a_thread || scene.level == PROCESS);
}

static void another_heap_gets_what_was_freed(void **state) {
  (void)state;
  for (unsigned i = 0; i < LEVEL_COUNT * KEEPER_COUNT * SIZE_COUNT; i++) {
    scene.level = i % LEVEL_COUNT;
    scene.keeper = i / LEVEL_COUNT % KEEPER_COUNT;
    scene.size = sizes[i / LEVEL_COUNT / KEEPER_COUNT];
    if (!makes_sense()) continue;
    for (size_t ask = 0; ask < ASK_COUNT; ask++) {
      if (is_slow() && ask != i % ASK_COUNT) continue;
      begin_above();
      fe_heap_t *heap = heap_under(scene.parent);
      begin_keeper();
      asks[ask](heap);
      fe_heap_destroy(heap);
      end_keeper();
      end_above();
    }
  }
}

/* -- Heaps at work -------------------------------------------------------------------------------
 */

enum { WORKERS = 3 };
#define WORK_BYTES (LIMIT / 16)
static bool is_over;

/* Goes through sizes, and never has more than WORK_BYTES in blocks. */
static void *work(void *argument) {
  fe_heap_t *heap = argument;
  static const size_t each[] = {16, 100, 700, 3000, MEDIUM_MAX - 100, 3 * UNIT_BYTES};
  while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
    for (size_t i = 0; i < 6; i++) {
      void *last = NULL;
      for (size_t bytes = 0; bytes + each[i] <= WORK_BYTES; bytes += each[i] + each[i] / 8 + 32) {
        void **block = fe_heap_alloc(heap, each[i]);
        require(block != NULL);
        *block = last;
        last = block;
      }
      while (last != NULL) {
        void *next = *(void **)last;
        fe_heap_free(heap, last);
        last = next;
      }
    }
  }
  return NULL;
}

/* What they may need at most is left to them, so nobody is ever refused. */
static void heaps_at_work_leave_room_and_get_it(void **state) {
  (void)state;
  scene.level = PARENT;
  begin_above();
  fe_heap_t *heaps[WORKERS];
  pthread_t threads[WORKERS];
  is_over = false;
  for (size_t i = 0; i < WORKERS; i++) {
    heaps[i] = heap_under(scene.parent);
    assert_int_equal(pthread_create(&threads[i], NULL, work, heaps[i]), 0);
  }
  fe_heap_t *heap = heap_under(scene.parent);
  for (int round = 0; round < (int)rounds_of(300); round++) {
    void *block = fe_heap_alloc(heap, LIMIT / 2);
    if (block == NULL) fail_msg("refused in round %d", round);
    fe_heap_free(heap, block);
  }
  __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
  for (size_t i = 0; i < WORKERS; i++) pthread_join(threads[i], NULL);
  for (size_t i = 0; i < WORKERS; i++) fe_heap_destroy(heaps[i]);
  fe_heap_destroy(heap);
  end_above();
}

enum { HEAPS = 100, UNITS_EACH = 8 };

static void free_all_but_one_of_each(void *argument) {
  (void)argument;
  for (size_t i = 0; i < scene.count; i++) {
    if (i % (scene.count / HEAPS) != 0) fe_free(scene.blocks[i]);
  }
}

/* Each of a hundred heaps keeps all that was freed in it but for one block, until the last one asks
 * for most of it. */
static void what_a_hundred_heaps_keep_is_to_be_had(void **state) {
  (void)state;
  const size_t size = UNIT_BYTES / 24;
  const size_t blocks_each = UNITS_EACH * UNIT_BYTES / (size + size / 8 + TRAILER);
  scene.level = PARENT;
  begin_above();
  set_limit(HEAPS * UNITS_EACH * UNIT_BYTES);
  fe_heap_t *heaps[HEAPS];
  scene.count = 0;
  for (size_t i = 0; i < HEAPS; i++) {
    heaps[i] = heap_under(scene.parent);
    for (size_t j = 0; j < blocks_each; j++) {
      scene.blocks[scene.count] = fe_heap_alloc(heaps[i], size);
      assert_non_null(scene.blocks[scene.count++]);
    }
  }
  run_in_thread(free_all_but_one_of_each, NULL);
  fe_heap_t *heap = heap_under(scene.parent);
  assert_non_null(fe_heap_alloc(heap, HEAPS * (UNITS_EACH - 2) * UNIT_BYTES));
  fe_heap_destroy(heap);
  for (size_t i = 0; i < HEAPS; i++) fe_heap_destroy(heaps[i]);
  end_above();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(another_heap_gets_what_was_freed),
      test_that(heaps_at_work_leave_room_and_get_it),
      test_that(what_a_hundred_heaps_keep_is_to_be_had),
  };
  return cmocka_run_group_tests_name("limits_across_heaps", tests, NULL, NULL);
}
