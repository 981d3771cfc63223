/* What the files of this floor and the ones above share. */
#ifndef FERROC_CORE_GLOBAL_GLOBAL_H
#define FERROC_CORE_GLOBAL_GLOBAL_H

#include "core/base/base.h"
#include "core/heap/heap_inline.h"

/* Allocates from the calling thread's heap, which is made if need be. NULL and ENOMEM. */
void *fe_global_alloc_slowly(size_t size);

/* Allocates from a heap when the quick way for small sizes does not do. NULL and ENOMEM. */
void *fe_global_heap_alloc_slowly(fe_heap_t *heap, size_t size);

/* Frees a block that is not in an ordinary shard of `heap`, the one that the caller uses. */
void fe_global_free_slowly(fe_heap_t *heap, void *ptr);

/* Debug builds: ends the program when ptr lies outside of ferroc's memory. */
static inline void fe_global_check(const void *ptr, const char *function) {
#ifndef NDEBUG
  if (!fe_owns_address(ptr)) {
    fe_fail("%s: %p is not a block of ferroc's: it must come from one of ferroc's own functions",
            function, ptr);
  }
#else
  (void)ptr;
  (void)function;
#endif
}

/* Reallocates a block, or NULL, when the quick way does not do. NULL: no memory, and ENOMEM; or the
 * size is 0. */
void *fe_global_realloc_slowly(fe_heap_t *heap, void *ptr, size_t size);

/* The quick way of a reallocation: whether a block of one of the heap's shards, of which it uses at
 * least half, may stay as it is. The heap may be fe_heap_empty. */
static inline bool fe_global_has_size(const fe_heap_t *heap, const void *ptr, size_t size) {
  if (FE_IS_TRACKED) return false;
  const fe_shard_t *shard = fe_shard_of(ptr);
  size_t usable = 0;
  if (fe_shard_owner(shard) == heap) {
    usable = shard->block_size;
  } else if (shard->kind == FE_SHARD_MIXED && fe_heap_of(shard) == heap) {
    usable = fe_mixed_block_size(shard, ptr);
  }
  return size <= usable && size >= usable / 2;
}

#endif /* FERROC_CORE_GLOBAL_GLOBAL_H */
