/* Taking units from the arenas and giving them back. */
#include "core/arena/arena.h"

#include "core/arena/absent.h"
#include "core/arena/bitmap.h"
#include "core/arena/counting.h"
#include "core/arena/huge.h"
#include "core/arena/own_chunk.h"
#include "core/arena/passing.h"
#include "core/arena/room.h"
#include "core/arena/row.h"
#include "core/base/settings.h"

/* Blocks of more slabs than this get a chunk of their own, returned when they are freed. */
#define FE_ARENA_RUN_SLABS_MAX (FE_ARENA_RUN_UNITS_MAX / FE_UNITS_PER_SLAB)

/* What is looked for: a run of units in one slab. */
typedef struct wish {
  unsigned count;
  bool dirty_only;
  bool wants_huge;  /* see fe_arena_hint_t */
  bool spares_huge; /* not in slabs with huge pages, unless they are all free */
} wish_t;

static void set_huge_by_wish(fe_arena_t *arena, unsigned index, const wish_t *wish,
                             bool is_unused) {
  if (wish->wants_huge && is_unused) fe_arena_set_huge(arena, index, true);
  if (wish->spares_huge && fe_slab_is_huge(&arena->slab[index]))
    fe_arena_set_huge(arena, index, false);
}

static fe_outcome_t take_units_at(fe_look_t *look, fe_arena_t *arena, unsigned index,
                                  fe_units_t mask, const wish_t *wish, bool is_unused,
                                  bool *is_zero) {
  fe_outcome_t outcome = FE_NOT_FREE;
  if (fe_may_refuse(look->arenas)) fe_look_begin_passing(look);
  if (fe_bitmap_take(&arena->slab[index].free, mask)) {
    set_huge_by_wish(arena, index, wish, is_unused);
    outcome = fe_mark_taken(arena, index, mask, wish->count, is_zero) ? FE_TAKEN : FE_REFUSED;
  }
  if (fe_may_refuse(look->arenas)) fe_look_end_passing(look);
  if (outcome == FE_TAKEN) fe_slab_count_take(&arena->slab[index], wish->count);
  return outcome;
}

/* -- Runs of a few units: in one slab, or in two that lie side by side -- */

/* The units of a slab that will do. */
static fe_units_t candidates_in(const fe_slab_t *slab, const wish_t *wish) {
  fe_units_t units = fe_bitmap_look(&slab->free);
  if (!wish->dirty_only) return units;
  return units & atomic_load_explicit(&((fe_slab_t *)slab)->dirty, memory_order_relaxed);
}

#define HALF (FE_UNITS_PER_SLAB / 2)

/* Whether a run may begin in a slab and end in the next one. Where pages are larger than units, it
 * would need a page more. */
static bool may_cross_end(const fe_arena_t *arena, unsigned index, const wish_t *wish) {
  static_assert(FE_LARGE_UNITS_MAX <= HALF, "a run that begins in one half ends in the next");
  if (wish->count == 1 || index + 1 == arena->slab_count) return false;
  if (arena->arenas->base->page_size > FE_UNIT_SIZE) return false;
  return !wish->spares_huge || !fe_slab_is_huge(&arena->slab[index + 1]);
}

/* The last half of a slab and the first half of the next one, looked at like a slab. Else there
 * would be 3 runs of 17 units in each slab, and nothing in a fifth of its addresses. */
static bool take_across_end(fe_look_t *look, fe_arena_t *arena, unsigned index, const wish_t *wish,
                            fe_run_t *run) {
  if (!may_cross_end(arena, index, wish)) return false;
  const fe_slab_t *next = &arena->slab[index + 1];
  for (;;) {
    bool is_unused = fe_bitmap_look(&next->free) == FE_BITMAP_ALL;
    fe_units_t last = (fe_units_t)(candidates_in(&arena->slab[index], wish) >> HALF);
    fe_units_t first = (fe_units_t)(candidates_in(next, wish) << HALF);
    int unit = fe_bitmap_find_run((last | first) & FE_BITMAP_ALL, wish->count);
    if (unit < 0) return false;
    fe_row_t row = {arena, (size_t)index * FE_UNITS_PER_SLAB + HALF + (unsigned)unit, wish->count};
    size_t free_count;
    fe_outcome_t outcome = fe_row_take(look, &row, &free_count, run);
    if (outcome == FE_NOT_FREE) continue;
    if (wish->wants_huge && is_unused) fe_arena_set_huge(arena, index + 1, true);
    return outcome == FE_TAKEN;
  }
}

static bool take_in_slab(fe_look_t *look, fe_arena_t *arena, unsigned index, const wish_t *wish,
                         fe_run_t *run) {
  fe_slab_t *slab = &arena->slab[index];
  for (;;) {
    bool is_unused = fe_bitmap_look(&slab->free) == FE_BITMAP_ALL;
    if (wish->spares_huge && !is_unused && fe_slab_is_huge(slab)) return false;
    int unit = fe_bitmap_find_run(candidates_in(slab, wish), wish->count);
    if (unit < 0) return take_across_end(look, arena, index, wish, run);
    fe_units_t mask = fe_bitmap_mask((unsigned)unit, wish->count);
    bool is_zero = false;
    fe_outcome_t outcome = take_units_at(look, arena, index, mask, wish, is_unused, &is_zero);
    if (outcome == FE_NOT_FREE) continue;
    *run = (fe_run_t){.arena = arena,
                      .start = fe_unit_address(arena, index, (unsigned)unit),
                      .unit_count = wish->count,
                      .is_zero = is_zero};
    return outcome == FE_TAKEN;
  }
}

static void note_place(fe_arena_hint_t *hint, const fe_run_t *unit) {
  hint->arena = unit->arena;
  hint->slab = (unsigned)((size_t)(unit->start - unit->arena->start) >> FE_SLAB_SHIFT);
}

/* Whether take_in_slab would find something. */
static bool has_room(fe_arena_t *arena, unsigned index, const void *argument) {
  const wish_t *wish = argument;
  const fe_slab_t *slab = &arena->slab[index];
  fe_units_t units = fe_bitmap_look_again(&slab->free);
  if (wish->spares_huge && units != FE_BITMAP_ALL && fe_slab_is_huge(slab)) return false;
  if (fe_bitmap_find_run(units, wish->count) >= 0) return true;
  if (!may_cross_end(arena, index, wish)) return false;
  fe_units_t first = (fe_units_t)(fe_bitmap_look_again(&arena->slab[index + 1].free) << HALF);
  fe_units_t last = (fe_units_t)(units >> HALF);
  return fe_bitmap_find_run((last | first) & FE_BITMAP_ALL, wish->count) >= 0;
}

/* Units that were in use before are looked for in so many slabs. */
#define FE_DIRTY_SLABS_MAX 32

/* Which slabs of an arena are looked at. */
typedef enum where {
  FROM_ROOM, /* from the first one on that may have room */
  NEAR_ROOM, /* of these the first FE_DIRTY_SLABS_MAX */
  IN_ALL
} where_t;

/* Where the slabs end, up to `end`, that have no room at all: a search for units that were in use
 * before goes on behind others, too. */
static unsigned end_of_full(fe_arena_t *arena, unsigned from, unsigned end, const wish_t *wish) {
  while (from < end && !has_room(arena, from, wish)) from++;
  return from;
}

static bool take_in_arena(fe_look_t *look, fe_arena_t *arena, const wish_t *wish, where_t where,
                          fe_run_t *run) {
  unsigned from = where == IN_ALL ? 0 : fe_room_first(arena, wish->count - 1);
  unsigned end = arena->slab_count;
  if (FE_LIKELY(from == end)) return false; /* most of many arenas are full */
  if (where == NEAR_ROOM && end - from > FE_DIRTY_SLABS_MAX) end = from + FE_DIRTY_SLABS_MAX;
  unsigned slab = from;
  bool is_taken = false;
  while (slab < end && !(is_taken = take_in_slab(look, arena, slab, wish, run))) slab++;
  if (where == IN_ALL) return is_taken;
  unsigned full_end = wish->dirty_only ? end_of_full(arena, from, slab, wish) : slab;
  fe_room_raise(arena, wish->count - 1, from, full_end, has_room, wish);
  return is_taken;
}

/* Single units at the hint first, so that threads keep out of each other's way. Longer runs lie as
 * low as they can, wherever the last one is: so what is free stays together, and gaps between runs
 * are seldom left idle while memory is touched that nobody used before. */
static bool take_anywhere(fe_look_t *look, fe_arena_hint_t *hint, const wish_t *wish, where_t where,
                          fe_run_t *run) {
  bool has_hint = wish->count == 1 && hint->arena != NULL;
  bool is_taken = has_hint && take_in_slab(look, hint->arena, hint->slab, wish, run);
  fe_arena_t *arena = fe_arenas_first(look->arenas);
  for (; !is_taken && arena != NULL; arena = fe_arena_next(arena)) {
    is_taken = take_in_arena(look, arena, wish, where, run);
  }
  if (is_taken && wish->count == 1) note_place(hint, run);
  return is_taken;
}

/* Units that were in use before are warm and cost no page fault, so they come first. */
static bool take_units(fe_look_t *look, fe_arena_hint_t *hint, wish_t wish, fe_run_t *run) {
  ptrdiff_t dirty_count =
      atomic_load_explicit(&look->arenas->dirty_unit_count, memory_order_relaxed);
  if (dirty_count >= (ptrdiff_t)wish.count) {
    wish.dirty_only = true;
    if (take_anywhere(look, hint, &wish, NEAR_ROOM, run)) return true;
    wish.dirty_only = false;
  }
  return take_anywhere(look, hint, &wish, FROM_ROOM, run);
}

/* -- Runs of any length, wherever slabs begin -- */

/* The free units of a slab; where slabs with huge pages are spared, none of those in use. */
static fe_units_t free_units_of(const fe_slab_t *slab, bool spares_huge) {
  fe_units_t units = fe_bitmap_look(&slab->free);
  return spares_huge && units != FE_BITMAP_ALL && fe_slab_is_huge(slab) ? 0 : units;
}

/* The first unit from `from` on that is free, or that is not; unit_count: none. */
static size_t next_unit(fe_arena_t *arena, size_t from, bool is_free, bool spares_huge) {
  while (from < arena->unit_count) {
    size_t slab = from / FE_UNITS_PER_SLAB;
    unsigned unit = (unsigned)(from % FE_UNITS_PER_SLAB);
    fe_units_t word = free_units_of(&arena->slab[slab], spares_huge);
    if (!is_free) word = ~word;
    word &= fe_bitmap_mask(unit, FE_UNITS_PER_SLAB - unit);
    from = slab * FE_UNITS_PER_SLAB + FE_UNITS_PER_SLAB;
    if (word != 0) {
      from = slab * FE_UNITS_PER_SLAB + fe_bitmap_first(word);
      break;
    }
  }
  return from < arena->unit_count ? from : arena->unit_count;
}

/* Takes the first units that lie side by side, wherever slabs begin. */
static bool take_across_slabs(fe_look_t *look, fe_arena_t *arena, size_t count, bool spares_huge,
                              fe_run_t *run) {
  size_t first = next_unit(arena, 0, true, spares_huge);
  while (first + count <= arena->unit_count) {
    size_t end = next_unit(arena, first, false, spares_huge);
    if (end - first >= count) {
      fe_row_t row = {arena, first, count};
      size_t free_count;
      fe_outcome_t outcome = fe_row_take(look, &row, &free_count, run);
      if (outcome != FE_NOT_FREE) return outcome == FE_TAKEN;
      end = first + free_count; /* what lies behind may do all the same */
    }
    first = next_unit(arena, end + (end == first), true, spares_huge);
  }
  return false;
}

static bool take_across_slabs_anywhere(fe_look_t *look, size_t count, bool spares_huge,
                                       fe_run_t *run) {
  fe_arena_t *arena = fe_arenas_first(look->arenas);
  for (; arena != NULL; arena = fe_arena_next(arena)) {
    if (take_across_slabs(look, arena, count, spares_huge, run)) return true;
  }
  return false;
}

/* -- Whole slabs -- */

static bool is_free(fe_arena_t *arena, unsigned slab, const void *unused) {
  (void)unused;
  return fe_bitmap_look_again(&arena->slab[slab].free) == FE_BITMAP_ALL;
}

/* The first slab that is free as a whole. */
static unsigned first_free(fe_arena_t *arena) {
  unsigned from = fe_room_first(arena, FE_ROOM_SLAB);
  unsigned slab = from;
  while (slab < arena->slab_count && fe_bitmap_look(&arena->slab[slab].free) != FE_BITMAP_ALL)
    slab++;
  fe_room_raise(arena, FE_ROOM_SLAB, from, slab, is_free, NULL);
  return slab;
}

static bool take_slabs_in_arena(fe_look_t *look, fe_arena_t *arena, size_t count, fe_run_t *run) {
  size_t first = first_free(arena);
  for (size_t slab = first; slab < arena->slab_count; slab++) {
    if (fe_bitmap_look(&arena->slab[slab].free) != FE_BITMAP_ALL) {
      first = slab + 1;
      continue;
    }
    if (slab + 1 - first < count) continue;
    fe_row_t row = {arena, first * FE_UNITS_PER_SLAB, count * FE_UNITS_PER_SLAB};
    size_t free_count;
    fe_outcome_t outcome = fe_row_take(look, &row, &free_count, run);
    if (outcome != FE_NOT_FREE) return outcome == FE_TAKEN;
    /* What lies behind the slab that was taken meanwhile may be a row all the same. */
    slab = first + free_count / FE_UNITS_PER_SLAB;
    first = slab + 1;
  }
  return false;
}

static bool take_slabs(fe_look_t *look, size_t count, fe_run_t *run) {
  fe_arena_t *arena = fe_arenas_first(look->arenas);
  for (; arena != NULL; arena = fe_arena_next(arena)) {
    if (take_slabs_in_arena(look, arena, count, run)) return true;
  }
  return false;
}

/* Whether there were units, but the base had no memory for them: more addresses are no help. */
static bool is_refused(const fe_run_t *run) { return run->arena != NULL; }

/* A chunk that is being mapped is in nobody's hands until it is known to be kept. */
static bool add_chunk(fe_look_t *look, size_t slab_min) {
  fe_look_begin_passing(look);
  bool has_more = fe_arenas_add_chunk(look->arenas, slab_min);
  fe_look_end_passing(look);
  return has_more;
}

static bool restore(fe_look_t *look, size_t slab_count) {
  fe_look_begin_passing(look);
  bool has_more = fe_absent_restore(look->arenas, slab_count);
  fe_look_end_passing(look);
  return has_more;
}

/* Whether there is more to look at: slabs that were unmapped are back, or there is a new chunk. A
 * base that has no memory for what there is needs no more addresses. If there is not, all is looked
 * at once more. */
static bool has_more(fe_look_t *look, size_t slab_count, const fe_run_t *run) {
  fe_look_note_given(look);
  if (is_refused(run)) return false;
  return restore(look, slab_count == 0 ? 1 : slab_count) || add_chunk(look, slab_count);
}

static bool take_own_chunk(fe_look_t *look, size_t slab_count, fe_run_t *run) {
  fe_look_note_given(look);
  fe_look_begin_passing(look);
  bool is_taken = fe_own_chunk_take(look->arenas, slab_count, run);
  fe_look_end_passing(look);
  return is_taken;
}

static bool take_run_in_slab(fe_look_t *look, fe_arena_hint_t *hint, size_t unit_count,
                             fe_run_t *run) {
  /* Large blocks stay out of slabs with huge pages as long as there are others: their memory should
   * go back when they do. */
  bool is_single = unit_count == 1;
  size_t setting = fe_setting(FE_SETTING_HUGE_PAGES);
  bool is_needed = setting == FE_HUGE_PAGES_BY_NEED && is_single && hint->wants_huge;
  wish_t wish = {.count = (unsigned)unit_count,
                 .wants_huge = is_needed || fe_huge_is_rule(),
                 .spares_huge = setting == FE_HUGE_PAGES_BY_NEED && !is_single};
  while (!take_units(look, hint, wish, run)) {
    if (has_more(look, 0, run)) continue;
    wish.spares_huge = false;
    return take_anywhere(look, hint, &wish, IN_ALL, run);
  }
  return true;
}

static bool take_whole_slabs(fe_look_t *look, size_t slab_count, fe_run_t *run) {
  bool has_single_chunks = fe_base_has_single_chunks(look->arenas->base);
  if (slab_count <= FE_ARENA_RUN_SLABS_MAX || !has_single_chunks) {
    do {
      if (take_slabs(look, slab_count, run)) return true;
    } while (has_more(look, slab_count, run));
  }
  return (has_single_chunks && take_own_chunk(look, slab_count, run)) ||
         take_slabs(look, slab_count, run);
}

static size_t slabs_of(size_t unit_count) {
  return (unit_count + FE_UNITS_PER_SLAB - 1) / FE_UNITS_PER_SLAB;
}

/* The same wherever slabs begin: nothing is left between the run and others. */
static bool take_closely(fe_look_t *look, size_t unit_count, fe_run_t *run) {
  bool has_single_chunks = fe_base_has_single_chunks(look->arenas->base);
  bool spares_huge = fe_setting(FE_SETTING_HUGE_PAGES) == FE_HUGE_PAGES_BY_NEED;
  size_t slab_count = slabs_of(unit_count);
  if (slab_count <= FE_ARENA_RUN_SLABS_MAX || !has_single_chunks) {
    do {
      if (take_across_slabs_anywhere(look, unit_count, spares_huge, run)) return true;
    } while (has_more(look, slab_count, run));
  }
  return has_single_chunks && take_own_chunk(look, slab_count, run);
}

static bool take_long_run(fe_look_t *look, size_t unit_count, fe_run_t *run) {
  if (fe_addresses_are_limited()) return take_closely(look, unit_count, run);
  return take_whole_slabs(look, slabs_of(unit_count), run);
}

static bool look_for_units(fe_look_t *look, fe_arena_hint_t *hint, size_t unit_count,
                           fe_run_t *run) {
  if (unit_count == 1) return take_run_in_slab(look, hint, 1, run);
  /* Regions are all there is: nothing between runs is left over that could hold another. */
  if (look->arenas->base->allocate == NULL) {
    fe_look_note_given(look);
    return take_across_slabs_anywhere(look, unit_count, false, run);
  }
  bool is_taken = unit_count <= FE_LARGE_UNITS_MAX ? take_run_in_slab(look, hint, unit_count, run)
                                                   : take_long_run(look, unit_count, run);
  return is_taken || take_across_slabs_anywhere(look, unit_count, false, run);
}

bool fe_arenas_take(fe_arenas_t *arenas, fe_arena_hint_t *hint, size_t unit_count, fe_run_t *run) {
  fe_look_t look = fe_look_at(arenas);
  do {
    run->arena = NULL;
    if (look_for_units(&look, hint, unit_count, run)) return true;
  } while (fe_look_again(&look));
  return false;
}

bool fe_arenas_take_to_grow(fe_arenas_t *arenas, size_t unit_count, fe_run_t *run) {
  size_t slab_count = slabs_of(unit_count);
  fe_look_t look = fe_look_at(arenas);
  do {
    run->arena = NULL;
    if (fe_base_can_grow(arenas->base) && take_own_chunk(&look, slab_count, run)) return true;
    if (take_whole_slabs(&look, slab_count, run)) return true;
  } while (fe_look_again(&look));
  return false;
}

void (*_Atomic fe_arenas_on_give)(fe_arenas_t *arenas);

void fe_arenas_give(fe_arenas_t *arenas, const fe_run_t *run) {
  if (run->arena == NULL) {
    fe_own_chunk_give(arenas, run);
    return;
  }
  fe_track_close(run->start, run->unit_count * FE_UNIT_SIZE);
  size_t first = (size_t)(run->start - run->arena->start) >> FE_SHARD_SHIFT;
  fe_row_give(&(fe_row_t){run->arena, first, run->unit_count});
  fe_arenas_tick(arenas);
  fe_arenas_tell_given(arenas);
}
