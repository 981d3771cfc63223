/* How a heap's figures are kept: each function is called by the one step of a cold path that it is
 * named after. See figures.h for who reads them. */
#ifndef FERROC_CORE_HEAP_COUNTING_H
#define FERROC_CORE_HEAP_COUNTING_H

#include <string.h>

#include "core/arena/counting.h"
#include "core/heap/heap.h"

/* A figure that only the caller writes. `by` may wrap around, to take away. */
static inline void fe_figure_add(_Atomic(size_t) *figure, size_t by) {
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
  /* A load and a store in one instruction, where compilers make three of it. */
  __asm__ volatile("addq %1, %0" : "+m"(*figure) : "er"(by) : "cc");
#else
  atomic_store_explicit(figure, fe_figure_get(figure) + by, memory_order_relaxed);
#endif
}

static inline uint32_t fe_small_figure_get(const _Atomic(uint32_t) *figure) {
  return atomic_load_explicit((_Atomic(uint32_t) *)figure, memory_order_relaxed);
}

static inline void fe_small_figure_add(_Atomic(uint32_t) *figure, uint32_t by) {
  atomic_store_explicit(figure, fe_small_figure_get(figure) + by, memory_order_relaxed);
}

/* Something happens to the heap that its more figures tell of. Holder. */
static inline fe_more_figures_t *fe_count_more(fe_heap_t *heap) {
  fe_more_figures_t *figures = fe_heap_more_figures(heap);
  if (FE_LIKELY(atomic_load_explicit(&heap->has_more_figures, memory_order_relaxed))) {
    return figures;
  }
  memset(figures, 0, sizeof *figures);
  atomic_store_explicit(&heap->has_more_figures, true, memory_order_release);
  return figures;
}

static inline void fe_count(fe_heap_t *heap, fe_heap_event_t event, size_t by) {
  fe_figure_add(&fe_count_more(heap)->event[event], by);
}

static inline fe_class_figures_t *fe_heap_class_figures(const fe_heap_t *heap, unsigned index) {
  return &fe_heap_more_figures(heap)->of_class[FE_FIGURED_CLASSES > 1 ? index : 0];
}

static inline bool fe_heap_has_more_figures(const fe_heap_t *heap) {
  const atomic_bool *has = &heap->has_more_figures;
  return atomic_load_explicit((atomic_bool *)has, memory_order_acquire);
}

/* What waits in the stock. */
static inline size_t fe_heap_stock_bytes(const fe_heap_t *heap) {
  if (!fe_heap_has_more_figures(heap)) return 0;
  return fe_figure_get(&fe_heap_more_figures(heap)->stock.bytes);
}

/* The same, and what is in bins: all this is in the figures of shards as well. */
static inline size_t fe_heap_binned_bytes(const fe_heap_t *heap) {
  if (!fe_heap_has_more_figures(heap)) return 0;
  return fe_heap_stock_bytes(heap) + fe_figure_get(&fe_heap_more_figures(heap)->bins.bytes);
}

/* Units that wait for large blocks. */
static inline size_t fe_heap_waiting_units(const fe_heap_t *heap) {
  if (!fe_heap_has_more_figures(heap)) return 0;
  return fe_figure_get(&fe_heap_more_figures(heap)->large_bins.unit_count);
}

/* The same, and those that wait for shards. */
static inline size_t fe_heap_kept_units(const fe_heap_t *heap) {
  if (!fe_heap_has_more_figures(heap)) return 0;
  return fe_heap_waiting_units(heap) + fe_figure_get(&fe_heap_more_figures(heap)->kept.unit_count);
}

/* Live ones. What others freed comes first, by acquire: so all that was taken before is seen as
 * well. */
static inline size_t fe_heap_large_bytes(const fe_heap_t *heap) {
  size_t freed =
      atomic_load_explicit(&((fe_heap_t *)heap)->large_freed.bytes, memory_order_acquire);
  return fe_figure_get(&heap->large_taken_bytes) - freed;
}

static inline size_t fe_less(size_t figure, size_t by) { return figure > by ? figure - by : 0; }

static inline size_t fe_heap_published_bytes(const fe_heap_t *heap) {
  size_t binned_bytes = fe_heap_binned_bytes(heap);
  return fe_less(fe_figure_get(&heap->figures.shard_bytes), binned_bytes) +
         fe_figure_get(&heap->nursery.used_bytes) + fe_heap_large_bytes(heap);
}

/* For peaks, what waits in bins counts as live: it may have been so since the last look. There is
 * one before anything goes to the stock. */
static inline size_t fe_heap_published_for_peak(const fe_heap_t *heap) {
  return fe_less(fe_figure_get(&heap->figures.shard_bytes), fe_heap_stock_bytes(heap)) +
         fe_figure_get(&heap->nursery.used_bytes) + fe_heap_large_bytes(heap);
}

/* What is published now may be a new peak. */
static inline void fe_raise_peak(fe_heap_t *heap) {
  size_t now = fe_heap_published_for_peak(heap);
  if (now <= fe_figure_get(&heap->figures.peak_bytes)) return;
  atomic_store_explicit(&heap->figures.peak_bytes, now, memory_order_relaxed);
}

/* A heap with so many shards has them counted for each new peak; one with more only for one that is
 * higher by a sixteenth. */
#define FE_PEAK_SHARDS 16

/* Called before there are fewer small ones, which happens less often than that there are more; and
 * after there are more large ones, since others may free these. What is published of shards may be
 * too much by now, so it is brought up to date, but for the shard that is about to be. */
static inline void fe_count_peak(fe_heap_t *heap, const fe_shard_t *about_to_be) {
  size_t now = fe_heap_published_for_peak(heap);
  size_t peak = fe_figure_get(&heap->figures.peak_bytes);
  if (FE_LIKELY(now <= peak)) return;
  if (heap->shard_count > FE_PEAK_SHARDS && now - peak <= peak / 16) return;
  if (heap->shard_count > 1) fe_heap_publish_shards(heap, about_to_be);
  fe_raise_peak(heap);
}

/* -- Shards of blocks -- */

static inline uint32_t fe_published_live(uint32_t published) { return published & 0xffff; }
static inline uint32_t fe_published_carved(uint32_t published) { return published >> 16; }

static inline void fe_set_published(fe_heap_t *heap, fe_shard_t *shard, uint32_t live,
                                    uint32_t carved) {
  uint32_t before = fe_small_figure_get(&shard->published);
  uint32_t more = live - fe_published_live(before); /* wraps around for less */
  fe_class_figures_t *figures = fe_heap_class_figures(heap, shard->class_index);
  atomic_store_explicit(&shard->published, live | carved << 16, memory_order_relaxed);
  fe_small_figure_add(&figures->carved_count, carved - fe_published_carved(before));
  fe_small_figure_add(&figures->live_count, more);
  fe_figure_add(&heap->figures.shard_bytes, (size_t)(int32_t)more * shard->block_size);
}

static inline void fe_publish_counts(fe_heap_t *heap, fe_shard_t *shard, uint32_t live,
                                     uint32_t carved) {
  bool are_fewer = live < fe_published_live(fe_small_figure_get(&shard->published));
  if (are_fewer) fe_count_peak(heap, shard);
  fe_set_published(heap, shard, live, carved);
}

static inline void fe_count_publish(fe_heap_t *heap, fe_shard_t *shard) {
  fe_publish_counts(heap, shard, fe_shard_used(shard), shard->capacity);
}

static inline void fe_count_shard_taken(fe_heap_t *heap, const fe_shard_t *shard) {
  fe_count(heap, FE_HEAP_SHARD_TAKEN, 1);
  fe_class_figures_t *figures = fe_heap_class_figures(heap, shard->class_index);
  if (fe_small_figure_get(&figures->shard_count) == 0) {
    fe_count(heap, FE_HEAP_GRADUATION, 1);
  }
  fe_small_figure_add(&figures->shard_count, 1);
}

/* It is empty. */
static inline void fe_count_shard_given(fe_heap_t *heap, fe_shard_t *shard) {
  fe_publish_counts(heap, shard, 0, 0);
  fe_small_figure_add(&fe_heap_class_figures(heap, shard->class_index)->shard_count, (uint32_t)-1);
  fe_count(heap, FE_HEAP_SHARD_GIVEN, 1);
}

static inline void fe_count_shelve(fe_heap_t *heap, fe_shard_t *shard) {
  fe_count_publish(heap, shard);
  fe_small_figure_add(&fe_heap_class_figures(heap, shard->class_index)->full_count, 1);
}

static inline void fe_count_unshelve(fe_heap_t *heap, fe_shard_t *shard) {
  fe_count_publish(heap, shard);
  fe_small_figure_add(&fe_heap_class_figures(heap, shard->class_index)->full_count, (uint32_t)-1);
}

static inline void fe_count_extend(fe_heap_t *heap, fe_shard_t *shard) {
  fe_count_publish(heap, shard);
  fe_count(heap, FE_HEAP_EXTEND, 1);
}

/* A request found no free block at hand in the shard of its class: a sample of what is asked for.
 */
static inline void fe_count_refill(fe_heap_t *heap, unsigned class_index, size_t size) {
  const fe_shard_t *shard = fe_heap_current(heap, class_index);
  if (shard == &fe_shard_empty || shard->free != NULL) return;
  fe_count(heap, FE_HEAP_REFILL, 1);
  _Atomic(uint32_t) *mean = &fe_heap_class_figures(heap, class_index)->requested_mean;
  uint32_t before = fe_small_figure_get(mean);
  uint32_t now = (uint32_t)(size - FE_TRACK_TRAILER) * FE_MEAN_ONE;
  uint32_t step = (uint32_t)(((int32_t)now - (int32_t)before) / 8);
  atomic_store_explicit(mean, before == 0 ? now : before + step, memory_order_relaxed);
}

/* Blocks that other threads freed were put on the shard's list. */
static inline void fe_count_taken_in(fe_heap_t *heap, fe_shard_t *shard, size_t count) {
  fe_count(heap, FE_HEAP_REMOTE_BATCH, 1);
  fe_count(heap, FE_HEAP_REMOTE_BLOCK, count);
  fe_count_publish(heap, shard);
}

/* -- Mixed shards: the number of bytes in blocks is published as it changes -- */

static inline void fe_count_mixed_taken(fe_heap_t *heap) {
  fe_small_figure_add(&fe_count_more(heap)->mixed_count, 1);
  fe_count(heap, FE_HEAP_SHARD_TAKEN, 1);
}

static inline void fe_count_mixed_given(fe_heap_t *heap) {
  fe_small_figure_add(&fe_heap_more_figures(heap)->mixed_count, (uint32_t)-1);
  fe_count(heap, FE_HEAP_SHARD_GIVEN, 1);
}

/* `by` wraps around for less. */
static inline void fe_publish_mixed(fe_heap_t *heap, fe_shard_t *shard, size_t by) {
  fe_small_figure_add(&shard->published, (uint32_t)by);
  fe_figure_add(&fe_heap_more_figures(heap)->mixed_bytes, by);
  fe_figure_add(&heap->figures.shard_bytes, by);
}

static inline void fe_count_mixed_alloc(fe_heap_t *heap, fe_shard_t *shard, size_t size,
                                        size_t requested) {
  fe_publish_mixed(heap, shard, size);
  fe_figure_add(&fe_heap_more_figures(heap)->mixed_taken, size);
  fe_figure_add(&fe_heap_more_figures(heap)->mixed_requested, requested);
  fe_count(heap, FE_HEAP_MIXED_ALLOC, 1);
}

/* After fe_count_peak, for one block or for many. */
static inline void fe_count_mixed_free(fe_heap_t *heap, fe_shard_t *shard, size_t size) {
  fe_publish_mixed(heap, shard, -size);
  fe_count(heap, FE_HEAP_MIXED_FREE, 1);
}

/* -- The nursery -- */

static inline void fe_count_nursery_alloc(fe_heap_t *heap, size_t size, size_t requested) {
  fe_figure_add(&heap->figures.nursery_allocs, 1);
  fe_figure_add(&heap->nursery.used_bytes, size);
  fe_figure_add(&heap->figures.nursery_requested, requested);
}

static inline void fe_count_nursery_free(fe_heap_t *heap, size_t size) {
  fe_count_peak(heap, NULL);
  fe_figure_add(&heap->nursery.used_bytes, -size);
  fe_figure_add(&heap->figures.nursery_freed, size);
  fe_figure_add(&heap->figures.nursery_frees, 1);
}

/* -- Large blocks -- */

static inline void fe_count_large_slack(fe_heap_t *heap, fe_shard_t *shard, size_t slack) {
  uint32_t before = fe_small_figure_get(&shard->published);
  atomic_store_explicit(&shard->published, (uint32_t)slack, memory_order_relaxed);
  fe_figure_add(&fe_heap_more_figures(heap)->large_slack, slack - before);
}

static inline void fe_count_large_size(fe_heap_t *heap, fe_shard_t *shard, size_t requested) {
  fe_count_large_slack(heap, shard, shard->block_size - (requested - FE_TRACK_TRAILER));
  fe_count_peak(heap, NULL);
}

static inline void fe_count_large_alloc(fe_heap_t *heap, fe_shard_t *shard, size_t requested) {
  fe_count(heap, FE_HEAP_LARGE_ALLOC, 1);
  fe_count_large_size(heap, shard, requested);
}

static inline void fe_count_large_free(fe_heap_t *heap, fe_shard_t *shard) {
  fe_count(heap, FE_HEAP_LARGE_FREE, 1);
  fe_count_large_slack(heap, shard, 0);
}

/* The last step of whoever does not hold the heap. */
static inline void fe_count_large_free_elsewhere(fe_heap_t *heap, size_t bytes, size_t slack) {
  fe_figure_add_shared(&heap->large_freed.count, 1);
  fe_figure_add_shared(&heap->large_freed.slack, slack);
  atomic_fetch_add_explicit(&heap->large_freed.bytes, bytes, memory_order_release);
}

/* -- The heap's end: what it counted is kept by its arenas; with the roll's lock -- */

typedef struct fe_events {
  size_t count[FE_HEAP_EVENT_COUNT];
} fe_events_t;

static inline fe_events_t fe_heap_events(const fe_heap_t *heap) {
  fe_events_t events = {{0}};
  const fe_more_figures_t *more = fe_heap_more_figures(heap);
  unsigned count = fe_heap_has_more_figures(heap) ? FE_HEAP_EVENT_COUNT : 0;
  for (unsigned i = 0; i < count; i++) events.count[i] = fe_figure_get(&more->event[i]);
  events.count[FE_HEAP_LARGE_FREE] += fe_figure_get(&heap->large_freed.count);
  events.count[FE_HEAP_NURSERY_ALLOC] = fe_figure_get(&heap->figures.nursery_allocs);
  events.count[FE_HEAP_NURSERY_FREE] = fe_figure_get(&heap->figures.nursery_frees);
  return events;
}

/* All that the heap has goes with it, in one step. */
static inline void fe_count_heap_end(fe_arenas_t *arenas, fe_events_t *events) {
  _Atomic(size_t) *ended = arenas->figures.of_ended_heaps;
  events->count[FE_HEAP_NURSERY_FREE] = events->count[FE_HEAP_NURSERY_ALLOC];
  events->count[FE_HEAP_MIXED_FREE] = events->count[FE_HEAP_MIXED_ALLOC];
  events->count[FE_HEAP_LARGE_FREE] = events->count[FE_HEAP_LARGE_ALLOC];
  events->count[FE_HEAP_SHARD_GIVEN] = events->count[FE_HEAP_SHARD_TAKEN];
  for (unsigned i = 0; i < FE_HEAP_EVENT_COUNT; i++) {
    if (events->count[i] > 0) fe_figure_add_shared(&ended[i], events->count[i]);
  }
  fe_figure_add_shared(&ended[FE_ENDED_HEAPS], 1);
}

static_assert(FE_ENDED_HEAPS < FE_HEAP_EVENTS_MAX, "arenas have room for all events");

#endif /* FERROC_CORE_HEAP_COUNTING_H */
