/* Arenas: chunks cut into slabs of 64 units each, handed out and taken back without locks.
 *
 * Who may touch what: every thread may take and give units at any time. A unit belongs to whoever
 * took it; its bits in `dirty` and `aged` are written by its owner alone (a purge owns the units
 * that it purges). Whoever takes units that he may not keep says so before (passing.h), so that
 * nobody is refused for their sake. Arenas are never taken out of the list, so that an arena
 * pointer stays valid for as long as the arenas do. */
#ifndef FERROC_CORE_ARENA_ARENA_H
#define FERROC_CORE_ARENA_ARENA_H

#include <stdatomic.h>

#include "core/arena/ownership.h"
#include "core/base/base.h"
#include "core/base/config.h"
#include "core/track/guard.h"

typedef enum fe_presence {
  FE_SLAB_PRESENT,
  FE_SLAB_HELD,
  FE_SLAB_RESERVED,
  FE_SLAB_ABSENT
} fe_presence_t;

/* 4 MiB of an arena: its n-th units from the arena's start on, wherever that is. */
typedef struct fe_slab {
  /* A bit for each free unit; see bitmap.h. Those that the arena has no memory for are never set.
   */
  _Atomic(fe_units_t) free;
  /* A bit for each unit that may hold something other than zeros; of a base that commits, for each
   * unit with memory behind it. */
  _Atomic(fe_units_t) dirty;
  /* A bit for each unit that was free and dirty at the last tick, and has not been taken since. */
  _Atomic(fe_units_t) aged;
  /* A bit for each unit with the header of a shard in it that may be looked at by a census; see
   * slab/census.h. */
  _Atomic(fe_units_t) heads;
  /* In slabs with huge pages, a bit for each unit that was idle at all ticks of this period so far;
   * see huge.c. Written at ticks only; relaxed. */
  _Atomic(fe_units_t) idle;
  /* Units of runs that began in the slab: taken, relaxed, and given back, see passing.h. They only
   * grow, and are summed up when somebody asks. */
  _Atomic(size_t) taken_units, given_units;
  /* Since when the slab was seen unused at ticks; 0: it was not. If it is absent, when its
   * addresses were not to be had; 0: they were not asked for. Relaxed. */
  _Atomic(uint32_t) unused_since_ms;
  /* Huge pages were asked for. Relaxed: a hint for takers, and asking twice does no harm. */
  atomic_bool is_huge;
  /* An fe_presence_t; see absent.h. */
  _Atomic(unsigned char) presence;
  /* How many units were free and dirty when somebody noted that; see dirty.h. */
  _Atomic(uint8_t) noted;
} fe_slab_t;

#define FE_HEAP_EVENTS_MAX 24

struct fe_shard;

/* What room of an arena tells of (room.h): runs of one unit, of two and so on; slabs without a unit
 * in use; slabs that are absent. */
#define FE_ROOM_SLAB FE_LARGE_UNITS_MAX
#define FE_ROOM_ABSENT (FE_LARGE_UNITS_MAX + 1)
#define FE_ROOM_COUNT (FE_LARGE_UNITS_MAX + 2)

/* Lies in the first units of its own chunk. */
typedef struct fe_arena {
  fe_arenas_t *arenas; /* constant */
  /* The one that was added after this; set once, release, so that whoever finds it sees it. */
  _Atomic(struct fe_arena *) next;
  char *start;           /* constant */
  size_t unit_count;     /* constant */
  unsigned slab_count;   /* constant; the last one may have fewer units */
  unsigned header_units; /* constant; the first units, which hold this */
  fe_guard_t guard;      /* behind this; constant */
  bool is_lent;          /* constant; memory of the program's: not decommitted, not released */
  /* For each of these the first slab that may have it; see room.h. */
  _Atomic(uint32_t) room[FE_ROOM_COUNT];
  fe_slab_t slab[];
} fe_arena_t;

/* Events and levels; see counting.h. Relaxed, but for open_units_given (passing.h). */
typedef struct fe_arenas_figures {
  /* Of chunks that are a single run each; of others, slabs count. */
  _Atomic(size_t) open_units_taken, open_units_given;
  _Atomic(size_t) reserved_units, peak_reserved_units;
  _Atomic(size_t) committed_units, peak_committed_units; /* dirty ones, and what holds arenas */
  _Atomic(size_t) open_units;                            /* of chunks that are a single run each */
  _Atomic(size_t) chunks_mapped, chunks_released;
  _Atomic(size_t) purges, decommitted_units;
  /* What the heaps that ended had counted, in the order of heap/figures.h; the roll's lock. */
  _Atomic(size_t) of_ended_heaps[FE_HEAP_EVENTS_MAX];
} fe_arenas_figures_t;

/* Who has units in passing; see passing.h. The counts only grow. */
typedef struct fe_passing {
  _Atomic(size_t) begun; /* ordered by what comes after it */
  _Atomic(size_t) ended; /* release: the units are back in sight */
  /* Of those that have not ended, those that nobody waits for any more; relaxed: a guess. */
  _Atomic(size_t) lost;
} fe_passing_t;

/* Each thread that asks for a chunk at the same moment may leave one. */
#define FE_SPARE_CHUNKS_MAX 8

struct fe_arenas {
  const fe_base_t *base;       /* constant */
  _Atomic(fe_arena_t *) first; /* the oldest */
  /* How many free units are dirty, about; see dirty.h. Lines of their own for
   * this and for other words that takers write, and do not only read. */
  alignas(FE_CACHE_LINE) _Atomic(ptrdiff_t) dirty_unit_count;
  /* Units of the program's regions; grows only. They never go back. */
  _Atomic(ptrdiff_t) lent_unit_count;
  /* When units were aged last; whoever moves it on by compare-and-swap does the purge. */
  _Atomic(uint32_t) tick_ms;
  /* Slabs that the last tick saw unused: an estimate, for whether ticks have something to do. */
  _Atomic(size_t) unused_slab_count;
  /* Ticks at which it was looked for idle memory in huge pages; see huge.c. */
  _Atomic(uint32_t) huge_tick_count;
  alignas(FE_CACHE_LINE) fe_passing_t passing;
  /* Chunks of a base that takes none back, which had no memory for their headers so far: where they
   * begin, plus how many slabs they have; 0: none. Whoever exchanges it for 0 has the chunk. */
  _Atomic(uintptr_t) spare[FE_SPARE_CHUNKS_MAX];
  /* See slab/census.h. */
  alignas(FE_CACHE_LINE) atomic_bool is_census;
  _Atomic(struct fe_shard *) parked;
  alignas(FE_CACHE_LINE) fe_arenas_figures_t figures;
};

/* A run of units that somebody owns. arena NULL: a chunk of its own, straight from the base. */
typedef struct fe_run {
  fe_arena_t *arena;
  char *start;
  size_t unit_count;
  /* Of a chunk of its own: the first units, which may be touched. The memory of those behind went
   * back to the base. */
  size_t open_count;
  bool is_zero; /* every byte is known to be zero */
} fe_run_t;

/* Where a heap looks first for single units: where the last one came from. */
typedef struct fe_arena_hint {
  fe_arena_t *arena;
  unsigned slab;
  /* New slabs for single units shall have huge pages: fewer page faults and TLB misses, but the
   * memory comes in pieces of 2 MiB, so it is for heaps that have grown past that. */
  bool wants_huge;
} fe_arena_hint_t;

/* The arenas on fe_base_mmap that all heaps use. */
extern fe_arenas_t fe_arenas_default;

/* Takes units: up to FE_LARGE_UNITS_MAX of one slab, or of two side by side, above that whole
 * slabs, and where there are none, or addresses are limited, or in regions of the program's alone,
 * units of several slabs side by side. False when there is no memory: all was in somebody's hands,
 * or the base refuses it. The hint is used and updated. Any thread. */
bool fe_arenas_take(fe_arenas_t *arenas, fe_arena_hint_t *hint, size_t unit_count, fe_run_t *run);

/* Takes the `more` units right behind a run of units, if they are free. Whether the run has grown.
 */
bool fe_arenas_extend(fe_arena_t *arena, char *start, size_t unit_count, size_t more);

/* Whether runs can be chunks of their own: a base that takes nothing back would lose each. */
static inline bool fe_base_has_single_chunks(const fe_base_t *base) {
  return base->release != NULL;
}

/* Whether such a chunk can be made larger. Where memory has to be put behind what is new, it might
 * be missing when the chunk has moved already, and its block could not stay as it was. */
static inline bool fe_base_can_grow(const fe_base_t *base) {
  return base->grow != NULL && base->commit == NULL && fe_base_has_single_chunks(base);
}

/* Takes whole slabs for a block that is likely to grow: if it can be, in a chunk of its own. */
bool fe_arenas_take_to_grow(fe_arenas_t *arenas, size_t unit_count, fe_run_t *run);

/* Makes a run that is a chunk of its own larger, with what it holds, here or elsewhere; whether it
 * did, else the run is as it was. */
bool fe_arenas_grow(fe_arenas_t *arenas, fe_run_t *run, size_t unit_count);

/* Makes the first `unit_count` units of a chunk of its own touchable; whether they are. */
bool fe_arenas_open(fe_arenas_t *arenas, fe_run_t *run, size_t unit_count);

/* Gives the memory behind the first `unit_count` units of a chunk of its own back to the base, in
 * whole pages, and keeps the addresses; whether the base took it. */
bool fe_arenas_close(fe_arenas_t *arenas, fe_run_t *run, size_t unit_count);

/* Gives back what fe_arenas_take gave. Any thread. */
void fe_arenas_give(fe_arenas_t *arenas, const fe_run_t *run);

/* Now and then (at most each purge_delay_ms), returns to the system what was free all the time
 * since the tick before. Cheap when there is nothing to do. Any thread. */
void fe_arenas_tick(fe_arenas_t *arenas);

/* Returns the memory of all free units to the system now. Any thread. */
void fe_arenas_purge(fe_arenas_t *arenas);

/* The same, and the addresses of all slabs that nobody uses go back, if the base takes them.
 * Whether there was anything. Any thread. */
bool fe_arenas_give_all_back(fe_arenas_t *arenas);

/* How many units were taken, and how many were given back so far: these can be found. Goes through
 * all slabs. */
size_t fe_arenas_units_taken(fe_arenas_t *arenas);
size_t fe_arenas_units_given(fe_arenas_t *arenas);

/* Called when there may be more to give back to the system than before: whenever units were given
 * back. NULL: nothing is called. Relaxed: one who finds it a moment late may miss the first. */
extern void (*_Atomic fe_arenas_on_give)(fe_arenas_t *arenas);

static inline void fe_arenas_tell_given(fe_arenas_t *arenas) {
  void (*on_give)(fe_arenas_t *) = atomic_load_explicit(&fe_arenas_on_give, memory_order_relaxed);
  if (FE_UNLIKELY(on_give != NULL)) on_give(arenas);
}

/* How many units of its slabs are taken. Nobody may be using the arenas. */
size_t fe_arenas_used_units(fe_arenas_t *arenas);

/* fe_arenas_destroy, when the heaps of threads that can end have ended. */
bool fe_arenas_end(fe_arenas_t *arenas);

/* What lies in huge pages in use is given up when it was idle for so many ticks. */
#define FE_HUGE_PATIENCE_TICKS 8

/* How much memory is free and will go back to the system if nobody takes it: an estimate. */
static inline size_t fe_arenas_waiting_bytes(fe_arenas_t *arenas) {
  if (arenas->base->decommit == NULL) return 0;
  ptrdiff_t count = atomic_load_explicit(&arenas->dirty_unit_count, memory_order_relaxed) -
                    atomic_load_explicit(&arenas->lent_unit_count, memory_order_relaxed);
  return count < 0 ? 0 : (size_t)count * FE_UNIT_SIZE;
}

/* Runs of more units than this are rather chunks of their own, if the base takes these back. */
#define FE_ARENA_RUN_UNITS_MAX (((size_t)128 << 20) >> FE_SHARD_SHIFT)

/* -- between the files of this floor -- */

/* Adds an arena on a chunk of the base, if there is one in which `slab_min` slabs in a row are
 * free; or on a spare one, which may be smaller. Whether it did. Several threads may each add one.
 */
bool fe_arenas_add_chunk(fe_arenas_t *arenas, size_t slab_min);

static inline fe_arena_t *fe_arenas_first(fe_arenas_t *arenas) {
  return atomic_load_explicit(&arenas->first, memory_order_acquire);
}

static inline fe_arena_t *fe_arena_next(fe_arena_t *arena) {
  return atomic_load_explicit(&arena->next, memory_order_acquire);
}

static inline fe_presence_t fe_slab_presence(const fe_slab_t *slab) {
  return (fe_presence_t)atomic_load_explicit(&((fe_slab_t *)slab)->presence, memory_order_relaxed);
}

/* Whether the slab is not there: nobody uses it, and nobody may look at it. */
static inline bool fe_slab_is_absent(const fe_slab_t *slab) {
  return fe_slab_presence(slab) >= FE_SLAB_RESERVED;
}

/* Smaller slabs would leave a mapping for each that is not like its neighbours, of which a process
 * may have 65,530. Guard pages use these up: then no slab could be made accessible any more. */
#define FE_SLAB_OF_ITS_OWN_MIN ((size_t)1 << 20)

/* Whether chunks of the base come without memory, and slabs are made accessible one by one. In a
 * copy of ours with an `allocate` of the program's, `reserve` is left over. */
static inline bool fe_base_reserves(const fe_base_t *base) {
  bool is_left_over =
      base->reserve == fe_base_default.reserve && base->allocate != fe_base_default.allocate;
  bool is_worth_it = FE_SLAB_SIZE >= FE_SLAB_OF_ITS_OWN_MIN && FE_GUARD_SIZE == 0;
  return is_worth_it && !is_left_over && base->allocate != NULL && base->reserve != NULL &&
         base->protect != NULL;
}

/* The arena of these that an address lies in; NULL: none. Where a slab is absent there may be
 * another arena by now, or a chunk of its own. Any thread. */
fe_arena_t *fe_arenas_find(fe_arenas_t *arenas, const void *ptr);

static inline char *fe_unit_address(const fe_arena_t *arena, size_t slab, size_t unit) {
  return arena->start + slab * FE_SLAB_SIZE + unit * FE_UNIT_SIZE;
}

/* A chunk of the base that lies where one can; NULL: there is none, or it does not, which is said.
 * The second: one of whose slabs none is accessible yet, if the base reserves. */
char *fe_chunk_allocate(const fe_base_t *base, size_t size);
char *fe_chunk_reserve(const fe_base_t *base, size_t size);

/* Gives a chunk back, if the base takes it. */
void fe_chunk_release(const fe_base_t *base, char *chunk, size_t size);

/* Puts memory behind units of a chunk. The base's pages may be larger than units: then other units
 * of the same pages may be in use already. */
bool fe_chunk_commit(const fe_base_t *base, char *start, size_t size);

/* The units of a slab that the arena has memory for and does not need itself. */
fe_units_t fe_arena_usable_units(const fe_arena_t *arena, unsigned slab);

#endif /* FERROC_CORE_ARENA_ARENA_H */
