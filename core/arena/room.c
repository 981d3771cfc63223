/* Where searches begin: see room.h. */
#include "core/arena/room.h"

#include "core/arena/bitmap.h"

void fe_room_lower(fe_arena_t *arena, unsigned what, unsigned slab) {
  _Atomic(uint32_t) *word = &arena->room[what];
  uint32_t seen = atomic_load_explicit(word, memory_order_seq_cst);
  while (seen > slab && !atomic_compare_exchange_weak_explicit(
                            word, &seen, slab, memory_order_relaxed, memory_order_relaxed)) {
  }
}

void fe_room_raise(fe_arena_t *arena, unsigned what, unsigned from, unsigned to,
                   fe_room_look_t *look, const void *wish) {
  uint32_t expected = from;
  if (from == to ||
      !atomic_compare_exchange_strong_explicit(&arena->room[what], &expected, to,
                                               memory_order_seq_cst, memory_order_relaxed)) {
    return;
  }
  for (unsigned slab = from; slab < to; slab++) {
    if (!look(arena, slab, wish)) continue;
    fe_room_lower(arena, what, slab);
    return;
  }
}

static fe_units_t free_units(const fe_arena_t *arena, unsigned slab) {
  return fe_bitmap_look_again(&arena->slab[slab].free);
}

/* The free units from a slab's first one on, or up to its last one. */
static unsigned length_at_start(fe_units_t units) {
  return units == FE_BITMAP_ALL ? FE_UNITS_PER_SLAB : fe_lowest_bit(~(uint64_t)units);
}

static unsigned length_at_end(fe_units_t units) {
  if (units == FE_BITMAP_ALL) return FE_UNITS_PER_SLAB;
  return (unsigned)__builtin_clzll(~((uint64_t)units << (64 - FE_UNITS_PER_SLAB)));
}

static unsigned longest_run(fe_units_t units) {
  if (units == FE_BITMAP_ALL) return FE_UNITS_PER_SLAB;
  unsigned length = 0;
  for (; units != 0 && length < FE_LARGE_UNITS_MAX; units &= units >> 1) length++;
  return length;
}

/* Runs of up to so many units begin in a slab or later. */
static void lower_runs(fe_arena_t *arena, unsigned slab, unsigned length) {
  for (unsigned i = 0; i < length && i < FE_LARGE_UNITS_MAX; i++) fe_room_lower(arena, i, slab);
}

static void after_give(fe_arena_t *arena, unsigned slab) {
  fe_units_t units = free_units(arena, slab);
  lower_runs(arena, slab, longest_run(units));
  if (units == FE_BITMAP_ALL) fe_room_lower(arena, FE_ROOM_SLAB, slab);
  unsigned at_start = length_at_start(units);
  if (at_start > 0 && slab > 0) {
    lower_runs(arena, slab - 1, at_start + length_at_end(free_units(arena, slab - 1)));
  }
  unsigned at_end = length_at_end(units);
  if (at_end > 0 && slab + 1 < arena->slab_count) {
    lower_runs(arena, slab, at_end + length_at_start(free_units(arena, slab + 1)));
  }
}

void fe_room_after_give(fe_arena_t *arena, unsigned first, unsigned last) {
  after_give(arena, first);
  if (first == last) return;
  /* Runs that begin in the slabs between are no longer than the one that begins in the first. */
  after_give(arena, last);
  if (last - first > 1) fe_room_lower(arena, FE_ROOM_SLAB, first + 1);
}
