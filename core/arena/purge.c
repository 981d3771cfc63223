/* Giving the memory of free units back to the system: those that were free from one tick to the
 * next, or all at once on request. A purge owns the units that it purges, like any other taker. */
#include "core/arena/arena.h"
#include "core/arena/bitmap.h"

/* Between 50 and 100 ms after it was freed, memory that nobody took again goes back. Shorter costs
 * page faults where memory comes and goes: with 10 ms, Python programs took up to twice as many.
 * Longer costs peak memory: with 200 ms, programs with many large blocks took 10 to 15 % more. */
#define FE_PURGE_DELAY_MS 50

/* Decommits each run of set bits; the caller owns these units. Returns those that are zero now. */
static uint64_t decommit_units(fe_arena_t *arena, unsigned slab, uint64_t units) {
  const fe_base_t *base = arena->arenas->base;
  uint64_t done = 0;
  while (units != 0) {
    unsigned first = (unsigned)__builtin_ctzll(units);
    uint64_t rest = ~(units >> first);
    unsigned count = rest == 0 ? 64 : (unsigned)__builtin_ctzll(rest);
    uint64_t mask = fe_bitmap_mask(first, count);
    char *start = arena->start + slab * FE_SLAB_SIZE + first * FE_UNIT_SIZE;
    if (base->decommit(base, start, count * FE_UNIT_SIZE)) done |= mask;
    units &= ~mask;
  }
  return done;
}

/* A huge page that loses a part is split for good, so only whole ones go back by themselves. */
static uint64_t whole_huge_pages(uint64_t units) {
  uint64_t lower = units & UINT32_MAX;
  uint64_t upper = units >> 32;
  return (lower == UINT32_MAX ? lower : 0) | (upper == UINT32_MAX ? upper << 32 : 0);
}

static void purge_slab(fe_arena_t *arena, unsigned slab, bool aged_only) {
  uint64_t free = atomic_load_explicit(&arena->free[slab], memory_order_relaxed);
  uint64_t units = free & atomic_load_explicit(&arena->dirty[slab], memory_order_relaxed);
  if (aged_only) {
    units &= atomic_load_explicit(&arena->aged[slab], memory_order_relaxed);
    bool is_huge = atomic_load_explicit(&arena->huge, memory_order_relaxed) >> slab & 1;
    if (is_huge) units = whole_huge_pages(units);
  }
  if (units == 0 || !fe_bitmap_take(&arena->free[slab], units)) return;
  uint64_t done = decommit_units(arena, slab, units);
  uint64_t before = atomic_fetch_and_explicit(&arena->dirty[slab], ~done, memory_order_relaxed);
  atomic_fetch_and_explicit(&arena->aged[slab], ~units, memory_order_relaxed);
  atomic_fetch_sub_explicit(&arena->arenas->dirty_unit_count, __builtin_popcountll(before & done),
                            memory_order_relaxed);
  fe_bitmap_give(&arena->free[slab], units);
}

static void age_slab(fe_arena_t *arena, unsigned slab) {
  uint64_t free = atomic_load_explicit(&arena->free[slab], memory_order_relaxed);
  uint64_t units = free & atomic_load_explicit(&arena->dirty[slab], memory_order_relaxed);
  /* A unit taken in this moment keeps its mark for at most one tick: it is purged one tick early
   * after its next free, no more. */
  if (units != 0) atomic_fetch_or_explicit(&arena->aged[slab], units, memory_order_relaxed);
}

static void purge_arenas(fe_arenas_t *arenas, bool aged_only) {
  size_t arena_count = atomic_load_explicit(&arenas->arena_count, memory_order_acquire);
  for (size_t i = 0; i < arena_count; i++) {
    fe_arena_t *arena = atomic_load_explicit(&arenas->arena[i], memory_order_acquire);
    if (arena == NULL) continue;
    for (unsigned slab = 0; slab < arena->slab_count; slab++) {
      purge_slab(arena, slab, aged_only);
      if (aged_only) age_slab(arena, slab);
    }
  }
}

void fe_arenas_tick(fe_arenas_t *arenas) {
  if (atomic_load_explicit(&arenas->dirty_unit_count, memory_order_relaxed) <= 0) return;
  int64_t now = fe_clock_ms();
  int64_t last = atomic_load_explicit(&arenas->tick_ms, memory_order_relaxed);
  if (now - last < FE_PURGE_DELAY_MS) return;
  if (!atomic_compare_exchange_strong_explicit(&arenas->tick_ms, &last, now, memory_order_relaxed,
                                               memory_order_relaxed)) {
    return;
  }
  purge_arenas(arenas, true);
}

void fe_arenas_purge(fe_arenas_t *arenas) { purge_arenas(arenas, false); }
