/* What the tests of the overriding library share. They are built like any program that knows
 * nothing of ferroc: whether it is there is asked of the process. */
#ifndef FERROC_TESTS_OVERRIDE_SUPPORT_H
#define FERROC_TESTS_OVERRIDE_SUPPORT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cmocka.h needs the standard headers above before it. */
#include <cmocka.h>

/* Whether ptr lies in memory of the ferroc that this process has; false when it has none. */
bool is_ferrocs(const void *ptr);

/* For threads and child processes, where cmocka's assertions (a longjmp) must not be used. */
#define require(condition)                            \
  do {                                                \
    if (!(condition)) {                               \
      require_failed(__FILE__, __LINE__, #condition); \
    }                                                 \
  } while (0)
void require_failed(const char *file, int line, const char *condition);

/* Runs body in a child process; returns the status as waitpid gives it, and what the child wrote to
 * stderr, the first of it. A child that hangs is ended. */
int run_in_child(void (*body)(void), char *errors, size_t errors_size);

/* Asserts that body returned in a child of its own. */
void assert_child_succeeds(void (*body)(void));

#ifdef __cplusplus
}
#endif

#endif /* FERROC_TESTS_OVERRIDE_SUPPORT_H */
