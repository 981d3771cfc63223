/* A fixed region is all the memory there is: nothing before it is handed in, NULL when it is full,
 * and on it goes after a free. Other regions can be handed in, or be the memory of heaps of their
 * own; a wrong one is refused with a message.
 */
#include "tests/bare_metal/region.h"

#include "tests/core/support.h"

/* A list through the blocks themselves, so that counting them needs no memory. */
typedef struct node {
  struct node *next;
  size_t number;
} node_t;

/* heap NULL: fe_malloc. */
static void *allocate(fe_heap_t *heap, size_t size) {
  return heap == NULL ? fe_malloc(size) : fe_heap_alloc(heap, size);
}

/* Allocates blocks of one size until there are no more. */
static node_t *fill_up(fe_heap_t *heap, size_t size, size_t *count) {
  node_t *list = NULL;
  for (*count = 0;; (*count)++) {
    errno = 0;
    node_t *node = allocate(heap, size);
    if (node == NULL) {
      assert_int_equal(errno, ENOMEM);
      return list;
    }
    node->next = list;
    node->number = *count;
    pattern_fill(node + 1, size - sizeof(node_t), *count);
    list = node;
  }
}

static node_t *check_and_free_first(node_t *list, size_t size) {
  node_t *next = list->next;
  assert_true(pattern_holds(list + 1, size - sizeof(node_t), list->number));
  fe_free(list);
  return next;
}

static const size_t sizes[] = {16, 48, 200, 1000, 1900, 5000, 20000, 65000, 100000};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

/* Fills all the memory with each size in turn, twice; each time most of it is there. */
static void fill_and_free_with_every_size(fe_heap_t *heap, size_t memory, size_t size_count) {
  for (size_t i = 0; i < 2 * size_count; i++) {
    size_t size = sizes[i % size_count];
    size_t count;
    node_t *list = fill_up(heap, size, &count);
    if (count * size < memory / 2) {
      fail_msg("%zu blocks of %zu bytes in %zu", count, size, memory);
    }
    while (list != NULL) {
      list = check_and_free_first(list, size);
    }
  }
}

/* -- The region of the process ---------------------------------------------------------------- */

static void before_the_region_there_is_no_memory(void **state) {
  (void)state;
  assert_false(had_memory_before_the_region);
}

static void a_full_region_gives_null_and_goes_on_after_frees(void **state) {
  (void)state;
  fill_and_free_with_every_size(NULL, region_bytes(), SIZE_COUNT);
}

/* Each free makes room for one more block of the size, and no more. */
static void every_single_free_makes_room(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    size_t size = sizes[i];
    size_t count;
    node_t *list = fill_up(NULL, size, &count);
    for (int round = 0; round < 3; round++) {
      list = check_and_free_first(list, size);
      node_t *node = fe_malloc(size);
      assert_non_null(node);
      assert_null(fe_malloc(size));
      node->next = list;
      node->number = 7;
      pattern_fill(node + 1, size - sizeof(node_t), 7);
      list = node;
    }
    while (list != NULL) {
      list = check_and_free_first(list, size);
    }
  }
}

static void every_function_says_that_the_region_is_full(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  char *kept = fe_heap_alloc(heap, 1000);
  assert_non_null(kept);
  pattern_fill(kept, 1000, 1);
  const size_t too_big = region_bytes();
  const size_t filling[] = {5000, 1000, 16};
  node_t *lists[3];
  for (size_t i = 0; i < 3; i++) {
    size_t count;
    lists[i] = fill_up(NULL, filling[i], &count);
  }
  errno = 0;
  assert_null(fe_calloc(10, 500));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fe_realloc(lists[0], too_big));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fe_aligned_alloc(4096, 4096));
  assert_int_equal(errno, ENOMEM);
  errno = 77;
  void *untouched = &untouched;
  assert_int_equal(fe_posix_memalign(&untouched, 64, 5000), ENOMEM);
  assert_ptr_equal(untouched, &untouched);
  assert_int_equal(errno, 77);
  errno = 0;
  assert_null(fe_heap_create(NULL));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fe_heap_alloc(heap, 5000));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fe_heap_realloc(heap, kept, 5000));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fe_heap_resize(heap, kept, 1000, 5000));
  assert_int_equal(errno, ENOMEM);
  assert_true(pattern_holds(kept, 1000, 1));
  kept = fe_heap_resize(heap, kept, 1000, 10);
  assert_non_null(kept);
  assert_true(pattern_holds(kept, 10, 1));
  for (size_t i = 0; i < 3; i++) {
    while (lists[i] != NULL) {
      lists[i] = check_and_free_first(lists[i], filling[i]);
    }
  }
  fe_heap_destroy(heap);
}

/* Heaps until there is no room for another one; their end makes room again. */
static void heaps_fill_the_region_and_leave_it(void **state) {
  (void)state;
  enum { MOST = 4000 };
  static fe_heap_t *heaps[MOST];
  size_t first_count = 0;
  for (int round = 0; round < 3; round++) {
    size_t count = 0;
    while (count < MOST && (heaps[count] = fe_heap_create(NULL)) != NULL) {
      assert_true(fe_heap_alloc(heaps[count], 1000) != NULL || errno == ENOMEM);
      count++;
    }
    assert_true(count > 10 && count < MOST);
    first_count = round == 0 ? count : first_count;
    assert_true(count >= first_count);
    for (size_t i = 0; i < count; i++) {
      fe_heap_destroy(heaps[i]);
    }
  }
}

/* -- Other regions ---------------------------------------------------------------------------- */

/* Neither of them begins or ends where a slab does. */
enum { OTHER_BYTES = 400 * 1024 + 100 };
static char other_region[OTHER_BYTES];
static char third_region[OTHER_BYTES];

static fe_heap_t *heap_on(fe_context_t *context) {
  fe_heap_options_t options = {.context = context};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  return heap;
}

static bool is_inside(const char *region, const char *block, size_t size) {
  return block >= region && block + size <= region + OTHER_BYTES;
}

static void heaps_on_a_region_of_their_own_touch_no_other(void **state) {
  (void)state;
  for (int round = 0; round < 3; round++) {
    fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, other_region, OTHER_BYTES);
    assert_non_null(arenas);
    fe_context_t *context = fe_context_create(arenas);
    assert_non_null(context);
    fe_heap_t *heap = heap_on(context);
    for (size_t i = 0; i < SIZE_COUNT; i++) {
      char *block = fe_heap_alloc(heap, sizes[i]);
      assert_true(is_inside(other_region, block, sizes[i]));
      fe_heap_free(heap, block);
    }
    assert_null(fe_heap_alloc(heap, OTHER_BYTES));
    /* Without the last one, of which each takes two slabs of the six. */
    fill_and_free_with_every_size(heap, OTHER_BYTES, SIZE_COUNT - 1);
    fe_heap_destroy(heap);
    assert_true(fe_context_destroy(context));
    assert_true(fe_arenas_destroy(arenas));
  }
}

static void a_second_region_adds_its_memory(void **state) {
  (void)state;
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, other_region, OTHER_BYTES);
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_t *heap = heap_on(context);
  size_t count;
  fill_up(heap, 1000, &count);
  assert_true(fe_arenas_manage(arenas, third_region, OTHER_BYTES));
  char *block = fe_heap_alloc(heap, 5000);
  assert_true(is_inside(third_region, block, 5000));
  size_t more;
  fill_up(heap, 1000, &more);
  assert_true(more >= count - count / 10);
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
}

/* There is one heap on each arenas for all callers. */
static void a_heap_on_a_region_need_not_be_made(void **state) {
  (void)state;
  for (int round = 0; round < 3; round++) {
    fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, other_region, OTHER_BYTES);
    fe_arenas_t *others = fe_arenas_create(&fe_base_static, third_region, OTHER_BYTES);
    fe_heap_t *heap = fe_arenas_thread_heap(arenas);
    assert_non_null(heap);
    assert_ptr_not_equal(fe_arenas_thread_heap(others), heap);
    for (size_t i = 0; i < SIZE_COUNT; i++) {
      char *block = fe_heap_alloc(fe_arenas_thread_heap(arenas), sizes[i]);
      assert_true(is_inside(other_region, block, sizes[i]));
      fe_free(block);
      assert_ptr_equal(fe_arenas_thread_heap(arenas), heap);
    }
    assert_true(fe_arenas_destroy(others));
    assert_ptr_equal(fe_arenas_thread_heap(arenas), heap);
    assert_true(fe_arenas_destroy(arenas));
  }
  assert_ptr_equal(fe_arenas_thread_heap(NULL), fe_thread_heap());
}

static void owned_addresses_are_those_of_the_regions(void **state) {
  (void)state;
  static char outside[100];
  char *block = fe_malloc(100);
  assert_non_null(block);
  assert_true(fe_owns(block));
  assert_true(fe_owns(block + 99));
  assert_false(fe_owns(outside));
  assert_false(fe_owns(NULL));
  assert_false(fe_owns(&block));
  assert_false(fe_owns(other_region + OTHER_BYTES / 2));
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, other_region, OTHER_BYTES);
  assert_true(fe_owns(other_region + OTHER_BYTES / 2));
  assert_true(fe_arenas_destroy(arenas));
  assert_false(fe_owns(other_region + OTHER_BYTES / 2));
  fe_free(block);
}

/* -- Wrong regions ---------------------------------------------------------------------------- */

typedef struct region {
  void *start;
  size_t size;
} region_t;

static void hand_in(void *argument) {
  const region_t *region = argument;
  errno = 0;
  assert_false(fe_arenas_manage(NULL, region->start, region->size));
  assert_int_equal(errno, EINVAL);
}

static void make_arenas_on(void *argument) {
  const region_t *region = argument;
  errno = 0;
  assert_null(fe_arenas_create(&fe_base_static, region->start, region->size));
  assert_int_equal(errno, EINVAL);
}

static void assert_refused(void (*body)(void *argument), void *start, size_t size) {
  region_t region = {start, size};
  child_result_t result;
  run_in_child(&result, body, &region);
  size_t length = strlen(result.errors);
  if (strstr(result.errors, "ferroc: fe_arenas_") != result.errors ||
      strchr(result.errors, '\n') != result.errors + length - 1) {
    fail_msg("no line that says what is refused, but: \"%s\"", result.errors);
  }
}

static void wrong_regions_are_refused_with_a_message(void **state) {
  (void)state;
  static const size_t too_small[] = {0, 1, 4095, 4096};
  for (size_t i = 0; i < sizeof(too_small) / sizeof(too_small[0]); i++) {
    assert_refused(hand_in, other_region, too_small[i]);
    assert_refused(make_arenas_on, other_region, too_small[i]);
  }
  char *block = fe_malloc(1);
  assert_refused(hand_in, block, 100000);          /* managed already */
  assert_refused(hand_in, other_region, SIZE_MAX); /* wraps around */
  assert_refused(make_arenas_on, NULL, 0);
  fe_free(block);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(before_the_region_there_is_no_memory),
      test_that(a_full_region_gives_null_and_goes_on_after_frees),
      test_that(every_single_free_makes_room),
      test_that(every_function_says_that_the_region_is_full),
      test_that(heaps_fill_the_region_and_leave_it),
      test_that(heaps_on_a_region_of_their_own_touch_no_other),
      test_that(a_second_region_adds_its_memory),
      test_that(a_heap_on_a_region_need_not_be_made),
      test_that(owned_addresses_are_those_of_the_regions),
      test_that(wrong_regions_are_refused_with_a_message),
  };
  return cmocka_run_group_tests_name("region", tests, NULL, NULL);
}
