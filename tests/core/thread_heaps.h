/* What the tests of fe_arenas_thread_heap share: arenas on a region or on the kernel's memory, and
 * what threads do there. */
#ifndef FERROC_TESTS_THREAD_HEAPS_H
#define FERROC_TESTS_THREAD_HEAPS_H

#include <pthread.h>

#include "tests/core/figures.h"

#define REGION_BYTES (40 * UNIT_BYTES)
static char region[REGION_BYTES];

static inline bool is_in_region(const void *block, size_t size) {
  const char *start = block;
  return start >= region && start + size <= region + REGION_BYTES;
}

static inline fe_arenas_t *arenas_on_region(void) {
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, region, sizeof region);
  require(arenas != NULL);
  return arenas;
}

static inline fe_arenas_t *arenas_on_kernel(void) {
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_mmap, NULL, 0);
  require(arenas != NULL);
  return arenas;
}

static inline fe_heap_t *own_heap(fe_arenas_t *arenas) {
  fe_heap_t *heap = fe_arenas_thread_heap(arenas);
  require(heap != NULL);
  return heap;
}

static inline size_t heap_count(fe_arenas_t *arenas) {
  fe_trim();
  return sum_of(arenas).heap_count;
}

/* From the smallest to one that is a chunk of its own, where the base has such. */
static const size_t sizes[] = {10, 700, 5000, MEDIUM_MAX, 3 * UNIT_BYTES};
enum { SIZE_COUNT = sizeof sizes / sizeof sizes[0] };

/* What a thread is told, and what it tells. */
typedef struct report {
  fe_arenas_t *arenas;
  fe_heap_t *heap;
  char *blocks[SIZE_COUNT];
} report_t;

static inline void note_heap(void *argument) {
  report_t *report = argument;
  report->heap = own_heap(report->arenas);
}

static inline void leave_blocks(void *argument) {
  report_t *report = argument;
  note_heap(report);
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    report->blocks[i] = fe_heap_alloc(report->heap, sizes[i]);
    require(report->blocks[i] != NULL);
    pattern_fill(report->blocks[i], sizes[i], i);
  }
}

static inline void free_blocks(void *argument) {
  report_t *report = argument;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    require(pattern_holds(report->blocks[i], sizes[i], i));
    fe_free(report->blocks[i]);
  }
}

static pthread_barrier_t all_are_here;

static inline void *note_heap_together(void *argument) {
  note_heap(argument);
  pthread_barrier_wait(&all_are_here);
  return NULL;
}

enum { TOGETHER = 8 };

#endif /* FERROC_TESTS_THREAD_HEAPS_H */
