/* What a limit refuses costs nothing: no unit is taken for it, and it is counted once, however
 * often room was looked for.
 */
#include "tests/core/figures.h"

/* -- Units ------------------------------------------------------------------------------------ */

static void use_up(fe_heap_t *heap, size_t size) {
  while (fe_heap_alloc(heap, size) != NULL) continue;
}

/* Of each size that there is, none of which a heap at its limit gets. */
static size_t count_given(fe_heap_t *heap) {
  size_t count = 0;
  for (size_t size = GRANULE; size <= MEDIUM_MAX; size += GRANULE) {
    if (fe_heap_alloc(heap, size) != NULL) count++;
    if (fe_heap_calloc(heap, 1, size) != NULL) count++;
    if (fe_heap_aligned_alloc(heap, 64, size) != NULL) count++;
    if (fe_heap_resize(heap, NULL, 0, size) != NULL) count++;
  }
  return count;
}

static void assert_refusals_take_nothing(fe_heap_t *heap) {
  use_up(heap, GRANULE);
  fe_heap_stats_t before = stats_of(heap);
  size_t taken = arenas_stats_of(NULL).taken_bytes;
  assert_int_equal(count_given(heap), 0);
  fe_heap_stats_t after = stats_of(heap);
  assert_int_equal(after.committed_bytes, before.committed_bytes);
  assert_int_equal(after.shard_count, before.shard_count);
  assert_int_equal(after.mixed_shard_count, before.mixed_shard_count);
  assert_int_equal(arenas_stats_of(NULL).taken_bytes, taken);
}

static void a_refused_request_takes_no_units(void **state) {
  (void)state;
  static const size_t limits[] = {1000, 100000, 1000000};
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    fe_heap_options_t options = {.memory_limit = limits[i]};
    fe_heap_t *parent = fe_heap_create(&options);
    fe_heap_t *heap = fe_heap_create(&options);
    fe_heap_t *under = fe_heap_create(&(fe_heap_options_t){.parent = parent});
    assert_true(parent != NULL && heap != NULL && under != NULL);
    assert_refusals_take_nothing(heap);
    assert_refusals_take_nothing(under);
    fe_heap_destroy(under);
    fe_heap_destroy(heap);
    fe_heap_destroy(parent);
  }
}

/* -- Figures ------------------------------------------------------------------------------------
 */

enum { REFUSALS = 10 };

static size_t error_count;

static void count_error(fe_heap_t *heap, fe_error_t error, size_t bytes, void *user_data) {
  (void)heap;
  (void)bytes;
  (void)user_data;
  if (error == FE_ERROR_LIMIT) error_count++;
}

static void assert_counted_once(fe_heap_t *heap, size_t size) {
  use_up(heap, size);
  fe_heap_stats_t before = stats_of(heap);
  error_count = 0;
  for (size_t i = 0; i < REFUSALS; i++) assert_null(fe_heap_alloc(heap, size));
  fe_heap_stats_t after = stats_of(heap);
  size_t refusals = after.limit_refusals - before.limit_refusals;
  if (refusals != REFUSALS) fail_msg("%zu refusals of %zu bytes each", refusals, size);
  assert_int_equal(after.failed_allocs - before.failed_allocs, REFUSALS);
  assert_int_equal(error_count, REFUSALS);
}

/* By a limit of the heap's own, and by one above. */
static void a_refusal_is_counted_once(void **state) {
  (void)state;
  static const size_t sizes[] = {GRANULE,    100,        1000,   MEDIUM_MAX / 2,
                                 MEDIUM_MAX, UNIT_BYTES, 5 * MIB};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    fe_heap_options_t limited = {.memory_limit = MIB, .on_error = count_error};
    fe_heap_t *heap = fe_heap_create(&limited);
    assert_non_null(heap);
    fe_heap_options_t shared = {.parent = heap, .on_error = count_error};
    fe_heap_t *under = fe_heap_create(&shared);
    assert_non_null(under);
    assert_counted_once(heap, sizes[i]);
    fe_heap_set_limit(heap, 2 * MIB);
    assert_counted_once(under, sizes[i]);
    fe_heap_destroy(under);
    fe_heap_destroy(heap);
  }
}

/* A request that is given after all, since another heap kept what it needs, was not refused. */
static void what_is_given_at_last_counts_as_no_refusal(void **state) {
  (void)state;
  fe_heap_t *parent = new_heap(NULL);
  fe_heap_options_t options = {.parent = parent};
  fe_heap_t *keeper = fe_heap_create(&options);
  fe_heap_t *heap = fe_heap_create(&options);
  assert_true(keeper != NULL && heap != NULL);
  static void *blocks[1000];
  for (size_t i = 0; i < 1000; i++) blocks[i] = fe_heap_alloc(keeper, 1000);
  for (size_t i = 0; i < 1000; i++) fe_free(blocks[i]);
  fe_heap_hand_over(keeper);
  fe_heap_set_limit(parent, 1000000);
  assert_non_null(fe_heap_alloc(heap, 900000));
  assert_int_equal(stats_of(heap).limit_refusals, 0);
  assert_int_equal(stats_of(heap).failed_allocs, 0);
  assert_true(fe_heap_take_over(keeper));
  fe_heap_destroy(keeper);
  fe_heap_destroy(heap);
  fe_heap_destroy(parent);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_refused_request_takes_no_units),
      test_that(a_refusal_is_counted_once),
      test_that(what_is_given_at_last_counts_as_no_refusal),
  };
  return cmocka_run_group_tests_name("refused_requests", tests, NULL, NULL);
}
