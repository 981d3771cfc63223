/* fe_strdup, fe_strndup and fe_realpath: what POSIX says of the functions without fe_, in blocks of
 * ferroc's.
 */
#include "tests/core/support.h"

#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_copy(char *copy, const char *text) {
  assert_non_null(copy);
  assert_true(fe_owns(copy));
  assert_string_equal(copy, text);
  assert_true(fe_malloc_size(copy) > strlen(text));
  fe_free(copy);
}

static void a_copy_is_a_block_with_the_same_text(void **state) {
  (void)state;
  static char text[100001];
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  for (size_t length = 0; length < sizeof(text); length = length * 2 + 1) {
    memset(text, 'a' + (int)(length % 26), length);
    text[length] = '\0';
    assert_copy(fe_strdup(text), text);
    char *copy = fe_heap_strdup(heap, text);
    assert_true(fe_heap_contains(heap, copy));
    assert_copy(copy, text);
  }
  for (size_t length = 0; length < 200; length++) { /* some fill their blocks */
    memset(text, 'b', length);
    text[length] = '\0';
    assert_copy(fe_strdup(text), text);
  }
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

static void strndup_takes_the_shorter_of_text_and_length(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  assert_copy(fe_strndup("memory", 3), "mem");
  assert_copy(fe_strndup("memory", 0), "");
  assert_copy(fe_strndup("memory", 6), "memory");
  assert_copy(fe_strndup("memory", SIZE_MAX), "memory");
  assert_copy(fe_heap_strndup(heap, "memory", 3), "mem");
  assert_copy(fe_heap_strndup(heap, "memory", SIZE_MAX), "memory");
  fe_heap_destroy(heap);
}

static void strndup_needs_no_zero_within_its_length(void **state) {
  (void)state;
  enum { PAGE = 65536 };
  char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(pages != MAP_FAILED && mprotect(pages + PAGE, PAGE, PROT_NONE) == 0);
  char *no_string = memcpy(pages + PAGE - 4, "abcd", 4);
  assert_copy(fe_strndup(no_string, 4), "abcd");
  assert_int_equal(munmap(pages, 2 * PAGE), 0);
}

static void a_limit_refuses_a_copy(void **state) {
  (void)state;
  static char text[3000];
  memset(text, 'x', sizeof(text) - 1);
  fe_heap_options_t options = {.memory_limit = 2000};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  errno = 0;
  assert_null(fe_heap_strdup(heap, text));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fe_heap_strndup(heap, text, 2500));
  assert_int_equal(errno, ENOMEM);
  assert_copy(fe_heap_strndup(heap, "short", 2500), "short");
  fe_heap_destroy(heap);
}

static void realpath_finds_what_the_system_finds(void **state) {
  (void)state;
  static const char *const paths[] = {"/", ".", "..", "/usr/../usr//bin/.", "/proc/self/exe"};
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
    char expected[PATH_MAX];
    assert_non_null(realpath(paths[i], expected));
    assert_copy(fe_realpath(paths[i], NULL), expected);
    assert_copy(fe_heap_realpath(heap, paths[i], NULL), expected);
    char resolved[PATH_MAX];
    assert_ptr_equal(fe_realpath(paths[i], resolved), resolved);
    assert_string_equal(resolved, expected);
    assert_ptr_equal(fe_heap_realpath(heap, paths[i], resolved), resolved);
    assert_string_equal(resolved, expected);
  }
  fe_heap_destroy(heap);
}

static void assert_no_path(const char *path, int expected_errno) {
  errno = 0;
  assert_null(fe_realpath(path, NULL));
  assert_int_equal(errno, expected_errno);
}

static void a_bad_path_is_refused_as_the_system_does(void **state) {
  (void)state;
  assert_no_path("/no/such/path", ENOENT);
  assert_no_path("", ENOENT);
  assert_no_path("/proc/self/exe/below", ENOTDIR);
  assert_no_path(NULL, EINVAL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_copy_is_a_block_with_the_same_text),
      test_that(strndup_takes_the_shorter_of_text_and_length),
      test_that(strndup_needs_no_zero_within_its_length),
      test_that(a_limit_refuses_a_copy),
      test_that(realpath_finds_what_the_system_finds),
      test_that(a_bad_path_is_refused_as_the_system_does),
  };
  return cmocka_run_group_tests_name("strings", tests, NULL, NULL);
}
