/* Size classes: multiples of 8 up to 128 bytes, then 8 steps for each doubling up to 30 KiB, of
 * which two fit into a shard. The granule of a heap decides only which classes it uses: one of 16
 * bytes leaves out the odd ones of the first 16. The classes above 128 are multiples of 16 for
 * both. */
#ifndef FERROC_CORE_HEAP_SIZE_CLASS_H
#define FERROC_CORE_HEAP_SIZE_CLASS_H

#include "core/base/config.h"

#define FE_TINY_MAX 128    /* sizes with an entry of their own in the heap's table */
#define FE_TINY_CLASSES 16 /* 8, 16, ..., 128 */

/* 8 for each doubling from 128 to half a shard, without the last: 79. */
#define FE_CLASS_COUNT (FE_TINY_CLASSES + 8 * (FE_SHARD_SHIFT - 8) - 1)

static inline unsigned fe_log2_floor(size_t value) {
  return 63u ^ (unsigned)__builtin_clzll(value);
}

/* The class of a size from FE_TINY_MAX + 1 to FE_MEDIUM_MAX. */
static inline unsigned fe_class_of_larger(size_t size) {
  size_t top = size - 1;
  unsigned doubling = fe_log2_floor(top); /* 7 to FE_SHARD_SHIFT - 2 */
  return (doubling - 7) * 8 + FE_TINY_CLASSES + ((unsigned)(top >> (doubling - 3)) & 7);
}

/* The class of a size from 0 to FE_MEDIUM_MAX in a heap with this granule (8 or 16). */
static inline unsigned fe_class_of(size_t size, size_t granule) {
  if (size > FE_TINY_MAX) return fe_class_of_larger(size);
  size_t rounded = size == 0 ? granule : fe_align_up(size, granule);
  return (unsigned)(rounded / 8) - 1;
}

static inline size_t fe_class_size(unsigned class_index) {
  if (class_index < FE_TINY_CLASSES) return (class_index + 1) * (size_t)8;
  unsigned above = class_index - FE_TINY_CLASSES;
  return (size_t)(8 + above % 8 + 1) << (above / 8 + 4);
}

#endif /* FERROC_CORE_HEAP_SIZE_CLASS_H */
