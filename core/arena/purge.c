/* Giving the memory of free units back to the system: those that were free from one tick to the
 * next, or all at once on request. A purge owns the units that it purges, like any other taker. */
#include "core/arena/absent.h"
#include "core/arena/arena.h"
#include "core/arena/bitmap.h"
#include "core/arena/counting.h"
#include "core/arena/dirty.h"
#include "core/arena/huge.h"
#include "core/arena/passing.h"
#include "core/arena/room.h"
#include "core/base/settings.h"

/* With the default delay of 50 ms: between 50 and 100 ms after it was freed, memory that nobody
 * took again goes back. Shorter costs page faults where memory comes and goes: with 10 ms, Python
 * programs took up to twice as many. Longer costs peak memory: with 200 ms, programs with many
 * large blocks took 10 to 15 % more. */

/* Decommits each run of set bits; the caller owns these units. Returns those that went back. */
static fe_units_t decommit_units(fe_arena_t *arena, unsigned slab, fe_units_t units) {
  const fe_base_t *base = arena->arenas->base;
  fe_units_t done = 0;
  while (units != 0) {
    fe_units_t run = fe_bitmap_first_run(units);
    char *start = fe_unit_address(arena, slab, fe_bitmap_first(run));
    if (base->decommit(base, start, fe_bitmap_count(run) * FE_UNIT_SIZE)) done |= run;
    units &= ~run;
  }
  return done;
}

/* The units of groups of `count`, side by side, which share a page: of those that have units to
 * purge, and others only that are free and clean. */
static fe_units_t whole_groups(fe_units_t units, fe_units_t clean, unsigned count) {
  fe_units_t whole = 0;
  for (unsigned first = 0; first + count <= FE_UNITS_PER_SLAB; first += count) {
    fe_units_t group = fe_bitmap_mask(first, count);
    if ((units & group) != 0 && ((units | clean) & group) == group) whole |= group;
  }
  return whole;
}

static unsigned units_per(size_t bytes) {
  return bytes <= FE_UNIT_SIZE ? 1 : (unsigned)(bytes >> FE_SHARD_SHIFT);
}

/* Purges units that lie side by side, if they are free still. Meanwhile they are in passing: runs
 * one by one, so that few are at a time. */
static void purge_run(fe_arena_t *arena, unsigned index, fe_units_t units, unsigned group) {
  fe_arenas_t *arenas = arena->arenas;
  fe_slab_t *slab = &arena->slab[index];
  fe_passing_begin(arenas);
  if (fe_bitmap_take(&slab->free, units)) {
    /* Looked at again, now that nobody else can change it: another purge may have been faster, or a
     * taker's commit been refused. What has no memory must not be decommitted. */
    fe_units_t dirty = units & atomic_load_explicit(&slab->dirty, memory_order_relaxed);
    fe_units_t done = decommit_units(arena, index, whole_groups(dirty, units & ~dirty, group));
    fe_units_t before = atomic_fetch_and_explicit(&slab->dirty, ~done, memory_order_relaxed);
    atomic_fetch_and_explicit(&slab->aged, ~units, memory_order_relaxed);
    unsigned count = fe_bitmap_count(before & done);
    fe_arenas_count_decommit(arenas, count);
    fe_bitmap_give(&slab->free, units);
    fe_room_after_give(arena, index, index);
  }
  fe_passing_end(arenas);
}

static void purge_slab(fe_arena_t *arena, unsigned index, bool aged_only) {
  fe_slab_t *slab = &arena->slab[index];
  fe_units_t free = atomic_load_explicit(&slab->free, memory_order_relaxed);
  fe_units_t dirty = atomic_load_explicit(&slab->dirty, memory_order_relaxed);
  fe_units_t units = free & dirty;
  size_t page_size = arena->arenas->base->page_size;
  if (aged_only) {
    units &= atomic_load_explicit(&slab->aged, memory_order_relaxed);
    if (units != 0) page_size = fe_huge_page_size_at(arena, index, units | (free & ~dirty));
  } else if (units != 0 && free != FE_BITMAP_ALL) {
    fe_huge_before_purge(arena, index);
  }
  unsigned group = units_per(page_size);
  units = whole_groups(units, free & ~dirty, group);
  while (units != 0) {
    fe_units_t run = fe_bitmap_first_run(units);
    purge_run(arena, index, run, group);
    units &= ~run;
  }
  fe_dirty_note(arena, index);
}

static void age_slab(fe_slab_t *slab) {
  fe_units_t free = atomic_load_explicit(&slab->free, memory_order_relaxed);
  fe_units_t units = free & atomic_load_explicit(&slab->dirty, memory_order_relaxed);
  /* A unit taken in this moment keeps its mark for at most one tick: it is purged one tick early
   * after its next free, no more. */
  if (units != 0) atomic_fetch_or_explicit(&slab->aged, units, memory_order_relaxed);
}

static void purge_arenas(fe_arenas_t *arenas, bool aged_only) {
  if (arenas->base->decommit == NULL) return;
  fe_arenas_count_purge(arenas);
  for (fe_arena_t *arena = fe_arenas_first(arenas); arena != NULL; arena = fe_arena_next(arena)) {
    if (arena->is_lent) continue;
    for (unsigned slab = 0; slab < arena->slab_count; slab++) {
      purge_slab(arena, slab, aged_only);
      if (aged_only) age_slab(&arena->slab[slab]);
    }
  }
}

void fe_arenas_tick(fe_arenas_t *arenas) {
  bool is_dirty = atomic_load_explicit(&arenas->dirty_unit_count, memory_order_relaxed) > 0;
  if (!is_dirty && !fe_absent_is_waiting(arenas)) return;
  uint32_t now = fe_clock_ms();
  uint32_t last = atomic_load_explicit(&arenas->tick_ms, memory_order_relaxed);
  if (now - last < fe_setting(FE_SETTING_PURGE_DELAY_MS)) return;
  if (!atomic_compare_exchange_strong_explicit(&arenas->tick_ms, &last, now, memory_order_relaxed,
                                               memory_order_relaxed)) {
    return;
  }
  fe_huge_tick(arenas);
  purge_arenas(arenas, true);
  fe_absent_tick(arenas, now);
}

void fe_arenas_purge(fe_arenas_t *arenas) { purge_arenas(arenas, false); }

bool fe_arenas_give_all_back(fe_arenas_t *arenas) {
  size_t before = fe_figure_get(&arenas->figures.decommitted_units);
  if (fe_arenas_waiting_bytes(arenas) > 0) fe_arenas_purge(arenas);
  bool has_unmapped = fe_absent_unmap_all(arenas);
  return has_unmapped || fe_figure_get(&arenas->figures.decommitted_units) != before;
}
