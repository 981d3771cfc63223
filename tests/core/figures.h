/* Figures as the tests of figures ask for them. */
#ifndef FERROC_TESTS_FIGURES_H
#define FERROC_TESTS_FIGURES_H

#include "tests/core/support.h"

/* Enough blocks of one size for several shards, some of them full. */
#define MANY 5000

/* What to ask for to get a block of so many bytes. */
#define BLOCK(size) ((size)-TRAILER)

static inline fe_heap_stats_t stats_of(fe_heap_t *heap) {
  fe_heap_stats_t stats = {.struct_size = sizeof stats};
  require(fe_heap_stats(heap, &stats));
  return stats;
}

static inline fe_heap_stats_t peek(const fe_heap_t *heap) {
  fe_heap_stats_t stats = {.struct_size = sizeof stats};
  require(fe_heap_stats_peek(heap, &stats));
  return stats;
}

static inline fe_heap_stats_t sum_of(fe_arenas_t *arenas) {
  fe_heap_stats_t stats = {.struct_size = sizeof stats};
  require(fe_stats(arenas, &stats));
  return stats;
}

static inline fe_arenas_stats_t arenas_stats_of(fe_arenas_t *arenas) {
  fe_arenas_stats_t stats = {.struct_size = sizeof stats};
  require(fe_arenas_stats(arenas, &stats));
  return stats;
}

static inline fe_heap_t *new_heap(fe_context_t *context) {
  fe_heap_options_t options = {.context = context};
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  return heap;
}

#endif /* FERROC_TESTS_FIGURES_H */
