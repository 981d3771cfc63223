/* The limit of a heap, exact to the byte, at no cost to the hot paths.
 *
 * The heap charges its budget for the blocks of its shards and its nursery, live and free ones:
 * that is its lease. While the budget allows for all of them, nothing needs to be counted. When it
 * does not, the heap becomes tight: all free blocks are held back, so that the short way finds only
 * blocks that were freed since, which are paid for already; any other block is handed out and
 * charged one by one. When even that is refused, a count over all shards tells what was freed since
 * the count before, and makes the lease that much smaller.
 *
 * A limit that is set below what is in use makes the heap be over it: then what was freed is not
 * paid for, so frees do not go the short way either, and their blocks are held back, until a count
 * finds that enough is free.
 *
 * Large blocks are charged each for itself. */
#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/slab/remote.h"

/* What is charged at a time, if the budget allows for it: the more a heap has, the more, so that
 * heaps of many threads seldom meet at the budget above them. */
#define FE_LEASE_STEP_MIN ((size_t)4096)
#define FE_LEASE_STEP_MAX ((size_t)65536)

static size_t lease_step(const fe_heap_t *heap, size_t bytes) {
  size_t step = heap->held_bytes / 16;
  if (step < FE_LEASE_STEP_MIN) step = FE_LEASE_STEP_MIN;
  if (step > FE_LEASE_STEP_MAX) step = FE_LEASE_STEP_MAX;
  return step > bytes ? step : bytes;
}

static void hold_back(fe_shard_t *shard) {
  while (shard->free != NULL) {
    fe_block_t *block = shard->free;
    shard->free = fe_block_next(block);
    fe_shard_hold_back(shard, block);
  }
}

static void let_go(fe_shard_t *shard) {
  while (shard->held_back != NULL) {
    fe_block_t *block = shard->held_back;
    shard->held_back = fe_block_next(block);
    fe_shard_push(shard, block);
  }
}

static void for_each_listed_shard(fe_heap_t *heap, void (*action)(fe_shard_t *shard)) {
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
    if (heap->current[i] == &fe_shard_empty) continue;
    for (fe_shard_t *shard = heap->current[i]; shard != NULL; shard = shard->next) action(shard);
  }
}

static bool lease_more(fe_heap_t *heap, size_t bytes) {
  if (!fe_budget_charge(&heap->budget, bytes)) return false;
  heap->lease_bytes += bytes;
  return true;
}

/* Gives back what the lease has above `bytes`. */
static void shrink_lease(fe_heap_t *heap, size_t bytes) {
  if (heap->lease_bytes <= bytes) return;
  fe_budget_uncharge(&heap->budget, heap->lease_bytes - bytes);
  heap->lease_bytes = bytes;
}

static bool is_over_limit(const fe_heap_t *heap) {
  return fe_budget_charged(&heap->budget) > fe_budget_limit(&heap->budget);
}

static void set_over_limit(fe_heap_t *heap, bool is_over) {
  if (heap->is_over_limit == is_over) return;
  heap->is_over_limit = is_over;
  fe_heap_resettle(heap);
}

/* The lease becomes what is live now, and no free block is in reach. */
static void tighten(fe_heap_t *heap) {
  size_t live_bytes = fe_heap_count_small_bytes(heap);
  for_each_listed_shard(heap, hold_back);
  if (!heap->is_tight) fe_count(heap, FE_HEAP_TIGHT_PHASE, 1);
  heap->is_tight = true;
  shrink_lease(heap, live_bytes);
  set_over_limit(heap, is_over_limit(heap));
}

/* Stops being tight if all blocks that the heap holds, and `bytes` more, can be paid for. */
static bool relax(fe_heap_t *heap, size_t bytes) {
  size_t wanted = heap->held_bytes + bytes;
  if (is_over_limit(heap)) return false;
  if (wanted > heap->lease_bytes && !lease_more(heap, wanted - heap->lease_bytes)) return false;
  set_over_limit(heap, false);
  for_each_listed_shard(heap, let_go);
  heap->is_tight = false;
  return true;
}

/* Returns false. */
static bool refuse(fe_heap_t *heap) {
  heap->has_met_limit = true;
  fe_count(heap, FE_HEAP_LIMIT_REFUSAL, 1);
  return false;
}

static bool may_hand_out_when_tight(fe_heap_t *heap, size_t bytes) {
  return relax(heap, bytes) || lease_more(heap, bytes);
}

static FE_COLD bool may_hand_out_after_lease(fe_heap_t *heap, size_t bytes) {
  if (heap->is_tight) {
    if (may_hand_out_when_tight(heap, bytes)) return true;
  } else if (lease_more(heap, lease_step(heap, bytes)) || lease_more(heap, bytes)) {
    return true;
  }
  tighten(heap);
  if (may_hand_out_when_tight(heap, bytes)) return true;
  return refuse(heap);
}

bool fe_heap_may_hand_out(fe_heap_t *heap, size_t bytes) {
  bool is_paid = !heap->is_tight && heap->held_bytes + bytes <= heap->lease_bytes;
  return FE_LIKELY(is_paid) || may_hand_out_after_lease(heap, bytes);
}

bool fe_heap_charge_large(fe_heap_t *heap, size_t bytes) {
  if (FE_LIKELY(fe_budget_charge(&heap->budget, bytes))) return true;
  tighten(heap);
  if (fe_budget_charge(&heap->budget, bytes)) return true;
  return refuse(heap);
}

void fe_heap_after_give_up(fe_heap_t *heap) { shrink_lease(heap, heap->held_bytes); }

bool fe_heap_release_held_back(fe_heap_t *heap, fe_shard_t *shard) {
  fe_block_t *block = shard->held_back;
  if (block == NULL || !fe_heap_may_hand_out(heap, shard->block_size)) return false;
  if (!heap->is_tight) return true; /* all of them were let go */
  shard->held_back = fe_block_next(block);
  fe_shard_push(shard, block);
  return true;
}

void fe_heap_set_limit(fe_heap_t *heap, size_t memory_limit) {
  size_t limit = memory_limit == 0 ? SIZE_MAX : memory_limit;
  atomic_store_explicit(&heap->budget.limit, limit, memory_order_relaxed);
  if (is_over_limit(heap) || (heap->is_tight && !relax(heap, 0))) tighten(heap);
}

size_t fe_heap_limit(const fe_heap_t *heap) {
  size_t limit = fe_budget_limit(&heap->budget);
  return limit == SIZE_MAX ? 0 : limit;
}
