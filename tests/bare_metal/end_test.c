/* With the option on_error set to abort, an error of the caller ends the program: a message, then
 * an instruction that no processor knows. */
#include "tests/core/support.h"

static void an_error_of_the_caller_ends_the_program(void **state) {
  (void)state;
  assert_true(fe_option_set("on_error", "abort"));
  fe_heap_options_t options = {.granule = 3};
  fe_heap_create(&options);
  print_message("it does not\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_error_of_the_caller_ends_the_program),
  };
  return cmocka_run_group_tests_name("end", tests, NULL, NULL);
}
