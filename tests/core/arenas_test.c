/* fe_arenas_create, fe_arenas_manage, fe_arenas_destroy: which regions are taken and which refused,
 * which bytes are owned then, and when arenas can end.
 */
#include "tests/core/support.h"

#include <pthread.h>
#include <sys/mman.h>

/* Addresses for regions; memory comes as it is touched. */
static char *reserve(size_t size) {
  char *start = mmap(NULL, size + SLAB_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  require(start != MAP_FAILED);
  return start;
}

static void unreserve(char *start, size_t size) { munmap(start, size + SLAB_BYTES); }

static char *align(char *start, size_t alignment) {
  return start + (-(uintptr_t)start & (alignment - 1));
}

/* -- Which bytes are owned ----------------------------------------------------------------------
 */

/* Of a region's bytes, those of whole units and no others. */
static void assert_owned_exactly(char *start, size_t size) {
  char *first = align(start, UNIT_BYTES);
  char *end = start + size - ((uintptr_t)(start + size) & (UNIT_BYTES - 1));
  assert_false(fe_owns(first - 1));
  assert_false(fe_owns(first - UNIT_BYTES));
  assert_true(fe_owns(first));
  for (char *byte = first; byte < end; byte += UNIT_BYTES) {
    assert_true(fe_owns(byte));
    assert_true(fe_owns(byte + UNIT_BYTES - 1));
  }
  assert_false(fe_owns(end));
  assert_false(fe_owns(end + UNIT_BYTES));
  assert_false(fe_owns(end + SLAB_BYTES));
}

static void a_region_is_owned_in_whole_units(void **state) {
  (void)state;
  static const size_t offsets[] = {0, 1, 4096, UNIT_BYTES - 1, UNIT_BYTES, 3 * UNIT_BYTES + 5};
  static const size_t region_sizes[] = {4 * UNIT_BYTES, SLAB_BYTES, SLAB_BYTES + 7,
                                        3 * SLAB_BYTES - UNIT_BYTES / 2, 4 * SLAB_BYTES};
  char *memory = reserve(8 * SLAB_BYTES);
  char *slab = align(memory, SLAB_BYTES) + SLAB_BYTES;
  for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
    for (size_t j = 0; j < sizeof(region_sizes) / sizeof(region_sizes[0]); j++) {
      char *start = slab + offsets[i];
      fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, start, region_sizes[j]);
      assert_non_null(arenas);
      assert_owned_exactly(start, region_sizes[j]);
      assert_true(fe_arenas_destroy(arenas));
      assert_false(fe_owns(align(start, UNIT_BYTES)));
      assert_false(fe_owns(start + region_sizes[j] - 1));
    }
  }
  unreserve(memory, 8 * SLAB_BYTES);
}

static void regions_side_by_side_are_two(void **state) {
  (void)state;
  char *memory = reserve(4 * SLAB_BYTES);
  char *start = align(memory, UNIT_BYTES);
  fe_arenas_t *one = fe_arenas_create(&fe_base_static, start, 5 * UNIT_BYTES);
  fe_arenas_t *other = fe_arenas_create(&fe_base_static, start + 5 * UNIT_BYTES, 6 * UNIT_BYTES);
  assert_non_null(one);
  assert_non_null(other);
  assert_true(fe_arenas_destroy(one));
  assert_false(fe_owns(start));
  assert_false(fe_owns(start + 5 * UNIT_BYTES - 1));
  assert_owned_exactly(start + 5 * UNIT_BYTES, 6 * UNIT_BYTES);
  assert_true(fe_arenas_destroy(other));
  unreserve(memory, 4 * SLAB_BYTES);
}

/* A heap knows its blocks, also where its memory begins and ends. */
static void a_heap_may_be_asked_about_the_ends_of_its_region(void **state) {
  (void)state;
  size_t size = 6 * UNIT_BYTES;
  char *memory = reserve(size);
  char *start = align(memory, UNIT_BYTES) + UNIT_BYTES;
  assert_int_equal(mprotect(start - UNIT_BYTES, UNIT_BYTES, PROT_NONE), 0);
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, start, size);
  fe_heap_options_t options = {.context = fe_context_create(arenas)};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  while (fe_heap_alloc(heap, MEDIUM_MAX) != NULL) {
  }
  assert_false(fe_heap_contains(heap, start));
  assert_false(fe_heap_contains(heap, start - 1));
  assert_false(fe_heap_contains(heap, start + size));
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(options.context));
  assert_true(fe_arenas_destroy(arenas));
  unreserve(memory, size);
}

/* -- Regions that are refused -------------------------------------------------------------------
 */

typedef struct attempt {
  fe_arenas_t *arenas; /* NULL: to be created on the region */
  void *memory;
  size_t size;
  int error;
} attempt_t;

static void attempt(void *argument) {
  attempt_t *attempt = argument;
  errno = 0;
  if (attempt->arenas == NULL) {
    require(fe_arenas_create(&fe_base_static, attempt->memory, attempt->size) == NULL);
  } else {
    require(!fe_arenas_manage(attempt->arenas, attempt->memory, attempt->size));
  }
  require(errno == attempt->error);
}

/* By both functions, with a message that has the text in it. */
static void assert_refused(fe_arenas_t *arenas, void *memory, size_t size, const char *text) {
  attempt_t refused = {arenas, memory, size, EINVAL};
  assert_child_says(attempt, &refused, "fe_arenas_manage", text, NULL);
  if (memory != NULL) {
    refused.arenas = NULL;
    assert_child_says(attempt, &refused, "fe_arenas_create", text, NULL);
  }
}

static void impossible_regions_are_refused_with_a_message(void **state) {
  (void)state;
  char *memory = reserve(16 * UNIT_BYTES);
  char *start = align(memory, UNIT_BYTES);
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, start, 4 * UNIT_BYTES);
  assert_non_null(arenas);
  char *other = start + 4 * UNIT_BYTES;
  assert_refused(arenas, NULL, 10 * UNIT_BYTES, "NULL");
  static const size_t small_sizes[] = {0, 1, 4096, UNIT_BYTES, 2 * UNIT_BYTES - 1};
  for (size_t i = 0; i < sizeof(small_sizes) / sizeof(small_sizes[0]); i++) {
    assert_refused(arenas, other, small_sizes[i], "too small");
  }
  assert_refused(arenas, other + 1, 2 * UNIT_BYTES, "too small");
  assert_refused(arenas, other + 1, 3 * UNIT_BYTES - 2, "too small");
  assert_refused(arenas, other, SIZE_MAX, "addresses");
  assert_refused(arenas, other, -(uintptr_t)other, "addresses");
  assert_refused(arenas, other, -(uintptr_t)other + UNIT_BYTES, "addresses");
  assert_refused(arenas, (void *)(UINTPTR_MAX - 100), 10, "addresses");
  if (sizeof(uintptr_t) == 8) { /* a program of 32 bits may have all of them */
    assert_refused(arenas, (void *)-(5 * UNIT_BYTES), 4 * UNIT_BYTES, "addresses");
    assert_refused(arenas, (void *)(UINTPTR_MAX / 4 + 1), 4 * UNIT_BYTES, "addresses");
  }
  assert_true(fe_arenas_destroy(arenas));
  unreserve(memory, 16 * UNIT_BYTES);
}

static void regions_in_use_are_refused_with_a_message(void **state) {
  (void)state;
  char *memory = reserve(12 * SLAB_BYTES);
  char *slab = align(memory, SLAB_BYTES) + 4 * SLAB_BYTES;
  fe_arenas_t *others = fe_arenas_create(&fe_base_mmap, NULL, 0);
  assert_non_null(others);
  static const size_t region_sizes[] = {4 * UNIT_BYTES, SLAB_BYTES, 3 * SLAB_BYTES + UNIT_BYTES};
  for (size_t i = 0; i < sizeof(region_sizes) / sizeof(region_sizes[0]); i++) {
    size_t size = region_sizes[i];
    fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, slab, size);
    assert_non_null(arenas);
    assert_refused(others, slab, size, "in use");
    assert_refused(arenas, slab, size, "in use");
    assert_refused(others, slab + UNIT_BYTES, 2 * UNIT_BYTES, "in use");
    assert_refused(others, slab - UNIT_BYTES, 2 * UNIT_BYTES, "in use");
    assert_refused(others, slab + size - UNIT_BYTES, 2 * UNIT_BYTES, "in use");
    assert_refused(others, slab - UNIT_BYTES, size + 2 * UNIT_BYTES, "in use");
    assert_refused(others, slab - 3 * SLAB_BYTES, size + 4 * SLAB_BYTES, "in use");
    assert_true(fe_arenas_destroy(arenas));
  }
  void *block = fe_malloc(5 * UNIT_BYTES);
  assert_non_null(block);
  assert_refused(others, block, 4 * UNIT_BYTES, "in use");
  fe_free(block);
  assert_true(fe_arenas_destroy(others));
  unreserve(memory, 12 * SLAB_BYTES);
}

/* -- Several regions ----------------------------------------------------------------------------
 */

/* As many as there may be that begin or end inside of a slab; others do not count. */
enum { PARTIAL_REGIONS_MAX = 256 };

static void a_region_too_many_is_refused_with_a_message(void **state) {
  (void)state;
  size_t size = 2 * UNIT_BYTES;
  size_t reserved = (PARTIAL_REGIONS_MAX + 1) * size + 20 * SLAB_BYTES;
  char *memory = reserve(reserved);
  char *start = align(memory, SLAB_BYTES);
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, start, size);
  assert_non_null(arenas);
  for (size_t i = 1; i < PARTIAL_REGIONS_MAX; i++) {
    assert_true(fe_arenas_manage(arenas, start + i * size, size));
  }
  attempt_t refused = {arenas, start + PARTIAL_REGIONS_MAX * size, size, ENOMEM};
  assert_child_says(attempt, &refused, "at most 256 regions", NULL);
  char *slab = align(start + (PARTIAL_REGIONS_MAX + 1) * size, SLAB_BYTES);
  for (size_t i = 0; i < 8; i++) {
    assert_true(fe_arenas_manage(arenas, slab + 2 * i * SLAB_BYTES, SLAB_BYTES));
  }
  for (size_t i = 0; i < PARTIAL_REGIONS_MAX; i++) {
    assert_true(fe_owns(start + i * size));
  }
  assert_false(fe_owns(start + PARTIAL_REGIONS_MAX * size));
  assert_false(fe_owns(slab + SLAB_BYTES));
  assert_true(fe_arenas_destroy(arenas));
  for (size_t i = 0; i < PARTIAL_REGIONS_MAX; i++) {
    assert_false(fe_owns(start + i * size));
  }
  arenas = fe_arenas_create(&fe_base_static, start, size);
  assert_non_null(arenas);
  assert_true(fe_arenas_destroy(arenas));
  unreserve(memory, reserved);
}

/* How many blocks of 2 units a heap on these arenas gets. */
static size_t count_room(fe_arenas_t *arenas) {
  fe_heap_options_t options = {.context = fe_context_create(arenas)};
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  size_t count = 0;
  for (void *block; (block = fe_heap_alloc(heap, UNIT_BYTES + 1)) != NULL; count++) {
    memset(block, 0x66, UNIT_BYTES + 1);
  }
  fe_heap_destroy(heap);
  require(fe_context_destroy(options.context));
  return count;
}

static void one_more_region_is_room_for_more(void **state) {
  (void)state;
  char *memory = reserve(64 * UNIT_BYTES);
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, memory, 8 * UNIT_BYTES);
  assert_non_null(arenas);
  size_t before = count_room(arenas);
  assert_true(fe_arenas_manage(arenas, memory + 10 * UNIT_BYTES + 1, 32 * UNIT_BYTES));
  assert_true(count_room(arenas) >= before + (UNITS_PER_SLAB > 16 ? 13 : 6));
  assert_true(fe_arenas_destroy(arenas));
  unreserve(memory, 64 * UNIT_BYTES);
}

/* Arenas that get chunks from the system use a region all the same. */
static void arenas_on_mmap_take_regions_too(void **state) {
  (void)state;
  char *memory = reserve(8 * UNIT_BYTES);
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_mmap, NULL, 0);
  assert_non_null(arenas);
  assert_true(fe_arenas_manage(arenas, memory, 8 * UNIT_BYTES));
  fe_heap_options_t options = {.context = fe_context_create(arenas)};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  size_t inside = 0;
  for (int i = 0; i < 1000; i++) {
    char *block = fe_heap_alloc(heap, 1000);
    assert_non_null(block);
    memset(block, 1, 1000);
    inside += block >= memory && block < memory + 8 * UNIT_BYTES;
  }
  assert_true(inside > 0);
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(options.context));
  fe_heap_collect(fe_thread_heap(), true);
  assert_true(fe_arenas_destroy(arenas));
  unreserve(memory, 8 * UNIT_BYTES);
}

static void hand_in_to_the_process(void *memory) {
  require(fe_arenas_manage(NULL, memory, 64 * UNIT_BYTES));
  fe_collect(true);
  char *block;
  do {
    block = fe_malloc(UNIT_BYTES + 1);
    require(block != NULL);
    memset(block, 1, UNIT_BYTES + 1);
  } while (block < (char *)memory || block >= (char *)memory + 64 * UNIT_BYTES);
  fe_free(block);
  fe_collect(true);
  require(block[UNIT_BYTES / 2] == 1);
}

/* The region stays for good, so this is for a process of its own. */
static void the_process_takes_regions_too(void **state) {
  (void)state;
  if (IS_CHECKED) skip();
  char *memory = reserve(64 * UNIT_BYTES);
  assert_child_succeeds(hand_in_to_the_process, memory);
  unreserve(memory, 64 * UNIT_BYTES);
}

/* -- Threads ------------------------------------------------------------------------------------
 */

enum { THREADS = 4, REGIONS = 20 };
static fe_arenas_t *shared;
static char *shared_memory;

static void *manage_and_use(void *argument) {
  size_t number = (size_t)argument;
  fe_context_t *context = fe_context_create(shared);
  for (size_t i = 0; i < REGIONS; i++) {
    char *start = shared_memory + (number * REGIONS + i + 1) * 4 * UNIT_BYTES;
    require(fe_arenas_manage(shared, start, 4 * UNIT_BYTES));
    fe_heap_options_t options = {.context = context};
    fe_heap_t *heap = context == NULL ? NULL : fe_heap_create(&options);
    char *block = heap == NULL ? NULL : fe_heap_alloc(heap, UNIT_BYTES);
    if (block != NULL) {
      pattern_fill(block, UNIT_BYTES, i);
      require(fe_owns(block) && pattern_holds(block, UNIT_BYTES, i));
    }
    fe_heap_destroy(heap);
  }
  require(fe_context_destroy(context));
  return NULL;
}

static void threads_may_hand_in_regions_at_the_same_time(void **state) {
  (void)state;
  size_t size = (THREADS * REGIONS + 1) * 4 * UNIT_BYTES;
  char *memory = reserve(size + UNIT_BYTES);
  shared_memory = align(memory, UNIT_BYTES);
  shared = fe_arenas_create(&fe_base_static, shared_memory, 4 * UNIT_BYTES);
  assert_non_null(shared);
  pthread_t threads[THREADS];
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, manage_and_use, (void *)i), 0);
  }
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  }
  assert_true(count_room(shared) >= THREADS * REGIONS);
  assert_true(fe_arenas_destroy(shared));
  unreserve(memory, size + UNIT_BYTES);
}

/* -- The end ------------------------------------------------------------------------------------
 */

static void destroy_too_early(void *arenas) {
  errno = 0;
  require(!fe_arenas_destroy(arenas));
  require(errno == EBUSY);
}

static void arenas_in_use_are_not_destroyed(void **state) {
  (void)state;
  char *memory = reserve(16 * UNIT_BYTES);
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, memory, 16 * UNIT_BYTES);
  assert_non_null(arenas);
  fe_context_t *context = fe_context_create(arenas);
  assert_child_says(destroy_too_early, arenas, "fe_arenas_destroy", "contexts or heaps", NULL);
  fe_heap_options_t options = {.context = context};
  fe_heap_t *heap = fe_heap_create(&options);
  char *block = fe_heap_alloc(heap, 100);
  assert_non_null(block);
  pattern_fill(block, 100, 1);
  assert_child_says(destroy_too_early, arenas, "fe_arenas_destroy", "contexts or heaps", NULL);
  assert_true(pattern_holds(block, 100, 1));
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
  assert_true(fe_arenas_destroy(NULL));
  unreserve(memory, 16 * UNIT_BYTES);
}

/* A program that puts something before the kernel's base, as one may that was written before there
 * was `reserve`. */
static size_t allocate_calls;

static void *count_and_allocate(const fe_base_t *base, size_t size, size_t alignment) {
  (void)base;
  allocate_calls++;
  return fe_base_mmap.allocate(&fe_base_mmap, size, alignment);
}

static void a_copy_of_the_kernels_base_keeps_its_allocate(void **state) {
  (void)state;
  fe_base_t copy = fe_base_mmap;
  copy.allocate = count_and_allocate;
  fe_arenas_t *arenas = fe_arenas_create(&copy, NULL, 0);
  assert_non_null(arenas);
  assert_int_equal(allocate_calls, 1);
  assert_true(fe_arenas_destroy(arenas));
  copy.allocate = NULL;
  arenas = fe_arenas_create(&copy, NULL, 0);
  assert_null(arenas);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_region_is_owned_in_whole_units),
      test_that(regions_side_by_side_are_two),
      test_that(a_heap_may_be_asked_about_the_ends_of_its_region),
      test_that(impossible_regions_are_refused_with_a_message),
      test_that(regions_in_use_are_refused_with_a_message),
      test_that(a_region_too_many_is_refused_with_a_message),
      test_that(one_more_region_is_room_for_more),
      test_that(arenas_on_mmap_take_regions_too),
      test_that(the_process_takes_regions_too),
      test_that(threads_may_hand_in_regions_at_the_same_time),
      test_that(arenas_in_use_are_not_destroyed),
      test_that(a_copy_of_the_kernels_base_keeps_its_allocate),
  };
  return cmocka_run_group_tests_name("arenas", tests, NULL, NULL);
}
