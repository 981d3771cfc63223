/* Example: the functions that C programs know, under ferroc's names.
 *
 * Link //:ferroc, and the program keeps its own malloc: blocks that it gets by fe_ functions go
 * back by fe_ functions, and the others as before.
 */
#include "tests/core/support.h"

/* Allocate, grow, free: as with malloc, and from any thread. */
static void blocks(void **state) {
  (void)state;
  int *numbers = fe_calloc(10, sizeof(int)); /* all zero */
  assert_non_null(numbers);                  /* else NULL, and errno is ENOMEM */
  numbers[9] = 81;

  /* reallocarray looks for an overflow of 100 * sizeof(int); recalloc also zeroes what is new. */
  numbers = fe_recalloc(numbers, 100, sizeof(int));
  assert_non_null(numbers);
  assert_int_equal(numbers[9], 81);
  assert_int_equal(numbers[99], 0);
  assert_null(fe_reallocarray(numbers, SIZE_MAX / 2, sizeof(int))); /* too much: nothing changes */

  /* Who knows the size may say so; a debug build checks it. */
  fe_free_sized(numbers, 100 * sizeof(int));
}

/* A vector of one's own: ask for a size that leaves nothing unused. */
static void sizes(void **state) {
  (void)state;
  size_t capacity = fe_good_size(1000);
  assert_in_range(capacity, 1000, 1000 + 1000 / 8);
  char *text = fe_malloc(capacity);
  assert_non_null(text);
  assert_true(fe_malloc_size(text) >= capacity);
  fe_free(text);
}

/* Blocks that begin at a cache line, or at a page. */
static void alignment(void **state) {
  (void)state;
  void *line = fe_aligned_alloc(64, 200);
  assert_true(aligned_to(line, 64));
  fe_free_aligned_sized(line, 64, 200);

  void *page;
  assert_int_equal(fe_posix_memalign(&page, 4096, 10000), 0);
  assert_true(aligned_to(page, 4096));
  fe_free(page);
  assert_int_equal(fe_posix_memalign(&page, 100, 10000), EINVAL); /* no power of two */
}

static void strings(void **state) {
  (void)state;
  char *copy = fe_strdup("a heap of one's own");
  char *start = fe_strndup(copy, 6);
  char *path = fe_realpath("/usr/../", NULL);
  assert_string_equal(start, "a heap");
  assert_string_equal(path, "/");
  fe_free(path);
  fe_free(start);
  fe_free(copy);
}

/* The same functions on a heap that the program holds: what is forgotten goes with the heap. */
static void on_a_heap(void **state) {
  (void)state;
  fe_heap_options_t options = {.memory_limit = MIB};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  char *name = fe_heap_strdup(heap, "request 17");
  double *samples = fe_heap_calloc(heap, 1000, sizeof(double));
  samples = fe_heap_reallocarray(heap, samples, 2000, sizeof(double));
  assert_string_equal(name, "request 17");
  assert_true(fe_heap_used_bytes(heap) > 2000 * sizeof(double));
  assert_null(fe_heap_reallocarray(heap, samples, MIB, sizeof(double))); /* over the limit */
  fe_heap_destroy(heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(blocks),  test_that(sizes),     test_that(alignment),
      test_that(strings), test_that(on_a_heap),
  };
  return cmocka_run_group_tests_name("example_family", tests, NULL, NULL);
}
