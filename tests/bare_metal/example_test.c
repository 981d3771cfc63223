/* Example: ferroc where there is no operating system.
 *
 * Link the library that `bazel build --config=release //core:bare_metal_arm` makes, and compile
 * with -DFE_FREESTANDING. A program has memory where its linker script or its hardware says; here
 * it is a variable.
 */
#include "tests/core/support.h"

/* Messages go where the program sends them: a serial line, a log in memory. */
static size_t message_count;

static void log_message(const char *line, size_t length) {
  (void)line;
  (void)length;
  message_count++;
}

/* fe_malloc and its family have no memory until some is handed in, and what they get is all they
 * ever use. */
static void memory_is_handed_in(void **state) {
  (void)state;
  static char more_memory[256 * 1024];
  assert_true(fe_arenas_manage(NULL, more_memory, sizeof more_memory));
  int *numbers = fe_calloc(10, sizeof(int));
  assert_non_null(numbers); /* else NULL, and fe_errno is ENOMEM */
  numbers[9] = 81;
  numbers = fe_realloc(numbers, 100 * sizeof(int));
  assert_non_null(numbers);
  assert_int_equal(numbers[9], 81);
  fe_free(numbers);
}

/* A part of the program may have memory for itself alone: a heap on a region of its own. When it
 * is full, allocations give NULL; after a free they work again. At the end all goes in one step,
 * and the region is the program's again. */
static void a_heap_on_a_region_of_its_own(void **state) {
  (void)state;
  static char region[128 * 1024];
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, region, sizeof region);
  assert_non_null(arenas);
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_options_t options = {.context = context};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);

  void *last = NULL;
  for (void *block; (block = fe_heap_alloc(heap, 1000)) != NULL;) {
    last = block;
  }
  assert_int_equal(errno, ENOMEM);
  fe_heap_free(heap, last);
  assert_non_null(fe_heap_alloc(heap, 1000));

  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
}

/* What the program does wrong is said, and refused. */
static void messages(void **state) {
  (void)state;
  fe_set_message_function(log_message);
  assert_false(fe_arenas_manage(NULL, NULL, 0));
  assert_int_equal(errno, EINVAL);
  assert_int_equal(message_count, 1);
  fe_set_message_function(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(memory_is_handed_in),
      test_that(a_heap_on_a_region_of_its_own),
      test_that(messages),
  };
  return cmocka_run_group_tests_name("example", tests, NULL, NULL);
}
