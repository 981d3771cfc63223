/* Runs that wait for large blocks, and the quick ways of these: see large_bins.h. */
#include "core/heap/large_bins.h"

#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/heap/large_layout.h"
#include "core/slab/remote.h"

static_assert(FE_LARGE_UNITS_MAX <= 64, "a bit for each length");

static fe_large_bins_t *bins_of(const fe_heap_t *heap) {
  return &fe_heap_more_figures(heap)->large_bins;
}

/* The first run of a list that is not empty. */
static inline fe_shard_t *pop(fe_large_bins_t *bins, size_t index) {
  fe_shard_t *shard = bins->first[index];
  bins->first[index] = shard->waiting_next;
  if (shard->waiting_next == NULL) bins->has_run &= ~((uint64_t)1 << index);
  fe_shard_set_state(shard, FE_SHARD_CURRENT);
  fe_figure_add(&bins->unit_count, -(index + 1));
  return shard;
}

static inline void push(fe_heap_t *heap, fe_large_bins_t *bins, fe_shard_t *shard) {
  size_t index = shard->unit_count - 1;
  shard->waiting_next = bins->first[index];
  shard->is_aged = false;
  bins->first[index] = shard;
  bins->has_run |= (uint64_t)1 << index;
  fe_shard_set_state(shard, FE_SHARD_VACANT);
  fe_figure_add(&bins->unit_count, index + 1);
  fe_figure_add(&heap->large_taken_bytes, -shard->block_size);
}

/* -- Allocating -- */

/* So many units more than it needs a block may have. */
static inline size_t units_more(size_t unit_count) {
  return (unit_count + FE_LARGE_BINS_LONGER / 2) / FE_LARGE_BINS_LONGER;
}

/* A run of so many units (at least 1), or of a few more. NULL: there is none. */
static inline fe_shard_t *find(fe_large_bins_t *bins, size_t unit_count) {
  if (unit_count > FE_LARGE_UNITS_MAX) return NULL;
  uint64_t runs = bins->has_run >> (unit_count - 1);
  if (runs == 0) return NULL;
  size_t more = fe_lowest_bit(runs);
  if (more > units_more(unit_count)) return NULL;
  return pop(bins, unit_count - 1 + more);
}

static FE_COLD size_t place_anew(fe_heap_t *heap, fe_shard_t *shard, size_t size,
                                 size_t alignment) {
  fe_run_t run = fe_shard_run(shard);
  fe_large_set_block(shard, fe_large_place(&run, run.unit_count, size, alignment, heap->colour++));
  return shard->start * (size_t)16;
}

/* Where the next block lies in its run: where the last one did, if it can. */
static inline size_t place(fe_heap_t *heap, fe_shard_t *shard, size_t size, size_t alignment) {
  size_t offset = shard->start * (size_t)16;
  bool is_aligned = alignment <= 16 || (offset & (alignment - 1)) == 0;
  bool fits = offset + size <= shard->unit_count * FE_UNIT_SIZE;
  if (FE_LIKELY(is_aligned && fits)) return offset;
  return place_anew(heap, shard, size, alignment);
}

/* Whether fe_count_peak has something to do. */
static inline bool is_new_peak(const fe_heap_t *heap) {
  size_t large_bytes =
      fe_figure_get(&heap->large_taken_bytes) - fe_figure_get(&heap->large_freed.bytes);
  size_t now = fe_figure_get(&heap->figures.shard_bytes) - fe_heap_stock_bytes(heap) +
               fe_figure_get(&heap->nursery.used_bytes) + large_bytes;
  return now > fe_figure_get(&heap->figures.peak_bytes);
}

static FE_COLD void note_peak(fe_heap_t *heap) { fe_count_peak(heap, NULL); }

/* The books go from the last block to the next one; false: a limit forbids it. */
static inline bool enter(fe_heap_t *heap, fe_shard_t *shard, size_t block_size, size_t size) {
  size_t more = block_size - shard->block_size; /* wraps around for less */
  if (FE_UNLIKELY(!fe_account_recharge_large(heap, &heap->account, more))) return false;
  shard->block_size = block_size;
  fe_figure_add(&heap->large_taken_bytes, block_size);
  fe_more_figures_t *figures = fe_heap_more_figures(heap);
  size_t slack = block_size - size;
  atomic_store_explicit(&shard->published, (uint32_t)slack, memory_order_relaxed);
  fe_figure_add(&figures->large_slack, slack);
  fe_figure_add(&figures->event[FE_HEAP_LARGE_ALLOC], 1);
  if (FE_UNLIKELY(is_new_peak(heap))) note_peak(heap);
  return true;
}

static inline FE_INLINE void *alloc(fe_heap_t *heap, size_t size, size_t alignment) {
  fe_shard_t *shard = find(bins_of(heap), fe_large_units(size, alignment));
  if (shard == NULL) return NULL;
  size_t offset = place(heap, shard, size, alignment);
  size_t room = shard->unit_count * FE_UNIT_SIZE - offset;
  size_t counted = fe_large_counted_size(size);
  if (FE_LIKELY(enter(heap, shard, counted < room ? counted : room, size))) {
    shard->is_zero = false;
    return (char *)shard + offset;
  }
  fe_large_give(heap, shard);
  return NULL;
}

void *fe_large_alloc_waiting(fe_heap_t *heap, size_t size, size_t alignment) {
  if (FE_IS_TRACKED || fe_heap_waiting_units(heap) == 0) return NULL;
  return alignment > FE_UNIT_SIZE / 16 ? NULL : alloc(heap, size, alignment);
}

/* The clock is looked at when the block is freed. */
void *fe_large_alloc_quickly(fe_heap_t *heap, size_t size) {
  if (size > FE_LARGE_UNITS_MAX * FE_UNIT_SIZE || fe_heap_waiting_units(heap) == 0) return NULL;
  uint32_t gate = fe_gate_enter(&heap->gate);
  void *block = FE_LIKELY(!fe_inbox_has_some(&heap->inbox)) ? alloc(heap, size, 16) : NULL;
  fe_gate_leave(&heap->gate, gate);
  return block;
}

/* -- Freeing -- */

/* Gives back so many that so many units are left, or a few less: the longest first. */
static FE_COLD void give_down_to(fe_heap_t *heap, size_t unit_count) {
  fe_large_bins_t *bins = bins_of(heap);
  bins->unit_limit = 0;
  for (size_t index = FE_LARGE_UNITS_MAX; index-- > 0;) {
    while (bins->first[index] != NULL && fe_figure_get(&bins->unit_count) > unit_count) {
      fe_large_give(heap, pop(bins, index));
    }
  }
}

/* Whether a run is one that may wait. Those that are chunks of their own have more units. Where a
 * limit is near, nothing waits. */
static inline bool may_wait(const fe_heap_t *heap, const fe_shard_t *shard) {
  if (FE_IS_TRACKED || shard->unit_count > FE_LARGE_UNITS_MAX) return false;
  if (shard->run_start != (const char *)shard) return false;
  return fe_account_state(&heap->account) == FE_ACCOUNT_OPEN;
}

static inline void keep(fe_heap_t *heap, fe_shard_t *shard) {
  fe_more_figures_t *figures = fe_heap_more_figures(heap);
  fe_figure_add(&figures->large_slack, -(size_t)fe_small_figure_get(&shard->published));
  fe_figure_add(&figures->event[FE_HEAP_LARGE_FREE], 1);
  push(heap, &figures->large_bins, shard);
  fe_heap_after_kept(heap);
}

/* A share of what is live, or `least`. */
static size_t units_that_may_wait(const fe_heap_t *heap, size_t least) {
  size_t share = fe_heap_large_bytes(heap) / FE_LARGE_BINS_SHARE >> FE_SHARD_SHIFT;
  return share > least ? share : least;
}

bool fe_large_keep(fe_heap_t *heap, fe_shard_t *shard) {
  /* Above a limit that was lowered, the next block has to ask. */
  if (!may_wait(heap, shard) || fe_budget_is_passed(&heap->budget)) return false;
  size_t limit = units_that_may_wait(heap, FE_LARGE_BINS_UNITS_MAX);
  if (fe_heap_waiting_units(heap) > limit) give_down_to(heap, limit); /* less lives than before */
  bins_of(heap)->unit_limit = limit;
  if (fe_heap_waiting_units(heap) + shard->unit_count > limit) return false;
  keep(heap, shard);
  return true;
}

void fe_large_free_by_holder(fe_heap_t *heap, fe_shard_t *shard, void *ptr) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  size_t waiting = fe_figure_get(&bins_of(heap)->unit_count) + shard->unit_count;
  bool is_kept = waiting <= bins_of(heap)->unit_limit && may_wait(heap, shard);
  if (FE_LIKELY(is_kept)) keep(heap, shard);
  fe_gate_leave(&heap->gate, gate);
  if (FE_LIKELY(is_kept)) {
    fe_heap_pulse(heap);
  } else {
    fe_heap_free_inside(heap, shard, ptr);
  }
}

/* -- Giving back -- */

void fe_large_bins_empty(fe_heap_t *heap) {
  if (!fe_heap_has_more_figures(heap)) return;
  bins_of(heap)->unit_limit = 0;
  if (fe_heap_waiting_units(heap) > 0) give_down_to(heap, 0);
}

void fe_large_bins_before_run(fe_heap_t *heap) {
  size_t kept = (fe_heap_large_bytes(heap) >> FE_SHARD_SHIFT) / FE_LARGE_BINS_SHARE_KEPT;
  if (kept < FE_LARGE_BINS_UNITS_MAX / 4) kept = FE_LARGE_BINS_UNITS_MAX / 4;
  if (kept > FE_LARGE_BINS_UNITS_MAX / 2) kept = FE_LARGE_BINS_UNITS_MAX / 2;
  size_t limit = units_that_may_wait(heap, kept);
  if (fe_heap_waiting_units(heap) > limit) give_down_to(heap, limit);
}

/* Those of one list that waited at the last tick and ever since, which are behind all others. These
 * have until the next one. */
static void give_aged(fe_heap_t *heap, fe_large_bins_t *bins, size_t index) {
  fe_shard_t **place = &bins->first[index];
  for (; *place != NULL && !(*place)->is_aged; place = &(*place)->waiting_next) {
    (*place)->is_aged = true;
  }
  fe_shard_t *aged = *place;
  *place = NULL;
  if (bins->first[index] == NULL) bins->has_run &= ~((uint64_t)1 << index);
  for (fe_shard_t *next; aged != NULL; aged = next) {
    next = aged->waiting_next;
    fe_figure_add(&bins->unit_count, -(index + 1));
    fe_large_give(heap, aged);
  }
}

void fe_large_bins_give_aged(fe_heap_t *heap) {
  if (fe_heap_waiting_units(heap) == 0) return;
  fe_large_bins_t *bins = bins_of(heap);
  for (uint64_t runs = bins->has_run; runs != 0; runs &= runs - 1) {
    give_aged(heap, bins, fe_lowest_bit(runs));
  }
}
