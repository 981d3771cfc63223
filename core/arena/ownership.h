/* Which addresses are ferroc's.
 *
 * A table with a bit for each slab of the addresses below 2^FE_ADDRESS_BITS says it for slabs that
 * one arena or one run covers whole. Slabs beyond have their bits in windows (window.h). Regions
 * that users hand in may begin and end anywhere, so they are noted in a third place. Both are
 * looked at only when the bit in the table is not set: they cost whoever asks about foreign
 * addresses, and nobody else but those who have memory there.
 *
 * Everything is set before the first block is handed out of the memory and cleared after the last
 * one came back. Whoever holds a block synchronised with that, so in the table relaxed order is
 * enough.
 *
 * Regions come and go while others look at theirs, so each slot of their table has a version, which
 * grows with each step and never returns:
 *
 *   FREE      nothing is noted; whoever adds 1 by compare-and-swap has the slot
 *   CLAIMED   the one who has it writes the region's start and end
 *   NOTED     they stay as they are until whoever noted the region forgets it: FREE, and higher
 *
 * Whoever asks reads the version, start and end, and the version again. Both versions the same and
 * NOTED: start and end belong together. Else there was a moment during his look at which the slot
 * had no region, and it counts as having none. So nobody waits or tries again: a region that is
 * just coming or going is not there, and of one with a block of the caller's the slot does not
 * change. */
#ifndef FERROC_CORE_ARENA_OWNERSHIP_H
#define FERROC_CORE_ARENA_OWNERSHIP_H

#include <stdatomic.h>

#include "core/base/base.h"

/* Notes that memory is ferroc's; whole units. False: there are FE_REGIONS_MAX regions with ends
 * inside of slabs already, or there is no memory for a window. Any thread. */
bool fe_ownership_set(const char *start, size_t size);

/* Whether any byte of the memory is ferroc's already. Any thread. */
bool fe_ownership_overlaps(const char *start, size_t size);

/* The same memory is ferroc's no more. Any thread. */
void fe_ownership_clear(const char *start, size_t size);

/* Notes, or forgets, that memory that is ferroc's is a chunk of a single run, and may be touched.
 * Any thread. */
void fe_ownership_set_single(const char *start, size_t size, bool is_single);

/* The tables' own memory shall not come in huge pages of `base` for the sake of a few bits. */
void fe_ownership_stay_small(const fe_base_t *base);

/* Whether an address that is ferroc's lies in a chunk of a single run. Without tables: or in any
 * other chunk. */
bool fe_ownership_is_single(const void *ptr);

/* Whether an address that the table does not know is ferroc's. */
bool fe_ownership_in_other_place(const void *ptr);

/* How many regions may begin or end inside of a slab at a time. */
#define FE_REGIONS_MAX 256

#ifdef FE_FREESTANDING

static inline bool fe_owns_address(const void *ptr) { return fe_ownership_in_other_place(ptr); }

#else

#define FE_OWNERSHIP_BYTES ((size_t)1 << (FE_ADDRESS_BITS - FE_SLAB_SHIFT - 3)) /* 4 MiB */
#define FE_OWNERSHIP_SLABS (FE_OWNERSHIP_BYTES * 8)

/* A bit for each slab. */
typedef struct fe_ownership_table {
  _Atomic(uint8_t) owned[FE_OWNERSHIP_BYTES];
  _Atomic(uint8_t) single[FE_OWNERSHIP_BYTES]; /* which belong to a chunk of a single run */
} fe_ownership_table_t;

extern fe_ownership_table_t fe_ownership;

/* Whether anything was ever noted elsewhere than in the table; relaxed. */
extern _Atomic(bool) fe_ownership_has_other_places;

/* The table's answer alone: false for NULL, and for memory in windows and regions too. */
static inline bool fe_ownership_in_table(const void *ptr) {
  uintptr_t slab = (uintptr_t)ptr >> FE_SLAB_SHIFT;
  if (FE_UNLIKELY((slab >> 3) >= FE_OWNERSHIP_BYTES)) return false;
  uint8_t byte = atomic_load_explicit(&fe_ownership.owned[slab >> 3], memory_order_relaxed);
  return (byte >> (slab & 7)) & 1;
}

static inline bool fe_owns_address(const void *ptr) {
  if (FE_LIKELY(fe_ownership_in_table(ptr))) return true;
  if (FE_LIKELY(!atomic_load_explicit(&fe_ownership_has_other_places, memory_order_relaxed))) {
    return false;
  }
  return fe_ownership_in_other_place(ptr);
}

#endif

#endif /* FERROC_CORE_ARENA_OWNERSHIP_H */
