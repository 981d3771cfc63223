/* Random trees of heaps with limits, under a limit of the process or none: no limit is ever passed,
 * nothing is refused for which there is room, and in the end nothing is left that counts.
 *
 * The test keeps its own books: of each heap and all those under it, what their live blocks count
 * at least and at most. In the first kind of run all heaps but the one in use are handed over, so
 * that what is not live leaves room, to the byte, and also when limits change; in the other some
 * are held, and each of these may keep a shard for each size, of which there are few then.
 */
#include "tests/core/support.h"

enum { HEAPS = 10, BLOCKS = 4000, STEPS = 20000, RUNS = 6, DEPTH_MAX = 4, FEW_SIZES = 3 };

/* The process has the last place. */
enum { PROCESS = HEAPS, PLACES = HEAPS + 1 };

typedef struct ledger {
  int above;    /* the place whose limit this one shares; -1: none */
  size_t limit; /* SIZE_MAX: none */
  size_t least; /* what is live counts at least */
  size_t most;
} ledger_t;

typedef struct block {
  unsigned char *start;
  size_t size;
  size_t least;
  size_t most;
  int place;
  bool is_aligned;
} block_t;

typedef struct model {
  random_source_t random;
  bool holds_some; /* the second kind of run */
  fe_heap_t *heap[HEAPS];
  bool is_held[HEAPS];
  ledger_t ledger[PLACES];
  block_t block[BLOCKS];
  size_t block_count;
  size_t few_sizes[FEW_SIZES];
  size_t refusals;
} model_t;

static model_t model;

static size_t any_below(size_t bound) { return random_below(&model.random, bound); }

/* -- Books --------------------------------------------------------------------------------------
 */

/* What a block counts at most: large ones count in steps of a sixteenth of a unit. */
static size_t counted(size_t size, size_t alignment) {
  size_t wanted = alignment == 0 ? size : (size + 15) / 16 * 16 + (alignment > 16 ? alignment : 0);
  size_t bytes = fe_good_size(wanted) + TRAILER;
  size_t step = bytes > MEDIUM_MAX || alignment > MEDIUM_MAX ? UNIT_BYTES / 16 : 1;
  return (bytes + step - 1) / step * step;
}

static void enter(const block_t *block) {
  for (int i = block->place; i >= 0; i = model.ledger[i].above) {
    model.ledger[i].least += block->least;
    model.ledger[i].most += block->most;
  }
}

static void strike_out(const block_t *block) {
  for (int i = block->place; i >= 0; i = model.ledger[i].above) {
    model.ledger[i].least -= block->least;
    model.ledger[i].most -= block->most;
  }
}

static bool is_under(int place, int above) {
  while (place >= 0 && place != above) place = model.ledger[place].above;
  return place >= 0;
}

/* What heaps that are held may keep below a limit, but for the one that asks. */
static size_t rest_below(int above, int but) {
  size_t held = 0;
  for (int i = 0; i < HEAPS; i++) held += i != but && model.is_held[i] && is_under(i, above);
  return held * FEW_SIZES * UNIT_BYTES;
}

/* Something was handed out in a heap: each limit above it had room for that. */
static void check_given(int place) {
  for (int i = place; i >= 0; i = model.ledger[i].above) {
    const ledger_t *ledger = &model.ledger[i];
    if (ledger->least <= ledger->limit) continue;
    fail_msg("place %d: %zu bytes are live at a limit of %zu", i, ledger->least, ledger->limit);
  }
}

/* It refused what counts so much at most: then some limit above it has no room for that. */
static void check_refused(int place, size_t bytes) {
  model.refusals++;
  for (int i = place; i >= 0; i = model.ledger[i].above) {
    const ledger_t *ledger = &model.ledger[i];
    if (ledger->limit == SIZE_MAX) continue;
    if (ledger->most + rest_below(i, place) + bytes > ledger->limit) return;
  }
  for (int i = place; i >= 0; i = model.ledger[i].above) {
    print_error("place %d: up to %zu live at a limit of %zu\n", i, model.ledger[i].most,
                model.ledger[i].limit);
  }
  fail_msg("heap %d refused up to %zu bytes", place, bytes);
}

/* -- Heaps that somebody holds, or nobody --------------------------------------------------------
 */

static fe_heap_t *hold(int place) {
  if (!model.is_held[place]) require(fe_heap_take_over(model.heap[place]));
  model.is_held[place] = true;
  return model.heap[place];
}

static void let_go(int place) {
  if (model.holds_some && any_below(4) > 0) return;
  fe_heap_hand_over(model.heap[place]);
  model.is_held[place] = false;
}

/* -- Steps --------------------------------------------------------------------------------------
 */

static size_t any_size(void) {
  if (model.holds_some) return model.few_sizes[any_below(FEW_SIZES)];
  size_t kind = any_below(10);
  return 1 + any_below(kind == 0   ? 5 * UNIT_BYTES
                       : kind == 1 ? MEDIUM_MAX
                       : kind < 4  ? MEDIUM_MAX / 6
                                   : MEDIUM_MAX / 75);
}

static size_t larger(size_t one, size_t other) { return one > other ? one : other; }

static void note(block_t *block, size_t size, size_t alignment, size_t most) {
  block->size = size;
  block->least = fe_malloc_size(block->start);
  block->most = larger(most, larger(block->least, counted(size, alignment)));
  block->is_aligned = alignment > 16;
  memset(block->start, block->place, size < 64 ? size : 64);
  enter(block);
}

static void check_content(const block_t *block, size_t size) {
  for (size_t i = 0; i < size && i < 64; i++) require(block->start[i] == block->place);
}

static void allocate(void) {
  if (model.block_count == BLOCKS) return;
  block_t *block = &model.block[model.block_count];
  int place = block->place = (int)any_below(HEAPS);
  size_t size = any_size();
  size_t alignment = !model.holds_some && any_below(6) == 0 ? (size_t)16 << any_below(11) : 0;
  fe_heap_t *heap = hold(place);
  if (alignment > 0) {
    block->start = fe_heap_aligned_alloc(heap, alignment, size);
  } else if (any_below(2) == 0) {
    block->start = fe_heap_alloc(heap, size);
  } else {
    block->start = fe_heap_calloc(heap, 1, size);
  }
  if (block->start == NULL) {
    check_refused(place, counted(size, alignment));
  } else {
    note(block, size, alignment, 0);
    model.block_count++;
    check_given(place);
  }
  let_go(place);
}

/* By the heap's holder, or as others do. */
static void release(size_t number) {
  block_t *block = &model.block[number];
  check_content(block, block->size);
  if (any_below(3) > 0) {
    fe_heap_free(hold(block->place), block->start);
    let_go(block->place);
  } else {
    fe_free(block->start);
  }
  strike_out(block);
  *block = model.block[--model.block_count];
}

static void change_size(block_t *block) {
  if (block->is_aligned) return;
  size_t size = any_size();
  fe_heap_t *heap = hold(block->place);
  bool is_resize = any_below(2) == 0;
  void *moved = is_resize ? fe_heap_resize(heap, block->start, block->size, size)
                          : fe_heap_realloc(heap, block->start, size);
  if (moved == NULL) {
    require(!is_resize || size > block->size);
    check_refused(block->place, counted(size, 0));
  } else {
    block_t before = *block;
    block->start = moved;
    check_content(block, size < before.size ? size : before.size);
    strike_out(&before);
    /* Where no room is for a smaller one, a block stays as it is; builds that check do not say so.
     */
    note(block, size, 0, IS_CHECKED && moved == before.start ? before.most : 0);
    if (block->least > before.most) check_given(block->place);
  }
  let_go(block->place);
}

static void look_at(int place) {
  fe_heap_t *heap = hold(place);
  if (any_below(2) == 0) fe_heap_collect(heap, false);
  fe_heap_used_bytes(heap);
  let_go(place);
}

static size_t any_limit(int place) {
  if (any_below(3) == 0) return SIZE_MAX;
  if (model.holds_some) return UNIT_BYTES + any_below(9 * UNIT_BYTES);
  bool is_low = place != PROCESS && any_below(4) == 0;
  return is_low ? UNIT_BYTES / 3 + any_below(3 * UNIT_BYTES)
                : 4 * UNIT_BYTES + any_below(90 * UNIT_BYTES);
}

static void set_process_limit(size_t limit) {
  char text[32];
  snprintf(text, sizeof text, "%zu", limit == SIZE_MAX ? 0 : limit);
  require(fe_option_set("memory_limit", text));
}

/* To more, or to less, also to less than what is live. */
static void change_limit(int place) {
  size_t limit = model.ledger[place].limit = any_limit(place);
  if (place == PROCESS) {
    set_process_limit(limit);
  } else {
    fe_heap_set_limit(hold(place), limit == SIZE_MAX ? 0 : limit);
    let_go(place);
  }
}

static void release_most(void) {
  for (size_t i = model.block_count; i > 0; i--) {
    if (any_below(8) > 0) release(i - 1);
  }
}

static void take_a_step(void) {
  size_t kind = any_below(10000);
  if (kind < 5500) {
    allocate();
  } else if (kind < 8500 && model.block_count > 0) {
    release(any_below(model.block_count));
  } else if (kind < 9800 && model.block_count > 0) {
    change_size(&model.block[any_below(model.block_count)]);
  } else if (kind < 9970) {
    look_at((int)any_below(HEAPS));
  } else if (kind < 9995) {
    if (!model.holds_some) change_limit((int)any_below(PLACES));
  } else {
    release_most();
  }
}

/* -- A tree, from its growth to its end ----------------------------------------------------------
 */

static size_t depth_of(int place) {
  size_t depth = 0;
  for (int i = place; i >= 0; i = model.ledger[i].above) depth++;
  return depth;
}

/* Each heap is on its own, or under one that was there before. */
static void grow_tree(void) {
  size_t limit = any_limit(PROCESS);
  model.ledger[PROCESS] = (ledger_t){.above = -1, .limit = limit};
  set_process_limit(limit);
  for (int i = 0; i < HEAPS; i++) {
    int above = i == 0 || any_below(5) == 0 ? PROCESS : (int)any_below((size_t)i);
    if (depth_of(above) > DEPTH_MAX) above = PROCESS;
    limit = any_limit(i);
    model.ledger[i] = (ledger_t){.above = above, .limit = limit};
    fe_heap_options_t options = {.memory_limit = limit == SIZE_MAX ? 0 : limit,
                                 .parent = above == PROCESS ? NULL : model.heap[above]};
    model.heap[i] = fe_heap_create(&options);
    assert_non_null(model.heap[i]);
    model.is_held[i] = true;
    let_go(i);
  }
}

/* All is freed, and nobody holds a heap: each limit has room again for all that it allows. */
static void assert_nothing_counts(void) {
  const size_t all = 5 * UNIT_BYTES;
  set_process_limit(SIZE_MAX);
  for (int i = 0; i < HEAPS; i++) {
    fe_heap_set_limit(hold(i), 0);
    assert_int_equal(fe_heap_used_bytes(model.heap[i]), 0);
  }
  for (int i = 0; i < HEAPS; i++) fe_heap_hand_over(model.heap[i]);
  for (int i = 0; i < HEAPS; i++) {
    fe_heap_options_t options = {.parent = model.heap[i]};
    fe_heap_t *under = fe_heap_create(&options);
    assert_non_null(under);
    require(fe_heap_take_over(model.heap[i]));
    fe_heap_set_limit(model.heap[i], all);
    fe_heap_hand_over(model.heap[i]);
    if (fe_heap_alloc(under, all - TRAILER) == NULL) fail_msg("something counts in heap %d", i);
    fe_heap_destroy(under);
    require(fe_heap_take_over(model.heap[i]));
    fe_heap_set_limit(model.heap[i], 0);
    fe_heap_hand_over(model.heap[i]);
  }
}

static void end_tree(void) {
  while (model.block_count > 0) release(model.block_count - 1);
  for (int i = 0; i < PLACES; i++) assert_int_equal(model.ledger[i].most, 0);
  assert_nothing_counts();
  for (int i = HEAPS - 1; i >= 0; i--) {
    require(fe_heap_take_over(model.heap[i]));
    fe_heap_destroy(model.heap[i]);
  }
}

/* Returns how often it was refused something. */
static size_t run(uint64_t seed, bool holds_some) {
  static const size_t sizes[] = {40, 100, 200, 600, 1000, 3000};
  memset(&model, 0, sizeof model);
  model.random.state = seed;
  model.holds_some = holds_some;
  for (size_t i = 0; i < FEW_SIZES; i++) {
    model.few_sizes[i] = sizes[any_below(sizeof sizes / sizeof *sizes)] % MEDIUM_MAX;
  }
  grow_tree();
  for (size_t step = 0; step < STEPS; step++) take_a_step();
  end_tree();
  return model.refusals;
}

static void run_often(bool holds_some) {
  uint64_t seed = random_seed();
  size_t refusals = 0;
  for (uint64_t i = 0; i < RUNS; i++) refusals += run(seed + i, holds_some);
  assert_true(refusals > 0);
}

static void what_nobody_holds_leaves_room_to_the_byte(void **state) {
  (void)state;
  run_often(false);
}

static void what_is_held_leaves_room_but_for_a_shard_of_each_size(void **state) {
  (void)state;
  run_often(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(what_nobody_holds_leaves_room_to_the_byte),
      test_that(what_is_held_leaves_room_but_for_a_shard_of_each_size),
  };
  return cmocka_run_group_tests_name("limit_tree", tests, NULL, NULL);
}
