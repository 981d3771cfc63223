/* A limit that is lowered while heaps under it have more in blocks, live and free: from then on
 * they hand out what the new limit allows, and no free block beyond that but the rest that a heap
 * keeps for its next allocations.
 */
#include "tests/core/limits.h"

#include <pthread.h>

/* -- Whose limit, and whose blocks ---------------------------------------------------------------
 */

typedef enum level { PROCESS, PARENT, GRANDPARENT, LEVEL_COUNT } level_t;

enum { BLOCKS = 40000 };

typedef struct scene {
  level_t level;
  size_t size; /* of each block */
  fe_heap_t *above[2];
  fe_heap_t *parent;
  fe_heap_t *heap;
  void *blocks[BLOCKS];
} scene_t;

static scene_t scene;

static void set_limit(size_t bytes) {
  limit_to(scene.level == PROCESS ? NULL : scene.above[0], bytes);
}

/* Half of the blocks live, everywhere. */
static void begin(level_t level, size_t size) {
  scene.level = level;
  scene.size = size;
  scene.parent = NULL;
  for (int i = 0; i < (int)level; i++) scene.parent = scene.above[i] = heap_under(scene.parent);
  scene.heap = heap_under(scene.parent);
  for (size_t i = 0; i < BLOCKS; i++) {
    scene.blocks[i] = fe_heap_alloc(scene.heap, size);
    require(scene.blocks[i] != NULL);
  }
  for (size_t i = 1; i < BLOCKS; i += 2) {
    fe_heap_free(scene.heap, scene.blocks[i]);
    scene.blocks[i] = NULL;
  }
}

static void end(void) {
  set_limit(0);
  fe_heap_destroy(scene.heap);
  for (int i = (int)scene.level; i > 0; i--) fe_heap_destroy(scene.above[i - 1]);
}

/* Until one is refused, or there are as many as ever. */
static size_t fill_again(void) {
  size_t count = 0;
  for (size_t i = 0; i < BLOCKS; i++) {
    if (scene.blocks[i] != NULL) continue;
    scene.blocks[i] = fe_heap_alloc(scene.heap, scene.size);
    if (scene.blocks[i] == NULL) break;
    count++;
  }
  return count;
}

/* -- What is handed out afterwards --------------------------------------------------------------
 */

/* The shard from which the next allocation comes. */
#define REST UNIT_BYTES

static const size_t sizes[] = {GRANULE, 100, MEDIUM_MAX / 20};
enum { SIZE_COUNT = sizeof sizes / sizeof *sizes };

static void a_limit_below_what_is_live_leaves_the_rest_alone(void **state) {
  (void)state;
  for (int i = 0; i < LEVEL_COUNT * SIZE_COUNT; i++) {
    begin(i % LEVEL_COUNT, sizes[i / LEVEL_COUNT]);
    size_t live = fe_heap_used_bytes(scene.heap);
    set_limit(live / 4);
    fill_again();
    size_t now = fe_heap_used_bytes(scene.heap);
    if (now > live + REST) {
      fail_msg("level %d, blocks of %zu bytes: a limit of %zu, %zu live, then %zu", scene.level,
               scene.size, live / 4, live, now);
    }
    end();
  }
}

/* The heap fills up to the new limit, and not above. */
static void a_limit_above_what_is_live_is_filled_and_kept(void **state) {
  (void)state;
  for (int i = 0; i < LEVEL_COUNT * SIZE_COUNT; i++) {
    begin(i % LEVEL_COUNT, sizes[i / LEVEL_COUNT]);
    size_t limit = fe_heap_used_bytes(scene.heap) * 3 / 2;
    set_limit(limit);
    fill_again();
    size_t now = fe_heap_used_bytes(scene.heap);
    assert_true(now <= limit);
    assert_true(now + 2 * scene.size + 2 * TRAILER + GRANULE > limit);
    end();
  }
}

/* What is not among the rest is refused at once. */
static void below_what_is_live_a_new_size_and_a_large_block_are_refused(void **state) {
  (void)state;
  for (int level = 0; level < LEVEL_COUNT; level++) {
    begin(level, 100);
    set_limit(fe_heap_used_bytes(scene.heap) / 4);
    assert_null(fe_heap_alloc(scene.heap, MEDIUM_MAX / 3));
    assert_null(fe_heap_alloc(scene.heap, 3 * UNIT_BYTES));
    assert_null(fe_heap_aligned_alloc(scene.heap, 4096, 64));
    end();
  }
}

/* Another thread lowers the limit; the heap's holder goes on some time later. */
static void lower(void *bytes) { set_limit(*(size_t *)bytes); }

static void another_thread_may_lower_a_limit(void **state) {
  (void)state;
  begin(PROCESS, 100);
  size_t live = fe_heap_used_bytes(scene.heap);
  run_in_thread(lower, &(size_t){live / 4});
  fill_again();
  assert_true(fe_heap_used_bytes(scene.heap) <= live + REST);
  end();
}

/* As soon as enough is freed there is room again, and no more than that. */
static void enough_frees_make_room_below_a_lowered_limit(void **state) {
  (void)state;
  for (int level = 0; level < LEVEL_COUNT; level++) {
    begin(level, 100);
    size_t limit = fe_heap_used_bytes(scene.heap) / 4;
    set_limit(limit);
    for (size_t i = 0; i < BLOCKS * 9 / 10; i++) {
      fe_heap_free(scene.heap, scene.blocks[i]);
      scene.blocks[i] = NULL;
    }
    assert_true(fill_again() > 0);
    size_t now = fe_heap_used_bytes(scene.heap);
    assert_true(now <= limit && now + 2 * scene.size + 2 * TRAILER + GRANULE > limit);
    end();
  }
}

/* -- Shards that come into use ------------------------------------------------------------------
 */

/* Sizes of classes of their own, in each of which a shard is nearly free and waits behind one in
 * use. */
enum { CLASSES = 12, OF_EACH = 6000 };
static char *of_class[CLASSES][OF_EACH];
static size_t count_of[CLASSES];

static size_t size_of_class(size_t i) { return BLOCK((i < 8 ? 2 * i + 2 : 4 * i - 12) * 16); }

static const void *unit_of(const void *block) {
  return (const char *)block - (uintptr_t)block % UNIT_BYTES;
}

/* Until three blocks lie in another unit than the first ones of its shard. */
static size_t fill_a_shard_and_begin_another(fe_heap_t *heap, size_t class_index) {
  char **blocks = of_class[class_index];
  size_t count = 0;
  size_t begun = 0;
  while (begun < 3) {
    require(count < OF_EACH);
    blocks[count] = fe_heap_alloc(heap, size_of_class(class_index));
    require(blocks[count] != NULL);
    bool is_far = count > 20 && unit_of(blocks[count]) != unit_of(blocks[count / 2]) &&
                  unit_of(blocks[count]) != unit_of(blocks[count - 1 - begun]);
    if (is_far || begun > 0) begun++;
    count++;
  }
  return count;
}

static size_t fill_up(fe_heap_t *heap, size_t size) {
  size_t count = 0;
  while (fe_heap_alloc(heap, size) != NULL) count++;
  return count;
}

/* A neighbour takes all that the heap keeps. Then the shards in use become empty, go, and the ones
 * that waited come into use: what is free there has to be paid for. */
static void a_shard_that_comes_into_use_is_paid_for(void **state) {
  (void)state;
  fe_heap_t *parent = heap_under(NULL);
  fe_heap_t *heap = heap_under(parent);
  fe_heap_t *neighbour = heap_under(parent);
  for (size_t i = 0; i < CLASSES; i++) { /* whatever blocks lie in before they have a shard */
    for (size_t j = 0; j < 600; j++) of_class[i][j] = fe_heap_alloc(heap, size_of_class(i));
    for (size_t j = 0; j < 600; j++) fe_heap_free(heap, of_class[i][j]);
  }
  fe_heap_collect(heap, false);
  for (size_t i = 0; i < CLASSES; i++) count_of[i] = fill_a_shard_and_begin_another(heap, i);
  for (size_t i = 0; i < CLASSES; i++) {
    for (size_t j = 1; j + 3 < count_of[i]; j++) fe_heap_free(heap, of_class[i][j]);
  }
  const size_t limit = 32 * UNIT_BYTES;
  fe_heap_set_limit(parent, limit);
  fill_up(neighbour, 200);
  for (size_t i = 0; i < CLASSES; i++) {
    for (size_t j = count_of[i] - 3; j < count_of[i]; j++) fe_heap_free(heap, of_class[i][j]);
  }
  fill_up(neighbour, 200);
  for (size_t i = 0; i < CLASSES; i++) {
    for (size_t j = 0; j < count_of[i]; j++) {
      if (fe_heap_alloc(heap, size_of_class(i)) == NULL) break;
    }
  }
  assert_true(fe_heap_used_bytes(heap) + fe_heap_used_bytes(neighbour) <= limit);
  fe_heap_destroy(neighbour);
  fe_heap_destroy(heap);
  fe_heap_destroy(parent);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_limit_below_what_is_live_leaves_the_rest_alone),
      test_that(a_limit_above_what_is_live_is_filled_and_kept),
      test_that(below_what_is_live_a_new_size_and_a_large_block_are_refused),
      test_that(another_thread_may_lower_a_limit),
      test_that(enough_frees_make_room_below_a_lowered_limit),
      test_that(a_shard_that_comes_into_use_is_paid_for),
  };
  return cmocka_run_group_tests_name("lowered_limit", tests, NULL, NULL);
}
