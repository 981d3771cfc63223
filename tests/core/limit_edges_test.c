/* Limits at their edges: a byte short of a block; where another heap was trimmed and goes on with
 * what it has at hand; where there is room again after there was none.
 */
#include "tests/core/support.h"

/* -- A byte short -------------------------------------------------------------------------------
 */

static void a_block_needs_room_to_its_last_byte(void **state) {
  (void)state;
  static const size_t sizes[] = {16, 48, 1000, MEDIUM_MAX, 3 * UNIT_BYTES};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    fe_heap_t *heap = fe_heap_create(NULL);
    assert_non_null(heap);
    assert_non_null(fe_heap_alloc(heap, sizes[i]));
    size_t counted = fe_heap_used_bytes(heap);
    fe_heap_set_limit(heap, 2 * counted - 1);
    assert_null(fe_heap_alloc(heap, sizes[i]));
    fe_heap_set_limit(heap, 2 * counted);
    assert_non_null(fe_heap_alloc(heap, sizes[i]));
    fe_heap_destroy(heap);
  }
}

/* -- Two heaps under one limit ------------------------------------------------------------------
 */

enum { MOST = 40000 };
#define SHARED_LIMIT (2 * MIB)

static void *blocks[MOST];

typedef struct family {
  fe_heap_t *parent, *first, *second;
} family_t;

static void assert_within_the_limit(const family_t *family) {
  size_t used = fe_heap_used_bytes(family->first) + fe_heap_used_bytes(family->second);
  if (used > SHARED_LIMIT) fail_msg("%zu bytes are in use", used);
}

static void use_up(fe_heap_t *heap, size_t size) {
  while (fe_heap_alloc(heap, size) != NULL) continue;
}

static uintptr_t unit_of(const void *block) { return (uintptr_t)block / UNIT_BYTES; }

/* The first heap has blocks in full shards, and in some that wait and have no room that was never
 * used, of which one becomes the current one; the second takes the rest of the limit, to the last
 * byte. */
static family_t make_family(size_t size, size_t freed_step) {
  fe_heap_options_t options = {.memory_limit = SHARED_LIMIT};
  family_t family = {.parent = fe_heap_create(&options)};
  options = (fe_heap_options_t){.parent = family.parent};
  family.first = fe_heap_create(&options);
  family.second = fe_heap_create(&options);
  assert_true(family.first != NULL && family.second != NULL);
  size_t count = SHARED_LIMIT / 2 / size;
  assert_true(count <= MOST);
  for (size_t i = 0; i < count; i++) {
    blocks[i] = fe_heap_alloc(family.first, size);
    assert_non_null(blocks[i]);
  }
  for (size_t i = count / 2; i < count; i++) {
    bool is_in_last_shard = unit_of(blocks[i]) == unit_of(blocks[count - 1]);
    if (i % freed_step == 0 || is_in_last_shard) fe_heap_free(family.first, blocks[i]);
  }
  fe_heap_collect(family.first, false);
  use_up(family.second, 5000);
  use_up(family.second, 16);
  return family;
}

static void end_family(const family_t *family) {
  fe_heap_destroy(family->first);
  fe_heap_destroy(family->second);
  assert_int_equal(fe_heap_used_bytes(family->parent), 0);
  assert_non_null(fe_heap_alloc(family->parent, SHARED_LIMIT - UNIT_BYTES));
  fe_heap_destroy(family->parent);
}

/* Nothing looks at the first heap in between, for that would put its account right. */
static void what_a_trimmed_heap_has_at_hand_is_paid_for(void **state) {
  (void)state;
  static const size_t sizes[] = {64, 192, 1024, 4096};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (size_t freed_step = 1; freed_step <= 4; freed_step++) {
      family_t family = make_family(sizes[i], freed_step);
      use_up(family.first, sizes[i]);
      assert_within_the_limit(&family);
      end_family(&family);
    }
  }
}

/* -- Room again ---------------------------------------------------------------------------------
 */

static bool add_block(const fe_shard_view_t *view, const void *block, size_t size, void *sum) {
  (void)view, (void)block;
  *(size_t *)sum += size;
  return true;
}

static size_t visited_bytes(fe_heap_t *heap) {
  size_t sum = 0;
  fe_visitor_t visitor = {.block = add_block};
  assert_true(fe_heap_visit(heap, &visitor, &sum));
  return sum;
}

/* Blocks that were freed while the heap was at its limit, and kept from its quick ways. */
static void blocks_that_were_kept_are_free_when_there_is_room(void **state) {
  (void)state;
  if (IS_CHECKED) skip(); /* a visit tells what was asked for */
  fe_heap_options_t options = {.memory_limit = MIB};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  size_t count = 0;
  while ((blocks[count] = fe_heap_alloc(heap, 64)) != NULL) count++;
  for (size_t i = 0; i < count; i += 2) fe_heap_free(heap, blocks[i]);
  fe_heap_set_limit(heap, 0);
  assert_non_null(fe_heap_alloc(heap, 64));
  assert_int_equal(visited_bytes(heap), fe_heap_used_bytes(heap));
  fe_heap_destroy(heap);
}

/* -- No memory, though there is room ------------------------------------------------------------
 */

static void what_there_was_no_memory_for_does_not_count(void **state) {
  (void)state;
  const size_t region_bytes = 3 * SLAB_BYTES;
  void *region = aligned_alloc(SLAB_BYTES, region_bytes);
  assert_non_null(region);
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, region, region_bytes);
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_options_t options = {.context = context, .memory_limit = region_bytes + SLAB_BYTES / 2};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  void *block = fe_heap_alloc(heap, 3 * UNIT_BYTES);
  assert_non_null(block);
  for (int i = 0; i < 4; i++) {
    assert_null(fe_heap_alloc(heap, region_bytes));
    assert_null(fe_heap_realloc(heap, block, region_bytes));
    assert_null(fe_heap_resize(heap, block, 3 * UNIT_BYTES, region_bytes));
    void *another = fe_heap_alloc(heap, SLAB_BYTES * 3 / 4);
    assert_non_null(another);
    fe_heap_free(heap, another);
  }
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
  free(region);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_block_needs_room_to_its_last_byte),
      test_that(what_a_trimmed_heap_has_at_hand_is_paid_for),
      test_that(blocks_that_were_kept_are_free_when_there_is_room),
      test_that(what_there_was_no_memory_for_does_not_count),
  };
  return cmocka_run_group_tests_name("limit_edges", tests, NULL, NULL);
}
