/* Heaps that live for good: they cannot be destroyed, and their large blocks go back at once,
 * whoever frees them. */
#include "tests/core/support.h"

static void free_it(void *block) { fe_free(block); }

static fe_heap_t *make_permanent(fe_context_t *context) {
  fe_heap_options_t options = {.is_permanent = true, .context = context};
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  return heap;
}

static void destroy_it(void *heap) {
  char *block = fe_heap_alloc(heap, 100);
  require(block != NULL);
  pattern_fill(block, 100, 1);
  errno = 0;
  fe_heap_destroy(heap);
  require(errno == EINVAL);
  require(pattern_holds(block, 100, 1));
  void *other = fe_heap_alloc(heap, 100);
  require(other != NULL);
  fe_heap_free(heap, block);
  fe_heap_free(heap, other);
}

static void a_permanent_heap_is_not_destroyed(void **state) {
  (void)state;
  fe_heap_t *heap = make_permanent(NULL);
  assert_child_says(destroy_it, heap, "fe_heap_destroy", "permanent", NULL);
  assert_child_says(destroy_it, fe_thread_heap(), "fe_heap_destroy", "thread", NULL);
}

static char region[16 * UNIT_BYTES];

/* One heap of the region holds a block that another thread frees. Its holder does nothing, and yet
 * the other heap has room for as much, whether anybody who frees gives the memory back (permanent)
 * or whoever needs it gets it. In a process of its own: the region is never free again. */
static void have_it_back(bool is_permanent, size_t size) {
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, region, sizeof(region));
  fe_context_t *contexts[2] = {fe_context_create(arenas), fe_context_create(arenas)};
  fe_heap_options_t options = {.context = contexts[0], .is_permanent = is_permanent};
  fe_heap_t *heap = fe_heap_create(&options);
  options = (fe_heap_options_t){.context = contexts[1]};
  fe_heap_t *other = fe_heap_create(&options);
  require(heap != NULL && other != NULL);
  void *block = fe_heap_alloc(heap, size);
  require(block != NULL);
  require(fe_heap_alloc(other, size) == NULL);
  run_in_thread(free_it, block);
  require(fe_heap_alloc(other, size) != NULL);
  fe_heap_destroy(other);
  require(fe_heap_used_bytes(heap) == 0);
}

static void of_a_permanent_heap(void *size) { have_it_back(true, *(size_t *)size); }

static void of_another_heap(void *size) { have_it_back(false, *(size_t *)size); }

static void large_blocks_freed_by_others_are_to_be_had_at_once(void **state) {
  (void)state;
  size_t sizes[] = {6 * UNIT_BYTES, 8 * UNIT_BYTES};
  for (size_t i = 0; i < 2; i++) {
    assert_child_succeeds(of_a_permanent_heap, &sizes[i]);
    assert_child_succeeds(of_another_heap, &sizes[i]);
  }
}

static void they_make_room_under_the_limit_at_once(void **state) {
  (void)state;
  fe_heap_t *parent = fe_heap_create(NULL);
  fe_heap_options_t options = {.is_permanent = true, .parent = parent};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  fe_heap_set_limit(parent, 10 * UNIT_BYTES);
  void *block = fe_heap_alloc(heap, 8 * UNIT_BYTES);
  assert_non_null(block);
  assert_null(fe_heap_alloc(parent, 8 * UNIT_BYTES));
  run_in_thread(free_it, block);
  block = fe_heap_alloc(parent, 8 * UNIT_BYTES);
  assert_non_null(block);
  fe_heap_free(parent, block);
}

/* Small ones wait for the heap's holder, as they do everywhere. */
static void small_blocks_freed_by_others_come_back(void **state) {
  (void)state;
  fe_heap_t *heap = make_permanent(NULL);
  for (size_t size = 1; size <= MEDIUM_MAX; size = size * 2 + 1) {
    void *block = fe_heap_alloc(heap, size);
    assert_non_null(block);
    run_in_thread(free_it, block);
    assert_int_equal(fe_heap_used_bytes(heap), 0);
  }
}

static void use_and_hand_back(void *heap) {
  require(fe_heap_take_over(heap));
  void *block = fe_heap_alloc(heap, 5 * UNIT_BYTES);
  require(block != NULL);
  fe_heap_free(heap, block);
  fe_heap_hand_over(heap);
}

static void a_permanent_heap_can_be_handed_over(void **state) {
  (void)state;
  fe_heap_t *heap = make_permanent(NULL);
  for (int round = 0; round < 10; round++) {
    fe_heap_hand_over(heap);
    run_in_thread(use_and_hand_back, heap);
    assert_true(fe_heap_take_over(heap));
    assert_int_equal(fe_heap_used_bytes(heap), 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_permanent_heap_is_not_destroyed),
      test_that(large_blocks_freed_by_others_are_to_be_had_at_once),
      test_that(they_make_room_under_the_limit_at_once),
      test_that(small_blocks_freed_by_others_come_back),
      test_that(a_permanent_heap_can_be_handed_over),
  };
  return cmocka_run_group_tests_name("permanent_heap", tests, NULL, NULL);
}
