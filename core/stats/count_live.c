/* Counting what is live in shards of blocks while their holders go on: by the counts in the
 * headers, which the quick ways keep, and not by the holders' figures, which lag behind. */
#include "core/heap/counting.h"
#include "core/stats/stats.h"

static void for_each_shard_in(const fe_arena_t *arena, void (*visit)(const fe_shard_t *shard)) {
  for (unsigned slab = 0; slab < arena->slab_count; slab++) {
    fe_units_t heads = fe_census_heads(&arena->slab[slab]);
    while (heads != 0) visit(fe_census_next(arena, slab, &heads));
  }
}

static void for_each_shard(fe_arenas_t *arenas, void (*visit)(const fe_shard_t *shard)) {
  for (fe_arena_t *arena = fe_arenas_first(arenas); arena != NULL; arena = fe_arena_next(arena)) {
    for_each_shard_in(arena, visit);
  }
}

static void set(_Atomic(uint32_t) *figure, uint32_t value) {
  atomic_store_explicit(figure, value, memory_order_relaxed);
}

static void set_bytes(_Atomic(size_t) *figure, size_t value) {
  atomic_store_explicit(figure, value, memory_order_relaxed);
}

/* NULL: the shard is not a heap's first one, or the heap has no shards of blocks. */
static fe_more_figures_t *figures_of_heap_in(const fe_shard_t *shard) {
  if (shard->kind != FE_SHARD_NURSERY) return NULL;
  const fe_heap_t *heap = fe_heap_of(shard);
  return fe_heap_has_more_figures(heap) ? fe_heap_more_figures(heap) : NULL;
}

static void begin_heap(const fe_shard_t *shard) {
  fe_more_figures_t *figures = figures_of_heap_in(shard);
  if (figures == NULL) return;
  for (unsigned i = 0; i < FE_FIGURED_CLASSES; i++) set(&figures->of_class[i].counting, 0);
  set_bytes(&figures->counting_bytes, 0);
}

static void add_shard(const fe_shard_t *shard) {
  if (shard->kind != FE_SHARD_BLOCKS) return;
  const fe_heap_t *heap = fe_heap_of(shard);
  uint32_t live = fe_live_count_for_others(shard);
  fe_small_figure_add(&fe_heap_class_figures(heap, shard->class_index)->counting, live);
  fe_figure_add(&fe_heap_more_figures(heap)->counting_bytes, live * shard->block_size);
}

static void end_heap(const fe_shard_t *shard) {
  fe_more_figures_t *figures = figures_of_heap_in(shard);
  if (figures == NULL) return;
  for (unsigned i = 0; i < FE_FIGURED_CLASSES; i++) {
    fe_class_figures_t *of_class = &figures->of_class[i];
    set(&of_class->counted, fe_small_figure_get(&of_class->counting));
  }
  set_bytes(&figures->counted_bytes, fe_figure_get(&figures->counting_bytes));
  size_t seen_bytes = fe_heap_counted_bytes(fe_heap_of(shard));
  if (seen_bytes <= fe_figure_get(&figures->seen_peak_bytes)) return;
  set_bytes(&figures->seen_peak_bytes, seen_bytes);
}

void fe_stats_count_live(fe_arenas_t *arenas) {
  for_each_shard(arenas, begin_heap);
  for_each_shard(arenas, add_shard);
  for_each_shard(arenas, end_heap);
}
