/* FE_VERSION, and the library that says which one it is. */
#include "tests/core/support.h"

static void the_number_is_made_of_the_three_parts(void **state) {
  (void)state;
  assert_int_equal(FE_VERSION / 10000, FE_VERSION_MAJOR);
  assert_int_equal(FE_VERSION / 100 % 100, FE_VERSION_MINOR);
  assert_int_equal(FE_VERSION % 100, FE_VERSION_PATCH);
}

static void the_text_is_made_of_the_three_parts(void **state) {
  (void)state;
  char text[40];
  snprintf(text, sizeof text, "%d.%d.%d", FE_VERSION_MAJOR, FE_VERSION_MINOR, FE_VERSION_PATCH);
  assert_string_equal(FE_VERSION_STRING, text);
}

static void a_library_has_the_version_of_the_header_that_it_was_built_with(void **state) {
  (void)state;
  assert_int_equal(fe_version(), FE_VERSION);
  assert_string_equal(fe_version_string(), FE_VERSION_STRING);
}

#if FE_VERSION < 1
#error "the preprocessor can compare versions"
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(the_number_is_made_of_the_three_parts),
      test_that(the_text_is_made_of_the_three_parts),
      test_that(a_library_has_the_version_of_the_header_that_it_was_built_with),
  };
  return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
