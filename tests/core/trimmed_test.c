/* A heap that was gone through for another one under the same limit, and goes on: what becomes free
 * in it afterwards is no secret. The next one who asks gets it, whoever freed it, though all lies
 * in shards that wait in queues, where frees need to tell nobody.
 */
#include "tests/core/limits.h"

enum { SIZE = 200, LIVE_UNITS = 40, LIMIT_UNITS = 60, ASKED_UNITS = 35, BLOCKS_MAX = 40000 };

static fe_heap_t *heap;
static void *blocks[BLOCKS_MAX];
static size_t block_count;

static const char *unit_of(const void *block) {
  return (const char *)block - (uintptr_t)block % UNIT_BYTES;
}

/* Blocks in shards of their size; those that lie in the heap's first unit stay. */
static void fill(void) {
  block_count = 0;
  while (peek(heap).committed_bytes < LIVE_UNITS * UNIT_BYTES) {
    void *block = fe_heap_alloc(heap, SIZE);
    require(block != NULL && block_count < BLOCKS_MAX);
    if (unit_of(block) != unit_of(heap)) blocks[block_count++] = block;
  }
}

/* As the heap's holder, or as others do. */
static void free_block(size_t i, bool as_holder) {
  if (as_holder) {
    fe_heap_free(heap, blocks[i]);
  } else {
    fe_free(blocks[i]);
  }
  blocks[i] = NULL;
}

/* So that none is full. */
static void free_one_of_each_shard(void) {
  free_block(0, true);
  for (size_t i = 1; i < block_count; i++) {
    if (unit_of(blocks[i]) != unit_of(blocks[i - 1])) free_block(i++, true);
  }
}

/* Most of them; of each shard some stay, so that it does not become empty. */
static void free_most(bool as_holder) {
  for (size_t i = 0; i < block_count; i++) {
    if (i % 5 != 0 && blocks[i] != NULL) free_block(i, as_holder);
  }
}

static void is_had_after_a_visit(void (*let_free)(void)) {
  fe_heap_t *parent = heap_under(NULL);
  fe_heap_t *other = heap_under(parent);
  heap = heap_under(parent);
  limit_to(parent, LIMIT_UNITS * UNIT_BYTES);
  fill();
  free_one_of_each_shard();
  assert_null(fe_heap_alloc(other, ASKED_UNITS * UNIT_BYTES));
  let_free();
  assert_non_null(fe_heap_alloc(other, ASKED_UNITS * UNIT_BYTES));
  fe_heap_destroy(other);
  fe_heap_destroy(heap);
  fe_heap_destroy(parent);
}

static void free_as_another(void *unused) {
  (void)unused;
  free_most(false);
}

static void by_others(void) { run_in_thread(free_as_another, NULL); }
static void by_holder(void) { free_most(true); }

static void what_others_free_after_a_visit_is_had(void **state) {
  (void)state;
  is_had_after_a_visit(by_others);
}

static void what_the_holder_frees_after_a_visit_is_had(void **state) {
  (void)state;
  is_had_after_a_visit(by_holder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(what_others_free_after_a_visit_is_had),
      test_that(what_the_holder_frees_after_a_visit_is_had),
  };
  return cmocka_run_group_tests_name("trimmed", tests, NULL, NULL);
}
