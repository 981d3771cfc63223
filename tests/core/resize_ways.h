/* The two functions that change the size of a heap's block, for tests that hold for both. */
#ifndef FERROC_TESTS_RESIZE_WAYS_H
#define FERROC_TESTS_RESIZE_WAYS_H

#include "tests/core/support.h"

typedef void *resize_t(fe_heap_t *heap, void *block, size_t old_size, size_t size);

static void *by_realloc(fe_heap_t *heap, void *block, size_t old_size, size_t size) {
  (void)old_size;
  return fe_heap_realloc(heap, block, size);
}

static void *by_resize(fe_heap_t *heap, void *block, size_t old_size, size_t size) {
  return fe_heap_resize(heap, block, old_size, size);
}

static resize_t *const ways[] = {by_realloc, by_resize};
enum { WAY_COUNT = 2 };

#endif /* FERROC_TESTS_RESIZE_WAYS_H */
