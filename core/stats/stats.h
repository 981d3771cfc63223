/* What the files of this floor share: walking over the shards of all heaps, and sums of figures. */
#ifndef FERROC_CORE_STATS_STATS_H
#define FERROC_CORE_STATS_STATS_H

#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/slab/census.h"
#include "core/stats/text.h"

static inline fe_arenas_t *fe_arenas_or_default(fe_arenas_t *arenas) {
  return arenas != NULL ? arenas : &fe_arenas_default;
}

/* During a census: the next shard of a slab whose bit is in `heads`, which is cleared. */
static inline const fe_shard_t *fe_census_next(const fe_arena_t *arena, unsigned slab,
                                               fe_units_t *heads) {
  unsigned unit = (unsigned)fe_lowest_bit(*heads);
  *heads &= *heads - 1;
  return (const fe_shard_t *)fe_unit_address(arena, slab, unit);
}

/* The live blocks of a shard of blocks, during a census. */
static inline uint32_t fe_live_count_for_others(const fe_shard_t *shard) {
  uint32_t used = fe_shard_used(shard);
  uint32_t carved = fe_published_carved(fe_small_figure_get(&shard->published));
  return used < carved ? used : carved;
}

/* The most that the live bytes are known to have been, used_bytes now among it. */
static inline size_t fe_heap_peak_bytes(const fe_heap_t *heap, size_t used_bytes) {
  size_t noted = fe_figure_get(&heap->figures.peak_bytes);
  return noted > used_bytes ? noted : used_bytes;
}

/* Publishes what the calling thread did in its heap on these arenas, if it has one. */
void fe_stats_refresh_thread_heap(const fe_arenas_t *arenas);

/* Without a look at struct_size, which is not set. Of one heap: as it was published last. Of all:
 * false in a handler of a fork, who can only be told of the heaps that ended. */
void fe_stats_of_heap(const fe_heap_t *heap, fe_heap_stats_t *stats);
bool fe_stats_of_all(fe_arenas_t *arenas, fe_heap_stats_t *stats);
void fe_stats_of_arenas(fe_arenas_t *arenas, fe_arenas_stats_t *stats);

/* The members "arenas" and "heaps" of a JSON object. */
void fe_stats_put_json(fe_text_t *text, fe_arenas_t *arenas);

#endif /* FERROC_CORE_STATS_STATS_H */
