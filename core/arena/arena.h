/* Arenas: chunks cut into slabs of 64 units each, handed out and taken back without locks.
 *
 * Who may touch what: every thread may take and give units at any time. A unit belongs to whoever
 * took it; its bits in `dirty` and `aged` are written by its owner alone (a purge owns the units
 * that it purges). Arenas are never taken out of the collection, so that an arena pointer stays
 * valid for good. */
#ifndef FERROC_CORE_ARENA_ARENA_H
#define FERROC_CORE_ARENA_ARENA_H

#include <stdatomic.h>

#include "core/base/base.h"
#include "core/base/config.h"

#define FE_ARENA_SLABS_MAX 64
#define FE_ARENAS_MAX 4096 /* 1 TiB */

typedef struct fe_arenas fe_arenas_t;

/* Lies in the first unit of its own chunk. */
typedef struct fe_arena {
  fe_arenas_t *arenas; /* constant */
  char *start;         /* constant */
  unsigned slab_count; /* constant */
  /* A bit for each free unit; see bitmap.h. */
  _Atomic(uint64_t) free[FE_ARENA_SLABS_MAX];
  /* A bit for each unit that may hold something other than zeros. */
  _Atomic(uint64_t) dirty[FE_ARENA_SLABS_MAX];
  /* A bit for each slab for which huge pages were asked for. Relaxed: a hint for takers, and asking
   * twice does no harm. */
  _Atomic(uint64_t) huge;
  /* A bit for each unit that was free and dirty at the last tick, and has not been taken since. */
  _Atomic(uint64_t) aged[FE_ARENA_SLABS_MAX];
} fe_arena_t;

static_assert(sizeof(fe_arena_t) <= FE_UNIT_SIZE, "an arena's figures fit into one unit");

struct fe_arenas {
  const fe_base_t *base;
  /* Slots in use from the front on; a slot may still be NULL while its arena is being made. */
  _Atomic(size_t) arena_count;
  _Atomic(fe_arena_t *) arena[FE_ARENAS_MAX];
  /* How many free units are dirty: an estimate, for whether to look for one. */
  _Atomic(ptrdiff_t) dirty_unit_count;
  /* When units were aged last; whoever moves it on by compare-and-swap does the purge. */
  _Atomic(int64_t) tick_ms;
};

/* A run of units that somebody owns. arena NULL: a chunk of its own, straight from the base. */
typedef struct fe_run {
  fe_arena_t *arena;
  char *start;
  size_t unit_count;
  bool is_zero; /* every byte is known to be zero */
} fe_run_t;

/* Where a heap looks for units first. */
typedef struct fe_arena_hint {
  fe_arena_t *arena;
  unsigned slab;
  /* New slabs for single units shall have huge pages: fewer page faults and TLB misses, but the
   * memory comes in pieces of 2 MiB, so it is for heaps that have grown past that. */
  bool wants_huge;
} fe_arena_hint_t;

/* The arenas on fe_base_mmap that all heaps use. */
extern fe_arenas_t fe_arenas_default;

/* Takes units: of one slab up to FE_LARGE_UNITS_MAX, else whole slabs. False when there is no
 * memory. The hint is used and updated. Any thread. */
bool fe_arenas_take(fe_arenas_t *arenas, fe_arena_hint_t *hint, size_t unit_count, fe_run_t *run);

/* Takes the `more` units right behind a run of units of one slab, if they are free; whether the run
 * has grown. */
bool fe_arenas_extend(fe_arena_t *arena, char *start, size_t unit_count, size_t more);

/* Gives back what fe_arenas_take gave. Any thread. */
void fe_arenas_give(fe_arenas_t *arenas, const fe_run_t *run);

/* Now and then (at most each FE_PURGE_DELAY_MS), returns to the system what was free all the time
 * since the tick before. Cheap when there is nothing to do. Any thread. */
void fe_arenas_tick(fe_arenas_t *arenas);

/* Returns the memory of all free units to the system now. Any thread. */
void fe_arenas_purge(fe_arenas_t *arenas);

/* One bit for each slab of the address space that an arena or a run of its own covers. Set before
 * the first block is handed out of it, cleared after the last one came back; whoever holds a block
 * synchronised with that, so relaxed order is enough. */
#define FE_OWNERSHIP_BYTES ((size_t)1 << (FE_ADDRESS_BITS - FE_SLAB_SHIFT - 3)) /* 4 MiB */
extern _Atomic(uint8_t) fe_ownership[FE_OWNERSHIP_BYTES];

static inline bool fe_owns_address(const void *ptr) {
  uintptr_t slab = (uintptr_t)ptr >> FE_SLAB_SHIFT;
  if (FE_UNLIKELY((slab >> 3) >= FE_OWNERSHIP_BYTES)) return false;
  uint8_t byte = atomic_load_explicit(&fe_ownership[slab >> 3], memory_order_relaxed);
  return (byte >> (slab & 7)) & 1;
}

#endif /* FERROC_CORE_ARENA_ARENA_H */
