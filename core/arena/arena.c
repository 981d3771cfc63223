/* Taking units from the arenas and giving them back; making new arenas when there are none left. */
#include "core/arena/arena.h"

#include "core/arena/bitmap.h"

/* The first arena is small for the sake of programs under a limit of address space. */
#define FE_FIRST_ARENA_SLABS 16 /* 64 MiB */

/* Blocks of more slabs than this get a chunk of their own, returned when they are freed. */
#define FE_ARENA_RUN_SLABS_MAX 32 /* 128 MiB */

fe_arenas_t fe_arenas_default = {.base = &fe_base_mmap};

_Atomic(uint8_t) fe_ownership[FE_OWNERSHIP_BYTES];

static void set_ownership(const char *start, size_t slab_count, bool is_owned) {
  uintptr_t first = (uintptr_t)start >> FE_SLAB_SHIFT;
  for (uintptr_t slab = first; slab < first + slab_count; slab++) {
    uint8_t bit = (uint8_t)(1u << (slab & 7));
    if (is_owned) {
      atomic_fetch_or_explicit(&fe_ownership[slab >> 3], bit, memory_order_relaxed);
    } else {
      atomic_fetch_and_explicit(&fe_ownership[slab >> 3], (uint8_t)~bit, memory_order_relaxed);
    }
  }
}

static char *unit_address(const fe_arena_t *arena, unsigned slab, unsigned unit) {
  return arena->start + slab * FE_SLAB_SIZE + unit * FE_UNIT_SIZE;
}

/* Notes that the caller's units are in use now. Returns whether all of them are known to be zero.
 */
static bool mark_taken(fe_arena_t *arena, unsigned slab, uint64_t mask) {
  uint64_t dirty = atomic_fetch_or_explicit(&arena->dirty[slab], mask, memory_order_relaxed) & mask;
  if (dirty == 0) return true;
  atomic_fetch_and_explicit(&arena->aged[slab], ~mask, memory_order_relaxed);
  atomic_fetch_sub_explicit(&arena->arenas->dirty_unit_count, __builtin_popcountll(dirty),
                            memory_order_relaxed);
  return false;
}

static bool is_huge(fe_arena_t *arena, unsigned slab) {
  return atomic_load_explicit(&arena->huge, memory_order_relaxed) >> slab & 1;
}

/* Asks for huge pages for a slab that holds nothing yet. */
static void make_huge(fe_arena_t *arena, unsigned slab) {
  const fe_base_t *base = arena->arenas->base;
  atomic_fetch_or_explicit(&arena->huge, fe_bitmap_mask(slab, 1), memory_order_relaxed);
  base->advise_huge(base, unit_address(arena, slab, 0), FE_SLAB_SIZE, true);
}

/* The slab was all free, and its first units are the caller's: it may be any slab again. */
static void make_ordinary(fe_arena_t *arena, unsigned slab) {
  const fe_base_t *base = arena->arenas->base;
  atomic_fetch_and_explicit(&arena->huge, ~fe_bitmap_mask(slab, 1), memory_order_relaxed);
  base->advise_huge(base, unit_address(arena, slab, 0), FE_SLAB_SIZE, false);
}

/* What is looked for: a run of units in one slab. */
typedef struct wish {
  unsigned count;
  bool dirty_only;
  bool wants_huge;  /* see fe_arena_hint_t */
  bool spares_huge; /* not in slabs with huge pages, unless they are all free */
} wish_t;

static bool take_in_slab(fe_arena_t *arena, unsigned slab, const wish_t *wish, fe_run_t *run) {
  bool is_unwanted = wish->spares_huge && is_huge(arena, slab);
  for (;;) {
    uint64_t candidates = atomic_load_explicit(&arena->free[slab], memory_order_relaxed);
    bool is_unused = candidates == FE_BITMAP_ALL;
    if (is_unwanted && !is_unused) return false;
    if (wish->dirty_only) {
      candidates &= atomic_load_explicit(&arena->dirty[slab], memory_order_relaxed);
    }
    int unit = fe_bitmap_find_run(candidates, wish->count);
    if (unit < 0) return false;
    uint64_t mask = fe_bitmap_mask((unsigned)unit, wish->count);
    if (!fe_bitmap_take(&arena->free[slab], mask)) continue;
    if (wish->wants_huge && is_unused) make_huge(arena, slab);
    if (is_unwanted) make_ordinary(arena, slab);
    *run = (fe_run_t){.arena = arena,
                      .start = unit_address(arena, slab, (unsigned)unit),
                      .unit_count = wish->count,
                      .is_zero = mark_taken(arena, slab, mask)};
    return true;
  }
}

/* At the hint first, then wherever there is room. */
static bool take_anywhere(fe_arenas_t *arenas, fe_arena_hint_t *hint, const wish_t *wish,
                          fe_run_t *run) {
  if (hint->arena != NULL && take_in_slab(hint->arena, hint->slab, wish, run)) return true;
  size_t arena_count = atomic_load_explicit(&arenas->arena_count, memory_order_acquire);
  for (size_t i = 0; i < arena_count; i++) {
    fe_arena_t *arena = atomic_load_explicit(&arenas->arena[i], memory_order_acquire);
    if (arena == NULL) continue;
    for (unsigned slab = 0; slab < arena->slab_count; slab++) {
      if (take_in_slab(arena, slab, wish, run)) {
        hint->arena = arena;
        hint->slab = slab;
        return true;
      }
    }
  }
  return false;
}

/* Units that were in use before are warm and cost no page fault, so they come first. */
static bool take_units(fe_arenas_t *arenas, fe_arena_hint_t *hint, wish_t wish, fe_run_t *run) {
  ptrdiff_t dirty_count = atomic_load_explicit(&arenas->dirty_unit_count, memory_order_relaxed);
  if (dirty_count >= (ptrdiff_t)wish.count) {
    wish.dirty_only = true;
    if (take_anywhere(arenas, hint, &wish, run)) return true;
    wish.dirty_only = false;
  }
  return take_anywhere(arenas, hint, &wish, run);
}

/* Takes slabs `first` to `first + count - 1`, all of them or none. */
static bool take_slabs_at(fe_arena_t *arena, unsigned first, unsigned count) {
  for (unsigned taken = 0; taken < count; taken++) {
    if (fe_bitmap_take(&arena->free[first + taken], FE_BITMAP_ALL)) continue;
    while (taken-- > 0) fe_bitmap_give(&arena->free[first + taken], FE_BITMAP_ALL);
    return false;
  }
  return true;
}

static bool take_slabs_in_arena(fe_arena_t *arena, unsigned count, fe_run_t *run) {
  unsigned first = 0;
  for (unsigned slab = 0; slab < arena->slab_count; slab++) {
    if (atomic_load_explicit(&arena->free[slab], memory_order_relaxed) != FE_BITMAP_ALL) {
      first = slab + 1;
      continue;
    }
    if (slab + 1 - first < count) continue;
    if (!take_slabs_at(arena, first, count)) {
      first = slab + 1;
      continue;
    }
    bool is_zero = true;
    for (unsigned i = first; i < first + count; i++) {
      if (!mark_taken(arena, i, FE_BITMAP_ALL)) is_zero = false;
    }
    *run = (fe_run_t){.arena = arena,
                      .start = unit_address(arena, first, 0),
                      .unit_count = (size_t)count * FE_UNITS_PER_SLAB,
                      .is_zero = is_zero};
    return true;
  }
  return false;
}

static bool take_slabs(fe_arenas_t *arenas, unsigned count, fe_run_t *run) {
  size_t arena_count = atomic_load_explicit(&arenas->arena_count, memory_order_acquire);
  for (size_t i = 0; i < arena_count; i++) {
    fe_arena_t *arena = atomic_load_explicit(&arenas->arena[i], memory_order_acquire);
    if (arena != NULL && take_slabs_in_arena(arena, count, run)) return true;
  }
  return false;
}

/* A chunk of at least `slab_min` slabs, of `slab_wish` if it can be. */
static char *allocate_chunk(fe_arenas_t *arenas, unsigned slab_min, unsigned slab_wish,
                            unsigned *slab_count) {
  for (unsigned count = slab_wish;; count = count / 2 > slab_min ? count / 2 : slab_min) {
    char *chunk = arenas->base->allocate(arenas->base, count * FE_SLAB_SIZE, FE_SLAB_SIZE);
    *slab_count = count;
    if (chunk != NULL || count == slab_min) return chunk;
  }
}

/* Where huge pages are the rule, the table of owned slabs would take one for a few bits. */
static void keep_ownership_small(fe_arenas_t *arenas) {
  uintptr_t table = fe_align_up((uintptr_t)fe_ownership, FE_UNIT_SIZE);
  arenas->base->advise_huge(arenas->base, (void *)table, FE_OWNERSHIP_BYTES - FE_UNIT_SIZE, false);
}

/* Puts the arena into the first slot that nobody has. */
static bool publish_arena(fe_arenas_t *arenas, fe_arena_t *arena) {
  size_t index = atomic_load_explicit(&arenas->arena_count, memory_order_relaxed);
  do {
    if (index >= FE_ARENAS_MAX) return false;
  } while (!atomic_compare_exchange_weak_explicit(&arenas->arena_count, &index, index + 1,
                                                  memory_order_relaxed, memory_order_relaxed));
  /* Release: whoever finds the arena sees its figures. */
  atomic_store_explicit(&arenas->arena[index], arena, memory_order_release);
  return true;
}

/* Adds an arena in which `slab_min` slabs in a row are free. Several threads may each add one. */
static bool add_arena(fe_arenas_t *arenas, unsigned slab_min) {
  bool is_first = atomic_load_explicit(&arenas->arena_count, memory_order_relaxed) == 0;
  unsigned wish = is_first ? FE_FIRST_ARENA_SLABS : FE_ARENA_SLABS_MAX;
  unsigned least = slab_min + 1; /* the first slab is not wholly free */
  unsigned slab_count;
  char *chunk = allocate_chunk(arenas, least, wish > least ? wish : least, &slab_count);
  if (chunk == NULL) return false;
  if (is_first) keep_ownership_small(arenas);
  fe_arena_t *arena = (fe_arena_t *)chunk;
  arena->arenas = arenas;
  arena->start = chunk;
  arena->slab_count = slab_count;
  for (unsigned slab = 0; slab < slab_count; slab++) {
    atomic_store_explicit(&arena->free[slab], FE_BITMAP_ALL, memory_order_relaxed);
  }
  atomic_store_explicit(&arena->free[0], ~fe_bitmap_mask(0, 1), memory_order_relaxed);
  set_ownership(chunk, slab_count, true);
  if (publish_arena(arenas, arena)) return true;
  set_ownership(chunk, slab_count, false);
  arenas->base->release(arenas->base, chunk, slab_count * FE_SLAB_SIZE);
  return false;
}

static bool take_chunk(fe_arenas_t *arenas, size_t slab_count, fe_run_t *run) {
  size_t size = slab_count * FE_SLAB_SIZE;
  char *chunk = arenas->base->allocate(arenas->base, size, FE_SLAB_SIZE);
  if (chunk == NULL) return false;
  set_ownership(chunk, slab_count, true);
  *run = (fe_run_t){
      .arena = NULL, .start = chunk, .unit_count = slab_count * FE_UNITS_PER_SLAB, .is_zero = true};
  return true;
}

bool fe_arenas_take(fe_arenas_t *arenas, fe_arena_hint_t *hint, size_t unit_count, fe_run_t *run) {
  if (unit_count <= FE_LARGE_UNITS_MAX) {
    /* Large blocks stay out of slabs with huge pages as long as there are others: their memory
     * should go back when they do. */
    bool is_single = unit_count == 1;
    wish_t wish = {.count = (unsigned)unit_count,
                   .wants_huge = is_single && hint->wants_huge,
                   .spares_huge = !is_single};
    while (!take_units(arenas, hint, wish, run)) {
      if (add_arena(arenas, 0)) continue;
      wish.spares_huge = false;
      return take_units(arenas, hint, wish, run);
    }
    return true;
  }
  size_t slab_count = (unit_count + FE_UNITS_PER_SLAB - 1) / FE_UNITS_PER_SLAB;
  if (slab_count <= FE_ARENA_RUN_SLABS_MAX) {
    unsigned count = (unsigned)slab_count;
    do {
      if (take_slabs(arenas, count, run)) return true;
    } while (add_arena(arenas, count));
    return take_slabs(arenas, count, run) || take_chunk(arenas, slab_count, run);
  }
  return take_chunk(arenas, slab_count, run);
}

bool fe_arenas_extend(fe_arena_t *arena, char *start, size_t unit_count, size_t more) {
  size_t offset = (size_t)(start - arena->start);
  unsigned slab = (unsigned)(offset >> FE_SLAB_SHIFT);
  size_t unit = (offset & (FE_SLAB_SIZE - 1)) >> FE_SHARD_SHIFT;
  if (unit_count + more > FE_LARGE_UNITS_MAX || unit + unit_count + more > FE_UNITS_PER_SLAB) {
    return false;
  }
  uint64_t mask = fe_bitmap_mask((unsigned)(unit + unit_count), (unsigned)more);
  if (!fe_bitmap_take(&arena->free[slab], mask)) return false;
  mark_taken(arena, slab, mask);
  return true;
}

void fe_arenas_give(fe_arenas_t *arenas, const fe_run_t *run) {
  if (run->arena == NULL) {
    size_t slab_count = run->unit_count / FE_UNITS_PER_SLAB;
    set_ownership(run->start, slab_count, false);
    arenas->base->release(arenas->base, run->start, slab_count * FE_SLAB_SIZE);
    return;
  }
  /* Counted before the units are free, so that a taker's subtraction comes after. */
  atomic_fetch_add_explicit(&arenas->dirty_unit_count, (ptrdiff_t)run->unit_count,
                            memory_order_relaxed);
  size_t offset = (size_t)(run->start - run->arena->start);
  unsigned slab = (unsigned)(offset >> FE_SLAB_SHIFT);
  unsigned unit = (unsigned)((offset & (FE_SLAB_SIZE - 1)) >> FE_SHARD_SHIFT);
  for (size_t left = run->unit_count; left > 0; slab++, unit = 0) {
    unsigned count = left < FE_UNITS_PER_SLAB ? (unsigned)left : FE_UNITS_PER_SLAB;
    fe_bitmap_give(&run->arena->free[slab], fe_bitmap_mask(unit, count));
    left -= count;
  }
  fe_arenas_tick(arenas);
}
