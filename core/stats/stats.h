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

/* During a census: brings what others see of all heaps on the arenas up to date; see figures.h. */
void fe_stats_count_live(fe_arenas_t *arenas);

/* The live blocks of a shard of blocks, for a census. While the owner moves counts, these can be
 * anything; then they are looked at again, and at last it is what was published. */
static inline uint32_t fe_live_count_for_others(const fe_shard_t *shard) {
  uint32_t published = fe_small_figure_get(&shard->published);
  for (int looks = 0; looks < 4; looks++) {
    uint32_t live = fe_shard_used(shard);
    uint32_t before = published;
    published = fe_small_figure_get(&shard->published);
    if (published == before && live <= fe_published_carved(published)) return live;
  }
  return fe_published_live(published);
}

/* The live bytes of a heap as others see them. */
static inline size_t fe_heap_counted_bytes(const fe_heap_t *heap) {
  size_t bytes = fe_figure_get(&heap->nursery.used_bytes) + fe_figure_get(&heap->large_bytes);
  if (!fe_heap_has_more_figures(heap)) return bytes;
  const fe_more_figures_t *figures = fe_heap_more_figures(heap);
  return bytes + fe_figure_get(&figures->mixed_bytes) + fe_figure_get(&figures->counted_bytes);
}

/* The most that the live bytes are known to have been, used_bytes now among it. */
static inline size_t fe_heap_peak_bytes(const fe_heap_t *heap, size_t used_bytes) {
  size_t noted = fe_figure_get(&heap->figures.peak_bytes);
  size_t peak = noted > used_bytes ? noted : used_bytes;
  if (!fe_heap_has_more_figures(heap)) return peak;
  size_t seen = fe_figure_get(&fe_heap_more_figures(heap)->seen_peak_bytes);
  return seen > peak ? seen : peak;
}

/* Publishes what the calling thread did in its own heap, if it has one. */
void fe_stats_refresh_thread_heap(void);

/* Without a look at struct_size, which is not set. Of one heap: as counted last, which
 * fe_stats_count does. */
void fe_stats_count(fe_heap_t *const *heaps, size_t heap_count);
void fe_stats_of_heap(const fe_heap_t *heap, fe_heap_stats_t *stats);
void fe_stats_of_all(fe_arenas_t *arenas, fe_heap_stats_t *stats);
void fe_stats_of_arenas(fe_arenas_t *arenas, fe_arenas_stats_t *stats);

/* The members "arenas" and "heaps" of a JSON object. */
void fe_stats_put_json(fe_text_t *text, fe_arenas_t *arenas);

#endif /* FERROC_CORE_STATS_STATS_H */
