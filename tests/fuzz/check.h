/* A check that holds in every build, and what is said when it does not. */
#ifndef FERROC_TESTS_FUZZ_CHECK_H
#define FERROC_TESTS_FUZZ_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define check(condition, ...)                           \
  do {                                                  \
    if (!(condition)) {                                 \
      fprintf(stderr, "\n%s:%d: ", __FILE__, __LINE__); \
      fprintf(stderr, __VA_ARGS__);                     \
      fprintf(stderr, " (not true: %s)\n", #condition); \
      abort();                                          \
    }                                                   \
  } while (0)

#endif /* FERROC_TESTS_FUZZ_CHECK_H */
