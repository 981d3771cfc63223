/* What the tests of runs that wait for large blocks share (core/heap/large_bins.h). */
#ifndef FERROC_TESTS_LARGE_RUNS_H
#define FERROC_TESTS_LARGE_RUNS_H

#include "tests/core/figures.h"

/* In units: the longest run that waits, and so many of those that do in any case. */
enum { LONGEST = UNITS_PER_SLAB * 15 / 32, SOME = LONGEST / 2 };

/* The block that fills so many units, but for a quarter of one. */
static inline size_t units(size_t count) { return count * UNIT_BYTES - UNIT_BYTES / 4 - TRAILER; }

static inline void *new_block(fe_heap_t *heap, size_t size) {
  void *block = fe_heap_alloc(heap, size);
  require(block != NULL);
  pattern_fill(block, size, size);
  return block;
}

/* A heap in which a run waits, and a block lives besides. */
static inline fe_heap_t *heap_with_run(fe_context_t *context, size_t unit_count) {
  fe_heap_t *heap = new_heap(context);
  void *block = new_block(heap, units(unit_count));
  new_block(heap, units(1));
  fe_heap_free(heap, block);
  return heap;
}

/* What is committed for a heap that has nothing but large blocks, and not for those that live. */
static inline size_t waiting_bytes(const fe_heap_t *heap) {
  fe_heap_stats_t stats = peek(heap);
  size_t shards = 1 + stats.shard_count + stats.mixed_shard_count;
  return stats.committed_bytes - shards * UNIT_BYTES - stats.large_used_bytes;
}

static inline void assert_waits(const fe_heap_t *heap, size_t unit_count) {
  assert_int_equal(waiting_bytes(heap), IS_CHECKED ? 0 : unit_count * UNIT_BYTES);
}

#endif /* FERROC_TESTS_LARGE_RUNS_H */
