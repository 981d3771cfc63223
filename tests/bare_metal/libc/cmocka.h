/* Stands in for cmocka where there is no C library: the part of its interface that the core's tests
 * use, with the same meaning and output. One difference: the first failure ends the program, since
 * that needs no way back out of the middle of a test. */
#ifndef FERROC_TESTS_BARE_METAL_CMOCKA_H
#define FERROC_TESTS_BARE_METAL_CMOCKA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef void (*CMUnitTestFunction)(void **state);
typedef int (*CMFixtureFunction)(void **state);

struct CMUnitTest {
  const char *name;
  CMUnitTestFunction test_func;
  CMFixtureFunction setup_func;
  CMFixtureFunction teardown_func;
};

#define cmocka_unit_test(function) \
  { #function, function, NULL, NULL }
#define cmocka_unit_test_setup_teardown(function, setup, teardown) \
  { #function, function, setup, teardown }

int cmocka_run_tests(const char *group, const struct CMUnitTest *tests, size_t count,
                     CMFixtureFunction setup, CMFixtureFunction teardown);

#define cmocka_run_group_tests_name(group, tests, setup, teardown) \
  cmocka_run_tests(group, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests(tests, setup, teardown) \
  cmocka_run_group_tests_name(#tests, tests, setup, teardown)

/* Ends the running test, and the program with it, as failed. */
_Noreturn void cmocka_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline void cmocka_expect(bool holds, const char *text, const char *file, int line) {
  if (!holds) cmocka_fail(file, line, "not true: %s", text);
}

static inline void cmocka_expect_equal(long long left, long long right, const char *file,
                                       int line) {
  if (left != right) cmocka_fail(file, line, "0x%llx != 0x%llx", left, right);
}

static inline void cmocka_expect_different(long long left, long long right, const char *file,
                                           int line) {
  if (left == right) cmocka_fail(file, line, "0x%llx == 0x%llx", left, right);
}

void cmocka_expect_same_text(const char *left, const char *right, const char *file, int line);

#define print_message(...) ((void)printf(__VA_ARGS__))
#define print_error(...) ((void)printf(__VA_ARGS__))
#define fail_msg(...) cmocka_fail(__FILE__, __LINE__, __VA_ARGS__)
#define fail() cmocka_fail(__FILE__, __LINE__, "%s", "")

#define assert_true(condition) cmocka_expect((condition), #condition, __FILE__, __LINE__)
#define assert_false(condition) cmocka_expect(!(condition), "!(" #condition ")", __FILE__, __LINE__)
#define assert_non_null(pointer) \
  cmocka_expect((pointer) != NULL, #pointer " != NULL", __FILE__, __LINE__)
#define assert_null(pointer) \
  cmocka_expect((pointer) == NULL, #pointer " == NULL", __FILE__, __LINE__)
#define assert_int_equal(left, right) \
  cmocka_expect_equal((long long)(left), (long long)(right), __FILE__, __LINE__)
#define assert_int_not_equal(left, right) \
  cmocka_expect_different((long long)(left), (long long)(right), __FILE__, __LINE__)
#define assert_ptr_equal(left, right) \
  cmocka_expect_equal((intptr_t)(left), (intptr_t)(right), __FILE__, __LINE__)
#define assert_ptr_not_equal(left, right) \
  cmocka_expect_different((intptr_t)(left), (intptr_t)(right), __FILE__, __LINE__)
#define assert_in_range(value, least, most)              \
  cmocka_expect((value) >= (least) && (value) <= (most), \
                #least " <= " #value " && " #value " <= " #most, __FILE__, __LINE__)
#define assert_memory_equal(left, right, size) \
  cmocka_expect(memcmp(left, right, size) == 0, "equal: " #left ", " #right, __FILE__, __LINE__)
#define assert_string_equal(left, right) cmocka_expect_same_text(left, right, __FILE__, __LINE__)

#endif /* FERROC_TESTS_BARE_METAL_CMOCKA_H */
