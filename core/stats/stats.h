/* What the files of this floor share: walking over the shards of all heaps, and sums of figures. */
#ifndef FERROC_CORE_STATS_STATS_H
#define FERROC_CORE_STATS_STATS_H

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

/* Publishes what the calling thread did in its own heap, if it has one. */
void fe_stats_refresh_thread_heap(void);

/* Without a look at struct_size, which is not set. */
void fe_stats_of_heap(const fe_heap_t *heap, fe_heap_stats_t *stats);
void fe_stats_of_all(fe_arenas_t *arenas, fe_heap_stats_t *stats);
void fe_stats_of_arenas(fe_arenas_t *arenas, fe_arenas_stats_t *stats);

/* The members "arenas" and "heaps" of a JSON object. */
void fe_stats_put_json(fe_text_t *text, fe_arenas_t *arenas);

#endif /* FERROC_CORE_STATS_STATS_H */
