/* Arrays: reallocation by count and size, with the product checked, and with what is new zeroed. */
#include <errno.h>
#include <string.h>

#include "core/global/global.h"

/* count * size; SIZE_MAX, which no block has, when that overflows. */
static size_t array_bytes(size_t count, size_t size) {
  size_t bytes;
  return __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes;
}

void *fe_reallocarray(void *ptr, size_t count, size_t size) {
  return fe_realloc(ptr, array_bytes(count, size));
}

void *fe_heap_reallocarray(fe_heap_t *heap, void *ptr, size_t count, size_t size) {
  return fe_heap_realloc(heap, ptr, array_bytes(count, size));
}

/* Everything behind the elements is zero all the time, for the next growth: so only what a
 * reallocation added, or cut off, has to be zeroed. */
void *fe_heap_recalloc(fe_heap_t *heap, void *ptr, size_t count, size_t size) {
  if (ptr == NULL) return fe_heap_calloc(heap, count, size);
  size_t bytes = array_bytes(count, size);
  size_t kept = fe_malloc_size(ptr);
  if (bytes < kept) kept = bytes;
  char *block = fe_heap_realloc(heap, ptr, bytes);
  if (block == NULL) return NULL;
  memset(block + kept, 0, fe_malloc_size(block) - kept);
  return block;
}

void *fe_recalloc(void *ptr, size_t count, size_t size) {
  fe_heap_t *heap = fe_thread_heap();
  return heap == NULL ? NULL : fe_heap_recalloc(heap, ptr, count, size);
}
