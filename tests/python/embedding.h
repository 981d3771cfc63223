/* What the embedding tests share: each test body runs in a child process of its own, since Python
 * can be taken through its life only once or twice, and what to run in it.
 */
#ifndef FERROC_TESTS_PYTHON_EMBEDDING_H
#define FERROC_TESTS_PYTHON_EMBEDDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka.h needs the standard headers above before it. */
#include <cmocka.h>

#include "bindings/python/ferroc_python.h"

/* Ends the child with a message when the condition does not hold. */
#define require(condition)                            \
  do {                                                \
    if (!(condition)) {                               \
      require_failed(__FILE__, __LINE__, #condition); \
    }                                                 \
  } while (0)
_Noreturn void require_failed(const char *file, int line, const char *condition);

/* Ends the child when the message is not NULL, or is NULL or lacks the words. */
void require_done(const char *message);
void require_refused(const char *message, const char *words);

/* Runs body in a child process, and fails the test when the child does not end with status 0. */
void assert_child_succeeds(void (*body)(void));

/* Initialises the Python that the tests are built for. */
void initialize_python(void);
void finalize_python(void);

/* Runs Python source, and ends the child when it raises. */
void run_python(const char *source);

/* Source that uses much of Python: containers, text, numbers, modules, files, threads, cycles. */
extern const char *const varied_work;

#endif /* FERROC_TESTS_PYTHON_EMBEDDING_H */
