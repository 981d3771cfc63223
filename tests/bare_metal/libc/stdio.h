/* What the tests take from <stdio.h>; in libc.c. There is one stream, and no buffer. */
#ifndef FERROC_TESTS_BARE_METAL_STDIO_H
#define FERROC_TESTS_BARE_METAL_STDIO_H

#include <stdarg.h>
#include <stddef.h>

typedef struct FILE FILE;
#define stdout ((FILE *)0)
#define stderr ((FILE *)0)

/* Know %s, %p, %c, %d, %i, %u and %x, with z, l or ll before it where that makes sense. */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int fprintf(FILE *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));
int vprintf(const char *format, va_list arguments);
int fflush(FILE *stream);

#endif /* FERROC_TESTS_BARE_METAL_STDIO_H */
