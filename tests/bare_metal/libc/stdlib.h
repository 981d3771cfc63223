/* What the tests take from <stdlib.h>; in libc.c. */
#ifndef FERROC_TESTS_BARE_METAL_STDLIB_H
#define FERROC_TESTS_BARE_METAL_STDLIB_H

#include <stddef.h>

_Noreturn void abort(void);

/* Looks among what the build sets: there is no environment. */
char *getenv(const char *name);

/* Decimal digits only, whatever the base. */
unsigned long long strtoull(const char *text, char **end, int base);

void qsort(void *items, size_t count, size_t item_size,
           int (*compare)(const void *left, const void *right));

#endif /* FERROC_TESTS_BARE_METAL_STDLIB_H */
