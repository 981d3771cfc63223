/* Frees that cannot go the short way: into full shards, nurseries and large blocks, through
 * pointers into a block, by other threads. */
#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/heap/heap_inline.h"
#include "core/slab/remote.h"

static void give_up_if_empty(fe_heap_t *heap, fe_shard_t *shard) {
  if (fe_shard_state(shard) == FE_SHARD_WAITING && fe_shard_used(shard) == 0) {
    fe_heap_give_up_shard(heap, shard);
  }
}

/* Nobody else has given the shard back by now: nobody gives back one that waits and whose last
 * block its holder has freed. */
FE_COLD void fe_heap_shard_emptied(fe_heap_t *heap, fe_shard_t *shard) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  if (fe_shard_state(shard) == FE_SHARD_EAGER) {
    fe_heap_spare(heap, shard);
  } else {
    give_up_if_empty(heap, shard);
  }
  /* Only then: the end of a trim may give up empty shards itself. */
  fe_heap_end_trim(heap);
  fe_gate_leave(&heap->gate, gate);
}

static void free_in_shard(fe_heap_t *heap, fe_shard_t *shard, void *ptr) {
  fe_block_t *block = fe_shard_has_interior(shard) ? fe_shard_block_start(shard, ptr) : ptr;
  fe_heap_put_back(heap, shard, block);
  fe_shard_count_down(shard);
  fe_heap_refund(heap, shard->block_size);
  if (fe_shard_state(shard) == FE_SHARD_FULL) fe_heap_unshelve_shard(heap, shard);
  give_up_if_empty(heap, shard);
}

/* Whether a large block's memory went back to the arenas. */
static bool free_inside(fe_heap_t *heap, fe_shard_t *shard, void *ptr) {
  switch ((fe_shard_kind_t)shard->kind) {
    case FE_SHARD_BLOCKS:
      free_in_shard(heap, shard, ptr);
      break;
    case FE_SHARD_NURSERY:
      fe_nursery_free(heap, ptr);
      break;
    case FE_SHARD_MIXED:
      fe_mixed_free(heap, shard, ptr);
      break;
    case FE_SHARD_LARGE:
      return fe_large_free(heap, shard);
  }
  return false;
}

FE_COLD void fe_heap_free_inside(fe_heap_t *heap, fe_shard_t *shard, void *ptr) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  fe_heap_end_trim(heap);
  bool has_given = free_inside(heap, shard, ptr);
  fe_gate_leave(&heap->gate, gate);
  /* There may be much to give back and no other slow call. */
  if (has_given) {
    fe_heap_look_at_clock(heap);
  } else {
    fe_heap_pulse(heap);
  }
}

void fe_heap_free_slowly(fe_heap_t *heap, fe_shard_t *shard, void *ptr) {
  if (FE_LIKELY(shard->kind == FE_SHARD_MIXED)) {
    fe_bins_put(heap, shard, ptr);
  } else if (shard->kind == FE_SHARD_LARGE) {
    fe_large_free_by_holder(heap, shard, ptr);
  } else {
    fe_heap_free_inside(heap, shard, ptr);
  }
}

static FE_COLD void free_and_tell(fe_shard_t *shard, fe_block_t *block) {
  fe_heap_t *heap = fe_heap_of(shard);
  fe_remote_news_t news = fe_remote_free_and_tell(shard, block);
  if (news == FE_NEWS_EMPTIED) fe_heap_after_emptied(heap);
  if (news == FE_NEWS_WOKEN) fe_heap_after_woken(heap);
  fe_remote_leave(heap);
}

void fe_heap_free_remotely(fe_shard_t *shard, void *ptr) {
  /* The state NEVER does not change, and is read through the block that the caller holds. */
  if (FE_UNLIKELY(fe_shard_remote_state(shard) == FE_REMOTE_NEVER)) {
    fe_large_free_elsewhere(shard);
    return;
  }
  fe_block_t *block = fe_shard_has_interior(shard) ? fe_shard_block_start(shard, ptr) : ptr;
  if (FE_UNLIKELY(!fe_remote_free(shard, block))) free_and_tell(shard, block);
}

/* A full shard that somebody woke goes back to its queue, if it has a block by now. */
static void wake_blocks(fe_heap_t *heap, fe_shard_t *shard, fe_block_t *block) {
  fe_heap_take_in(heap, shard, block);
  if (fe_shard_state(shard) == FE_SHARD_FULL) {
    bool has_free = shard->free != NULL || shard->kept != NULL;
    if (!has_free && fe_remote_sleep(shard)) return;
    fe_heap_unshelve_shard(heap, shard);
  }
  give_up_if_empty(heap, shard);
}

void fe_heap_wake_shard(fe_heap_t *heap, fe_shard_t *shard) {
  bool has_queue = shard->kind == FE_SHARD_BLOCKS;
  bool is_listed = has_queue && !fe_account_is_tight(&heap->account);
  fe_block_t *block = fe_remote_wake(shard, is_listed ? FE_REMOTE_LISTED : FE_REMOTE_ASLEEP);
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
      fe_mixed_take_in(heap, shard, block);
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
    fe_heap_wake_shard(heap, shard);
    shard = next;
  }
}
