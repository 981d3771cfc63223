/* fe_realloc of a large block of another thread, that lives or has ended: what it is cut down by
 * can be had, it grows where it is if there is no room for it twice, its content stays, and the
 * figures are those of its new size.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/core/figures.h"

/* -- A block of somebody's -----------------------------------------------------------------------
 */

#define ROOM (8 * UNIT_BYTES)

typedef enum owner { SELF, ENDED, LIVING, OWNER_COUNT } owner_t;

typedef struct scene {
  owner_t owner;
  size_t size;
  void *block;
  size_t other_bytes; /* requested by all others, in all heaps */
  size_t other_count; /* of large blocks */
  pthread_t thread;
  pthread_barrier_t steps;
} scene_t;

static scene_t scene;

/* Nothing lies behind the block, since it was larger. */
static void allocate(void) {
  void *larger = fe_malloc(scene.size + ROOM);
  scene.block = fe_realloc(larger, scene.size);
  require(larger != NULL && scene.block != NULL);
  pattern_fill(scene.block, scene.size, 1);
}

static void *own_block(void *argument) {
  allocate();
  if (scene.owner == LIVING) {
    pthread_barrier_wait(&scene.steps); /* it is there */
    pthread_barrier_wait(&scene.steps); /* it is gone */
    void *block = fe_malloc(scene.size);
    require(block != NULL);
    fe_free(block);
  }
  return argument;
}

static void begin(owner_t owner, size_t size) {
  fe_heap_stats_t stats = sum_of(NULL);
  scene.owner = owner;
  scene.size = size;
  scene.other_bytes = stats.requested_bytes;
  scene.other_count = stats.large_block_count;
  if (owner == SELF) {
    allocate();
    return;
  }
  require(pthread_barrier_init(&scene.steps, NULL, 2) == 0);
  require(pthread_create(&scene.thread, NULL, own_block, NULL) == 0);
  if (owner == LIVING) pthread_barrier_wait(&scene.steps);
  if (owner == ENDED) require(pthread_join(scene.thread, NULL) == 0);
}

static void end_block(void) {
  fe_free(scene.block);
  if (scene.owner == LIVING) {
    pthread_barrier_wait(&scene.steps);
    require(pthread_join(scene.thread, NULL) == 0);
  }
  if (scene.owner != SELF) pthread_barrier_destroy(&scene.steps);
}

static void end(void) {
  end_block();
  assert_int_equal(sum_of(NULL).requested_bytes, scene.other_bytes);
  assert_int_equal(sum_of(NULL).large_block_count, scene.other_count);
}

static void set_limit(size_t bytes) {
  char text[32];
  snprintf(text, sizeof text, "%zu", bytes);
  require(fe_option_set("memory_limit", text));
}

/* The content stays, and the new size is the one that is counted. */
static void resize(size_t size) {
  void *block = fe_realloc(scene.block, size);
  if (block == NULL) {
    fail_msg("owner %d: %zu bytes do not become %zu", scene.owner, scene.size, size);
  }
  scene.block = block;
  assert_true(pattern_holds(block, size < scene.size ? size : scene.size, 1));
  scene.size = size;
  pattern_fill(block, size, 1);
  assert_true(fe_malloc_size(block) >= size && fe_malloc_size(block) <= size + UNIT_BYTES);
  assert_int_equal(sum_of(NULL).requested_bytes, scene.other_bytes + size);
  assert_int_equal(sum_of(NULL).large_block_count, scene.other_count + 1);
}

/* Of a slab, of some slabs, of a chunk. */
static const size_t units[] = {20, 3 * UNITS_PER_SLAB / 2, 4 * UNITS_PER_SLAB + 5};
enum { SIZE_COUNT = sizeof units / sizeof *units };

/* -- Smaller --------------------------------------------------------------------------------------
 */

static void a_block_becomes_smaller(void **state) {
  (void)state;
  for (unsigned i = 0; i < OWNER_COUNT * SIZE_COUNT; i++) {
    size_t size = units[i / OWNER_COUNT] * UNIT_BYTES - 300;
    begin(i % OWNER_COUNT, size);
    resize(size * 9 / 10);
    resize(size * 6 / 10);
    resize(size * 55 / 100);
    resize(size * 2 / 10);
    end();
  }
}

static void assert_room_for(size_t bytes) {
  void *block = fe_malloc(bytes);
  if (block == NULL) {
    fail_msg("owner %d, %zu bytes left: no room for %zu", scene.owner, scene.size, bytes);
  }
  fe_free(block);
}

/* There is no room for a copy at any of the sizes. */
static void what_a_block_is_cut_down_by_can_be_had_under_a_limit(void **state) {
  (void)state;
  if (IS_CHECKED) skip(); /* what a block was cut down by stays behind it */
  for (unsigned i = 0; i < OWNER_COUNT * SIZE_COUNT; i++) {
    size_t size = units[i / OWNER_COUNT] * UNIT_BYTES - 300;
    const size_t limit = size + UNIT_BYTES;
    begin(i % OWNER_COUNT, size);
    set_limit(limit);
    for (size_t tenths = 9; tenths > 1; tenths -= 2) {
      resize(size * tenths / 10);
      assert_room_for(limit - scene.size - UNIT_BYTES / 4);
    }
    set_limit(0);
    end();
  }
}

/* -- Larger ---------------------------------------------------------------------------------------
 */

static void a_block_becomes_larger(void **state) {
  (void)state;
  for (unsigned i = 0; i < OWNER_COUNT * SIZE_COUNT; i++) {
    size_t size = units[i / OWNER_COUNT] * UNIT_BYTES - 300;
    begin(i % OWNER_COUNT, size);
    resize(size + 100);
    resize(size + UNIT_BYTES);
    resize(size * 2);
    resize(size * 5 + 1);
    end();
  }
}

/* The limit has room for what it grows by, and not for another block. */
static void a_block_grows_where_it_is_under_a_limit(void **state) {
  (void)state;
  if (IS_CHECKED) skip(); /* blocks always move, so both must have room */
  for (unsigned i = 0; i < OWNER_COUNT * SIZE_COUNT; i++) {
    size_t size = units[i / OWNER_COUNT] * UNIT_BYTES - 300;
    begin(i % OWNER_COUNT, size);
    set_limit(size + ROOM);
    resize(size + 200);
    resize(size + UNIT_BYTES);
    resize(size + ROOM - 3 * UNIT_BYTES);
    void *block = fe_realloc(scene.block, size + ROOM + UNIT_BYTES);
    assert_null(block);
    assert_true(pattern_holds(scene.block, scene.size, 1));
    set_limit(0);
    end();
  }
}

/* Another heap keeps what the block is to grow by. */
static void a_block_grows_by_what_another_heap_keeps(void **state) {
  (void)state;
  if (IS_CHECKED) skip(); /* blocks always move, so both must have room */
  enum { KEPT = 2000 };
  static void *kept[KEPT];
  for (unsigned i = 0; i < OWNER_COUNT; i++) {
    size_t size = units[0] * UNIT_BYTES - 300;
    fe_heap_t *keeper = new_heap(NULL);
    for (size_t j = 0; j < KEPT; j++) kept[j] = fe_heap_alloc(keeper, UNIT_BYTES / 200);
    for (size_t j = 0; j < KEPT; j++) {
      if (j % 100 != 0) fe_heap_free(keeper, kept[j]);
    }
    fe_heap_hand_over(keeper);
    begin(i, size);
    size_t live = size + peek(keeper).used_bytes;
    size_t limit = size + peek(keeper).committed_bytes + UNIT_BYTES / 2;
    set_limit(limit);
    void *block = fe_realloc(scene.block, size + 4 * UNIT_BYTES);
    if (block != NULL) scene.block = block;
    set_limit(0);
    end_block();
    assert_true(fe_heap_take_over(keeper));
    fe_heap_destroy(keeper);
    if (block == NULL)
      fail_msg("owner %u: refused, with %zu live at a limit of %zu", i, live, limit);
  }
}

/* -- From hand to hand --------------------------------------------------------------------------
 */

enum { THREADS = 4, BOXES = 12, TURNS = 1000 };

typedef struct letter {
  size_t size;
  unsigned char text[];
} letter_t;

static _Atomic(letter_t *) boxes[BOXES];
static uint64_t seed;

static size_t any_size(random_source_t *random) {
  return MEDIUM_MAX + 1 + random_below(random, 6 * UNIT_BYTES);
}

static void write_letter(letter_t *letter, size_t size) {
  letter->size = size;
  pattern_fill(letter->text, size - sizeof *letter, size);
}

/* Of one that has just been resized only so many bytes are there. */
static void check_letter(const letter_t *letter, size_t size) {
  size_t there = size < letter->size ? size : letter->size;
  require(pattern_holds(letter->text, there - sizeof *letter, letter->size));
}

/* Takes a letter from a box, or writes one, of the thread's own then; changes its size, and puts it
 * into another box. */
static void *pass_on(void *number) {
  random_source_t random = {seed + (uintptr_t)number};
  for (int turn = 0; turn < TURNS; turn++) {
    letter_t *letter = atomic_exchange(&boxes[random_below(&random, BOXES)], NULL);
    size_t size = any_size(&random);
    letter_t *resized = fe_realloc(letter, size);
    if (letter != NULL && resized != NULL) check_letter(resized, size);
    if (resized == NULL) {
      require(letter == NULL || size > letter->size);
      fe_free(letter);
      continue;
    }
    write_letter(resized, size);
    fe_free(atomic_exchange(&boxes[random_below(&random, BOXES)], resized));
  }
  return NULL;
}

/* All owners work, and some meet the limit, while others resize their blocks. */
static void blocks_that_go_from_hand_to_hand_are_resized(void **state) {
  (void)state;
  seed = random_seed();
  for (int round = 0; round < 2; round++) {
    fe_heap_stats_t before = sum_of(NULL);
    set_limit(round == 0 ? 0 : 3 * BOXES * UNIT_BYTES);
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
      assert_int_equal(pthread_create(&threads[i], NULL, pass_on, (void *)i), 0);
    }
    for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < BOXES; i++) fe_free(atomic_exchange(&boxes[i], NULL));
    set_limit(0);
    assert_int_equal(sum_of(NULL).large_used_bytes, before.large_used_bytes);
    assert_int_equal(sum_of(NULL).requested_bytes, before.requested_bytes);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_block_becomes_smaller),
      test_that(what_a_block_is_cut_down_by_can_be_had_under_a_limit),
      test_that(a_block_becomes_larger),
      test_that(a_block_grows_where_it_is_under_a_limit),
      test_that(a_block_grows_by_what_another_heap_keeps),
      test_that(blocks_that_go_from_hand_to_hand_are_resized),
  };
  return cmocka_run_group_tests_name("foreign_resize", tests, NULL, NULL);
}
