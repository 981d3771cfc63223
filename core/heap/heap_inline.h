/* The hot paths: an allocation from the current shard of its class, a free into the shard of the
 * block. Everything else is a call to a cold function of heap.h. */
#ifndef FERROC_CORE_HEAP_HEAP_INLINE_H
#define FERROC_CORE_HEAP_HEAP_INLINE_H

#include "core/heap/checked.h"
#include "core/heap/heap.h"

/* The current shard for a size up to FE_MEDIUM_MAX, fe_shard_empty above. */
static inline fe_shard_t *fe_heap_current_shard(fe_heap_t *heap, size_t size) {
  if (FE_LIKELY(size <= FE_TINY_MAX)) return fe_heap_current_of_size(heap, size);
  if (FE_LIKELY(size <= FE_MEDIUM_MAX)) return fe_heap_current(heap, fe_class_of_larger(size));
  return &fe_shard_empty;
}

static inline fe_block_t *fe_shard_pop(fe_shard_t *shard) {
  fe_block_t *block = shard->free;
  if (FE_LIKELY(block != NULL)) shard->free = fe_block_next(block);
  return block;
}

/* NULL: the short way does not do. */
static inline void *fe_heap_alloc_quickly(fe_heap_t *heap, size_t size) {
  fe_shard_t *shard = fe_heap_current_shard(heap, fe_checked_size(size));
  fe_block_t *block = fe_shard_pop(shard);
  if (FE_LIKELY(block != NULL)) fe_shard_count_up(shard);
  return fe_checked_alloc(block, size);
}

/* Frees ptr if it is a block of this heap in an ordinary shard; whether it was. Every block on its
 * way back comes by here first. */
static inline bool fe_heap_free_quickly(fe_heap_t *heap, void *ptr) {
  if (!fe_checked_free(ptr)) return true;
  fe_shard_t *shard = fe_shard_of(ptr);
  if (FE_UNLIKELY(fe_shard_owner(shard) != heap)) return false;
  fe_shard_push(shard, ptr);
  if (FE_UNLIKELY(fe_shard_count_down(shard)) && !fe_shard_is_quiet(shard)) {
    fe_heap_shard_emptied(heap, shard);
  }
  return true;
}

#endif /* FERROC_CORE_HEAP_HEAP_INLINE_H */
