/* fe_heap_stats, fe_context_stats and fe_stats: what the figures of heaps say. */
#include "tests/core/figures.h"

/* NULL: shards are too small in this build for figures by size. */
static const fe_class_stats_t *class_of(const fe_heap_stats_t *stats, size_t block_size) {
  for (size_t i = 0; i < stats->class_count; i++) {
    if (stats->classes[i].block_size == block_size) return &stats->classes[i];
  }
  return NULL;
}

static void an_empty_heap_has_its_nursery_only(void **state) {
  (void)state;
  fe_heap_t *heap = new_heap(NULL);
  fe_heap_stats_t stats = stats_of(heap);
  assert_int_equal(stats.struct_size, sizeof stats);
  assert_int_equal(stats.heap_count, 1);
  assert_int_equal(stats.used_bytes, 0);
  assert_int_equal(stats.requested_bytes, 0);
  assert_int_equal(stats.peak_used_bytes, 0);
  assert_int_equal(stats.shard_count, 0);
  assert_int_equal(stats.nursery_block_count, 0);
  assert_true(stats.committed_bytes > 0);
  fe_heap_destroy(heap);
}

static void a_small_heap_counts_its_nursery(void **state) {
  (void)state;
  if (IS_CHECKED) skip(); /* there is no nursery */
  fe_heap_t *heap = new_heap(NULL);
  void *blocks[10];
  for (int i = 0; i < 10; i++) blocks[i] = fe_heap_alloc(heap, 20);
  fe_heap_free(heap, blocks[3]);
  fe_heap_stats_t stats = peek(heap);
  assert_int_equal(stats.nursery_allocs, 10);
  assert_int_equal(stats.nursery_frees, 1);
  assert_int_equal(stats.nursery_block_count, 9);
  assert_int_equal(stats.used_bytes, fe_heap_used_bytes(heap));
  assert_int_equal(stats.nursery_used_bytes, stats.used_bytes);
  assert_int_equal(stats.requested_bytes, 9 * 20);
  assert_int_equal(stats.peak_used_bytes, stats.used_bytes / 9 * 10);
  fe_heap_destroy(heap);
}

static void each_size_counts_its_shards_and_blocks_exactly(void **state) {
  (void)state;
  static void *blocks[MANY];
  fe_heap_t *heap = new_heap(NULL);
  for (int i = 0; i < MANY; i++) blocks[i] = fe_heap_alloc(heap, BLOCK(96));
  assert_int_equal(stats_of(heap).used_bytes, MANY * 96);
  for (int i = 0; i < MANY; i += 7) fe_heap_free(heap, blocks[i]);
  fe_heap_stats_t stats = stats_of(heap);
  size_t live = MANY - (MANY + 6) / 7;
  assert_int_equal(stats.used_bytes, live * 96);
  assert_int_equal(stats.used_bytes, fe_heap_used_bytes(heap));
  assert_int_equal(stats.requested_bytes, live * BLOCK(96));
  assert_int_equal(stats.peak_used_bytes, MANY * 96);
  assert_int_equal(stats.graduations, 1);
  assert_int_equal(stats.shards_taken - stats.shards_given_back, stats.shard_count);
  const fe_class_stats_t *of_96 = class_of(&stats, 96);
  if (of_96 != NULL) {
    assert_int_equal(of_96->live_count + stats.nursery_block_count, live);
    assert_int_equal(of_96->shard_count, stats.shard_count);
    assert_true(of_96->carved_count >= of_96->live_count);
    assert_true(of_96->carved_count * 96 <= of_96->shard_count * UNIT_BYTES);
  }
  fe_heap_destroy(heap);
}

static void full_shards_are_counted_until_one_of_their_blocks_is_freed(void **state) {
  (void)state;
  static void *blocks[MANY];
  fe_heap_t *heap = new_heap(NULL);
  for (int i = 0; i < MANY; i++) blocks[i] = fe_heap_alloc(heap, BLOCK(128));
  fe_heap_stats_t stats = stats_of(heap);
  assert_true(stats.full_shard_count >= stats.shard_count - 1);
  for (int i = 0; i < MANY; i += 2) fe_heap_free(heap, blocks[i]);
  assert_int_equal(stats_of(heap).full_shard_count, 0);
  for (int i = 1; i < MANY; i += 2) fe_heap_free(heap, blocks[i]);
  fe_heap_collect(heap, false);
  stats = stats_of(heap);
  assert_int_equal(stats.used_bytes, 0);
  assert_int_equal(stats.shard_count, 0);
  assert_int_equal(stats.shards_taken, stats.shards_given_back);
  assert_int_equal(stats.peak_used_bytes, MANY * 128);
  fe_heap_destroy(heap);
}

static void what_was_asked_for_is_exact_for_large_blocks(void **state) {
  (void)state;
  fe_heap_t *heap = new_heap(NULL);
  char *one = fe_heap_alloc(heap, 100001);
  char *two = fe_heap_alloc(heap, 5 * MIB + 17);
  fe_heap_stats_t stats = peek(heap);
  assert_int_equal(stats.requested_bytes, 100001 + 5 * MIB + 17);
  assert_false(stats.requested_is_estimate);
  assert_int_equal(stats.large_block_count, 2);
  assert_int_equal(stats.large_used_bytes, fe_heap_used_bytes(heap));
  one = fe_heap_realloc(heap, one, 99999);
  assert_int_equal(peek(heap).requested_bytes, 99999 + 5 * MIB + 17);
  if (!IS_CHECKED) assert_int_equal(peek(heap).large_resizes_in_place, 1);
  fe_heap_free(heap, two);
  assert_int_equal(peek(heap).requested_bytes, 99999);
  fe_heap_free(heap, one);
  stats = peek(heap);
  assert_int_equal(stats.requested_bytes, 0);
  assert_int_equal(stats.large_block_count, 0);
  assert_int_equal(stats.large_frees, IS_CHECKED ? 3 : 2);
  assert_true(stats.peak_used_bytes >= 100001 + 5 * MIB + 17);
  fe_heap_destroy(heap);
}

static void what_was_asked_for_is_inferred_for_small_blocks(void **state) {
  (void)state;
  fe_heap_t *heap = new_heap(NULL);
  for (int i = 0; i < MANY; i++) require(fe_heap_alloc(heap, BLOCK(130)) != NULL); /* takes 144 */
  fe_heap_stats_t stats = stats_of(heap);
  assert_true(stats.requested_is_estimate);
  /* In the nursery of a heap with a granule of 8 a block takes 136. */
  assert_in_range(stats.used_bytes, MANY * 144 - 300 * 8, MANY * 144);
  /* In builds with small shards it is not inferred. */
  assert_in_range(stats.requested_bytes, MANY * BLOCK(129),
                  MANY * (stats.class_count > 0 ? BLOCK(131) : 144));
  fe_heap_destroy(heap);
}

static void free_all(void *argument) {
  void **blocks = argument;
  for (int i = 0; i < MANY; i++) fe_free(blocks[i]);
}

static void blocks_freed_by_others_are_counted_when_they_are_taken_in(void **state) {
  (void)state;
  static void *blocks[MANY];
  fe_heap_t *heap = new_heap(NULL);
  for (int i = 0; i < MANY; i++) blocks[i] = fe_heap_alloc(heap, BLOCK(64));
  void *large = fe_heap_alloc(heap, BLOCK(MIB));
  assert_non_null(large);
  assert_int_equal(stats_of(heap).used_bytes, MANY * 64 + MIB);
  run_in_thread(free_all, blocks);
  /* Of many shards that are left empty, whoever frees gives some back. */
  assert_in_range(peek(heap).used_bytes, MIB, MANY * 64 + MIB);
  fe_heap_stats_t stats = stats_of(heap);
  assert_int_equal(stats.used_bytes, MIB);
  assert_int_equal(stats.remote_blocks, MANY);
  assert_true(stats.remote_batches > 0 && stats.remote_batches <= stats.remote_blocks);
  assert_true(stats.drains > 0);
  fe_heap_destroy(heap);
}

/* The quick ways of allocating and freeing leave the holder's figures alone. */
static void what_others_see_is_exact_after_each_call(void **state) {
  (void)state;
  static void *blocks[MANY];
  fe_heap_t *heap = new_heap(NULL);
  for (size_t i = 0; i < MANY; i++) {
    blocks[i] = fe_heap_alloc(heap, BLOCK(64));
    require(peek(heap).used_bytes == (i + 1) * 64);
  }
  random_source_t random = {9};
  for (size_t left = MANY; left > 0; left--) {
    size_t chosen = random_below(&random, left);
    fe_heap_free(heap, blocks[chosen]);
    blocks[chosen] = blocks[left - 1];
    require(peek(heap).used_bytes == (left - 1) * 64);
  }
  assert_int_equal(peek(heap).peak_used_bytes, MANY * 64);
  fe_heap_destroy(heap);
}

static void what_others_see_of_resized_blocks_is_exact(void **state) {
  (void)state;
  fe_heap_t *heap = new_heap(NULL);
  static void *blocks[MANY];
  for (size_t i = 0; i < MANY; i++) {
    blocks[i] = fe_heap_resize(heap, NULL, 0, BLOCK(64));
    if (i % 3 == 0) blocks[i] = fe_heap_resize(heap, blocks[i], BLOCK(64), BLOCK(32));
    require(blocks[i] != NULL);
  }
  size_t count_of_32 = (MANY + 2) / 3;
  assert_int_equal(peek(heap).used_bytes, count_of_32 * 32 + (MANY - count_of_32) * 64);
  for (size_t i = 0; i < MANY; i += 3) fe_heap_resize(heap, blocks[i], BLOCK(32), 0);
  assert_int_equal(peek(heap).used_bytes, (MANY - count_of_32) * 64);
  fe_heap_destroy(heap);
}

/* Of each size in turn: many blocks, then few of them. */
enum { PHASES = 5, PER_PHASE = 50000, KEPT_ONE_IN = 400 };

static size_t size_in_phase(size_t phase) { return 64 + phase * 16; }

static void fill(fe_heap_t *heap, size_t phase, void **blocks) {
  for (size_t i = 0; i < PER_PHASE; i++) {
    blocks[i] = fe_heap_alloc(heap, BLOCK(size_in_phase(phase)));
    require(blocks[i] != NULL);
  }
}

static void thin_out(fe_heap_t *heap, void **blocks) {
  for (size_t i = 0; i < PER_PHASE; i++) {
    if (i % KEPT_ONE_IN != 0) fe_heap_free(heap, blocks[i]);
  }
}

static void a_peak_is_what_was_live_at_one_time(void **state) {
  (void)state;
  static void *blocks[PER_PHASE];
  fe_heap_t *seen = new_heap(NULL);
  fe_heap_t *unseen = new_heap(NULL);
  size_t peak = 0;
  for (size_t phase = 0; phase < PHASES; phase++) {
    fill(seen, phase, blocks);
    peak = fe_heap_used_bytes(seen); /* more than in the phase before */
    thin_out(seen, blocks);
    fill(unseen, phase, blocks);
    thin_out(unseen, blocks);
  }
  assert_in_range(stats_of(seen).peak_used_bytes, peak, peak + UNIT_BYTES);
  size_t error = peak / 16 + PHASES * UNIT_BYTES;
  assert_in_range(stats_of(unseen).peak_used_bytes, peak - error, peak + UNIT_BYTES);
  fe_heap_destroy(seen);
  fe_heap_destroy(unseen);
}

static void a_peak_that_others_saw_stays(void **state) {
  (void)state;
  enum { COUNT = 300 };
  static void *blocks[8][COUNT];
  fe_heap_t *heap = new_heap(NULL);
  /* The second time nothing but the quick ways is needed. */
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < 8 * COUNT; i++) {
      blocks[i % 8][i / 8] = fe_heap_alloc(heap, BLOCK(64 + i % 8 * 16));
    }
    if (round == 1) assert_true(peek(heap).peak_used_bytes >= peek(heap).used_bytes);
    size_t peak = peek(heap).peak_used_bytes;
    for (size_t i = 0; i < 8 * COUNT; i++) fe_heap_free(heap, blocks[i % 8][i / 8]);
    assert_true(peek(heap).peak_used_bytes >= peak);
    assert_true(stats_of(heap).peak_used_bytes >= peak);
  }
  fe_heap_destroy(heap);
}

static void limits_and_failures_are_counted(void **state) {
  (void)state;
  fe_heap_options_t options = {.memory_limit = 20000};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  assert_int_equal(peek(heap).limit_bytes, 20000);
  size_t count = 0;
  while (fe_heap_alloc(heap, BLOCK(64)) != NULL) count++;
  fe_heap_stats_t stats = stats_of(heap);
  assert_int_equal(stats.used_bytes, count * 64);
  assert_int_equal(stats.failed_allocs, 1);
  assert_true(stats.limit_refusals >= 1);
  assert_true(stats.tight_phases >= 1);
  assert_null(fe_heap_alloc(heap, SIZE_MAX));
  assert_int_equal(stats_of(heap).failed_allocs, 2);
  fe_heap_destroy(heap);
}

static void a_context_is_the_sum_of_its_heaps(void **state) {
  (void)state;
  fe_context_t *context = fe_context_create(NULL);
  fe_heap_t *others = new_heap(NULL);
  require(fe_heap_alloc(others, 1000) != NULL);
  fe_heap_t *heaps[3];
  size_t used = 0;
  for (int i = 0; i < 3; i++) {
    heaps[i] = new_heap(context);
    for (int j = 0; j < 1000 * (i + 1); j++) require(fe_heap_alloc(heaps[i], BLOCK(48)) != NULL);
    used += stats_of(heaps[i]).used_bytes;
  }
  fe_heap_stats_t sum = {.struct_size = sizeof sum};
  assert_true(fe_context_stats(context, &sum));
  assert_int_equal(sum.heap_count, 3);
  assert_int_equal(sum.used_bytes, used);
  assert_int_equal(sum.used_bytes, 6000 * 48);
  for (int i = 0; i < 3; i++) fe_heap_destroy(heaps[i]);
  assert_true(fe_context_stats(context, &sum));
  assert_int_equal(sum.heap_count, 0);
  assert_true(fe_context_destroy(context));
  fe_heap_destroy(others);
}

static void all_heaps_are_in_the_sum_and_leave_their_events(void **state) {
  (void)state;
  void *mine = fe_malloc(100);
  fe_heap_stats_t before = sum_of(NULL);
  assert_true(before.heap_count >= 1);
  assert_true(before.used_bytes >= 100);
  fe_heap_t *heap = new_heap(NULL);
  for (int i = 0; i < MANY; i++) require(fe_heap_alloc(heap, 200) != NULL);
  fe_heap_stats_t of_heap = stats_of(heap);
  fe_heap_stats_t during = sum_of(NULL);
  assert_int_equal(during.heap_count, before.heap_count + 1);
  assert_int_equal(during.used_bytes, before.used_bytes + of_heap.used_bytes);
  assert_int_equal(during.shards_taken, before.shards_taken + of_heap.shards_taken);
  assert_int_equal(during.peak_used_bytes, 0);
  fe_heap_destroy(heap);
  fe_heap_stats_t after = sum_of(NULL);
  assert_int_equal(after.heap_count, before.heap_count);
  assert_int_equal(after.ended_heaps, before.ended_heaps + 1);
  assert_int_equal(after.used_bytes, before.used_bytes);
  assert_int_equal(after.shards_taken, during.shards_taken);
  assert_int_equal(after.refills, during.refills);
  fe_free(mine);
}

/* -- Bad inputs -- */

static void ask_without_a_size(void *heap) {
  fe_heap_stats_t stats = {.struct_size = 8, .used_bytes = 77};
  errno = 0;
  require(!fe_heap_stats(heap, &stats));
  require(errno == EINVAL);
  require(stats.used_bytes == 77);
  fe_arenas_stats_t arenas = {.struct_size = 0};
  errno = 0;
  require(!fe_arenas_stats(NULL, &arenas));
  require(errno == EINVAL);
}

static void a_struct_without_its_size_is_refused_with_a_message(void **state) {
  (void)state;
  fe_heap_t *heap = new_heap(NULL);
  child_result_t result;
  run_in_child(&result, ask_without_a_size, heap);
  assert_int_equal(result.status, 0);
  assert_non_null(strstr(result.errors, "fe_heap_stats: struct_size is 8"));
  assert_non_null(strstr(result.errors, "fe_arenas_stats: struct_size is 0"));
  fe_heap_destroy(heap);
}

/* As a program made for a later version has it. */
static void a_larger_struct_is_filled_as_far_as_it_is_known(void **state) {
  (void)state;
  struct {
    fe_arenas_stats_t known;
    size_t later[4];
  } stats = {.known = {.struct_size = sizeof stats}, .later = {5, 5, 5, 5}};
  assert_true(fe_arenas_stats(NULL, &stats.known));
  assert_int_equal(stats.known.struct_size, sizeof stats.known);
  for (int i = 0; i < 4; i++) assert_int_equal(stats.later[i], 5);
}

static void ignore_text(void *user_data, const char *text, size_t length) {
  (void)text;
  *(size_t *)user_data += length;
}

static void write_unknown_format(void *argument) {
  (void)argument;
  size_t length = 0;
  errno = 0;
  require(!fe_stats_write(NULL, (fe_format_t)9, ignore_text, &length));
  require(errno == EINVAL && length == 0);
}

static void an_unknown_format_is_refused_with_a_message(void **state) {
  (void)state;
  child_result_t result;
  run_in_child(&result, write_unknown_format, NULL);
  assert_int_equal(result.status, 0);
  assert_non_null(strstr(result.errors, "FE_FORMAT_JSON and FE_FORMAT_PROMETHEUS"));
}

/* What a heap still has when it ends goes back in one step, and is counted so. */
static void what_a_heap_took_is_given_back_when_it_ends(void **state) {
  (void)state;
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_mmap, NULL, 0);
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_t *heap = new_heap(context);
  for (size_t size = 8; size <= 4 * MIB; size = size * 3 / 2) {
    for (int i = 0; i < 300 && i * size < 8 * MIB; i++) assert_non_null(fe_heap_alloc(heap, size));
  }
  assert_true(sum_of(arenas).used_bytes > MIB);
  fe_heap_destroy(heap);
  fe_heap_stats_t sum = sum_of(arenas);
  assert_int_equal(sum.heap_count, 0);
  assert_int_equal(sum.ended_heaps, 1);
  assert_int_equal(sum.used_bytes, 0);
  assert_true(sum.shards_taken > 0 && sum.large_allocs > 0);
  assert_true(IS_CHECKED || sum.nursery_allocs > 0);
  assert_int_equal(sum.shards_given_back, sum.shards_taken);
  assert_int_equal(sum.large_frees, sum.large_allocs);
  assert_int_equal(sum.nursery_frees, sum.nursery_allocs);
  assert_int_equal(sum.mixed_frees, sum.mixed_allocs);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(an_empty_heap_has_its_nursery_only),
      test_that(what_a_heap_took_is_given_back_when_it_ends),
      test_that(a_small_heap_counts_its_nursery),
      test_that(each_size_counts_its_shards_and_blocks_exactly),
      test_that(full_shards_are_counted_until_one_of_their_blocks_is_freed),
      test_that(what_was_asked_for_is_exact_for_large_blocks),
      test_that(what_was_asked_for_is_inferred_for_small_blocks),
      test_that(blocks_freed_by_others_are_counted_when_they_are_taken_in),
      test_that(what_others_see_is_exact_after_each_call),
      test_that(what_others_see_of_resized_blocks_is_exact),
      test_that(a_peak_is_what_was_live_at_one_time),
      test_that(a_peak_that_others_saw_stays),
      test_that(limits_and_failures_are_counted),
      test_that(a_context_is_the_sum_of_its_heaps),
      test_that(all_heaps_are_in_the_sum_and_leave_their_events),
      test_that(a_struct_without_its_size_is_refused_with_a_message),
      test_that(a_larger_struct_is_filled_as_far_as_it_is_known),
      test_that(an_unknown_format_is_refused_with_a_message),
  };
  return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
