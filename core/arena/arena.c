/* Taking units from the arenas and giving them back. */
#include "core/arena/arena.h"

#include "core/arena/bitmap.h"
#include "core/arena/counting.h"
#include "core/base/settings.h"

/* Blocks of more slabs than this get a chunk of their own, returned when they are freed. */
#define FE_ARENA_RUN_SLABS_MAX (((size_t)128 << 20) >> FE_SLAB_SHIFT)

/* Notes that the caller's units, `count` of them, are in use now, and sees to it that there is
 * memory behind them. On success run tells whether all of them are zero; on failure the units are
 * given back. */
static bool mark_taken(fe_arena_t *arena, unsigned index, fe_units_t mask, unsigned count,
                       bool *is_zero) {
  const fe_base_t *base = arena->arenas->base;
  fe_slab_t *slab = &arena->slab[index];
  fe_track_open(fe_unit_address(arena, index, fe_bitmap_first(mask)),
                fe_bitmap_count(mask) * FE_UNIT_SIZE);
  fe_units_t dirty = atomic_fetch_or_explicit(&slab->dirty, mask, memory_order_relaxed) & mask;
  *is_zero = dirty == 0 && base->is_zeroed;
  if (dirty != 0) {
    atomic_fetch_and_explicit(&slab->aged, ~mask, memory_order_relaxed);
    atomic_fetch_sub_explicit(&arena->arenas->dirty_unit_count,
                              dirty == mask ? count : fe_bitmap_count(dirty), memory_order_relaxed);
  }
  fe_units_t missing = mask & ~dirty;
  fe_arenas_count_take(arena->arenas, count, missing == 0 ? 0 : fe_bitmap_count(missing));
  if (base->commit == NULL) return true;
  while (missing != 0) {
    fe_units_t units = fe_bitmap_first_run(missing);
    char *start = fe_unit_address(arena, index, fe_bitmap_first(units));
    if (!fe_chunk_commit(base, start, fe_bitmap_count(units) * FE_UNIT_SIZE)) break;
    missing &= ~units;
  }
  if (missing == 0) return true;
  atomic_fetch_and_explicit(&slab->dirty, ~missing, memory_order_relaxed);
  atomic_fetch_add_explicit(&arena->arenas->dirty_unit_count, fe_bitmap_count(mask & ~missing),
                            memory_order_relaxed);
  fe_arenas_count_uncommitted(arena->arenas, count, fe_bitmap_count(missing));
  fe_bitmap_give(&slab->free, mask);
  return false;
}

static bool is_huge(const fe_slab_t *slab) {
  return atomic_load_explicit(&((fe_slab_t *)slab)->is_huge, memory_order_relaxed);
}

void fe_arena_set_huge(fe_arena_t *arena, unsigned index, bool is_wanted) {
  const fe_base_t *base = arena->arenas->base;
  if (base->advise_huge == NULL || FE_SLAB_SIZE < FE_HUGE_PAGE_SIZE || arena->is_lent) return;
  atomic_store_explicit(&arena->slab[index].is_huge, is_wanted, memory_order_relaxed);
  base->advise_huge(base, fe_unit_address(arena, index, 0), FE_SLAB_SIZE, is_wanted);
}

/* What is looked for: a run of units in one slab. */
typedef struct wish {
  unsigned count;
  bool dirty_only;
  bool wants_huge;  /* see fe_arena_hint_t */
  bool spares_huge; /* not in slabs with huge pages, unless they are all free */
} wish_t;

static bool take_in_slab(fe_arena_t *arena, unsigned index, const wish_t *wish, fe_run_t *run) {
  fe_slab_t *slab = &arena->slab[index];
  bool is_unwanted = wish->spares_huge && is_huge(slab);
  for (;;) {
    fe_units_t candidates = atomic_load_explicit(&slab->free, memory_order_relaxed);
    bool is_unused = candidates == FE_BITMAP_ALL;
    if (is_unwanted && !is_unused) return false;
    if (wish->dirty_only) {
      candidates &= atomic_load_explicit(&slab->dirty, memory_order_relaxed);
    }
    int unit = fe_bitmap_find_run(candidates, wish->count);
    if (unit < 0) return false;
    fe_units_t mask = fe_bitmap_mask((unsigned)unit, wish->count);
    if (!fe_bitmap_take(&slab->free, mask)) continue;
    if (wish->wants_huge && is_unused) fe_arena_set_huge(arena, index, true);
    if (is_unwanted) fe_arena_set_huge(arena, index, false);
    *run = (fe_run_t){.arena = arena,
                      .start = fe_unit_address(arena, index, (unsigned)unit),
                      .unit_count = wish->count};
    return mark_taken(arena, index, mask, wish->count, &run->is_zero);
  }
}

/* At the hint first, then wherever there is room. */
static bool take_anywhere(fe_arenas_t *arenas, fe_arena_hint_t *hint, const wish_t *wish,
                          fe_run_t *run) {
  if (hint->arena != NULL && take_in_slab(hint->arena, hint->slab, wish, run)) return true;
  for (fe_arena_t *arena = fe_arenas_first(arenas); arena != NULL; arena = fe_arena_next(arena)) {
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

/* Gives back slabs `first` to `first + count - 1` of those that nobody made use of. */
static void untake_slabs(fe_arena_t *arena, size_t first, size_t count) {
  for (size_t i = first; i < first + count; i++) {
    fe_bitmap_give(&arena->slab[i].free, FE_BITMAP_ALL);
  }
}

/* Takes slabs `first` to `first + count - 1`, all of them or none. */
static bool take_slabs_at(fe_arena_t *arena, size_t first, size_t count) {
  for (size_t taken = 0; taken < count; taken++) {
    if (fe_bitmap_take(&arena->slab[first + taken].free, FE_BITMAP_ALL)) continue;
    untake_slabs(arena, first, taken);
    return false;
  }
  return true;
}

/* The slabs are the caller's: marks them as such. */
static bool mark_slabs_taken(fe_arena_t *arena, size_t first, size_t count, bool *is_zero) {
  *is_zero = true;
  for (size_t i = 0; i < count; i++) {
    bool is_slab_zero;
    if (!mark_taken(arena, (unsigned)(first + i), FE_BITMAP_ALL, FE_UNITS_PER_SLAB,
                    &is_slab_zero)) {
      fe_run_t marked = {.arena = arena,
                         .start = fe_unit_address(arena, first, 0),
                         .unit_count = i * FE_UNITS_PER_SLAB};
      untake_slabs(arena, first + i + 1, count - i - 1);
      if (i > 0) fe_arenas_give(arena->arenas, &marked);
      return false;
    }
    if (!is_slab_zero) *is_zero = false;
  }
  return true;
}

/* Whether all slabs that are taken shall have huge pages, whatever for. */
static bool wants_only_huge(void) {
  return fe_setting(FE_SETTING_HUGE_PAGES) == FE_HUGE_PAGES_ALWAYS;
}

static void set_slabs_huge(fe_arena_t *arena, size_t first, size_t count) {
  for (size_t i = first; i < first + count; i++) {
    if (!is_huge(&arena->slab[i])) fe_arena_set_huge(arena, (unsigned)i, true);
  }
}

static bool take_slabs_in_arena(fe_arena_t *arena, size_t count, fe_run_t *run) {
  size_t first = 0;
  for (size_t slab = 0; slab < arena->slab_count; slab++) {
    if (atomic_load_explicit(&arena->slab[slab].free, memory_order_relaxed) != FE_BITMAP_ALL) {
      first = slab + 1;
      continue;
    }
    if (slab + 1 - first < count) continue;
    if (!take_slabs_at(arena, first, count)) {
      first = slab + 1;
      continue;
    }
    *run = (fe_run_t){.arena = arena,
                      .start = fe_unit_address(arena, first, 0),
                      .unit_count = count * FE_UNITS_PER_SLAB};
    if (wants_only_huge()) set_slabs_huge(arena, first, count);
    return mark_slabs_taken(arena, first, count, &run->is_zero);
  }
  return false;
}

static bool take_slabs(fe_arenas_t *arenas, size_t count, fe_run_t *run) {
  for (fe_arena_t *arena = fe_arenas_first(arenas); arena != NULL; arena = fe_arena_next(arena)) {
    if (take_slabs_in_arena(arena, count, run)) return true;
  }
  return false;
}

static bool take_chunk(fe_arenas_t *arenas, size_t slab_count, fe_run_t *run) {
  const fe_base_t *base = arenas->base;
  size_t size = slab_count * FE_SLAB_SIZE;
  char *chunk = fe_chunk_allocate(base, size);
  if (chunk == NULL) return false;
  if (!fe_chunk_commit(base, chunk, size) || !fe_ownership_set(chunk, size)) {
    fe_chunk_release(base, chunk, size);
    return false;
  }
  if (wants_only_huge() && base->advise_huge != NULL) base->advise_huge(base, chunk, size, true);
  *run = (fe_run_t){.arena = NULL,
                    .start = chunk,
                    .unit_count = slab_count * FE_UNITS_PER_SLAB,
                    .is_zero = base->is_zeroed};
  fe_arenas_count_take_chunk(arenas, run->unit_count);
  return true;
}

/* Whether there were units, but the base had no memory for them: more addresses are no help. */
static bool is_refused(const fe_run_t *run) { return run->arena != NULL; }

static bool take_run_in_slab(fe_arenas_t *arenas, fe_arena_hint_t *hint, size_t unit_count,
                             fe_run_t *run) {
  /* Large blocks stay out of slabs with huge pages as long as there are others: their memory should
   * go back when they do. */
  bool is_single = unit_count == 1;
  size_t setting = fe_setting(FE_SETTING_HUGE_PAGES);
  bool is_needed = setting == FE_HUGE_PAGES_BY_NEED && is_single && hint->wants_huge;
  wish_t wish = {.count = (unsigned)unit_count,
                 .wants_huge = is_needed || wants_only_huge(),
                 .spares_huge = setting == FE_HUGE_PAGES_BY_NEED && !is_single};
  while (!take_units(arenas, hint, wish, run)) {
    if (!is_refused(run) && fe_arenas_add_chunk(arenas, 0)) continue;
    wish.spares_huge = false;
    return take_units(arenas, hint, wish, run);
  }
  return true;
}

static bool take_whole_slabs(fe_arenas_t *arenas, size_t slab_count, fe_run_t *run) {
  /* A base that takes nothing back would lose a chunk that is freed. */
  bool can_release = arenas->base->release != NULL;
  if (slab_count <= FE_ARENA_RUN_SLABS_MAX || !can_release) {
    do {
      if (take_slabs(arenas, slab_count, run)) return true;
    } while (!is_refused(run) && fe_arenas_add_chunk(arenas, slab_count));
  }
  return (can_release && take_chunk(arenas, slab_count, run)) ||
         take_slabs(arenas, slab_count, run);
}

bool fe_arenas_take(fe_arenas_t *arenas, fe_arena_hint_t *hint, size_t unit_count, fe_run_t *run) {
  run->arena = NULL;
  if (unit_count <= FE_LARGE_UNITS_MAX) return take_run_in_slab(arenas, hint, unit_count, run);
  size_t slab_count = (unit_count + FE_UNITS_PER_SLAB - 1) / FE_UNITS_PER_SLAB;
  if (take_whole_slabs(arenas, slab_count, run)) return true;
  /* A region of less than two slabs may hold it all the same. */
  wish_t wish = {.count = (unsigned)unit_count};
  return unit_count <= FE_UNITS_PER_SLAB && take_anywhere(arenas, hint, &wish, run);
}

bool fe_arenas_take_to_grow(fe_arenas_t *arenas, size_t unit_count, fe_run_t *run) {
  size_t slab_count = (unit_count + FE_UNITS_PER_SLAB - 1) / FE_UNITS_PER_SLAB;
  if (arenas->base->grow != NULL && take_chunk(arenas, slab_count, run)) return true;
  return take_whole_slabs(arenas, slab_count, run);
}

bool fe_arenas_grow(fe_arenas_t *arenas, fe_run_t *run, size_t unit_count) {
  const fe_base_t *base = arenas->base;
  if (run->arena != NULL || base->grow == NULL) return false;
  size_t size = run->unit_count * FE_UNIT_SIZE;
  size_t new_size = fe_align_up(unit_count * FE_UNIT_SIZE, FE_SLAB_SIZE);
  /* From the moment on at which the chunk has moved, its old place may be somebody else's. */
  fe_ownership_clear(run->start, size);
  char *place = base->grow(base, run->start, size, new_size, FE_SLAB_SIZE);
  if (place != NULL) {
    fe_arenas_count_grow_chunk(arenas, (new_size - size) >> FE_SHARD_SHIFT);
    run->start = place;
    run->unit_count = new_size >> FE_SHARD_SHIFT;
  }
  fe_ownership_set(run->start, run->unit_count * FE_UNIT_SIZE);
  return place != NULL;
}

/* A run that would be longer than others in arenas is better moved to a chunk of its own. */
static bool extend_slabs(fe_arena_t *arena, size_t first, size_t count, size_t more) {
  bool is_zero;
  if (count + more > FE_ARENA_RUN_SLABS_MAX) return false;
  first += count;
  if (first + more > arena->slab_count || !take_slabs_at(arena, first, more)) return false;
  return mark_slabs_taken(arena, first, more, &is_zero);
}

bool fe_arenas_extend(fe_arena_t *arena, char *start, size_t unit_count, size_t more) {
  size_t offset = (size_t)(start - arena->start);
  if ((offset & (FE_SLAB_SIZE - 1)) == 0 && unit_count % FE_UNITS_PER_SLAB == 0) {
    return extend_slabs(arena, offset >> FE_SLAB_SHIFT, unit_count / FE_UNITS_PER_SLAB,
                        more / FE_UNITS_PER_SLAB);
  }
  unsigned slab = (unsigned)(offset >> FE_SLAB_SHIFT);
  size_t unit = (offset & (FE_SLAB_SIZE - 1)) >> FE_SHARD_SHIFT;
  if (unit_count + more > FE_LARGE_UNITS_MAX || unit + unit_count + more > FE_UNITS_PER_SLAB) {
    return false;
  }
  fe_units_t mask = fe_bitmap_mask((unsigned)(unit + unit_count), (unsigned)more);
  bool is_zero;
  return fe_bitmap_take(&arena->slab[slab].free, mask) &&
         mark_taken(arena, slab, mask, (unsigned)more, &is_zero);
}

static void give_chunk(const fe_base_t *base, const fe_run_t *run) {
  size_t size = run->unit_count * FE_UNIT_SIZE;
  fe_ownership_clear(run->start, size);
  fe_track_open(run->start, size);
  fe_chunk_release(base, run->start, size);
}

void (*_Atomic fe_arenas_on_give)(fe_arenas_t *arenas);

void fe_arenas_give(fe_arenas_t *arenas, const fe_run_t *run) {
  if (run->arena == NULL) {
    fe_arenas_count_give_chunk(arenas, run->unit_count);
    give_chunk(arenas->base, run);
    return;
  }
  fe_arenas_count_give(arenas, run->unit_count);
  fe_track_close(run->start, run->unit_count * FE_UNIT_SIZE);
  /* Counted before the units are free, so that a taker's subtraction comes after. */
  atomic_fetch_add_explicit(&arenas->dirty_unit_count, (ptrdiff_t)run->unit_count,
                            memory_order_relaxed);
  size_t offset = (size_t)(run->start - run->arena->start);
  unsigned slab = (unsigned)(offset >> FE_SLAB_SHIFT);
  unsigned unit = (unsigned)((offset & (FE_SLAB_SIZE - 1)) >> FE_SHARD_SHIFT);
  for (size_t left = run->unit_count; left > 0; slab++, unit = 0) {
    unsigned count = left < FE_UNITS_PER_SLAB ? (unsigned)left : FE_UNITS_PER_SLAB;
    fe_bitmap_give(&run->arena->slab[slab].free, fe_bitmap_mask(unit, count));
    left -= count;
  }
  fe_arenas_tick(arenas);
  fe_arenas_tell_given(arenas);
}
