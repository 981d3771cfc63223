/* Frees that cannot go the short way: into full shards, nurseries and large blocks, through
 * pointers into a block, by other threads. */
#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/heap/heap_inline.h"
#include "core/slab/remote.h"

FE_COLD void fe_heap_shard_emptied(fe_heap_t *heap, fe_shard_t *shard) {
  if (shard->state == FE_SHARD_WAITING && fe_shard_used(shard) == 0) {
    fe_heap_give_up_shard(heap, shard);
  }
}

FE_COLD void fe_heap_free_slowly(fe_heap_t *heap, fe_shard_t *shard, void *ptr) {
  if (shard->kind == FE_SHARD_LARGE) {
    fe_large_free(heap, shard);
    fe_heap_pulse_after_large(heap);
    return;
  }
  fe_heap_pulse(heap);
  if (shard->kind == FE_SHARD_NURSERY) {
    fe_nursery_free(heap, ptr);
    return;
  }
  if (shard->kind == FE_SHARD_MIXED) {
    fe_mixed_free(heap, shard, ptr);
    return;
  }
  fe_block_t *block = fe_shard_has_interior(shard) ? fe_shard_block_start(shard, ptr) : ptr;
  fe_heap_put_back(heap, shard, block);
  fe_shard_count_down(shard);
  if (shard->state == FE_SHARD_FULL) {
    fe_remote_list(shard);
    fe_heap_unshelve_shard(heap, shard);
  }
  fe_heap_shard_emptied(heap, shard);
}

FE_COLD void fe_heap_free_remotely(fe_shard_t *shard, void *ptr) {
  /* The state NEVER does not change, and is read through the block that the caller holds. */
  if (fe_shard_remote_state(shard) == FE_REMOTE_NEVER) {
    fe_large_free(fe_heap_of(shard), shard);
    return;
  }
  fe_block_t *block = fe_shard_has_interior(shard) ? fe_shard_block_start(shard, ptr) : ptr;
  fe_remote_free(shard, block);
}

/* A full shard that somebody woke goes back to its queue, if it has a block by now. */
static void wake_blocks(fe_heap_t *heap, fe_shard_t *shard, fe_block_t *block) {
  fe_heap_take_in(heap, shard, block);
  if (shard->state == FE_SHARD_FULL) {
    bool has_free = shard->free != NULL || shard->held_back != NULL;
    if (!has_free && fe_remote_sleep(shard)) return;
    fe_heap_unshelve_shard(heap, shard);
  }
  fe_heap_shard_emptied(heap, shard);
}

static void wake(fe_heap_t *heap, fe_shard_t *shard) {
  bool has_queue = shard->kind == FE_SHARD_BLOCKS;
  fe_block_t *block = fe_remote_wake(shard, has_queue ? FE_REMOTE_LISTED : FE_REMOTE_ASLEEP);
  if (has_queue) {
    wake_blocks(heap, shard, block);
    return;
  }
  if (shard->kind == FE_SHARD_LARGE) {
    fe_large_free(heap, shard);
    return;
  }
  fe_count(heap, FE_HEAP_REMOTE_BATCH, 1);
  while (block != NULL) {
    fe_block_t *next = fe_block_next(block);
    fe_count(heap, FE_HEAP_REMOTE_BLOCK, 1);
    if (shard->kind == FE_SHARD_MIXED) {
      fe_mixed_free(heap, shard, block);
    } else {
      fe_nursery_free(heap, block);
    }
    block = next;
  }
}

void fe_heap_drain(fe_heap_t *heap) {
  fe_shard_t *shard = fe_inbox_take(&heap->inbox);
  if (shard != NULL) fe_count(heap, FE_HEAP_DRAIN, 1);
  while (shard != NULL) {
    fe_shard_t *next = shard->woken_next;
    wake(heap, shard);
    shard = next;
  }
}
