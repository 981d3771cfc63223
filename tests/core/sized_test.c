/* Frees that tell the size and the alignment are frees like any other, and a debug build refuses
 * wrong ones; fe_good_size is what fits for no more memory.
 */
#include "tests/core/support.h"

#include <signal.h>
#include <sys/wait.h>

static void frees_with_sizes_free(void **state) {
  (void)state;
  for (size_t size = 0; size < 6 * MIB; size = size * 3 + 1) {
    fe_free_sized(fe_malloc(size), size);
    fe_free_sized(fe_calloc(1, size), size);
    fe_free_sized(fe_realloc(NULL, size), size);
    for (size_t alignment = 1; alignment <= MIB; alignment *= 4) {
      fe_free_aligned(fe_aligned_alloc(alignment, size), alignment);
      fe_free_aligned_sized(fe_aligned_alloc(alignment, size), alignment, size);
    }
  }
}

static void null_is_no_block(void **state) {
  (void)state;
  fe_free_sized(NULL, 0);
  fe_free_sized(NULL, 100);
  fe_free_aligned(NULL, 64);
  fe_free_aligned_sized(NULL, 64, 1000);
}

static void free_leaving_errno_alone(void *block) {
  errno = 1234;
  fe_free_sized(block, 500);
  require(errno == 1234);
}

static void another_thread_may_free(void **state) {
  (void)state;
  run_in_thread(free_leaving_errno_alone, fe_malloc(500));
  free_leaving_errno_alone(fe_malloc(500));
}

#ifdef NDEBUG
static void a_wrong_size_or_alignment_ends_the_program(void **state) {
  (void)state;
  skip();
}
#else

static void say_too_many_bytes(void *block) { fe_free_sized(block, 5000); }
static void say_too_many_aligned_bytes(void *block) { fe_free_aligned_sized(block, 16, 5000); }
static void say_a_wrong_alignment(void *block) { fe_free_aligned((char *)block + 8, 16); }
static void say_an_impossible_alignment(void *block) { fe_free_aligned(block, 24); }
static void say_no_alignment(void *block) { fe_free_aligned_sized(block, 0, 100); }

static void a_wrong_size_or_alignment_ends_the_program(void **state) {
  (void)state;
  void (*const wrong[])(void *block) = {say_too_many_bytes, say_too_many_aligned_bytes,
                                        say_a_wrong_alignment, say_an_impossible_alignment,
                                        say_no_alignment};
  void *block = fe_malloc(100);
  assert_non_null(block);
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    child_result_t result;
    run_in_child(&result, wrong[i], block);
    assert_true(WIFSIGNALED(result.status));
    assert_int_equal(WTERMSIG(result.status), SIGABRT);
    assert_non_null(strstr(result.errors, "ferroc: fe_free_"));
    assert_non_null(strstr(result.errors, "allocated with"));
  }
  fe_free(block);
}
#endif

static void the_good_size_fits(void **state) {
  (void)state;
  for (size_t size = 0; size < 9 * MIB; size += 1 + size / (is_slow() ? 20 : 300)) {
    size_t good = fe_good_size(size);
    assert_true(good >= size);
    assert_int_equal(fe_good_size(good), good);
    void *block = fe_malloc(good);
    assert_non_null(block);
    assert_true(fe_malloc_size(block) >= good);
    pattern_fill(block, good, size);
    assert_true(pattern_holds(block, good, size));
    fe_free(block);
  }
}

/* What a heap counts for one block, which is not one that it has at hand. */
static size_t cost(fe_heap_t *heap, size_t size) {
  fe_heap_collect(heap, false);
  void *block = fe_heap_alloc(heap, size);
  assert_non_null(block);
  size_t used_bytes = fe_heap_used_bytes(heap);
  fe_heap_free(heap, block);
  return used_bytes;
}

/* Uses up the memory in which a small heap lets blocks of all sizes lie side by side. */
static void grow_up(fe_heap_t *heap) {
  for (int i = 0; i < 60; i++) assert_non_null(fe_heap_alloc(heap, 1 * KIB));
  for (int i = 0; i < 300; i++) assert_non_null(fe_heap_alloc(heap, 8));
}

static void the_good_size_costs_no_more(void **state) {
  (void)state;
  for (size_t granule = 8; granule <= 16; granule += 8) {
    fe_heap_options_t options = {.granule = granule};
    fe_heap_t *heap = fe_heap_create(&options);
    assert_non_null(heap);
    grow_up(heap);
    size_t before = fe_heap_used_bytes(heap);
    for (size_t size = 0; size <= MEDIUM_MAX; size += 1 + size / 300) {
      size_t good = fe_heap_good_size(heap, size);
      assert_int_equal(cost(heap, size), cost(heap, good));
      assert_true(cost(heap, good + 1) > cost(heap, good));
    }
    assert_int_equal(fe_heap_used_bytes(heap), before);
    fe_heap_destroy(heap);
  }
}

static void a_finer_granule_wastes_less(void **state) {
  (void)state;
  fe_heap_options_t options = {.granule = 8};
  fe_heap_t *fine = fe_heap_create(&options);
  assert_non_null(fine);
  assert_int_equal(fe_heap_good_size(fine, 17), 24);
  assert_int_equal(fe_good_size(17), (17 + GRANULE - 1) / GRANULE * GRANULE);
  fe_heap_destroy(fine);
}

static void an_impossible_size_comes_back(void **state) {
  (void)state;
  assert_true(fe_good_size(SIZE_MAX) == SIZE_MAX);
  assert_true(fe_good_size(SIZE_MAX - 3) == SIZE_MAX - 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(frees_with_sizes_free),       test_that(null_is_no_block),
      test_that(another_thread_may_free),     test_that(a_wrong_size_or_alignment_ends_the_program),
      test_that(the_good_size_fits),          test_that(the_good_size_costs_no_more),
      test_that(a_finer_granule_wastes_less), test_that(an_impossible_size_comes_back),
  };
  return cmocka_run_group_tests_name("sized", tests, NULL, NULL);
}
