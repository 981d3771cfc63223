/* Reallocation: the content stays, whatever the way from size to size; a failure keeps the old
 * block; NULL and zero bytes mean what they do in C.
 */
#include "tests/core/support.h"

static const size_t ladder[] = {
    1,     8,      15,     16,      17,      40,      48,      64,      65,      100,    128,
    200,   1000,   1024,   1025,    3000,    8192,    16385,   32768,   32769,   50000,  65536,
    70000, 131073, 500000, 1048576, 2500000, 3932160, 3932161, 4194304, 5000000, 9000000};
enum { LADDER_COUNT = sizeof(ladder) / sizeof(ladder[0]) };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* heap NULL: fe_realloc. */
static void *reallocate(fe_heap_t *heap, void *block, size_t size) {
  return heap == NULL ? fe_realloc(block, size) : fe_heap_realloc(heap, block, size);
}

/* Moves a block from one size to another and asserts that the content came along. */
static void *resize_and_check(fe_heap_t *heap, void *block, size_t from, size_t to) {
  pattern_fill(block, from, from);
  void *moved = reallocate(heap, block, to);
  assert_non_null(moved);
  assert_true(aligned_to(moved, GRANULE));
  assert_true(fe_malloc_size(moved) >= to);
  if (!pattern_holds(moved, smaller(from, to), from)) {
    fail_msg("content lost from %zu to %zu bytes", from, to);
  }
  return moved;
}

static void every_step_between_size_types(fe_heap_t *heap) {
  for (size_t i = 0; i < LADDER_COUNT; i++) {
    for (size_t j = 0; j < LADDER_COUNT; j++) {
      void *block = reallocate(heap, NULL, ladder[i]);
      assert_non_null(block);
      fe_free(resize_and_check(heap, block, ladder[i], ladder[j]));
    }
  }
}

static void content_is_kept_from_every_size_type_to_every_other(void **state) {
  (void)state;
  every_step_between_size_types(NULL);
}

static void content_is_kept_within_a_heap(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  every_step_between_size_types(heap);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

static void a_block_grows_and_shrinks_byte_by_byte(void **state) {
  (void)state;
  unsigned char *block = fe_malloc(0);
  assert_non_null(block);
  for (size_t size = 1; size <= 3000; size++) {
    block = fe_realloc(block, size);
    assert_non_null(block);
    block[size - 1] = (unsigned char)(size * 7);
    assert_int_equal(block[0], 7);
    assert_int_equal(block[(size - 1) / 2], (unsigned char)(((size - 1) / 2 + 1) * 7));
  }
  for (size_t size = 3000; size >= 1; size--) {
    block = fe_realloc(block, size);
    assert_non_null(block);
    for (size_t i = 0; i < size; i += 1 + size / 16) {
      assert_int_equal(block[i], (unsigned char)((i + 1) * 7));
    }
  }
  fe_free(block);
}

/* A growing buffer, as a string builder has it, between other live blocks. */
static void a_block_grows_in_steps_among_others(void **state) {
  (void)state;
  enum { OTHERS = 64 };
  void *others[OTHERS];
  size_t size = 10;
  void *block = fe_malloc(size);
  assert_non_null(block);
  for (size_t i = 0; i < OTHERS && size < 8 * MIB; i++) {
    others[i] = fe_malloc(size);
    assert_non_null(others[i]);
    pattern_fill(others[i], size, i);
    size_t next = size + size / 3 + 1;
    block = resize_and_check(NULL, block, size, next);
    assert_true(pattern_holds(others[i], size, i));
    size = next;
    fe_free(others[i]);
  }
  fe_free(block);
}

static void null_allocates(void **state) {
  (void)state;
  void *block = fe_realloc(NULL, 100);
  assert_non_null(block);
  assert_true(fe_malloc_size(block) >= 100);
  memset(block, 1, 100);
  void *empty = fe_realloc(NULL, 0);
  assert_non_null(empty);
  assert_ptr_not_equal(empty, block);
  fe_free(block);
  fe_free(empty);
}

/* That the block is really freed is what the check around the test sees. */
static void zero_bytes_free_the_block(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  for (size_t i = 0; i < LADDER_COUNT; i++) {
    void *block = fe_malloc(ladder[i]);
    assert_non_null(block);
    assert_null(fe_realloc(block, 0));
    block = fe_heap_alloc(heap, ladder[i]);
    assert_non_null(block);
    assert_null(fe_heap_realloc(heap, block, 0));
    assert_int_equal(fe_heap_used_bytes(heap), 0);
  }
  fe_heap_destroy(heap);
}

static void failure_keeps_the_old_block(void **state) {
  (void)state;
  static const size_t impossible[] = {SIZE_MAX, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX + 1,
                                      BEYOND_MEMORY};
  for (size_t i = 0; i < LADDER_COUNT; i++) {
    void *block = fe_malloc(ladder[i]);
    assert_non_null(block);
    pattern_fill(block, ladder[i], i);
    for (size_t j = 0; j < sizeof(impossible) / sizeof(impossible[0]); j++) {
      errno = 0;
      assert_null(fe_realloc(block, impossible[j]));
      assert_int_equal(errno, ENOMEM);
      assert_true(pattern_holds(block, ladder[i], i));
    }
    fe_free(block);
  }
}

static void the_old_block_of_a_move_is_given_back(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  for (size_t i = 0; i + 1 < LADDER_COUNT; i++) {
    void *block = fe_heap_alloc(heap, ladder[i]);
    assert_non_null(block);
    block = fe_heap_realloc(heap, block, ladder[i + 1]);
    assert_non_null(block);
    fe_heap_free(heap, block);
    assert_int_equal(fe_heap_used_bytes(heap), 0);
  }
  fe_heap_destroy(heap);
}

/* fe_heap_realloc of a foreign block: the new one is this heap's, the old one goes home. */
static void a_block_moves_from_one_heap_to_another(void **state) {
  (void)state;
  fe_heap_t *from = fe_heap_create(NULL);
  fe_heap_t *to = fe_heap_create(NULL);
  assert_non_null(from);
  assert_non_null(to);
  for (size_t i = 0; i < LADDER_COUNT; i++) {
    size_t size = ladder[i];
    void *block = fe_heap_alloc(from, size);
    assert_non_null(block);
    block = resize_and_check(to, block, size, size + 1);
    assert_true(fe_heap_contains(to, block));
    assert_int_equal(fe_heap_used_bytes(from), 0);
    block = resize_and_check(NULL, block, size + 1, size + 40);
    fe_free(block);
    void *mine = fe_malloc(size);
    assert_non_null(mine);
    mine = resize_and_check(to, mine, size, size * 2);
    assert_true(fe_heap_contains(to, mine));
    fe_heap_free(to, mine);
    assert_int_equal(fe_heap_used_bytes(to), 0);
  }
  fe_heap_destroy(from);
  fe_heap_destroy(to);
}

static void reallocate_handed_block(void *argument) {
  void **block = argument;
  require(pattern_holds(*block, 1000, 5));
  *block = fe_realloc(*block, 5000);
  require(*block != NULL);
  require(pattern_holds(*block, 1000, 5));
}

static void another_thread_may_reallocate(void **state) {
  (void)state;
  void *block = fe_malloc(1000);
  assert_non_null(block);
  pattern_fill(block, 1000, 5);
  run_in_thread(reallocate_handed_block, &block);
  assert_true(pattern_holds(block, 1000, 5));
  fe_free(block);
}

static void a_small_block_that_was_large_for_its_alignment_becomes_small(void **state) {
  (void)state;
  void *block = fe_aligned_alloc(4 * MIB, 100);
  assert_non_null(block);
  block = fe_realloc(block, 400);
  assert_non_null(block);
  assert_true(fe_malloc_size(block) <= 400 + 400 / 8);
  fe_free(block);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_small_block_that_was_large_for_its_alignment_becomes_small),
      test_that(content_is_kept_from_every_size_type_to_every_other),
      test_that(content_is_kept_within_a_heap),
      test_that(a_block_grows_and_shrinks_byte_by_byte),
      test_that(a_block_grows_in_steps_among_others),
      test_that(null_allocates),
      test_that(zero_bytes_free_the_block),
      test_that(failure_keeps_the_old_block),
      test_that(the_old_block_of_a_move_is_given_back),
      test_that(a_block_moves_from_one_heap_to_another),
      test_that(another_thread_may_reallocate),
  };
  return cmocka_run_group_tests_name("realloc", tests, NULL, NULL);
}
