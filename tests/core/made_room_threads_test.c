/* Threads that ask at the same moment all get what they ask for: room that one of them made and
 * another one took is made again, as long as others keep what they do not use.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/core/figures.h"

enum { THREADS = 12, KEEPERS = 16, ROUNDS = 1000, MOST = 4000 };

typedef struct scene {
  void *region;
  fe_arenas_t *arenas;
  fe_heap_t *parent;
  fe_context_t *contexts[THREADS + KEEPERS];
  fe_heap_t *heaps[THREADS]; /* of those who ask */
  fe_heap_t *keepers[KEEPERS];
  pthread_barrier_t steps;
  size_t size; /* that each asks for */
  _Atomic(size_t) refused_count;
} scene_t;

static scene_t scene;

/* -- Heaps that keep all there is ---------------------------------------------------------------
 */

static fe_heap_t *next_heap(size_t number) {
  fe_heap_options_t options = {.parent = scene.parent};
  if (scene.arenas != NULL) {
    options.context = scene.contexts[number] = fe_context_create(scene.arenas);
    require(options.context != NULL);
  }
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  return heap;
}

static void make_heaps(void) {
  for (size_t i = 0; i < THREADS; i++) scene.heaps[i] = next_heap(i);
  for (size_t i = 0; i < KEEPERS; i++) scene.keepers[i] = next_heap(THREADS + i);
}

static void end_heaps(void) {
  for (size_t i = 0; i < THREADS; i++) fe_heap_destroy(scene.heaps[i]);
  for (size_t i = 0; i < KEEPERS; i++) fe_heap_destroy(scene.keepers[i]);
  for (size_t i = 0; scene.arenas != NULL && i < THREADS + KEEPERS; i++) {
    require(fe_context_destroy(scene.contexts[i]));
  }
}

/* They use up what there is, in turns; others free it, and nobody holds them any more. */
static void keep_all(void) {
  static void *blocks[MOST];
  size_t count = 0;
  for (void *block; (block = fe_heap_alloc(scene.keepers[count % KEEPERS], UNIT_BYTES / 8));) {
    require(count < MOST);
    blocks[count++] = block;
  }
  for (size_t i = 0; i < count; i++) fe_free(blocks[i]);
  for (size_t i = 0; i < KEEPERS; i++) fe_heap_hand_over(scene.keepers[i]);
}

/* -- Those who ask ------------------------------------------------------------------------------
 */

static void *ask(void *number) {
  fe_heap_t *heap = scene.heaps[(uintptr_t)number];
  for (int round = 0; round < ROUNDS; round++) {
    pthread_barrier_wait(&scene.steps); /* others keep all there is */
    void *block = fe_heap_alloc(heap, scene.size);
    if (block == NULL) atomic_fetch_add(&scene.refused_count, 1);
    pthread_barrier_wait(&scene.steps); /* all have asked */
    fe_heap_free(heap, block);
    pthread_barrier_wait(&scene.steps);
  }
  return NULL;
}

static void ask_together(void) {
  pthread_t threads[THREADS];
  atomic_store(&scene.refused_count, 0);
  require(pthread_barrier_init(&scene.steps, NULL, THREADS + 1) == 0);
  for (uintptr_t i = 0; i < THREADS; i++) {
    require(pthread_create(&threads[i], NULL, ask, (void *)i) == 0);
  }
  for (int round = 0; round < ROUNDS; round++) {
    keep_all();
    for (int step = 0; step < 3; step++) pthread_barrier_wait(&scene.steps);
    for (size_t i = 0; i < KEEPERS; i++) require(fe_heap_take_over(scene.keepers[i]));
  }
  for (size_t i = 0; i < THREADS; i++) require(pthread_join(threads[i], NULL) == 0);
  pthread_barrier_destroy(&scene.steps);
}

static void memory_that_others_keep_is_there_for_all_who_ask_at_once(void **state) {
  (void)state;
  const size_t bytes = 3 * 64 * UNIT_BYTES;
  memset(&scene, 0, sizeof scene);
  scene.size = UNIT_BYTES * 3 / 2;
  scene.region = aligned_alloc(UNIT_BYTES, bytes);
  assert_non_null(scene.region);
  scene.arenas = fe_arenas_create(&fe_base_static, scene.region, bytes);
  assert_non_null(scene.arenas);
  make_heaps();
  ask_together();
  end_heaps();
  assert_true(fe_arenas_destroy(scene.arenas));
  free(scene.region);
  assert_int_equal(scene.refused_count, 0);
}

static void a_limit_has_room_for_all_who_ask_at_once(void **state) {
  (void)state;
  memset(&scene, 0, sizeof scene);
  scene.size = 8 * UNIT_BYTES;
  scene.parent = new_heap(NULL);
  fe_heap_set_limit(scene.parent, (THREADS + 1) * scene.size);
  make_heaps();
  ask_together();
  end_heaps();
  fe_heap_destroy(scene.parent);
  assert_int_equal(scene.refused_count, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(memory_that_others_keep_is_there_for_all_who_ask_at_once),
      test_that(a_limit_has_room_for_all_who_ask_at_once),
  };
  return cmocka_run_group_tests_name("made_room_threads", tests, NULL, NULL);
}
