/* fe_reallocarray and fe_recalloc: a product that overflows is no memory, and whatever is new in a
 * recalloc'ed array is zero, however often it grew and shrank.
 */
#include "tests/core/support.h"

/* heap NULL: the thread's. */
static void *reallocarray_in(fe_heap_t *heap, void *block, size_t count, size_t size) {
  return heap == NULL ? fe_reallocarray(block, count, size)
                      : fe_heap_reallocarray(heap, block, count, size);
}

static void *recalloc_in(fe_heap_t *heap, void *block, size_t count, size_t size) {
  return heap == NULL ? fe_recalloc(block, count, size)
                      : fe_heap_recalloc(heap, block, count, size);
}

static void with_and_without_a_heap(void (*body)(fe_heap_t *heap)) {
  body(NULL);
  for (size_t granule = 8; granule <= 16; granule += 8) {
    fe_heap_options_t options = {.granule = granule};
    fe_heap_t *heap = fe_heap_create(&options);
    assert_non_null(heap);
    body(heap);
    assert_int_equal(fe_heap_used_bytes(heap), 0);
    fe_heap_destroy(heap);
  }
}

static void reallocarray_moves_the_content(fe_heap_t *heap) {
  static const size_t counts[] = {1, 3, 100, 7, 5000, 40, 300000, 2};
  char *array = NULL;
  size_t filled = 0;
  for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
    size_t bytes = counts[i] * 24;
    array = reallocarray_in(heap, array, counts[i], 24);
    assert_non_null(array);
    assert_true(fe_malloc_size(array) >= bytes);
    assert_true(pattern_holds(array, filled < bytes ? filled : bytes, filled));
    pattern_fill(array, bytes, bytes);
    filled = bytes;
  }
  fe_free(array);
}

static void an_array_keeps_its_content(void **state) {
  (void)state;
  with_and_without_a_heap(reallocarray_moves_the_content);
}

static void refuse_overflows(fe_heap_t *heap) {
  const size_t root = (size_t)1 << (sizeof(size_t) * 4); /* of SIZE_MAX + 1 */
  const size_t factors[][2] = {
      {SIZE_MAX, 2},    {2, SIZE_MAX},        {SIZE_MAX / 2 + 1, 2},
      {root, root},                                          /* the product's low bits are 0 */
      {root + 1, root}, {SIZE_MAX, SIZE_MAX}, {1, SIZE_MAX}, /* no overflow, but no memory either */
  };
  char *array = recalloc_in(heap, NULL, 10, 10);
  assert_non_null(array);
  pattern_fill(array, 100, 5);
  for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
    void *(*const functions[])(fe_heap_t *, void *, size_t, size_t) = {reallocarray_in,
                                                                       recalloc_in};
    for (size_t j = 0; j < 2; j++) {
      errno = 0;
      assert_null(functions[j](heap, array, factors[i][0], factors[i][1]));
      assert_int_equal(errno, ENOMEM);
      errno = 0;
      assert_null(functions[j](heap, NULL, factors[i][0], factors[i][1]));
      assert_int_equal(errno, ENOMEM);
    }
  }
  assert_true(pattern_holds(array, 100, 5));
  fe_free(array);
}

static void an_overflow_is_no_memory_and_keeps_the_array(void **state) {
  (void)state;
  with_and_without_a_heap(refuse_overflows);
}

/* As fe_realloc with 0 bytes: the old array is gone, which the check around each test would see. */
static void reallocate_to_nothing(fe_heap_t *heap) {
  assert_null(reallocarray_in(heap, reallocarray_in(heap, NULL, 3, 30), 0, 30));
  assert_null(reallocarray_in(heap, reallocarray_in(heap, NULL, 3, 30), 3, 0));
  assert_null(recalloc_in(heap, recalloc_in(heap, NULL, 3, 30), 0, 30));
  assert_null(recalloc_in(heap, recalloc_in(heap, NULL, 3, 30), 3, 0));
  assert_null(recalloc_in(heap, recalloc_in(heap, NULL, 3, 30000), 0, SIZE_MAX));
}

static void no_elements_free_the_array(void **state) {
  (void)state;
  with_and_without_a_heap(reallocate_to_nothing);
}

static void null_and_no_elements_give_a_block(void **state) {
  (void)state;
  void *array = fe_reallocarray(NULL, 0, 8);
  void *other = fe_recalloc(NULL, 8, 0);
  assert_non_null(array);
  assert_non_null(other);
  assert_ptr_not_equal(array, other);
  fe_free(array);
  fe_free(other);
}

/* Memory that was used before, so that zeros do not come by themselves. */
static void leave_rubbish(fe_heap_t *heap) {
  enum { COUNT = 64 };
  void *blocks[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    size_t size = (size_t)24 << (i % 14);
    blocks[i] = heap == NULL ? fe_malloc(size) : fe_heap_alloc(heap, size);
    assert_non_null(blocks[i]);
    memset(blocks[i], 0xa5, fe_malloc_size(blocks[i]));
  }
  for (size_t i = 0; i < COUNT; i++) {
    fe_free(blocks[i]);
  }
}

/* A walk over sizes, up and down; the array is filled to its last byte after each step. */
static void grow_and_shrink(fe_heap_t *heap) {
  random_source_t source = {11};
  for (int round = 0; round < 40; round++) {
    leave_rubbish(heap);
    unsigned char *array = NULL;
    size_t filled = 0;
    for (int step = 0; step < 25; step++) {
      size_t bytes = 1 + random_size(&source, step % 5 == 0 ? 300000 : 3000);
      array = recalloc_in(heap, array, bytes, 1);
      assert_non_null(array);
      size_t kept = filled < bytes ? filled : bytes;
      assert_true(pattern_holds(array, kept, filled));
      if (!all_zero(array + kept, bytes - kept)) {
        fail_msg("from %zu to %zu bytes, and not all zero behind them", filled, bytes);
      }
      pattern_fill(array, bytes, bytes);
      filled = bytes;
    }
    fe_free(array);
  }
}

static void what_recalloc_adds_is_zero(void **state) {
  (void)state;
  with_and_without_a_heap(grow_and_shrink);
}

static void grow_byte_by_byte(fe_heap_t *heap) {
  leave_rubbish(heap);
  unsigned char *array = heap == NULL ? fe_calloc(1, 1) : fe_heap_calloc(heap, 1, 1);
  for (size_t size = 2; size < 2000; size++) {
    array = recalloc_in(heap, array, size, 1);
    assert_non_null(array);
    assert_int_equal(array[size - 1], 0);
    array[size - 1] = 0xff;
  }
  fe_free(array);
}

static void a_calloced_block_grows_by_zeros(void **state) {
  (void)state;
  with_and_without_a_heap(grow_byte_by_byte);
}

static void a_huge_array_grows_by_zeros(void **state) {
  (void)state;
  unsigned char *array = fe_calloc(5, MIB);
  assert_non_null(array);
  memset(array, 0xff, 5 * MIB);
  array = fe_recalloc(array, 3, MIB);
  assert_non_null(array);
  array = fe_recalloc(array, 9, MIB);
  assert_non_null(array);
  assert_int_equal(array[3 * MIB - 1], 0xff);
  assert_true(all_zero(array + 3 * MIB, 6 * MIB));
  fe_free(array);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(an_array_keeps_its_content),
      test_that(an_overflow_is_no_memory_and_keeps_the_array),
      test_that(no_elements_free_the_array),
      test_that(null_and_no_elements_give_a_block),
      test_that(what_recalloc_adds_is_zero),
      test_that(a_calloced_block_grows_by_zeros),
      test_that(a_huge_array_grows_by_zeros),
  };
  return cmocka_run_group_tests_name("arrays", tests, NULL, NULL);
}
