/* Figures as structs: of one heap, of several in sum, of the memory below them. */
#include <errno.h>
#include <string.h>

#include "core/arena/bitmap.h"
#include "core/base/base.h"
#include "core/heap/counting.h"
#include "core/heap/roll.h"
#include "core/stats/stats.h"
#include "core/thread/held.h"

static_assert(FE_CLASS_COUNT <= FE_STATS_CLASSES_MAX, "fe_heap_stats_t has room for all classes");

/* -- Events: where each is in fe_heap_stats_t -- */

static const uint16_t event_offset[FE_ENDED_HEAPS + 1] = {
    [FE_HEAP_NURSERY_ALLOC] = offsetof(fe_heap_stats_t, nursery_allocs),
    [FE_HEAP_NURSERY_FREE] = offsetof(fe_heap_stats_t, nursery_frees),
    [FE_HEAP_LARGE_ALLOC] = offsetof(fe_heap_stats_t, large_allocs),
    [FE_HEAP_LARGE_FREE] = offsetof(fe_heap_stats_t, large_frees),
    [FE_HEAP_LARGE_IN_PLACE] = offsetof(fe_heap_stats_t, large_resizes_in_place),
    [FE_HEAP_LARGE_NOT_IN_PLACE] = offsetof(fe_heap_stats_t, large_resizes_not_in_place),
    [FE_HEAP_DRAIN] = offsetof(fe_heap_stats_t, drains),
    [FE_HEAP_REMOTE_BATCH] = offsetof(fe_heap_stats_t, remote_batches),
    [FE_HEAP_REMOTE_BLOCK] = offsetof(fe_heap_stats_t, remote_blocks),
    [FE_HEAP_LIMIT_REFUSAL] = offsetof(fe_heap_stats_t, limit_refusals),
    [FE_HEAP_TIGHT_PHASE] = offsetof(fe_heap_stats_t, tight_phases),
    [FE_HEAP_FAILURE] = offsetof(fe_heap_stats_t, failed_allocs),
    [FE_HEAP_GRADUATION] = offsetof(fe_heap_stats_t, graduations),
    [FE_HEAP_SHARD_TAKEN] = offsetof(fe_heap_stats_t, shards_taken),
    [FE_HEAP_SHARD_GIVEN] = offsetof(fe_heap_stats_t, shards_given_back),
    [FE_HEAP_REFILL] = offsetof(fe_heap_stats_t, refills),
    [FE_HEAP_EXTEND] = offsetof(fe_heap_stats_t, extends),
    [FE_HEAP_MIXED_ALLOC] = offsetof(fe_heap_stats_t, mixed_allocs),
    [FE_HEAP_MIXED_FREE] = offsetof(fe_heap_stats_t, mixed_frees),
    [FE_ENDED_HEAPS] = offsetof(fe_heap_stats_t, ended_heaps),
};

static size_t *event_of(fe_heap_stats_t *stats, unsigned event) {
  return (size_t *)((char *)stats + event_offset[event]);
}

static void add_events(fe_heap_stats_t *sum, const fe_heap_t *heap) {
  fe_events_t events = fe_heap_events(heap);
  for (unsigned i = 0; i < FE_HEAP_EVENT_COUNT; i++) *event_of(sum, i) += events.count[i];
}

/* -- One heap -- */

/* What was asked for in the live blocks of a class. */
static size_t requested_in_class(const fe_class_figures_t *figures, size_t live_count,
                                 size_t block_size) {
  uint32_t mean = fe_small_figure_get(&figures->requested_mean);
  if (mean == 0) return live_count * block_size;
  return (size_t)((uint64_t)live_count * mean / FE_MEAN_ONE);
}

static void add_class(fe_heap_stats_t *sum, const fe_class_figures_t *figures, unsigned index) {
  size_t live_count = fe_small_figure_get(&figures->live_count);
  size_t block_size = fe_class_size(index);
  fe_class_stats_t *class_stats = &sum->classes[index];
  class_stats->shard_count += fe_small_figure_get(&figures->shard_count);
  class_stats->full_shard_count += fe_small_figure_get(&figures->full_count);
  class_stats->carved_count += fe_small_figure_get(&figures->carved_count);
  class_stats->live_count += live_count;
  sum->requested_bytes += requested_in_class(figures, live_count, block_size);
}

/* Where all classes are counted as one: blocks in shards, as if they had been asked for whole. */
static void add_all_classes(fe_heap_stats_t *sum, const fe_heap_t *heap) {
  size_t bytes = fe_figure_get(&heap->figures.shard_bytes);
  sum->requested_bytes += fe_less(bytes, fe_heap_mixed_bytes(heap));
}

/* What was asked for of `used_bytes` in blocks, if it is the same share as of `whole`. In words of
 * the machine, so that 32-bit processors need no help with the division. */
static size_t requested_of(size_t used_bytes, size_t requested, size_t whole) {
  enum { HALF_BITS = sizeof(size_t) * 4 };
  while (whole >> HALF_BITS != 0) {
    whole >>= 1;
    requested >>= 1;
  }
  if (whole == 0) return 0;
  return used_bytes / whole * requested + used_bytes % whole * requested / whole;
}

static void add_mixed(fe_heap_stats_t *sum, const fe_more_figures_t *figures) {
  size_t binned_bytes = fe_figure_get(&figures->bins.bytes) + fe_figure_get(&figures->stock.bytes);
  size_t binned_count = fe_figure_get(&figures->bins.count) + fe_figure_get(&figures->stock.count);
  size_t used_bytes = fe_less(fe_figure_get(&figures->mixed_bytes), binned_bytes);
  size_t placed_count = fe_figure_get(&figures->event[FE_HEAP_MIXED_ALLOC]) -
                        fe_figure_get(&figures->event[FE_HEAP_MIXED_FREE]);
  size_t shard_count = fe_small_figure_get(&figures->mixed_count);
  sum->mixed_used_bytes += used_bytes;
  sum->mixed_block_count += fe_less(placed_count, binned_count);
  sum->mixed_shard_count += shard_count;
  sum->committed_bytes += shard_count * FE_UNIT_SIZE;
  sum->requested_bytes += requested_of(used_bytes, fe_figure_get(&figures->mixed_requested),
                                       fe_figure_get(&figures->mixed_taken));
}

static void add_shards(fe_heap_stats_t *sum, const fe_heap_t *heap) {
  for (unsigned i = 0; i < FE_FIGURED_CLASSES; i++) {
    const fe_class_figures_t *figures = fe_heap_class_figures(heap, i);
    size_t shard_count = fe_small_figure_get(&figures->shard_count);
    sum->shard_count += shard_count;
    sum->full_shard_count += fe_small_figure_get(&figures->full_count);
    sum->committed_bytes += shard_count * FE_UNIT_SIZE;
    if (FE_FIGURED_CLASSES > 1) add_class(sum, figures, i);
  }
  if (FE_FIGURED_CLASSES == 1) add_all_classes(sum, heap);
  add_mixed(sum, fe_heap_more_figures(heap));
}

static void add_nursery(fe_heap_stats_t *sum, const fe_heap_t *heap) {
  const fe_heap_figures_t *figures = &heap->figures;
  size_t used_bytes = fe_figure_get(&heap->nursery.used_bytes);
  sum->nursery_used_bytes += used_bytes;
  sum->nursery_block_count +=
      fe_figure_get(&figures->nursery_allocs) - fe_figure_get(&figures->nursery_frees);
  sum->requested_bytes += requested_of(used_bytes, fe_figure_get(&figures->nursery_requested),
                                       fe_figure_get(&figures->nursery_freed) + used_bytes);
  sum->committed_bytes += FE_UNIT_SIZE;
}

static void add_large(fe_heap_stats_t *sum, const fe_heap_t *heap) {
  const fe_more_figures_t *figures = fe_heap_more_figures(heap);
  size_t used_bytes = fe_heap_large_bytes(heap);
  size_t slack = fe_figure_get(&figures->large_slack) - fe_figure_get(&heap->large_freed.slack);
  sum->large_used_bytes += used_bytes;
  sum->large_block_count += fe_figure_get(&figures->event[FE_HEAP_LARGE_ALLOC]) -
                            fe_figure_get(&figures->event[FE_HEAP_LARGE_FREE]) -
                            fe_figure_get(&heap->large_freed.count);
  sum->requested_bytes += slack < used_bytes ? used_bytes - slack : 0;
  sum->committed_bytes += used_bytes + fe_heap_kept_units(heap) * FE_UNIT_SIZE;
}

static void add_heap(fe_heap_stats_t *sum, const fe_heap_t *heap) {
  size_t used_bytes = fe_heap_published_bytes(heap);
  sum->heap_count++;
  sum->used_bytes += used_bytes;
  if (used_bytes > fe_heap_large_bytes(heap)) sum->requested_is_estimate = true;
  add_nursery(sum, heap);
  add_events(sum, heap);
  if (!fe_heap_has_more_figures(heap)) return;
  add_shards(sum, heap);
  add_large(sum, heap);
}

static void begin_sum(fe_heap_stats_t *sum) {
  memset(sum, 0, sizeof *sum);
  sum->class_count = FE_FIGURED_CLASSES > 1 ? FE_CLASS_COUNT : 0;
  for (unsigned i = 0; i < sum->class_count; i++) sum->classes[i].block_size = fe_class_size(i);
}

void fe_stats_of_heap(const fe_heap_t *heap, fe_heap_stats_t *stats) {
  begin_sum(stats);
  add_heap(stats, heap);
  stats->peak_used_bytes = fe_heap_peak_bytes(heap, stats->used_bytes);
  stats->limit_bytes = fe_heap_limit(heap);
}

/* -- Several heaps: with the roll's lock, so that each is there, or what it had counted -- */

/* Those on the arenas, or on a context. */
static void add_heaps(fe_heap_stats_t *sum, const fe_arenas_t *arenas,
                      const fe_context_t *context) {
  for (fe_heap_t *heap = fe_roll_first; heap != NULL; heap = heap->roll_next) {
    bool is_meant = context == NULL ? heap->context->arenas == arenas : heap->context == context;
    if (!is_meant) continue;
    fe_heap_look_at_figures(heap);
    add_heap(sum, heap);
  }
}

bool fe_stats_of_all(fe_arenas_t *arenas, fe_heap_stats_t *stats) {
  begin_sum(stats);
  bool has_lock = fe_roll_lock_soon(FE_ROLL_PATIENCE_MS);
  for (unsigned i = 0; i <= FE_ENDED_HEAPS; i++) {
    *event_of(stats, i) = fe_figure_get(&arenas->figures.of_ended_heaps[i]);
  }
  if (!has_lock) return false;
  add_heaps(stats, arenas, NULL);
  fe_roll_unlock();
  return true;
}

/* -- Arenas -- */

/* Adds the free units of a slab to the run of free ones that lies right before it. */
static size_t continue_run(size_t run, fe_units_t free, unsigned unit_count, size_t *longest) {
  for (unsigned unit = 0; unit < unit_count; unit++) {
    run = free >> unit & 1 ? run + 1 : 0;
    if (run > *longest) *longest = run;
  }
  return run;
}

/* Absent slabs do not count anywhere. */
static void add_arena(fe_arenas_stats_t *stats, fe_arena_t *arena, size_t *longest) {
  size_t taken = 0;
  size_t purgeable = 0;
  size_t run = 0;
  for (unsigned i = 0; i < arena->slab_count; i++) {
    if (fe_slab_is_absent(&arena->slab[i])) {
      run = 0;
      continue;
    }
    fe_units_t free = atomic_load_explicit(&arena->slab[i].free, memory_order_relaxed);
    fe_units_t dirty = atomic_load_explicit(&arena->slab[i].dirty, memory_order_relaxed);
    fe_units_t usable = fe_arena_usable_units(arena, i);
    taken += fe_bitmap_count(usable & ~free);
    purgeable += fe_bitmap_count(free & dirty);
    if (free == usable) stats->free_slab_count++;
    stats->slab_count++;
    run = continue_run(run, free, FE_UNITS_PER_SLAB, longest);
  }
  bool can_purge = !arena->is_lent && arena->arenas->base->decommit != NULL;
  stats->arena_count++;
  stats->taken_bytes += taken * FE_UNIT_SIZE;
  stats->purgeable_bytes += can_purge ? purgeable * FE_UNIT_SIZE : 0;
}

void fe_stats_of_arenas(fe_arenas_t *arenas, fe_arenas_stats_t *stats) {
  const fe_arenas_figures_t *figures = &arenas->figures;
  *stats = (fe_arenas_stats_t){
      .reserved_bytes = fe_figure_get(&figures->reserved_units) * FE_UNIT_SIZE,
      .committed_bytes = fe_figure_get(&figures->committed_units) * FE_UNIT_SIZE,
      .peak_reserved_bytes = fe_figure_get(&figures->peak_reserved_units) * FE_UNIT_SIZE,
      .peak_committed_bytes = fe_figure_get(&figures->peak_committed_units) * FE_UNIT_SIZE,
      .units_taken = fe_arenas_units_taken(arenas),
      .units_given_back = fe_arenas_units_given(arenas),
      .chunks_mapped = fe_figure_get(&figures->chunks_mapped),
      .chunks_released = fe_figure_get(&figures->chunks_released),
      .purges = fe_figure_get(&figures->purges),
      .decommitted_bytes = fe_figure_get(&figures->decommitted_units) * FE_UNIT_SIZE,
  };
  size_t longest = 0;
  for (fe_arena_t *arena = fe_arenas_first(arenas); arena != NULL; arena = fe_arena_next(arena)) {
    add_arena(stats, arena, &longest);
  }
  stats->taken_bytes += fe_figure_get(&figures->open_units) * FE_UNIT_SIZE;
  stats->longest_free_run_bytes = longest * FE_UNIT_SIZE;
}

/* -- The interface -- */

/* Hands as much of the figures out as the caller has room for. */
static bool hand_out(const char *function, void *out, const void *stats, size_t first_size,
                     size_t size) {
  size_t room = *(size_t *)out;
  if (room < first_size) {
    fe_warn("%s: struct_size is %zu; it must be set to the struct's sizeof, %zu or more", function,
            room, first_size);
    errno = EINVAL;
    return false;
  }
  size_t filled = room < size ? room : size;
  memcpy(out, stats, filled);
  *(size_t *)out = filled;
  return true;
}

static bool hand_out_heap_stats(const char *function, fe_heap_stats_t *out,
                                const fe_heap_stats_t *stats) {
  enum { FIRST_SIZE = offsetof(fe_heap_stats_t, classes[FE_STATS_CLASSES_MAX]) };
  return hand_out(function, out, stats, FIRST_SIZE, sizeof *stats);
}

void fe_stats_refresh_thread_heap(const fe_arenas_t *arenas) {
  fe_heap_t *heap = fe_held_on(arenas);
  uint32_t gate;
  /* Somebody who is inside may be this thread, in whose midst a signal came. */
  if (heap == NULL || !fe_gate_try(&heap->gate, &gate)) return;
  fe_heap_refresh_figures_inside(heap);
  fe_gate_leave(&heap->gate, gate);
}

bool fe_heap_stats(fe_heap_t *heap, fe_heap_stats_t *out) {
  fe_heap_stats_t stats;
  fe_heap_refresh_figures(heap);
  fe_stats_of_heap(heap, &stats);
  return hand_out_heap_stats("fe_heap_stats", out, &stats);
}

bool fe_heap_stats_peek(const fe_heap_t *heap, fe_heap_stats_t *out) {
  fe_heap_stats_t stats;
  fe_heap_look_at_figures((fe_heap_t *)heap);
  fe_stats_of_heap(heap, &stats);
  return hand_out_heap_stats("fe_heap_stats_peek", out, &stats);
}

/* What cannot be told now. */
static bool refuse_in_fork(const char *function) {
  fe_warn("%s: heaps cannot be looked at in a handler of a fork, nor while one takes long",
          function);
  errno = EBUSY;
  return false;
}

bool fe_context_stats(const fe_context_t *context, fe_heap_stats_t *out) {
  fe_heap_stats_t stats;
  begin_sum(&stats);
  if (!fe_roll_lock_soon(FE_ROLL_PATIENCE_MS)) return refuse_in_fork("fe_context_stats");
  add_heaps(&stats, context->arenas, context);
  fe_roll_unlock();
  return hand_out_heap_stats("fe_context_stats", out, &stats);
}

bool fe_stats(fe_arenas_t *arenas, fe_heap_stats_t *out) {
  fe_heap_stats_t stats;
  arenas = fe_arenas_or_default(arenas);
  fe_stats_refresh_thread_heap(arenas);
  if (!fe_stats_of_all(arenas, &stats)) return refuse_in_fork("fe_stats");
  return hand_out_heap_stats("fe_stats", out, &stats);
}

bool fe_arenas_stats(fe_arenas_t *arenas, fe_arenas_stats_t *out) {
  enum { FIRST_SIZE = offsetof(fe_arenas_stats_t, decommitted_bytes) + sizeof(size_t) };
  fe_arenas_stats_t stats;
  fe_stats_of_arenas(fe_arenas_or_default(arenas), &stats);
  return hand_out("fe_arenas_stats", out, &stats, FIRST_SIZE, sizeof stats);
}
