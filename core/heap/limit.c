/* The limit of a heap, exact to the byte, at no cost to the hot paths.
 *
 * While all blocks that the heap holds, live and free ones, fit within the limit, so do the live
 * ones, and nothing needs to be counted. When they do not, the heap becomes tight: all free blocks
 * are held back, so that the short way finds only blocks that were freed since, each of which made
 * room for itself; any other block is handed out one by one, against an allowance. The allowance
 * is what the limit leaves above the live blocks at the last count. A count goes over all shards,
 * and happens when the allowance is used up. */
#include "core/heap/heap.h"
#include "core/slab/remote.h"

static void hold_back(fe_shard_t *shard) {
  while (shard->free != NULL) {
    fe_block_t *block = shard->free;
    shard->free = block->next;
    block->next = shard->held_back;
    shard->held_back = block;
  }
}

static void let_go(fe_shard_t *shard) {
  while (shard->held_back != NULL) {
    fe_block_t *block = shard->held_back;
    shard->held_back = block->next;
    fe_shard_push(shard, block);
  }
}

static void for_each_listed_shard(fe_heap_t *heap, void (*action)(fe_shard_t *shard)) {
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
    if (heap->current[i] == &fe_shard_empty) continue;
    for (fe_shard_t *shard = heap->current[i]; shard != NULL; shard = shard->next) action(shard);
  }
}

static bool fits(const fe_heap_t *heap, size_t bytes) {
  return bytes <= heap->limit && fe_heap_held_bytes(heap) <= heap->limit - bytes;
}

static void tighten(fe_heap_t *heap) {
  size_t used_bytes = fe_heap_used_bytes(heap);
  for_each_listed_shard(heap, hold_back);
  heap->is_tight = true;
  heap->allowance_bytes = heap->limit > used_bytes ? heap->limit - used_bytes : 0;
}

static void relax(fe_heap_t *heap) {
  for_each_listed_shard(heap, let_go);
  heap->is_tight = false;
}

static bool take_from_allowance(fe_heap_t *heap, size_t bytes) {
  if (bytes > heap->allowance_bytes) return false;
  heap->allowance_bytes -= bytes;
  return true;
}

static FE_COLD bool may_hand_out_when_tight(fe_heap_t *heap, size_t bytes) {
  if (heap->is_tight && take_from_allowance(heap, bytes)) return true;
  if (heap->is_tight && fits(heap, bytes)) {
    relax(heap);
    return true;
  }
  tighten(heap);
  return take_from_allowance(heap, bytes);
}

bool fe_heap_may_hand_out(fe_heap_t *heap, size_t bytes) {
  if (FE_LIKELY(!heap->is_tight && fits(heap, bytes))) return true;
  return may_hand_out_when_tight(heap, bytes);
}

bool fe_heap_release_held_back(fe_heap_t *heap, fe_shard_t *shard) {
  fe_block_t *block = shard->held_back;
  if (block == NULL || !fe_heap_may_hand_out(heap, shard->block_size)) return false;
  if (!heap->is_tight) return true; /* all of them were let go */
  shard->held_back = block->next;
  fe_shard_push(shard, block);
  return true;
}

void fe_heap_set_limit(fe_heap_t *heap, size_t memory_limit) {
  heap->limit = memory_limit == 0 ? SIZE_MAX : memory_limit;
  if (!fits(heap, 0)) {
    tighten(heap);
  } else if (heap->is_tight) {
    relax(heap);
  }
}

size_t fe_heap_limit(const fe_heap_t *heap) { return heap->limit == SIZE_MAX ? 0 : heap->limit; }
