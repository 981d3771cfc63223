/* Where there is no C library: what the core takes from <string.h>. The first four are those that
 * compilers call by themselves, so every program without a C library has them. */
#ifndef FERROC_CORE_BARE_METAL_STRING_H
#define FERROC_CORE_BARE_METAL_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *start, int byte, size_t size);
int memcmp(const void *left, const void *right, size_t size);

static inline size_t strnlen(const char *text, size_t size_max) {
  size_t length = 0;
  while (length < size_max && text[length] != '\0') length++;
  return length;
}

static inline size_t strlen(const char *text) { return strnlen(text, (size_t)-1); }

static inline int strcmp(const char *left, const char *right) {
  while (*left != '\0' && *left == *right) {
    left++;
    right++;
  }
  return (unsigned char)*left - (unsigned char)*right;
}

static inline char *strchr(const char *text, int wanted) {
  while (*text != (char)wanted && *text != '\0') text++;
  return *text == (char)wanted ? (char *)text : NULL;
}

#endif /* FERROC_CORE_BARE_METAL_STRING_H */
