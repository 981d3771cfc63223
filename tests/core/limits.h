/* What tests of limits that several heaps share have in common. */
#ifndef FERROC_TESTS_LIMITS_H
#define FERROC_TESTS_LIMITS_H

#include "tests/core/figures.h"

static inline fe_heap_t *heap_under(fe_heap_t *parent) {
  fe_heap_options_t options = {.parent = parent};
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  return heap;
}

/* Of a heap, or, NULL, of the process; 0 lifts it. */
static inline void limit_to(fe_heap_t *heap, size_t bytes) {
  char text[32];
  snprintf(text, sizeof text, "%zu", bytes);
  if (heap == NULL) {
    require(fe_option_set("memory_limit", text));
  } else {
    fe_heap_set_limit(heap, bytes);
  }
}

#endif /* FERROC_TESTS_LIMITS_H */
