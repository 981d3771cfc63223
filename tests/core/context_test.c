/* Contexts: heaps that share one, what they find there, and when it can end. */
#include "tests/core/support.h"

#include <pthread.h>

static fe_heap_t *heap_on(fe_context_t *context) {
  fe_heap_options_t options = {.context = context};
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  return heap;
}

static uintptr_t unit_of(const void *block) { return (uintptr_t)block / UNIT_BYTES; }

static void heaps_share_a_context(void **state) {
  (void)state;
  enum { HEAPS = 20 };
  fe_context_t *context = fe_context_create(NULL);
  assert_non_null(context);
  fe_heap_t *heaps[HEAPS];
  char *blocks[HEAPS];
  for (size_t i = 0; i < HEAPS; i++) {
    heaps[i] = heap_on(context);
    blocks[i] = fe_heap_alloc(heaps[i], 3000);
    assert_non_null(blocks[i]);
    pattern_fill(blocks[i], 3000, i);
  }
  for (size_t i = 0; i < HEAPS; i++) {
    assert_true(pattern_holds(blocks[i], 3000, i));
    assert_true(fe_heap_contains(heaps[i], blocks[i]));
    assert_false(fe_heap_contains(heaps[(i + 1) % HEAPS], blocks[i]));
  }
  for (size_t i = 0; i < HEAPS; i++) fe_heap_destroy(heaps[i]);
  assert_true(fe_context_destroy(context));
}

/* Until there is no room for small blocks in the shard that the heap itself lies in. */
static void fill_first_shard(fe_heap_t *heap) {
  void *block;
  do {
    block = fe_heap_alloc(heap, 16);
    require(block != NULL);
  } while (unit_of(block) == unit_of(heap));
}

/* The shard that one heap gives up is the one that the next heap takes. */
static void a_shard_that_is_given_up_serves_the_next_heap(void **state) {
  (void)state;
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_mmap, NULL, 0);
  assert_non_null(arenas);
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_t *one = heap_on(context);
  fe_heap_t *other = heap_on(context);
  fill_first_shard(one);
  fill_first_shard(other);
  for (size_t size = MEDIUM_MAX; size > MEDIUM_MAX / 2; size -= MEDIUM_MAX / 16) {
    void *block = fe_heap_alloc(one, size);
    assert_non_null(block);
    uintptr_t unit = unit_of(block);
    fe_heap_free(one, block);
    fe_heap_collect(one, false);
    block = fe_heap_alloc(other, size);
    assert_int_equal(unit_of(block), unit);
    fe_heap_free(other, block);
    fe_heap_collect(other, false);
  }
  fe_heap_destroy(one);
  fe_heap_destroy(other);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
}

static void contexts_come_and_go(void **state) {
  (void)state;
  size_t mapped = 0;
  for (int round = 0; round < 3000; round++) {
    fe_context_t *context = fe_context_create(NULL);
    assert_non_null(context);
    fe_heap_t *heap = heap_on(context);
    assert_non_null(fe_heap_alloc(heap, 100));
    fe_heap_destroy(heap);
    assert_true(fe_context_destroy(context));
    if (round == 100) {
      mapped = mapped_bytes();
    }
  }
  assert_true(mapped_bytes() <= mapped + 16 * MIB);
}

/* -- From thread to thread ----------------------------------------------------------------------
 */

/* What a thread works with while it has the mutex. */
typedef struct room {
  pthread_mutex_t mutex;
  fe_context_t *context;
  fe_heap_t *heaps[2];
  void *blocks[2][50];
} room_t;

static void *work_in_room(void *argument) {
  room_t *room = argument;
  random_source_t source = {(uint64_t)(uintptr_t)&room};
  for (int round = 0; round < 300; round++) {
    pthread_mutex_lock(&room->mutex);
    for (int i = 0; i < 20; i++) {
      size_t which = random_below(&source, 2);
      void **block = &room->blocks[which][random_below(&source, 50)];
      fe_heap_free(room->heaps[which], *block);
      *block = fe_heap_alloc(room->heaps[which], random_size(&source, MEDIUM_MAX));
      require(*block != NULL);
    }
    if (random_below(&source, 20) == 0) {
      fe_heap_destroy(room->heaps[1]);
      room->heaps[1] = heap_on(room->context);
      memset(room->blocks[1], 0, sizeof(room->blocks[1]));
    }
    pthread_mutex_unlock(&room->mutex);
  }
  return NULL;
}

static void a_mutex_is_enough_for_a_context_and_its_heaps(void **state) {
  (void)state;
  enum { THREADS = 3 };
  static room_t room = {.mutex = PTHREAD_MUTEX_INITIALIZER};
  room.context = fe_context_create(NULL);
  room.heaps[0] = heap_on(room.context);
  room.heaps[1] = heap_on(room.context);
  pthread_t threads[THREADS];
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, work_in_room, &room), 0);
  }
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  }
  fe_heap_destroy(room.heaps[0]);
  fe_heap_destroy(room.heaps[1]);
  assert_true(fe_context_destroy(room.context));
}

/* -- The end ------------------------------------------------------------------------------------
 */

static void destroy_too_early(void *context) {
  errno = 0;
  require(!fe_context_destroy(context));
  require(errno == EBUSY);
}

static void a_context_with_heaps_is_not_destroyed(void **state) {
  (void)state;
  fe_context_t *context = fe_context_create(NULL);
  fe_heap_t *one = heap_on(context);
  fe_heap_t *other = heap_on(context);
  assert_child_says(destroy_too_early, context, "fe_context_destroy", "2 heaps", NULL);
  fe_heap_destroy(one);
  fe_heap_hand_over(other);
  assert_child_says(destroy_too_early, context, "fe_context_destroy", "1 heap", NULL);
  assert_true(fe_heap_take_over(other));
  assert_non_null(fe_heap_alloc(other, 10));
  fe_heap_destroy(other);
  assert_true(fe_context_destroy(context));
  assert_true(fe_context_destroy(NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(heaps_share_a_context),
      test_that(a_shard_that_is_given_up_serves_the_next_heap),
      test_that(contexts_come_and_go),
      test_that(a_mutex_is_enough_for_a_context_and_its_heaps),
      test_that(a_context_with_heaps_is_not_destroyed),
  };
  return cmocka_run_group_tests_name("context", tests, NULL, NULL);
}
