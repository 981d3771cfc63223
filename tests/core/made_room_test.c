/* A limit that heaps share is met, and one of them keeps for nobody what would do: the request is
 * given, whatever it takes beside what was asked for, and however many limits stand above it.
 */
#include "tests/core/figures.h"

/* -- A heap that keeps free blocks for nobody ----------------------------------------------------
 */

/* A unit has room for 64 of its blocks or some less, of which one or two live. */
#define KEPT_SIZE BLOCK(UNIT_BYTES / 64)
enum { KEPT_UNITS = 20, KEPT = KEPT_UNITS * 64, ONE_LIVES_OF = 40 };

static fe_heap_t *heap_under(fe_heap_t *parent) {
  fe_heap_options_t options = {.parent = parent};
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  return heap;
}

/* While no limit stands above it: it counts with all that it has until somebody needs that. */
static fe_heap_t *keeper_under(fe_heap_t *parent) {
  static void *blocks[KEPT];
  fe_heap_t *keeper = heap_under(parent);
  for (size_t i = 0; i < KEPT; i++) {
    blocks[i] = fe_heap_alloc(keeper, KEPT_SIZE);
    require(blocks[i] != NULL);
  }
  for (size_t i = 0; i < KEPT; i++) {
    if (i % ONE_LIVES_OF != 0) fe_heap_free(keeper, blocks[i]);
  }
  fe_heap_hand_over(keeper);
  return keeper;
}

static void end_keeper(fe_heap_t *keeper) {
  require(fe_heap_take_over(keeper));
  fe_heap_destroy(keeper);
}

/* -- What a request takes ------------------------------------------------------------------------
 */

typedef struct request {
  size_t size;
  size_t alignment; /* 0: none is asked for */
} request_t;

static const request_t requests[] = {
    {1, 0},  {41, 0},    {1025, 0},   {MEDIUM_MAX - 500, 0}, {3 * UNIT_BYTES / 2 + 500, 0},
    {9, 64}, {64, 4096}, {64, 16384}, {5000, 1024},          {2 * UNIT_BYTES + 1, 2 * UNIT_BYTES},
};
enum { REQUEST_COUNT = sizeof(requests) / sizeof(requests[0]) };

/* Asks in a heap beside the keeper when both have so much together. Whether the keeper was looked
 * at for that; that the request is given is asserted. */
static bool is_looked_for(const request_t *request, size_t limit) {
  fe_heap_t *parent = heap_under(NULL);
  fe_heap_t *keeper = keeper_under(parent);
  fe_heap_t *heap = heap_under(parent);
  fe_heap_set_limit(parent, limit);
  void *block = request->alignment == 0
                    ? fe_heap_alloc(heap, request->size)
                    : fe_heap_aligned_alloc(heap, request->alignment, request->size);
  if (block == NULL) {
    fail_msg("%zu bytes on %zu are refused at a limit of %zu, with %zu in use", request->size,
             request->alignment, limit, peek(keeper).used_bytes);
  }
  bool is_looked_at = peek(keeper).tight_phases > 0;
  end_keeper(keeper);
  fe_heap_destroy(heap);
  fe_heap_destroy(parent);
  return is_looked_at;
}

/* The least limit at which the keeper has its peace. */
static size_t least_limit_without_a_look(const request_t *request) {
  size_t low = KEPT_UNITS * UNIT_BYTES / 2;
  size_t high = 2 * KEPT_UNITS * UNIT_BYTES;
  assert_true(is_looked_for(request, low) && !is_looked_for(request, high));
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (is_looked_for(request, middle)) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return high;
}

/* A block takes more than what was asked for: by its class, its alignment, in whole steps. Just
 * below what all take together it is one of these bytes that has no room. */
static void what_a_request_takes_is_made_room_for(void **state) {
  (void)state;
  for (size_t i = 0; i < REQUEST_COUNT; i++) {
    size_t enough = least_limit_without_a_look(&requests[i]);
    for (size_t less = 1; less <= requests[i].size; less *= 2) {
      assert_true(is_looked_for(&requests[i], enough - less));
    }
  }
}

/* -- What a block grows by -----------------------------------------------------------------------
 */

enum { BLOCK_UNITS = 40 };

static void *by_realloc(fe_heap_t *heap, void *block, size_t size, size_t new_size) {
  (void)size;
  return fe_heap_realloc(heap, block, new_size);
}

static void *by_resize(fe_heap_t *heap, void *block, size_t size, size_t new_size) {
  return fe_heap_resize(heap, block, size, new_size);
}

/* The heap's own limit has room for what it grows by, and not for another block. */
static void grow(void *(*resize)(fe_heap_t *, void *, size_t, size_t), fe_arenas_t *arenas) {
  fe_heap_t *parent = heap_under(NULL);
  fe_context_t *context = fe_context_create(arenas);
  require(context != NULL);
  fe_heap_options_t options = {
      .context = context, .parent = parent, .memory_limit = (BLOCK_UNITS + 20) * UNIT_BYTES};
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  size_t size = (BLOCK_UNITS - 1) * UNIT_BYTES;
  char *block = fe_heap_alloc(heap, size);
  assert_non_null(block);
  pattern_fill(block, size, 1);
  fe_heap_t *keeper = keeper_under(parent);
  fe_heap_set_limit(parent, (BLOCK_UNITS + KEPT_UNITS) * UNIT_BYTES);
  for (int step = 0; step < 10; step++) {
    block = resize(heap, block, size, size + UNIT_BYTES);
    assert_non_null(block);
    assert_true(pattern_holds(block, size, 1));
    size += UNIT_BYTES;
    pattern_fill(block, size, 1);
  }
  end_keeper(keeper);
  fe_heap_destroy(heap);
  fe_heap_destroy(parent);
  assert_true(fe_context_destroy(context));
}

static void what_a_block_grows_by_is_made_room_for(void **state) {
  (void)state;
  if (IS_CHECKED) skip(); /* blocks always move, so both must have room */
  const size_t bytes = 2 * BLOCK_UNITS * UNIT_BYTES;
  void *region = aligned_alloc(UNIT_BYTES, bytes);
  assert_non_null(region);
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, region, bytes);
  assert_non_null(arenas);
  grow(by_realloc, arenas);
  grow(by_resize, arenas);
  assert_true(fe_arenas_destroy(arenas));
  free(region);
}

/* -- Limits above limits -------------------------------------------------------------------------
 */

enum { LEVELS = 4 };

/* The farther up a limit is, the more it lacks: what is kept beside the heap that asks is enough
 * for the first one, and for each other one also what is kept right under it. */
static void room_is_made_at_every_level(void **state) {
  (void)state;
  for (size_t levels = 1; levels <= LEVELS; levels++) {
    fe_heap_t *above[LEVELS], *keepers[LEVELS];
    fe_heap_t *parent = NULL;
    for (size_t i = 0; i < levels; i++) parent = above[i] = heap_under(parent);
    fe_heap_t *heap = heap_under(parent);
    size_t bytes = peek(heap).committed_bytes;
    for (size_t i = levels; i > 0; i--) {
      keepers[i - 1] = keeper_under(above[i - 1]);
      bytes += peek(keepers[i - 1]).committed_bytes;
      fe_heap_set_limit(above[i - 1], bytes + (i - 1) * KEPT_UNITS * UNIT_BYTES);
    }
    size_t units = (levels - 1) * KEPT_UNITS + KEPT_UNITS / 4;
    if (fe_heap_alloc(heap, units * UNIT_BYTES) == NULL) fail_msg("refused by %zu limits", levels);
    for (size_t i = 0; i < levels; i++) end_keeper(keepers[i]);
    fe_heap_destroy(heap);
    for (size_t i = levels; i > 0; i--) fe_heap_destroy(above[i - 1]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(what_a_request_takes_is_made_room_for),
      test_that(what_a_block_grows_by_is_made_room_for),
      test_that(room_is_made_at_every_level),
  };
  return cmocka_run_group_tests_name("made_room", tests, NULL, NULL);
}
