/* Frees by others at the very moment at which the holder finds that a shard is full and leaves it:
 * the block is not lost, whoever is faster.
 */
#include "tests/core/support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* Shards of two blocks, so that each becomes full again and again, in the instant at which the
 * block that was handed out last is freed. */
#define SIZE (MEDIUM_MAX - 100)

enum {
  HELD = 60, /* with so many blocks a class has shards of its own */
  ROUNDS = 20,
  HANDED = 10000,
  PLACES = 4, /* few, so that blocks are freed while their shard is the current one */
};

static _Atomic(void *) places[PLACES];

static void *free_what_is_handed(void *argument) {
  for (size_t i = 0; i < HANDED; i++) {
    void *block;
    while ((block = atomic_exchange(&places[i % PLACES], NULL)) == NULL) sched_yield();
    fe_free(block);
  }
  return argument;
}

static void hand_blocks(fe_heap_t *heap) {
  for (size_t i = 0; i < HANDED; i++) {
    void *block = fe_heap_alloc(heap, SIZE);
    require(block != NULL);
    while (atomic_load(&places[i % PLACES]) != NULL) sched_yield();
    atomic_store(&places[i % PLACES], block);
  }
}

static void a_block_that_is_freed_as_its_shard_gets_full_comes_back(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  void *held[HELD];
  for (size_t i = 0; i < HELD; i++) {
    held[i] = fe_heap_alloc(heap, SIZE);
    assert_non_null(held[i]);
  }
  size_t used = fe_heap_used_bytes(heap);
  for (size_t round = 0; round < ROUNDS; round++) {
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, free_what_is_handed, NULL), 0);
    hand_blocks(heap);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(fe_heap_used_bytes(heap), used);
  }
  for (size_t i = 0; i < HELD; i++) fe_heap_free(heap, held[i]);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_block_that_is_freed_as_its_shard_gets_full_comes_back),
  };
  return cmocka_run_group_tests_name("full_shards", tests, NULL, NULL);
}
