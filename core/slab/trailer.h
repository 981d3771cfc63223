/* The trailer of a block, in builds that check (track/track.h): the last bytes of the block, which
 * nobody but these functions may touch. It tells what was asked for, and whether the block is live:
 * its word `check` follows from the block's address, its size and the process's secret, so that
 * it fits no other block, and nobody can guess it. */
#ifndef FERROC_CORE_SLAB_TRAILER_H
#define FERROC_CORE_SLAB_TRAILER_H

#include "core/track/track.h"

#if FE_IS_TRACKED

typedef struct fe_trailer {
  uintptr_t size;  /* what was asked for, and how far into the block; see fe_trailer_size */
  uintptr_t check; /* fe_trailer_live, fe_trailer_freed, or 0: the block was never handed out */
} fe_trailer_t;

static_assert(sizeof(fe_trailer_t) <= FE_TRACK_TRAILER, "a trailer has room");

static inline fe_trailer_t *fe_trailer_at(void *start, size_t block_size) {
  return (fe_trailer_t *)((char *)start + block_size - FE_TRACK_TRAILER);
}

/* The word of a block that was handed out `skipped` bytes from its start. None is skipped in blocks
 * whose size would not fit into half a word. */
static inline uintptr_t fe_trailer_size(size_t size, size_t skipped) {
  return size + ((uintptr_t)skipped << (sizeof(uintptr_t) * 4));
}

static inline uintptr_t fe_trailer_mix(const void *ptr, uintptr_t more) {
  const uintptr_t odd = (uintptr_t)UINT64_C(0xbf58476d1ce4e5b9);
  uintptr_t mixed = ((uintptr_t)ptr ^ fe_track_secret()) * odd;
  mixed = (mixed ^ mixed >> (sizeof mixed * 4)) + more;
  mixed *= odd;
  return mixed ^ mixed >> (sizeof mixed * 4);
}

/* Of a live block that was handed out at ptr. */
static inline uintptr_t fe_trailer_live(const void *ptr, size_t size) {
  return fe_trailer_mix(ptr, size);
}

/* Of a free block that begins at start. */
static inline uintptr_t fe_trailer_freed(const void *start) {
  return ~fe_trailer_mix(start, UINTPTR_MAX);
}

#endif

#endif /* FERROC_CORE_SLAB_TRAILER_H */
