/* What the tests of reclaiming share: scenes in which others free the blocks of a heap whose holder
 * waits, or that nobody holds, and in which it goes on afterwards. */
#ifndef FERROC_TESTS_SCENES_H
#define FERROC_TESTS_SCENES_H

#include <pthread.h>

#include "tests/core/figures.h"

/* -- Who keeps what others free -----------------------------------------------------------------
 */

typedef enum keeper {
  A_HOLDER,           /* of an explicit heap, who waits */
  A_PERMANENT_HOLDER, /* the same, and the heap lives for good */
  NOBODY,             /* the heap is handed over */
  A_THREAD,           /* which waits; it is its own heap */
  AN_ENDED_THREAD,
  KEEPER_COUNT
} keeper_t;

static inline bool is_explicit(keeper_t keeper) { return keeper <= NOBODY; }

/* -- What lies in it: so many blocks, of one size or of all --------------------------------------
 */

enum { MOST = 20000 };

typedef struct load {
  size_t size; /* 0: of many sizes */
  size_t count;
} load_t;

static const load_t loads[] = {
    {16, 20000},
    {48, 20000},
    {200, 5000},
    {1000, 1500},
    {3000, 400},
    {MEDIUM_MAX - 100, 60},
    {3 * UNIT_BYTES, 8},
    {SLAB_BYTES + UNIT_BYTES, 3},
    {0, 60},
    {0, 3000},
};
enum { LOAD_COUNT = sizeof(loads) / sizeof(loads[0]) };

static inline size_t size_of_block(const load_t *load, size_t i) {
  static const size_t many[] = {8, 24, 100, 130, 600, 900, 1100, 1500, 2000, 4000, 9000, 25000};
  return load->size != 0 ? load->size : many[i % (sizeof(many) / sizeof(many[0]))] % MEDIUM_MAX;
}

/* Of how many sizes a heap keeps a shard for its holder. */
static inline size_t class_count(const load_t *load) { return load->size != 0 ? 1 : 12; }

typedef struct scene {
  keeper_t keeper;
  const load_t *load;
  fe_heap_t *heap;
  pthread_barrier_t steps;
  unsigned char *blocks[MOST];
} scene_t;

static scene_t scene;

static inline unsigned char *new_block(size_t i) {
  size_t size = size_of_block(scene.load, i);
  unsigned char *block = fe_heap_alloc(scene.heap, size);
  require(block != NULL);
  pattern_fill(block, size, i);
  return block;
}

static inline void check_block(size_t i) {
  require(pattern_holds(scene.blocks[i], size_of_block(scene.load, i), i));
}

static inline void fill(void) {
  for (size_t i = 0; i < scene.load->count; i++) scene.blocks[i] = new_block(i);
}

/* Every `step`-th block, from `first` on. */
static inline void free_blocks(size_t first, size_t step) {
  for (size_t i = first; i < scene.load->count; i += step) {
    check_block(i);
    fe_free(scene.blocks[i]);
    scene.blocks[i] = NULL;
  }
}

/* -- The one who waits ---------------------------------------------------------------------------
 */

static inline void begin_heap(void) {
  fe_heap_options_t options = {.is_permanent = scene.keeper == A_PERMANENT_HOLDER};
  scene.heap = is_explicit(scene.keeper) ? fe_heap_create(&options) : fe_thread_heap();
  require(scene.heap != NULL);
}

/* The heap is as good as ever: what is left is in it, and what is new has room of its own. */
static inline void go_on(void) {
  if (scene.keeper == NOBODY) require(fe_heap_take_over(scene.heap));
  for (size_t i = 0; i < scene.load->count; i++) {
    if (scene.blocks[i] == NULL) scene.blocks[i] = new_block(i);
  }
  free_blocks(0, 1);
  require(fe_heap_used_bytes(scene.heap) == 0);
  if (is_explicit(scene.keeper) && scene.keeper != A_PERMANENT_HOLDER) fe_heap_destroy(scene.heap);
}

static inline void *hold(void *argument) {
  begin_heap();
  fill();
  if (scene.keeper == NOBODY) fe_heap_hand_over(scene.heap);
  if (scene.keeper == AN_ENDED_THREAD) return NULL;
  pthread_barrier_wait(&scene.steps); /* all is in the heap */
  pthread_barrier_wait(&scene.steps); /* others have freed it */
  go_on();
  return argument;
}

static inline pthread_t begin_scene(keeper_t keeper, const load_t *load) {
  scene.keeper = keeper;
  scene.load = load;
  pthread_t holder;
  assert_int_equal(pthread_barrier_init(&scene.steps, NULL, 2), 0);
  assert_int_equal(pthread_create(&holder, NULL, hold, NULL), 0);
  if (keeper == AN_ENDED_THREAD) {
    assert_int_equal(pthread_join(holder, NULL), 0);
  } else {
    pthread_barrier_wait(&scene.steps);
  }
  return holder;
}

static inline void end_scene(pthread_t holder) {
  if (scene.keeper != AN_ENDED_THREAD) {
    pthread_barrier_wait(&scene.steps);
    assert_int_equal(pthread_join(holder, NULL), 0);
  }
  pthread_barrier_destroy(&scene.steps);
}

/* -- What comes back -----------------------------------------------------------------------------
 */

static inline size_t kept_units(void) { return peek(scene.heap).committed_bytes / UNIT_BYTES; }

static inline void assert_kept_at_most(size_t units) {
  size_t kept = kept_units();
  if (kept <= units) return;
  fail_msg("keeper %d, blocks of %zu bytes (0: many sizes): %zu units are kept, not %zu",
           scene.keeper, scene.load->size, kept, units);
}

#endif /* FERROC_TESTS_SCENES_H */
