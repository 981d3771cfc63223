/* Builds that check (track/track.h): every block is asked for with its trailer, marked when it is
 * handed out, and looked at when it comes back. In ordinary builds all of this is nothing. */
#ifndef FERROC_CORE_HEAP_CHECKED_H
#define FERROC_CORE_HEAP_CHECKED_H

#include "core/heap/heap.h"

#if FE_IS_TRACKED

/* What to ask a heap for. */
static inline size_t fe_checked_size(size_t size) {
  return size > PTRDIFF_MAX ? size : size + FE_TRACK_TRAILER;
}

/* The block is handed out for `size` bytes. block NULL: so is the result. */
void *fe_checked_alloc(void *block, size_t size);

/* Whether ptr is a live block, which is dead from now on; if not, that was reported, and the caller
 * leaves it alone. Any thread that holds the block. */
bool fe_checked_free(void *ptr);

/* What was asked for; 0 and a report if ptr is no live block. */
size_t fe_checked_requested(const void *ptr);

/* The block stays where it is and has fewer bytes from now on. */
void fe_checked_shrink(void *ptr, size_t size);

/* The shard's heap ends, and with it all its live blocks. */
void fe_checked_end_shard(fe_shard_t *shard);

#else

static inline void fe_checked_end_shard(fe_shard_t *shard) { (void)shard; }

static inline size_t fe_checked_size(size_t size) { return size; }

static inline void *fe_checked_alloc(void *block, size_t size) {
  (void)size;
  return block;
}

static inline bool fe_checked_free(void *ptr) {
  (void)ptr;
  return true;
}

static inline size_t fe_checked_requested(const void *ptr) {
  (void)ptr;
  return 0;
}

static inline void fe_checked_shrink(void *ptr, size_t size) {
  (void)ptr;
  (void)size;
}

#endif

#endif /* FERROC_CORE_HEAP_CHECKED_H */
