/* The C library of the tests on machines without one: just what they call. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bare_metal/machine/machine.h"

/* -- Memory and text: words where both sides are aligned, else bytes. The build sees to it that no
 * loop becomes a call of the function that it is in. -- */

typedef uintptr_t __attribute__((may_alias)) word_t;

static size_t whole_words(uintptr_t addresses, size_t size) {
  return addresses % sizeof(word_t) == 0 ? size / sizeof(word_t) : 0;
}

static void copy_forwards(char *to, const char *from, size_t size) {
  size_t words = whole_words((uintptr_t)to | (uintptr_t)from, size);
  for (size_t i = 0; i < words; i++) ((word_t *)to)[i] = ((const word_t *)from)[i];
  for (size_t i = words * sizeof(word_t); i < size; i++) to[i] = from[i];
}

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  copy_forwards(to, from, size);
  return to;
}

void *memmove(void *to, const void *from, size_t size) {
  char *target = to;
  const char *source = from;
  if (target <= source) {
    copy_forwards(target, source, size);
  } else {
    for (size_t i = size; i > 0; i--) target[i - 1] = source[i - 1];
  }
  return to;
}

void *memset(void *start, int byte, size_t size) {
  size_t words = whole_words((uintptr_t)start, size);
  word_t pattern = (word_t)-1 / 255 * (unsigned char)byte;
  for (size_t i = 0; i < words; i++) ((word_t *)start)[i] = pattern;
  for (size_t i = words * sizeof(word_t); i < size; i++) ((char *)start)[i] = (char)byte;
  return start;
}

int memcmp(const void *left, const void *right, size_t size) {
  const unsigned char *a = left;
  const unsigned char *b = right;
  size_t words = whole_words((uintptr_t)left | (uintptr_t)right, size);
  size_t i = 0;
  while (i < words && ((const word_t *)left)[i] == ((const word_t *)right)[i]) i++;
  for (i *= sizeof(word_t); i < size; i++) {
    if (a[i] != b[i]) return a[i] - b[i];
  }
  return 0;
}

char *strcpy(char *restrict to, const char *restrict from) {
  return memcpy(to, from, strlen(from) + 1);
}

char *strstr(const char *text, const char *wanted) {
  size_t length = strlen(wanted);
  for (size_t left = strlen(text); left >= length; left--, text++) {
    if (memcmp(text, wanted, length) == 0) return (char *)text;
  }
  return NULL;
}

/* -- Output -- */

typedef struct conversion {
  bool is_long_long;
  bool is_long;
  bool is_size;
} conversion_t;

static void write_number(unsigned long long value, unsigned base, bool is_negative) {
  char text[24];
  char *first = text + sizeof text;
  do {
    *--first = "0123456789abcdef"[value % base];
    value /= base;
  } while (value > 0);
  if (is_negative) *--first = '-';
  machine_write(first, (size_t)(text + sizeof text - first));
}

static unsigned long long unsigned_argument(const conversion_t *conversion, va_list *arguments) {
  if (conversion->is_long_long) return va_arg(*arguments, unsigned long long);
  if (conversion->is_long) return va_arg(*arguments, unsigned long);
  if (conversion->is_size) return va_arg(*arguments, size_t);
  return va_arg(*arguments, unsigned);
}

static long long signed_argument(const conversion_t *conversion, va_list *arguments) {
  if (conversion->is_long_long) return va_arg(*arguments, long long);
  if (conversion->is_long) return va_arg(*arguments, long);
  if (conversion->is_size) return (long long)va_arg(*arguments, size_t);
  return va_arg(*arguments, int);
}

static void write_argument(const conversion_t *conversion, char kind, va_list *arguments) {
  if (kind == 's') {
    const char *text = va_arg(*arguments, const char *);
    machine_write(text, strlen(text));
  } else if (kind == 'c') {
    char c = (char)va_arg(*arguments, int);
    machine_write(&c, 1);
  } else if (kind == 'p') {
    machine_write("0x", 2);
    write_number((uintptr_t)va_arg(*arguments, void *), 16, false);
  } else if (kind == 'd' || kind == 'i') {
    long long value = signed_argument(conversion, arguments);
    write_number(value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value, 10,
                 value < 0);
  } else if (kind == 'u' || kind == 'x') {
    write_number(unsigned_argument(conversion, arguments), kind == 'x' ? 16 : 10, false);
  } else {
    machine_write(&kind, 1);
  }
}

/* Writes what stands behind a percent sign; returns the conversion's last character. */
static const char *convert(const char *format, va_list *arguments) {
  conversion_t conversion = {false, false, false};
  for (; *format == 'z' || *format == 'l'; format++) {
    conversion.is_long_long = conversion.is_long;
    conversion.is_long = *format == 'l';
    conversion.is_size = *format == 'z';
  }
  write_argument(&conversion, *format, arguments);
  return format;
}

static void write_formatted(const char *format, va_list *arguments) {
  while (*format != '\0') {
    const char *next = strchr(format, '%');
    if (next == NULL) next = format + strlen(format);
    machine_write(format, (size_t)(next - format));
    format = *next == '\0' ? next : convert(next + 1, arguments) + 1;
  }
}

int vprintf(const char *format, va_list arguments) {
  va_list copy;
  va_copy(copy, arguments);
  write_formatted(format, &copy);
  va_end(copy);
  return 0;
}

int printf(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_formatted(format, &arguments);
  va_end(arguments);
  return 0;
}

int fprintf(FILE *stream, const char *format, ...) {
  (void)stream;
  va_list arguments;
  va_start(arguments, format);
  write_formatted(format, &arguments);
  va_end(arguments);
  return 0;
}

int fflush(FILE *stream) {
  (void)stream;
  return 0;
}

/* -- The rest -- */

_Noreturn void abort(void) { machine_exit(98); }

char *getenv(const char *name) {
  /* A walk as long as on a real machine would take minutes in an emulator. */
  return strcmp(name, "FERROC_TEST_STEPS") == 0 ? "30000" : NULL;
}

unsigned long long strtoull(const char *text, char **end, int base) {
  (void)base;
  unsigned long long value = 0;
  for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (unsigned)(*text - '0');
  if (end != NULL) *end = (char *)text;
  return value;
}

static void swap_bytes(char *a, char *b, size_t size) {
  for (size_t i = 0; i < size; i++) {
    char kept = a[i];
    a[i] = b[i];
    b[i] = kept;
  }
}

/* Lets the item at `root` sink in a heap of `count` items. */
static void sink(char *items, size_t root, size_t count, size_t item_size,
                 int (*compare)(const void *left, const void *right)) {
  for (size_t child; (child = 2 * root + 1) < count; root = child) {
    char *larger = items + child * item_size;
    if (child + 1 < count && compare(larger, larger + item_size) < 0) {
      larger += item_size;
      child++;
    }
    if (compare(items + root * item_size, larger) >= 0) return;
    swap_bytes(items + root * item_size, larger, item_size);
  }
}

/* Heapsort: its worst case is as good as the others, and it needs no stack. */
void qsort(void *items, size_t count, size_t item_size,
           int (*compare)(const void *left, const void *right)) {
  for (size_t i = count / 2; i > 0; i--) sink(items, i - 1, count, item_size, compare);
  for (size_t left = count; left > 1; left--) {
    swap_bytes(items, (char *)items + (left - 1) * item_size, item_size);
    sink(items, 0, left - 1, item_size, compare);
  }
}
