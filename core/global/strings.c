/* Strings on the heap: copies, and paths. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/global/global.h"

/* A string of the first `length` bytes of text. */
static char *copy(fe_heap_t *heap, const char *text, size_t length) {
  char *block = fe_heap_alloc(heap, length + 1);
  if (block == NULL) return NULL;
  memcpy(block, text, length);
  block[length] = '\0';
  return block;
}

char *fe_heap_strdup(fe_heap_t *heap, const char *text) { return copy(heap, text, strlen(text)); }

char *fe_heap_strndup(fe_heap_t *heap, const char *text, size_t length_max) {
  return copy(heap, text, strnlen(text, length_max));
}

/* The C library finds the path, however long it is; it allocates it from its own malloc. */
char *fe_heap_realpath(fe_heap_t *heap, const char *path, char *resolved) {
  char *found = realpath(path, resolved);
  if (found == NULL || found == resolved) return found;
  char *block = fe_heap_strdup(heap, found);
  free(found);
  if (block == NULL) errno = ENOMEM;
  return block;
}

char *fe_strdup(const char *text) {
  fe_heap_t *heap = fe_thread_heap();
  return heap == NULL ? NULL : fe_heap_strdup(heap, text);
}

char *fe_strndup(const char *text, size_t length_max) {
  fe_heap_t *heap = fe_thread_heap();
  return heap == NULL ? NULL : fe_heap_strndup(heap, text, length_max);
}

char *fe_realpath(const char *path, char *resolved) {
  if (resolved != NULL) return realpath(path, resolved);
  fe_heap_t *heap = fe_thread_heap();
  return heap == NULL ? NULL : fe_heap_realpath(heap, path, resolved);
}
