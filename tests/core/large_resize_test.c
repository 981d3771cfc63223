/* What a large block counts for after its size changed where it is: its size, and not the room that
 * it happens to have there.
 */
#include "tests/core/resize_ways.h"

/* Blocks count in steps of so much. */
#define STEP (UNIT_BYTES / 16)

/* In a few units, in whole slabs, in chunks of their own; all leave more than a step of room behind
 * the block. */
static const size_t changes[][2] = {
    {UNIT_BYTES, UNIT_BYTES + STEP + 1},
    {3 * UNIT_BYTES, 2 * UNIT_BYTES + UNIT_BYTES / 2},
    {SLAB_BYTES / 4, SLAB_BYTES / 4 + UNIT_BYTES + 1},
    {SLAB_BYTES, SLAB_BYTES + UNIT_BYTES + 1},
    {SLAB_BYTES * 3, SLAB_BYTES * 2 + STEP},
    {150 * MIB, 150 * MIB + STEP},
    {150 * MIB, 140 * MIB},
};
enum { CHANGE_COUNT = sizeof changes / sizeof *changes };

static void assert_counts_for(fe_heap_t *heap, const void *block, size_t size) {
  size_t counted = fe_malloc_size(block);
  if (counted < size || counted >= size + STEP) {
    fail_msg("a block of %zu bytes counts for %zu", size, counted);
  }
  if (!IS_CHECKED) assert_int_equal(fe_heap_used_bytes(heap), counted);
}

static void a_resized_block_counts_for_its_size(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  for (size_t i = 0; i < CHANGE_COUNT * WAY_COUNT; i++) {
    const size_t *change = changes[i / WAY_COUNT];
    void *block = fe_heap_alloc(heap, change[0]);
    assert_non_null(block);
    block = ways[i % WAY_COUNT](heap, block, change[0], change[1]);
    assert_non_null(block);
    assert_counts_for(heap, block, change[1]);
    fe_heap_free(heap, block);
    assert_int_equal(fe_heap_used_bytes(heap), 0);
  }
  fe_heap_destroy(heap);
}

/* A limit that leaves room for the larger of both sizes, and for little more. */
static void the_rest_of_the_limit_is_left(void **state) {
  (void)state;
  if (IS_CHECKED) skip(); /* blocks always move, so both must have room */
  for (size_t i = 0; i < CHANGE_COUNT * WAY_COUNT; i++) {
    const size_t *change = changes[i / WAY_COUNT];
    size_t larger = change[0] > change[1] ? change[0] : change[1];
    fe_heap_options_t options = {.memory_limit = larger + 3 * STEP};
    fe_heap_t *heap = fe_heap_create(&options);
    void *block = fe_heap_alloc(heap, change[0]);
    assert_non_null(block);
    block = ways[i % WAY_COUNT](heap, block, change[0], change[1]);
    assert_non_null(block);
    assert_true(fe_heap_used_bytes(heap) <= options.memory_limit);
    void *another = fe_heap_alloc(heap, larger - change[1] + STEP);
    assert_non_null(another);
    fe_heap_free(heap, another);
    fe_heap_free(heap, block);
    fe_heap_destroy(heap);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_resized_block_counts_for_its_size),
      test_that(the_rest_of_the_limit_is_left),
  };
  return cmocka_run_group_tests_name("large_resize", tests, NULL, NULL);
}
