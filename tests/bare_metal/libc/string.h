/* What the tests take besides what the core takes from <string.h>; in libc.c. */
#ifndef FERROC_TESTS_BARE_METAL_STRING_H
#define FERROC_TESTS_BARE_METAL_STRING_H

#include "core/bare_metal/include/string.h"

char *strcpy(char *restrict to, const char *restrict from);
char *strstr(const char *text, const char *wanted);

#endif /* FERROC_TESTS_BARE_METAL_STRING_H */
