/* Runs the tests of a group one after the other; see cmocka.h. */
#include <cmocka.h>
#include <stdarg.h>
#include <string.h>

#include "tests/bare_metal/machine/machine.h"

/* The names of the group's tests that need what this machine does not have, each with a space in
 * front and behind; from the build. */
#ifndef FERROC_TESTS_LEFT_OUT
#error "FERROC_TESTS_LEFT_OUT must say which tests are left out, in quotes"
#endif
static const char left_out[] = FERROC_TESTS_LEFT_OUT;

static const char *running_test;

static bool is_left_out(const char *name) {
  size_t length = strlen(name);
  for (const char *place = left_out; (place = strstr(place, name)) != NULL; place++) {
    if (place > left_out && place[-1] == ' ' && place[length] == ' ') return true;
  }
  return false;
}

_Noreturn void cmocka_fail(const char *file, int line, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  printf("\n%s:%d: error: Failure!\n[  FAILED  ] %s\n", file, line, running_test);
  machine_exit(1);
}

void cmocka_expect_same_text(const char *left, const char *right, const char *file, int line) {
  if (strcmp(left, right) != 0) cmocka_fail(file, line, "\"%s\" != \"%s\"", left, right);
}

static void run_fixture(CMFixtureFunction fixture, void **state) {
  if (fixture != NULL && fixture(state) != 0) {
    cmocka_fail(__FILE__, __LINE__, "the setup or teardown says so");
  }
}

static void run_test(const struct CMUnitTest *test) {
  void *state = NULL;
  printf("[ RUN      ] %s\n", test->name);
  run_fixture(test->setup_func, &state);
  test->test_func(&state);
  run_fixture(test->teardown_func, &state);
  printf("[       OK ] %s\n", test->name);
}

/* A list with names that no test has would say that something is not tested that is, or that is
 * gone. */
static void check_left_out(size_t count) {
  size_t names = 0;
  for (const char *c = left_out; *c != '\0'; c++) {
    if (c[0] == ' ' && c[1] != ' ' && c[1] != '\0') names++;
  }
  if (names != count) {
    cmocka_fail(__FILE__, __LINE__, "%zu tests of%sare in this group", count, left_out);
  }
}

int cmocka_run_tests(const char *group, const struct CMUnitTest *tests, size_t count,
                     CMFixtureFunction setup, CMFixtureFunction teardown) {
  void *state = NULL;
  size_t left_out_count = 0;
  running_test = group;
  printf("[==========] Running %zu test(s) in group %s.\n", count, group);
  run_fixture(setup, &state);
  for (size_t i = 0; i < count; i++) {
    running_test = tests[i].name;
    if (is_left_out(tests[i].name)) {
      left_out_count++;
      printf("left out: %s\n", tests[i].name);
    } else {
      run_test(&tests[i]);
    }
  }
  running_test = group;
  run_fixture(teardown, &state);
  check_left_out(left_out_count);
  printf("[==========] %zu test(s) run.\n", count - left_out_count);
  return 0;
}
