/* The runs of freed large blocks that wait for others count as free: in all figures, and where a
 * limit is.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/core/large_runs.h"
#include "tests/core/limits.h"
#include "tests/core/resize_ways.h"

/* -- Figures -- */

static void write_to_file(void *user_data, const char *text, size_t length) {
  require(fwrite(text, 1, length, user_data) == length);
}

/* In the map of the arenas' memory. */
static size_t count_large_cells(fe_arenas_t *arenas) {
  char *text;
  size_t length;
  FILE *file = open_memstream(&text, &length);
  fe_heap_map_write(arenas, write_to_file, file);
  require(fclose(file) == 0);
  size_t count = 0;
  for (const char *at = text; (at = strstr(at, "[\"large\",")) != NULL; at++) count++;
  free(text);
  return count;
}

static bool count_large(const fe_shard_view_t *shard, const void *block, size_t size, void *count) {
  (void)block;
  (void)size;
  *(size_t *)count += shard->type == FE_SHARD_OF_LARGE;
  return true;
}

/* To the byte. The heap may be a thread's. */
static void figures_leave_out_what_waits(void **state) {
  (void)state;
  for (int kind = 0; kind < 2; kind++) {
    fe_arenas_t *arenas = fe_arenas_create(&fe_base_mmap, NULL, 0);
    fe_context_t *context = fe_context_create(arenas);
    fe_heap_t *heap = kind == 0 ? new_heap(context) : fe_arenas_thread_heap(arenas);
    void *stays = new_block(heap, units(1));
    void *goes = new_block(heap, units(SOME) - 100);
    fe_heap_stats_t before = stats_of(heap);
    size_t bytes = before.large_used_bytes - fe_malloc_size(stays) - TRAILER;
    assert_in_range(bytes, units(SOME) - 100, units(SOME) + UNIT_BYTES);
    assert_int_equal(before.peak_used_bytes, before.used_bytes);
    assert_int_equal(count_large_cells(arenas), 2);
    fe_heap_free(heap, goes);
    fe_heap_stats_t after = stats_of(heap);
    assert_waits(heap, SOME);
    assert_int_equal(before.used_bytes - after.used_bytes, bytes);
    assert_int_equal(before.large_used_bytes - after.large_used_bytes, bytes);
    assert_int_equal(before.requested_bytes - after.requested_bytes, units(SOME) - 100);
    assert_int_equal(after.large_block_count, 1);
    assert_int_equal(after.large_frees - before.large_frees, 1);
    assert_int_equal(after.peak_used_bytes, before.used_bytes);
    assert_int_equal(fe_heap_used_bytes(heap), after.used_bytes);
    assert_int_equal(sum_of(arenas).used_bytes, after.used_bytes);
    assert_int_equal(count_large_cells(arenas), 1);
    size_t live_count = 0;
    assert_true(fe_heap_visit(heap, &(fe_visitor_t){.block = count_large}, &live_count));
    assert_int_equal(live_count, 1);
    fe_heap_free(heap, stays);
    assert_int_equal(stats_of(heap).used_bytes, 0);
    if (kind == 0) fe_heap_destroy(heap);
    assert_true(fe_context_destroy(context));
    assert_true(fe_arenas_destroy(arenas));
  }
}

/* Also when a block in a run that waited makes it, and is gone before somebody asks. */
static void the_peak_is_exact(void **state) {
  (void)state;
  if (IS_CHECKED) skip();
  fe_heap_t *heap = heap_with_run(NULL, SOME);
  size_t used = fe_heap_used_bytes(heap);
  size_t peak = stats_of(heap).peak_used_bytes;
  for (int more = -2; more < 4; more++) {
    void *block = new_block(heap, units(SOME) + more * (UNIT_BYTES / 16));
    size_t now = used + fe_malloc_size(block);
    if (now > peak) peak = now;
    fe_heap_free(heap, block);
    assert_int_equal(stats_of(heap).peak_used_bytes, peak);
  }
  fe_heap_destroy(heap);
}

/* What is read while runs come and go is at most what lived at some time. Seen wrong once in a
 * million looks, if the figures of a block that goes and of one that comes are put together. */
static atomic_bool is_over;

static void *read_figures(void *heap) {
  while (!atomic_load(&is_over)) {
    fe_heap_stats_t stats = peek(heap);
    require(stats.used_bytes <= (LONGEST + 1) * UNIT_BYTES);
    require(stats.large_used_bytes <= (LONGEST + 1) * UNIT_BYTES);
    require(stats.peak_used_bytes <= (LONGEST + 1) * UNIT_BYTES);
  }
  return NULL;
}

static void others_read_no_more_than_lives(void **state) {
  (void)state;
  random_source_t source = {random_seed()};
  fe_heap_t *heap = new_heap(NULL);
  pthread_t reader;
  assert_int_equal(pthread_create(&reader, NULL, read_figures, heap), 0);
  for (size_t round = 0; round < rounds_of(100 * 1000); round++) {
    size_t size = MEDIUM_MAX + 1 + random_below(&source, units(LONGEST) - MEDIUM_MAX);
    void *block = fe_heap_alloc(heap, size);
    require(block != NULL);
    if (round % 4 == 0) fe_heap_collect(heap, false);
    fe_heap_free(heap, block);
  }
  atomic_store(&is_over, true);
  assert_int_equal(pthread_join(reader, NULL), 0);
  fe_heap_destroy(heap);
}

/* -- Limits -- */

/* So many bytes count for a block. */
static size_t bytes_of(size_t size) {
  fe_heap_t *heap = new_heap(NULL);
  new_block(heap, size);
  size_t bytes = fe_heap_used_bytes(heap);
  fe_heap_destroy(heap);
  return bytes;
}

/* The limit is set before all, or when the run waits; it is the heap's own, or one that it shares
 * with a heap that wants the memory. The one that wants it gets all of the limit and no more. */
static void a_limit_holds_to_the_byte(void **state) {
  (void)state;
  const size_t lives = bytes_of(units(1)), half = bytes_of(units(SOME));
  const size_t wanted[] = {units(SOME), units(SOME - 1), MEDIUM_MAX + 1, MEDIUM_MAX / 2, 100};
  for (size_t i = 0; i < 4 * sizeof wanted / sizeof *wanted; i++) {
    bool is_set_later = i & 1, is_shared = i & 2;
    size_t size = wanted[i / 4], bytes = bytes_of(size);
    size_t limit = lives + half + bytes / 2;
    fe_heap_t *parent = fe_heap_create(NULL);
    fe_heap_t *heap = heap_under(parent), *other = heap_under(parent);
    fe_heap_t *limited = is_shared ? parent : heap;
    if (!is_set_later) limit_to(limited, limit);
    void *freed = new_block(heap, units(SOME));
    new_block(heap, units(1));
    fe_heap_free(heap, freed);
    if (is_set_later) limit_to(limited, limit);
    size_t count = 0;
    while (fe_heap_alloc(is_shared ? other : heap, size) != NULL) count++;
    assert_int_equal(count, (limit - lives) / bytes);
    assert_int_equal(fe_heap_used_bytes(heap) + fe_heap_used_bytes(other), lives + count * bytes);
    limit_to(limited, 0);
    assert_non_null(fe_heap_alloc(heap, units(SOME)));
    fe_heap_destroy(heap);
    fe_heap_destroy(other);
    fe_heap_destroy(parent);
  }
}

/* What one block needed less than the one before is left to others under the same limit. */
static void shorter_blocks_leave_the_rest_of_a_limit(void **state) {
  (void)state;
  fe_heap_t *parent = fe_heap_create(NULL);
  fe_heap_t *heap = heap_under(parent);
  void *block = new_block(heap, units(SOME));
  limit_to(parent, fe_heap_used_bytes(heap));
  for (size_t less = 1; less < 8; less += 2) {
    fe_heap_free(heap, block);
    block = new_block(heap, units(SOME) - less * (UNIT_BYTES / 16));
    size_t rest = fe_heap_limit(parent) - fe_heap_used_bytes(heap);
    fe_heap_t *other = heap_under(parent);
    size_t count = 0;
    while (fe_heap_alloc(other, 100) != NULL) count++;
    assert_int_equal(count, rest / bytes_of(100));
    fe_heap_destroy(other);
  }
  fe_heap_destroy(heap);
  fe_heap_destroy(parent);
}

/* What came and went in between is charged neither too much nor too little for. */
static void a_limit_holds_after_blocks_of_many_sizes(void **state) {
  (void)state;
  enum { COUNT = 4 };
  random_source_t source = {random_seed()};
  const size_t limit = COUNT * bytes_of(units(SOME));
  fe_heap_t *parent = fe_heap_create(&(fe_heap_options_t){.memory_limit = limit});
  fe_heap_t *heap = heap_under(parent);
  void *blocks[COUNT] = {NULL};
  for (size_t round = 0; round < 20; round++) {
    for (size_t step = 0; step < 50; step++) {
      size_t i = random_below(&source, COUNT);
      fe_heap_free(heap, blocks[i]);
      blocks[i] = new_block(heap, MEDIUM_MAX + 1 + random_below(&source, units(SOME) - MEDIUM_MAX));
    }
    size_t rest = limit - fe_heap_used_bytes(heap);
    size_t count = 0;
    fe_heap_t *other = heap_under(round % 2 == 0 ? parent : heap);
    while (fe_heap_alloc(other, MEDIUM_MAX + 1) != NULL) count++;
    assert_int_equal(count, rest / bytes_of(MEDIUM_MAX + 1));
    fe_heap_destroy(other);
  }
  fe_heap_destroy(heap);
  fe_heap_destroy(parent);
}

/* What is freed above a shared limit that was lowered since is not had again before enough is. */
static void a_lowered_limit_is_asked_for_each_block(void **state) {
  (void)state;
  enum { COUNT = 8, LIVE = COUNT / 2 };
  fe_heap_t *parent = new_heap(NULL);
  fe_heap_options_t options = {.parent = parent};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  void *blocks[COUNT];
  fe_heap_free(heap, new_block(heap, units(SOME))); /* it waits, and is the first of these */
  for (size_t i = 0; i < COUNT; i++) blocks[i] = new_block(heap, units(SOME));
  fe_heap_set_limit(parent, fe_heap_used_bytes(heap) / COUNT * LIVE);
  fe_heap_free(heap, blocks[0]); /* the first free may go another way */
  for (size_t i = 1; i < COUNT - LIVE; i++) {
    fe_heap_free(heap, blocks[i]);
    assert_null(fe_heap_alloc(heap, units(SOME)));
  }
  fe_heap_free(heap, blocks[COUNT - LIVE]);
  assert_non_null(fe_heap_alloc(heap, units(SOME)));
  fe_heap_destroy(heap);
  fe_heap_destroy(parent);
}

static void free_block(void *block) { fe_free(block); }

/* What others freed is for the block that grows where it is, though nobody took it in yet. */
static void a_block_grows_by_what_others_freed_at_the_limit(void **state) {
  (void)state;
  if (IS_CHECKED) skip();
  for (size_t i = 0; i < 2 * WAY_COUNT; i++) {
    bool was_refused = i % 2 == 1;
    fe_heap_t *heap = new_heap(NULL);
    void *block = new_block(heap, units(2));
    void *freed = new_block(heap, units(2));
    limit_to(heap, fe_heap_used_bytes(heap));
    if (was_refused) assert_null(fe_heap_alloc(heap, units(1)));
    run_in_thread(free_block, freed);
    assert_ptr_equal(ways[i / 2](heap, block, units(2), units(3)), block);
    assert_true(pattern_holds(block, units(2), units(2)));
    fe_heap_destroy(heap);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(figures_leave_out_what_waits),
      test_that(the_peak_is_exact),
      test_that(others_read_no_more_than_lives),
      test_that(a_limit_holds_to_the_byte),
      test_that(shorter_blocks_leave_the_rest_of_a_limit),
      test_that(a_limit_holds_after_blocks_of_many_sizes),
      test_that(a_lowered_limit_is_asked_for_each_block),
      test_that(a_block_grows_by_what_others_freed_at_the_limit),
  };
  return cmocka_run_group_tests_name("large_bins_figures", tests, NULL, NULL);
}
