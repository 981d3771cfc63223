/* Heaps with few blocks of each of many sizes: they share shards, so that a heap's memory goes by
 * what its blocks take and not by how many sizes they have.
 */
#include "tests/core/support.h"

enum { SHARD = 64 * 1024, SIZES = 60, EACH = 4, COUNT = SIZES * EACH };

static unsigned char *blocks[COUNT];

/* From 500 bytes to 30,000, most of them in a class of their own. */
static size_t size_of(size_t i) {
  size_t size = 500;
  for (size_t step = 0; step < i % SIZES; step++) {
    size += size / 14;
  }
  return size;
}

static size_t bytes_of_all(void) {
  size_t bytes = 0;
  for (size_t i = 0; i < COUNT; i++) {
    bytes += size_of(i);
  }
  return bytes;
}

static void allocate_all(fe_heap_t *heap) {
  for (size_t i = 0; i < COUNT; i++) {
    blocks[i] = fe_heap_alloc(heap, size_of(i));
    require(blocks[i] != NULL);
    pattern_fill(blocks[i], size_of(i), i);
  }
}

static void check_all(void) {
  static extent_t extents[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    assert_true(aligned_to(blocks[i], GRANULE));
    assert_true(fe_malloc_size(blocks[i]) >= size_of(i));
    assert_true(pattern_holds(blocks[i], size_of(i), i));
    extents[i] = (extent_t){(char *)blocks[i], fe_malloc_size(blocks[i])};
  }
  assert_disjoint(extents, COUNT);
}

static int compare_addresses(const void *left, const void *right) {
  uintptr_t a = *(const uintptr_t *)left, b = *(const uintptr_t *)right;
  return a < b ? -1 : a > b;
}

static size_t shards_in_use(void) {
  static uintptr_t shards[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    shards[i] = (uintptr_t)blocks[i] / SHARD;
  }
  qsort(shards, COUNT, sizeof *shards, compare_addresses);
  size_t count = 1;
  for (size_t i = 1; i < COUNT; i++) {
    count += shards[i] != shards[i - 1];
  }
  return count;
}

/* With smaller shards, most of the sizes have shards of their own; in builds that check, all. */
static void assert_few_shards(void) {
  if (UNIT_BYTES < SHARD || IS_CHECKED) return;
  size_t needed = bytes_of_all() / SHARD;
  if (shards_in_use() > needed + needed / 3 + 2) {
    fail_msg("%zu bytes lie in %zu shards", bytes_of_all(), shards_in_use());
  }
}

static void free_all(fe_heap_t *heap) {
  for (size_t i = 0; i < COUNT; i++) {
    fe_heap_free(heap, blocks[i]);
  }
}

static void many_sizes_share_shards(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  allocate_all(heap);
  check_all();
  assert_few_shards();
  free_all(heap);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

/* What is freed side by side is one space again, for blocks of any size. */
static void they_still_do_after_blocks_came_and_went(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  random_source_t source = {21};
  allocate_all(heap);
  for (size_t step = 0; step < 20000; step++) {
    size_t i = random_below(&source, COUNT);
    size_t other = random_below(&source, COUNT);
    assert_true(pattern_holds(blocks[i], size_of(i), i));
    assert_true(pattern_holds(blocks[other], size_of(other), other));
    fe_heap_free(heap, blocks[i]);
    fe_heap_free(heap, blocks[other == i ? (i + 1) % COUNT : other]);
    if (other == i) other = (i + 1) % COUNT;
    blocks[other] = fe_heap_alloc(heap, size_of(other));
    blocks[i] = fe_heap_alloc(heap, size_of(i));
    pattern_fill(blocks[i], size_of(i), i);
    pattern_fill(blocks[other], size_of(other), other);
  }
  check_all();
  assert_few_shards();
  free_all(heap);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

static void free_from_elsewhere(void *argument) {
  (void)argument;
  for (size_t i = 0; i < COUNT; i++) {
    require(pattern_holds(blocks[i], size_of(i), i));
    require(fe_malloc_size(blocks[i]) >= size_of(i));
    fe_free(blocks[i]);
  }
}

static void what_other_threads_free_is_used_again(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  for (int round = 0; round < 10; round++) {
    allocate_all(heap);
    check_all();
    assert_few_shards();
    run_in_thread(free_from_elsewhere, NULL);
  }
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

static void a_size_may_become_frequent_and_rare_again(void **state) {
  (void)state;
  enum { MANY = 1000 };
  static unsigned char *many[MANY];
  fe_heap_t *heap = fe_heap_create(NULL);
  for (int round = 0; round < 5; round++) {
    for (size_t i = 0; i < MANY; i++) {
      many[i] = fe_heap_resize(heap, NULL, 0, 3000);
      assert_non_null(many[i]);
      pattern_fill(many[i], 3000, i);
    }
    for (size_t i = 0; i < MANY; i++) {
      assert_true(pattern_holds(many[i], 3000, i));
      fe_heap_resize(heap, many[i], 3000, 0);
    }
  }
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  allocate_all(heap);
  check_all();
  free_all(heap);
  fe_heap_destroy(heap);
}

static void new_blocks_of_zeros_are_zero(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < COUNT; i++) {
      blocks[i] = fe_heap_calloc(heap, 1, size_of(i));
      assert_true(all_zero(blocks[i], size_of(i)));
      pattern_fill(blocks[i], size_of(i), i);
    }
    free_all(heap);
  }
  fe_heap_destroy(heap);
}

static void a_limit_is_exact_among_them(void **state) {
  (void)state;
  fe_heap_options_t options = {.memory_limit = 300000};
  fe_heap_t *heap = fe_heap_create(&options);
  random_source_t source = {22};
  for (int round = 0; round < 50; round++) {
    size_t count = 0;
    while (count < COUNT) {
      blocks[count] = fe_heap_alloc(heap, size_of(random_below(&source, COUNT)));
      if (blocks[count] == NULL) break;
      count++;
      assert_true(fe_heap_used_bytes(heap) <= 300000);
    }
    assert_true(fe_heap_used_bytes(heap) > 300000 - 34000);
    while (count > 0) {
      fe_heap_free(heap, blocks[--count]);
    }
  }
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

static void a_destroyed_heap_takes_them_with_it(void **state) {
  (void)state;
  size_t mapped = 0;
  for (int round = 0; round < 300; round++) {
    fe_heap_t *heap = fe_heap_create(NULL);
    allocate_all(heap);
    fe_heap_destroy(heap);
    if (round == 10) mapped = mapped_bytes();
  }
  assert_true(mapped_bytes() <= mapped + 64 * MIB);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(many_sizes_share_shards),
      test_that(they_still_do_after_blocks_came_and_went),
      test_that(what_other_threads_free_is_used_again),
      test_that(a_size_may_become_frequent_and_rare_again),
      test_that(new_blocks_of_zeros_are_zero),
      test_that(a_limit_is_exact_among_them),
      test_that(a_destroyed_heap_takes_them_with_it),
  };
  return cmocka_run_group_tests_name("few_blocks", tests, NULL, NULL);
}
