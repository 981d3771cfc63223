/* Rows of units: see row.h. */
#include "core/arena/row.h"

#include "core/arena/bitmap.h"
#include "core/arena/counting.h"
#include "core/arena/dirty.h"
#include "core/arena/huge.h"
#include "core/arena/room.h"

/* Puts memory behind units of a base that commits; returns those for which it had none. */
static fe_units_t commit_units(fe_arena_t *arena, unsigned index, fe_units_t missing) {
  const fe_base_t *base = arena->arenas->base;
  if (base->commit == NULL) return 0;
  while (missing != 0) {
    fe_units_t units = fe_bitmap_first_run(missing);
    char *start = fe_unit_address(arena, index, fe_bitmap_first(units));
    if (!fe_chunk_commit(base, start, fe_bitmap_count(units) * FE_UNIT_SIZE)) break;
    missing &= ~units;
  }
  return missing;
}

static size_t count_bits(fe_units_t mask, size_t count, fe_units_t part) {
  return part == mask ? count : fe_bitmap_count(part);
}

/* Gives back the caller's units, which nobody made use of. The `clean` ones have no memory. */
static void unmark(fe_arena_t *arena, unsigned index, fe_units_t mask, fe_units_t clean) {
  fe_slab_t *slab = &arena->slab[index];
  fe_track_close(fe_unit_address(arena, index, fe_bitmap_first(mask)),
                 fe_bitmap_count(mask) * FE_UNIT_SIZE);
  atomic_fetch_and_explicit(&slab->dirty, ~clean, memory_order_relaxed);
  fe_bitmap_give(&slab->free, mask);
  fe_dirty_after_give(arena, index);
  fe_room_after_give(arena, index, index);
}

bool fe_mark_taken(fe_arena_t *arena, unsigned index, fe_units_t mask, unsigned count,
                   bool *is_zero) {
  fe_arenas_t *arenas = arena->arenas;
  fe_slab_t *slab = &arena->slab[index];
  fe_track_open(fe_unit_address(arena, index, fe_bitmap_first(mask)),
                fe_bitmap_count(mask) * FE_UNIT_SIZE);
  fe_units_t dirty = atomic_fetch_or_explicit(&slab->dirty, mask, memory_order_relaxed) & mask;
  *is_zero = dirty == 0 && arenas->base->is_zeroed;
  if (dirty != 0) {
    atomic_fetch_and_explicit(&slab->aged, ~mask, memory_order_relaxed);
  }
  fe_units_t clean = mask & ~dirty;
  if (clean == 0) return true;
  fe_units_t refused = commit_units(arena, index, clean);
  fe_arenas_count_commit(arenas, count_bits(mask, count, clean & ~refused));
  if (refused == 0) return true;
  unmark(arena, index, mask, refused);
  return false;
}

/* What a run has in the slab of its first unit. */
typedef struct part {
  unsigned slab;
  unsigned count;
  fe_units_t mask;
} part_t;

static part_t first_part(size_t first, size_t count) {
  unsigned unit = (unsigned)(first % FE_UNITS_PER_SLAB);
  unsigned room = FE_UNITS_PER_SLAB - unit;
  unsigned in_slab = count < room ? (unsigned)count : room;
  return (part_t){.slab = (unsigned)(first / FE_UNITS_PER_SLAB),
                  .count = in_slab,
                  .mask = fe_bitmap_mask(unit, in_slab)};
}

static bool is_in_one_slab(const fe_row_t *row) {
  return row->first % FE_UNITS_PER_SLAB + row->count <= FE_UNITS_PER_SLAB;
}

/* Gives units back, from `from` to `to`, counted from the row's first. */
static void free_units(const fe_row_t *row, size_t from, size_t to) {
  if (from == to) return;
  size_t first = (row->first + from) / FE_UNITS_PER_SLAB;
  size_t last = (row->first + to - 1) / FE_UNITS_PER_SLAB;
  while (from < to) {
    part_t part = first_part(row->first + from, to - from);
    fe_bitmap_give(&row->arena->slab[part.slab].free, part.mask);
    fe_dirty_after_give(row->arena, part.slab);
    from += part.count;
  }
  fe_room_after_give(row->arena, (unsigned)first, (unsigned)last);
}

/* Takes the units, all of them or none. Returns how many of them lie before the first slab that has
 * not got its part free. */
static size_t take_all_of(const fe_row_t *row) {
  for (size_t taken = 0; taken < row->count;) {
    part_t part = first_part(row->first + taken, row->count - taken);
    if (!fe_bitmap_take(&row->arena->slab[part.slab].free, part.mask)) {
      free_units(row, 0, taken);
      return taken;
    }
    taken += part.count;
  }
  return row->count;
}

/* Gives back the first `count` units of a row, which were marked as taken. */
static void unmark_units(const fe_row_t *row, size_t count) {
  for (size_t done = 0; done < count;) {
    part_t part = first_part(row->first + done, count - done);
    unmark(row->arena, part.slab, part.mask, 0);
    done += part.count;
  }
}

/* The units are the caller's: marks them as such, or gives them back. */
static bool mark_units_taken(const fe_row_t *row, bool *is_zero) {
  *is_zero = true;
  for (size_t marked = 0; marked < row->count;) {
    part_t part = first_part(row->first + marked, row->count - marked);
    bool is_part_zero;
    if (!fe_mark_taken(row->arena, part.slab, part.mask, part.count, &is_part_zero)) {
      free_units(row, marked + part.count, row->count);
      unmark_units(row, marked);
      return false;
    }
    if (!is_part_zero) *is_zero = false;
    marked += part.count;
  }
  fe_slab_count_take(&row->arena->slab[row->first / FE_UNITS_PER_SLAB], row->count);
  return true;
}

/* Those that the row has whole. */
static void set_slabs_huge(const fe_row_t *row) {
  size_t end = (row->first + row->count) / FE_UNITS_PER_SLAB;
  for (size_t i = (row->first + FE_UNITS_PER_SLAB - 1) / FE_UNITS_PER_SLAB; i < end; i++) {
    fe_slab_t *slab = &row->arena->slab[i];
    if (!fe_slab_is_huge(slab)) fe_arena_set_huge(row->arena, (unsigned)i, true);
  }
}

fe_outcome_t fe_row_take(fe_look_t *look, const fe_row_t *row, size_t *free_count, fe_run_t *run) {
  bool can_fail = !is_in_one_slab(row) || fe_may_refuse(look->arenas);
  fe_outcome_t outcome = FE_NOT_FREE;
  if (can_fail) fe_look_begin_passing(look);
  *free_count = take_all_of(row);
  if (*free_count == row->count) {
    *run = (fe_run_t){.arena = row->arena,
                      .start = fe_unit_address(row->arena, 0, row->first),
                      .unit_count = row->count};
    if (fe_huge_is_rule()) set_slabs_huge(row);
    outcome = mark_units_taken(row, &run->is_zero) ? FE_TAKEN : FE_REFUSED;
  }
  if (can_fail) fe_look_end_passing(look);
  return outcome;
}

void fe_row_give(const fe_row_t *row) {
  free_units(row, 0, row->count);
  fe_slab_count_give(&row->arena->slab[row->first / FE_UNITS_PER_SLAB], row->count);
}

bool fe_arenas_extend(fe_arena_t *arena, char *start, size_t unit_count, size_t more) {
  size_t first = ((size_t)(start - arena->start) >> FE_SHARD_SHIFT) + unit_count;
  if (more > arena->unit_count - first) return false;
  fe_row_t row = {arena, first, more};
  bool may_not_keep = !is_in_one_slab(&row) || fe_may_refuse(arena->arenas);
  bool is_zero;
  if (may_not_keep) fe_passing_begin(arena->arenas);
  bool is_longer = take_all_of(&row) == more && mark_units_taken(&row, &is_zero);
  if (may_not_keep) fe_passing_end(arena->arenas);
  return is_longer;
}
