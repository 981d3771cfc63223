/* fe_new in a C program: it needs no C++ library, and brings none in; without one there is nobody
 * to throw an exception, so fe_new ends the program with a message when there is no memory.
 */
#include "tests/core/support.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/wait.h>

static void there_is_no_cxx_library_here(void **state) {
  (void)state;
  assert_null(dlsym(RTLD_DEFAULT, "_ZSt17__throw_bad_allocv"));
}

static void it_allocates(void **state) {
  (void)state;
  fe_free(fe_new(100));
  fe_free(fe_new_nothrow(100));
  void *block = fe_new_aligned(100, 4096);
  assert_true(aligned_to(block, 4096));
  fe_free(block);
  block = fe_new_aligned_nothrow(100, 4096);
  assert_true(aligned_to(block, 4096));
  fe_free(block);
}

static void the_nothrow_forms_return_null(void **state) {
  (void)state;
  assert_null(fe_new_nothrow(SIZE_MAX));
  assert_null(fe_new_aligned_nothrow(SIZE_MAX, 64));
  assert_null(fe_new_aligned_nothrow(100, 3));
}

static void ask_too_much(void *argument) {
  (void)argument;
  (void)fe_new(SIZE_MAX - 100);
}

static void ask_for_a_wrong_alignment(void *argument) {
  (void)argument;
  (void)fe_new_aligned(100, 3);
}

static void assert_ends_with_a_message(void (*body)(void *argument), const char *text) {
  child_result_t result;
  run_in_child(&result, body, NULL);
  assert_true(WIFSIGNALED(result.status));
  assert_int_equal(WTERMSIG(result.status), SIGABRT);
  assert_non_null(strstr(result.errors, text));
}

static void the_others_end_the_program_with_a_message(void **state) {
  (void)state;
  char text[40];
  snprintf(text, sizeof text, "%zu bytes", SIZE_MAX - 100);
  assert_ends_with_a_message(ask_too_much, text);
  assert_ends_with_a_message(ask_for_a_wrong_alignment, "fe_new_nothrow return NULL");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(there_is_no_cxx_library_here),
      test_that(it_allocates),
      test_that(the_nothrow_forms_return_null),
      test_that(the_others_end_the_program_with_a_message),
  };
  return cmocka_run_group_tests_name("new_in_c", tests, NULL, NULL);
}
