/* The hot paths: an allocation from the current shard of its class, a free into the shard of the
 * block. Everything else is a call to a cold function of heap.h. */
#ifndef FERROC_CORE_HEAP_HEAP_INLINE_H
#define FERROC_CORE_HEAP_HEAP_INLINE_H

#include "core/heap/checked.h"
#include "core/heap/counting.h"
#include "core/heap/heap.h"

static inline fe_block_t *fe_shard_pop(fe_shard_t *shard) {
  fe_block_t *block = shard->free;
  if (FE_LIKELY(block != NULL)) shard->free = fe_block_next(block);
  return block;
}

static inline void *fe_shard_alloc(fe_shard_t *shard) {
  fe_block_t *block = fe_shard_pop(shard);
  if (FE_LIKELY(block != NULL)) fe_shard_count_up(shard);
  return block;
}

/* For sizes up to FE_TINY_MAX. NULL: the short way does not do. */
static inline void *fe_heap_alloc_quickly(fe_heap_t *heap, size_t size) {
  size_t wanted = fe_checked_size(size);
  if (FE_UNLIKELY(wanted > FE_TINY_MAX)) return NULL;
  return fe_checked_alloc(fe_shard_alloc(fe_heap_current_of_size(heap, wanted)), size);
}

/* A block came into a bin or, with the negative of both, went. */
static inline void fe_bins_count(fe_bins_t *bins, size_t bytes, size_t count) {
  fe_figure_add(&bins->bytes, bytes);
  fe_figure_add(&bins->count, count);
}

/* If the bin of the class is empty, the one above does: what goes from one to the other and back is
 * to be had again without a search. */
static inline void *fe_bins_take(fe_heap_t *heap, unsigned class_index) {
  if (FE_IS_TRACKED || class_index < FE_MIXED_FIRST_CLASS) return NULL;
  if (FE_UNLIKELY(!fe_heap_has_more_figures(heap))) return NULL;
  fe_bins_t *bins = &fe_heap_more_figures(heap)->bins;
  fe_block_t **first = &bins->first[class_index - FE_MIXED_FIRST_CLASS];
  if (FE_UNLIKELY(*first == NULL)) {
    first++;
    class_index++;
  }
  fe_block_t *block = *first;
  if (FE_UNLIKELY(block == NULL)) return NULL;
  *first = fe_block_next(block);
  fe_bins_count(bins, -fe_class_size(class_index), (size_t)-1);
  return block;
}

/* The same for larger sizes, when fe_heap_alloc_quickly did not do. The heap may be fe_heap_empty.
 */
static inline void *fe_heap_alloc_medium(fe_heap_t *heap, size_t size) {
  size_t wanted = fe_checked_size(size);
  if (FE_UNLIKELY(wanted <= FE_TINY_MAX)) return NULL;
  if (FE_UNLIKELY(wanted > FE_MEDIUM_MAX)) {
    return FE_IS_TRACKED ? NULL : fe_large_alloc_quickly(heap, wanted);
  }
  unsigned class_index = fe_class_of_larger(wanted);
  void *block = fe_shard_alloc(fe_heap_current(heap, class_index));
  return fe_checked_alloc(block != NULL ? block : fe_bins_take(heap, class_index), size);
}

/* With an alignment that is right, if the current shard of the class has blocks that are aligned
 * so. The heap may be fe_heap_empty. */
static inline void *fe_heap_alloc_aligned_quickly(fe_heap_t *heap, size_t size, size_t alignment) {
  size_t wanted = fe_checked_size(size);
  if (FE_UNLIKELY(alignment > FE_SHARD_ALIGNMENT_MAX || wanted - 1 >= FE_MEDIUM_MAX)) return NULL;
  size_t rounded = fe_align_up(wanted, alignment);
  if (FE_UNLIKELY(rounded > FE_MEDIUM_MAX)) return NULL;
  fe_shard_t *shard = rounded <= FE_TINY_MAX ? fe_heap_current_of_size(heap, rounded)
                                             : fe_heap_current(heap, fe_class_of_larger(rounded));
  if (FE_UNLIKELY(!fe_shard_is_aligned(shard, alignment))) return NULL;
  return fe_checked_alloc(fe_shard_alloc(shard), size);
}

/* Frees ptr if it is a block of this heap in an ordinary shard; whether it was. Every block on its
 * way back comes by here first. */
static inline bool fe_heap_free_quickly(fe_heap_t *heap, void *ptr) {
  if (!fe_checked_free(ptr)) return true;
  fe_shard_t *shard = fe_shard_of(ptr);
  if (FE_UNLIKELY(!fe_shard_is_owned_by(shard, heap))) return false;
  fe_shard_push(shard, ptr);
  if (FE_UNLIKELY(fe_shard_count_down(shard)) && !fe_shard_is_quiet(shard)) {
    fe_heap_shard_emptied(heap, shard);
  }
  return true;
}

#endif /* FERROC_CORE_HEAP_HEAP_INLINE_H */
