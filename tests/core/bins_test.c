/* Blocks of sizes of which a heap has few: freed ones wait as they are for the next to ask for such
 * a size, and are given up for others as soon as these need the room. Blocks grow and shrink where
 * they are.
 */
#include <time.h>

#include "tests/core/resize_ways.h"

/* Above what lies in nurseries, and so that a dozen fit into a unit. */
enum { SIZE = UNIT_BYTES / 12, MANY = 800 };

/* In the smallest units, and in builds that check, such blocks have shards of their own. */
static void skip_without_bins(void) {
  if (IS_CHECKED || SIZE <= 512) skip();
}

static void *many[MANY];

static void *new_block(fe_heap_t *heap, size_t size) {
  void *block = fe_heap_alloc(heap, size);
  require(block != NULL);
  pattern_fill(block, size, size);
  return block;
}

static void fill(fe_heap_t *heap, size_t count, size_t size) {
  for (size_t i = 0; i < count; i++) many[i] = new_block(heap, size);
}

static void free_range(fe_heap_t *heap, size_t first, size_t end) {
  for (size_t i = first; i < end; i++) fe_heap_free(heap, many[i]);
}

static fe_heap_stats_t stats_of(fe_heap_t *heap) {
  fe_heap_stats_t stats = {.struct_size = sizeof stats};
  require(fe_heap_stats(heap, &stats));
  return stats;
}

static void what_was_freed_last_is_had_first(void **state) {
  (void)state;
  skip_without_bins();
  fe_heap_t *heap = fe_heap_create(NULL);
  fill(heap, 20, SIZE);
  fe_heap_free(heap, many[3]);
  fe_heap_free(heap, many[15]);
  fe_heap_free(heap, many[7]);
  assert_ptr_equal(fe_heap_alloc(heap, SIZE), many[7]);
  assert_ptr_equal(fe_heap_alloc(heap, SIZE), many[15]);
  assert_ptr_equal(fe_heap_resize(heap, NULL, 0, SIZE), many[3]);
  fe_heap_destroy(heap);
}

static bool is_other(const fe_shard_view_t *shard, const void *block, size_t size, void *freed) {
  (void)shard;
  (void)size;
  return block != freed;
}

/* To the byte, whether they wait or not. */
static void figures_leave_them_out(void **state) {
  (void)state;
  skip_without_bins();
  fe_heap_t *heap = fe_heap_create(NULL);
  fill(heap, 20, SIZE);
  fe_heap_stats_t before = stats_of(heap);
  assert_int_equal(before.peak_used_bytes, before.used_bytes);
  size_t bytes = fe_malloc_size(many[5]);
  fe_heap_free(heap, many[5]);
  fe_heap_stats_t after = stats_of(heap);
  assert_int_equal(before.used_bytes - after.used_bytes, bytes);
  assert_int_equal(before.used_bytes - fe_heap_used_bytes(heap), bytes);
  assert_int_equal(after.peak_used_bytes, before.used_bytes);
  if (after.mixed_block_count > 0) {
    assert_int_equal(before.mixed_used_bytes - after.mixed_used_bytes, bytes);
    assert_int_equal(before.mixed_block_count - after.mixed_block_count, 1);
  }
  assert_true(fe_heap_visit(heap, &(fe_visitor_t){.block = is_other}, many[5]));
  fe_heap_destroy(heap);
}

/* Long enough for the next tick. */
static void let_time_pass(void) { nanosleep(&(struct timespec){.tv_nsec = 120000000}, NULL); }

/* Frees that have nothing to do with the bins look at the clock. */
static void come_by(fe_heap_t *heap) {
  for (size_t i = 0; i < 40; i++) fe_heap_free(heap, new_block(heap, 2 * UNIT_BYTES));
}

/* A heap with many blocks, which has no tick before time passes. */
static fe_heap_t *new_heap_between_ticks(void) {
  assert_true(fe_option_set("purge_delay_ms", "1000000"));
  fe_heap_t *heap = fe_heap_create(NULL);
  fill(heap, MANY, SIZE);
  come_by(heap);
  return heap;
}

static void destroy(fe_heap_t *heap) {
  fe_heap_destroy(heap);
  assert_true(fe_option_set("purge_delay_ms", "50"));
}

/* What the bins have no room for, the stock has: there, too, what was freed last is had first. */
static void more_wait_than_bins_hold(void **state) {
  (void)state;
  skip_without_bins();
  enum { IN_BINS = 32, FREED = 100 };
  fe_heap_t *heap = new_heap_between_ticks();
  free_range(heap, 0, FREED);
  for (size_t i = IN_BINS; i-- > 0;) assert_ptr_equal(fe_heap_alloc(heap, SIZE), many[i]);
  for (size_t i = FREED; i-- > IN_BINS;) assert_ptr_equal(fe_heap_alloc(heap, SIZE), many[i]);
  destroy(heap);
}

/* Where there is no other room, a smaller block is a part of one that waits. */
static void a_smaller_block_is_cut_from_one_that_waits(void **state) {
  (void)state;
  skip_without_bins();
  enum { SMALLER = SIZE / 4 * 3, FREED = 60 };
  fe_heap_t *heap = new_heap_between_ticks();
  free_range(heap, 0, FREED);
  fe_heap_stats_t before = stats_of(heap);
  /* There may be room for a few behind other blocks. */
  void *smaller[FREED];
  size_t count = 0;
  do {
    smaller[count] = new_block(heap, SMALLER);
  } while (smaller[count++] != many[FREED - 1] && count < FREED);
  assert_ptr_equal(smaller[count - 1], many[FREED - 1]);
  assert_int_equal(stats_of(heap).committed_bytes, before.committed_bytes);
  for (size_t i = FREED; i < MANY; i++) assert_true(pattern_holds(many[i], SIZE, SIZE));
  for (size_t i = 0; i < count; i++) fe_heap_free(heap, smaller[i]);
  free_range(heap, FREED, MANY);
  fe_heap_collect(heap, false);
  assert_int_equal(stats_of(heap).mixed_shard_count, 0);
  destroy(heap);
}

/* Of all that waits, only what bins hold may count for a peak. */
static void what_waits_is_no_peak(void **state) {
  (void)state;
  skip_without_bins();
  enum { COUNT = 400, IN_BINS = 32 };
  fe_heap_t *heap = fe_heap_create(NULL);
  fill(heap, COUNT, SIZE);
  size_t peak_bytes = stats_of(heap).peak_used_bytes;
  free_range(heap, 0, COUNT / 4);
  new_block(heap, COUNT / 4 * SIZE);
  size_t most = peak_bytes + IN_BINS * (SIZE + SIZE / 8);
  assert_in_range(stats_of(heap).peak_used_bytes, peak_bytes, most);
  fe_heap_destroy(heap);
}

/* Of all that is freed at the limit other sizes can be made. */
static void expect_limit_counts_what_lives(size_t limit_blocks) {
  size_t limit = limit_blocks * SIZE;
  fe_heap_t *parent = fe_heap_create(&(fe_heap_options_t){.memory_limit = limit});
  fe_heap_t *heap = fe_heap_create(&(fe_heap_options_t){.parent = parent});
  for (size_t size = SIZE; size >= SIZE / 2; size -= SIZE / 8) {
    size_t count = 0;
    while (count < MANY && (many[count] = fe_heap_alloc(heap, size)) != NULL) count++;
    size_t block_bytes = fe_malloc_size(many[0]);
    assert_in_range(limit - fe_heap_used_bytes(heap), 0, block_bytes - 1);
    assert_int_equal(fe_heap_used_bytes(heap), count * block_bytes);
    free_range(heap, 0, count);
  }
  fe_heap_destroy(heap);
  fe_heap_destroy(parent);
}

static void a_limit_counts_what_lives(void **state) {
  (void)state;
  skip_without_bins();
  expect_limit_counts_what_lives(24);
  expect_limit_counts_what_lives(200);
}

/* Others live on, so that it waits. */
static void what_waits_is_had_at_the_limit(void **state) {
  (void)state;
  skip_without_bins();
  enum { LIMIT = 400 * SIZE };
  fe_heap_t *heap = fe_heap_create(&(fe_heap_options_t){.memory_limit = LIMIT});
  size_t count = 0;
  while (count < MANY && (many[count] = fe_heap_alloc(heap, SIZE)) != NULL) count++;
  fe_heap_free(heap, many[--count]);
  /* It may do without asking for each block, and so have a stock. */
  fe_heap_set_limit(heap, 2 * LIMIT);
  free_range(heap, 0, count / 4);
  fe_heap_set_limit(heap, LIMIT);
  void *block;
  size_t block_bytes = 1;
  while ((block = fe_heap_alloc(heap, 2 * SIZE)) != NULL) block_bytes = fe_malloc_size(block);
  assert_in_range(LIMIT - fe_heap_used_bytes(heap), 0, block_bytes - 1);
  fe_heap_destroy(heap);
}

/* Freed neighbours become one space when there is no other. */
static void larger_blocks_find_the_room_of_smaller_ones(void **state) {
  (void)state;
  skip_without_bins();
  fe_heap_t *heap = fe_heap_create(NULL);
  fill(heap, 44, SIZE); /* less than what makes a class go on by itself */
  size_t committed_bytes = stats_of(heap).committed_bytes;
  free_range(heap, 0, 33);
  for (size_t i = 0; i < 9; i++) new_block(heap, 3 * SIZE);
  assert_in_range(stats_of(heap).committed_bytes, 0, committed_bytes);
  fe_heap_destroy(heap);
}

/* In each unit about one block lives, so that the unit stays; what is free in it is used again. */
static void larger_blocks_find_the_room_between_others(void **state) {
  (void)state;
  skip_without_bins();
  enum { COUNT = 88, STEP = 11 };
  fe_heap_t *heap = fe_heap_create(NULL);
  fill(heap, COUNT, SIZE);
  for (size_t i = 0; i < COUNT; i++) {
    if (i % STEP != 0) fe_heap_free(heap, many[i]);
  }
  fe_heap_collect(heap, false);
  size_t committed_bytes = stats_of(heap).committed_bytes;
  for (size_t i = 0; i < COUNT / STEP; i++) new_block(heap, 3 * SIZE);
  assert_int_equal(stats_of(heap).committed_bytes, committed_bytes);
  for (size_t i = 0; i < COUNT; i += STEP) assert_true(pattern_holds(many[i], SIZE, SIZE));
  fe_heap_destroy(heap);
}

static void all_goes_back_with_the_last_block(void **state) {
  (void)state;
  skip_without_bins();
  fe_heap_t *heap = fe_heap_create(NULL);
  fill(heap, 200, SIZE);
  size_t committed_bytes = stats_of(heap).committed_bytes;
  assert_true(committed_bytes >= 200 * (size_t)SIZE);
  free_range(heap, 0, 200);
  assert_int_equal(stats_of(heap).committed_bytes, UNIT_BYTES);
  fe_heap_destroy(heap);
}

/* What waits is at most a third of the most that there was a moment ago, and after a tick 32
 * blocks, each of which may be all that keeps a unit. */
static void not_much_waits(void **state) {
  (void)state;
  skip_without_bins();
  fe_heap_t *heap = fe_heap_create(NULL);
  fill(heap, MANY, SIZE);
  size_t most_bytes = stats_of(heap).committed_bytes;
  free_range(heap, 40, MANY);
  fe_heap_stats_t stats = stats_of(heap);
  size_t at_most = stats.used_bytes + 32 * SIZE + 4 * UNIT_BYTES;
  assert_in_range(stats.committed_bytes, 0, at_most + most_bytes / 3 + UNIT_BYTES);
  let_time_pass();
  come_by(heap);
  stats = stats_of(heap);
  /* Freed in order, they lie side by side. The runs of `come_by` may wait, too. */
  assert_in_range(stats.committed_bytes, 0, at_most + 3 * UNIT_BYTES);
  fe_heap_collect(heap, false);
  assert_in_range(stats_of(heap).committed_bytes, 0, stats.used_bytes + 3 * UNIT_BYTES);
  fe_heap_destroy(heap);
}

static void free_many(void *argument) {
  size_t *range = argument;
  for (size_t i = range[0]; i < range[1]; i++) fe_free(many[i]);
}

/* The holder frees each so-many-th block, and waits while others free all the rest. */
static fe_heap_t *new_heap_with_few(size_t step) {
  fe_heap_t *heap = fe_heap_create(NULL);
  fill(heap, MANY, SIZE);
  for (size_t i = 0; i < MANY; i += step) {
    fe_heap_free(heap, many[i]);
    many[i] = NULL;
  }
  run_in_thread(free_many, (size_t[]){0, MANY});
  fe_trim();
  return heap;
}

/* No more than what waits, though each such block lies in a unit of its own. */
static void few_stay_when_others_free_the_rest(void **state) {
  (void)state;
  skip_without_bins();
  fe_heap_t *heap = new_heap_with_few(16);
  fe_heap_stats_t stats = {.struct_size = sizeof stats};
  assert_true(fe_heap_stats_peek(heap, &stats));
  assert_int_equal(stats.used_bytes, 0);
  assert_in_range(stats.committed_bytes, 0, (1 + 32) * UNIT_BYTES);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

static void trim(void *nothing) {
  (void)nothing;
  fe_trim();
}

/* What waits beyond the bins is there for others while the holder does nothing. */
static void others_get_back_what_waits(void **state) {
  (void)state;
  skip_without_bins();
  fe_heap_t *heap = new_heap_between_ticks();
  free_range(heap, 40, MANY);
  run_in_thread(trim, NULL);
  fe_heap_stats_t stats = {.struct_size = sizeof stats};
  assert_true(fe_heap_stats_peek(heap, &stats));
  assert_in_range(stats.committed_bytes, 0, stats.used_bytes + 32 * SIZE + 4 * UNIT_BYTES);
  destroy(heap);
}

/* What is not asked for again shall not keep their units for good. */
static void they_are_given_up_when_much_was_freed(void **state) {
  (void)state;
  skip_without_bins();
  enum { LARGE = UNIT_BYTES * 16, LARGE_COUNT = 24 * MIB / LARGE };
  assert_true(fe_option_set("purge_delay_ms", "60000"));
  fe_heap_t *heap = new_heap_with_few(25);
  assert_in_range(stats_of(heap).mixed_shard_count, 20, 32);
  for (size_t i = 0; i < LARGE_COUNT; i++) many[i] = new_block(heap, LARGE);
  free_range(heap, 0, LARGE_COUNT);
  assert_in_range(stats_of(heap).mixed_shard_count, 0, 1);
  fe_heap_destroy(heap);
  assert_true(fe_option_set("purge_delay_ms", "50"));
}

static void blocks_change_their_size_where_they_are(void **state) {
  (void)state;
  skip_without_bins();
  for (size_t way = 0; way < WAY_COUNT; way++) {
    fe_heap_t *heap = fe_heap_create(NULL);
    fill(heap, 4, SIZE);
    void *block = many[1];
    fe_heap_free(heap, many[2]);
    fe_heap_collect(heap, false);
    size_t used_bytes = fe_heap_used_bytes(heap) - fe_malloc_size(block);
    static const size_t sizes[] = {SIZE * 3 / 2, SIZE * 2, SIZE / 2, SIZE / 8, SIZE};
    size_t size = SIZE;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      size_t less = size < sizes[i] ? size : sizes[i];
      assert_ptr_equal(ways[way](heap, block, size, sizes[i]), block);
      assert_int_equal(pattern_check(block, less, SIZE) < less, false);
      size = sizes[i];
      pattern_fill(block, size, SIZE);
      assert_in_range(fe_malloc_size(block), size, SIZE * 2 + SIZE / 4);
      assert_int_equal(fe_heap_used_bytes(heap), used_bytes + fe_malloc_size(block));
    }
    assert_true(pattern_holds(many[0], SIZE, SIZE));
    assert_true(pattern_holds(many[3], SIZE, SIZE));
    fe_heap_destroy(heap);
  }
}

/* Many small steps are few moves, though something else comes to lie behind the block each time. */
static void a_block_that_grows_by_little_seldom_moves(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  size_t moves = 0;
  size_t steps = 0;
  char *block = fe_heap_alloc(heap, 16);
  for (size_t size = 16; size + size / 8 < MEDIUM_MAX; steps++) {
    pattern_fill(block, size, 1);
    char *grown = fe_heap_realloc(heap, block, size + size / 8);
    assert_non_null(grown);
    assert_true(pattern_holds(grown, size, 1));
    size += size / 8;
    if (grown == block) continue;
    new_block(heap, size);
    block = grown;
    moves++;
  }
  if (!IS_CHECKED) assert_in_range(moves, 0, steps / 2);
  fe_heap_destroy(heap);
}

/* Whatever comes after what: nothing is lost, and nothing lies where something else does. */
static void all_sizes_change_all_the_time(void **state) {
  (void)state;
  enum { COUNT = 150, STEPS = 30000 };
  static extent_t extents[COUNT];
  static size_t sizes[COUNT];
  random_source_t source = {random_seed()};
  fe_heap_t *heap = fe_heap_create(NULL);
  memset(many, 0, sizeof many);
  memset(sizes, 0, sizeof sizes);
  for (size_t step = 0; step < STEPS; step++) {
    size_t i = random_below(&source, COUNT);
    assert_true(pattern_holds(many[i], sizes[i], i));
    size_t size = random_below(&source, 4) == 0 ? 0 : random_size(&source, MEDIUM_MAX + 4096);
    size_t less = size < sizes[i] ? size : sizes[i];
    if (size == 0 || many[i] == NULL) {
      fe_heap_free(heap, many[i]);
      many[i] = size == 0 ? NULL : fe_heap_alloc(heap, size);
      less = 0;
    } else {
      many[i] = ways[step % 2](heap, many[i], sizes[i], size);
    }
    assert_true(size == 0 || many[i] != NULL);
    assert_true(pattern_holds(many[i], less, i));
    sizes[i] = size;
    pattern_fill(many[i], size, i);
  }
  size_t bytes = 0;
  size_t count = 0;
  for (size_t i = 0; i < COUNT; i++) {
    assert_true(pattern_holds(many[i], sizes[i], i));
    if (many[i] == NULL) continue;
    bytes += fe_malloc_size(many[i]) + TRAILER;
    extents[count++] = (extent_t){many[i], fe_malloc_size(many[i])};
  }
  assert_disjoint(extents, count);
  if (!IS_CHECKED) assert_int_equal(fe_heap_used_bytes(heap), bytes);
  for (size_t i = 0; i < COUNT; i++) fe_heap_free(heap, many[i]);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

/* Half is freed, and more is live than a lowered limit allows: no more can be had than what the
 * bins hold, which nobody else looks into. */
static void little_is_had_again_above_a_lowered_limit(void **state) {
  (void)state;
  enum { COUNT = 400, BINS_BLOCKS = 32, MEDIUM = MEDIUM_MAX / 6 };
  static void *many[COUNT];
  fe_heap_t *parent = fe_heap_create(NULL);
  fe_heap_t *heap = fe_heap_create(&(fe_heap_options_t){.parent = parent});
  for (size_t i = 0; i < COUNT; i++) {
    many[i] = fe_heap_alloc(heap, MEDIUM);
    assert_non_null(many[i]);
  }
  fe_heap_set_limit(parent, fe_heap_used_bytes(heap) / 4);
  for (size_t i = 0; i < COUNT / 2; i++) fe_heap_free(heap, many[i]);
  size_t count = 0;
  while (count <= BINS_BLOCKS && fe_heap_alloc(heap, MEDIUM) != NULL) count++;
  assert_in_range(count, 0, BINS_BLOCKS);
  fe_heap_destroy(heap);
  fe_heap_destroy(parent);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(what_was_freed_last_is_had_first),
      test_that(more_wait_than_bins_hold),
      test_that(a_smaller_block_is_cut_from_one_that_waits),
      test_that(figures_leave_them_out),
      test_that(what_waits_is_no_peak),
      test_that(a_limit_counts_what_lives),
      test_that(what_waits_is_had_at_the_limit),
      test_that(little_is_had_again_above_a_lowered_limit),
      test_that(larger_blocks_find_the_room_of_smaller_ones),
      test_that(larger_blocks_find_the_room_between_others),
      test_that(all_goes_back_with_the_last_block),
      test_that(not_much_waits),
      test_that(others_get_back_what_waits),
      test_that(few_stay_when_others_free_the_rest),
      test_that(they_are_given_up_when_much_was_freed),
      test_that(blocks_change_their_size_where_they_are),
      test_that(a_block_that_grows_by_little_seldom_moves),
      test_that(all_sizes_change_all_the_time),
  };
  return cmocka_run_group_tests_name("bins", tests, NULL, NULL);
}
