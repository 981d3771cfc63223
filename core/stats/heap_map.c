/* The heap map: the units of all slabs as JSON, in a page that draws them.
 *
 * A slab is looked at as a whole during a census, then written, so that nothing is held while the
 * caller's function runs. For each slab {"start":"0x...","cells":[...]}, where the cells follow
 * each other without gaps:
 *
 *   ["clean",units] ["dirty",units]      free; a run that waits for a large block is dirty
 *   ["notes",units] ["none",units]       what the arena needs itself; what is not there
 *   ["other",units]                      in use, but not by a shard that can be looked at
 *   ["large",units,"heap"]               (a part of) a large block
 *   ["blocks","heap",block_size,live,carved,room]
 *   ["mixed","heap",used]
 *   ["nursery","heap","name",is_thread,nursery_used,used,peak,limit,binned]
 */
#include <string.h>

#include "core/arena/bitmap.h"
#include "core/heap/counting.h"
#include "core/stats/heap_map_page.h"
#include "core/stats/stats.h"

typedef enum cell_kind {
  CLEAN,
  DIRTY,
  NOTES,
  NONE,
  OTHER,
  LARGE,
  BLOCKS,
  MIXED,
  NURSERY
} cell_kind_t;

static const char *const kind_names[] = {"clean", "dirty",  "notes", "none",   "other",
                                         "large", "blocks", "mixed", "nursery"};

/* A unit, or several that are alike. */
typedef struct cell {
  cell_kind_t kind;
  unsigned unit_count;
  const fe_heap_t *heap; /* an address alone: by the time it is written, the heap may be gone */
  union {
    struct {
      size_t block_size;
      uint32_t live, carved, room;
    } blocks;
    size_t mixed_used;
    struct {
      bool is_thread_heap;
      size_t nursery_used, used, peak, limit, binned;
      char name[FE_NAME_MAX + 1];
    } nursery;
  };
} cell_t;

/* -- Looking at a slab, during a census -- */

static void look_at_blocks(cell_t *cell, const fe_shard_t *shard) {
  cell->kind = BLOCKS;
  cell->blocks.block_size = fe_class_size(shard->class_index);
  cell->blocks.live = fe_live_count_for_others(shard);
  cell->blocks.carved = fe_published_carved(fe_small_figure_get(&shard->published));
  cell->blocks.room = shard->reserved;
}

static void look_at_nursery(cell_t *cell, const fe_heap_t *heap) {
  cell->kind = NURSERY;
  cell->nursery.is_thread_heap = heap->is_thread_heap;
  cell->nursery.nursery_used = fe_figure_get(&heap->nursery.used_bytes);
  cell->nursery.used = fe_heap_published_bytes(heap);
  cell->nursery.peak = fe_heap_peak_bytes(heap, cell->nursery.used);
  cell->nursery.limit = fe_heap_limit(heap);
  cell->nursery.binned = fe_heap_binned_bytes(heap);
  if (heap->has_annex) memcpy(cell->nursery.name, fe_heap_annex(heap)->name, FE_NAME_MAX);
}

static void look_at_mixed(cell_t *cell, const fe_shard_t *shard) {
  cell->kind = MIXED;
  cell->mixed_used = fe_small_figure_get(&shard->published);
}

static cell_t cell_of_shard(const fe_shard_t *shard) {
  if (fe_shard_state(shard) == FE_SHARD_VACANT) return (cell_t){.kind = DIRTY, .unit_count = 1};
  cell_t cell = {.kind = LARGE, .unit_count = 1, .heap = fe_heap_of(shard)};
  if (shard->kind == FE_SHARD_BLOCKS) look_at_blocks(&cell, shard);
  if (shard->kind == FE_SHARD_MIXED) look_at_mixed(&cell, shard);
  if (shard->kind == FE_SHARD_NURSERY) look_at_nursery(&cell, cell.heap);
  return cell;
}

/* What the units of a run are that have no header: the same as its first. OTHER: there is none. */
typedef struct run_of_units {
  cell_kind_t kind;
  const fe_heap_t *heap;
} run_of_units_t;

static const run_of_units_t no_run = {.kind = OTHER};

/* A unit without a shard's header. `run`: of the unit right before it; then of this one. */
static cell_t cell_of_unit(const fe_arena_t *arena, unsigned slab, unsigned unit,
                           run_of_units_t *run) {
  fe_units_t bit = fe_bitmap_mask(unit, 1);
  cell_t cell = {.kind = run->kind, .unit_count = 1, .heap = run->heap};
  bool is_there = (fe_arena_usable_units(arena, slab) & bit) != 0;
  bool is_free = (atomic_load_explicit(&arena->slab[slab].free, memory_order_relaxed) & bit) != 0;
  if (is_there && !is_free) return cell;
  *run = no_run;
  cell.heap = NULL;
  if (!is_there) {
    bool is_header = slab * FE_UNITS_PER_SLAB + unit < arena->header_units;
    cell.kind = is_header ? NOTES : NONE;
  } else {
    bool is_dirty = atomic_load_explicit(&arena->slab[slab].dirty, memory_order_relaxed) & bit;
    cell.kind = is_dirty ? DIRTY : CLEAN;
  }
  return cell;
}

/* Whether a unit belongs to the same cell as the one before. */
static bool continues(const cell_t *before, const cell_t *cell, bool is_head) {
  return !is_head && before->kind == cell->kind && before->heap == cell->heap;
}

static bool is_of_a_run(const cell_t *cell) { return cell->kind == LARGE || cell->kind == DIRTY; }

/* Returns how many cells there are. `run`: what reaches the end of the slab before, then what
 * reaches the end of this one. */
static size_t look_at_slab(const fe_arena_t *arena, unsigned slab, run_of_units_t *run,
                           cell_t cells[FE_UNITS_PER_SLAB]) {
  size_t count = 0;
  fe_units_t heads = fe_census_heads(&arena->slab[slab]);
  for (unsigned unit = 0; unit < FE_UNITS_PER_SLAB; unit++) {
    bool is_head = heads >> unit & 1;
    cell_t cell = is_head ? cell_of_shard((const fe_shard_t *)fe_unit_address(arena, slab, unit))
                          : cell_of_unit(arena, slab, unit, run);
    if (is_head) *run = is_of_a_run(&cell) ? (run_of_units_t){cell.kind, cell.heap} : no_run;
    if (count > 0 && continues(&cells[count - 1], &cell, is_head)) {
      cells[count - 1].unit_count++;
    } else {
      cells[count++] = cell;
    }
  }
  return count;
}

/* -- Writing -- */

static void put_number(fe_text_t *text, size_t number) {
  fe_text_put(text, ",");
  fe_text_number(text, number);
}

static void put_heap(fe_text_t *text, const fe_heap_t *heap) {
  fe_text_put(text, ",\"");
  fe_text_address(text, heap);
  fe_text_put(text, "\"");
}

static void put_blocks(fe_text_t *text, const cell_t *cell) {
  put_number(text, cell->blocks.block_size);
  put_number(text, cell->blocks.live);
  put_number(text, cell->blocks.carved);
  put_number(text, cell->blocks.room);
}

static void put_nursery(fe_text_t *text, const cell_t *cell) {
  fe_text_put(text, ",");
  fe_text_json_string(text, cell->nursery.name);
  fe_text_put(text, cell->nursery.is_thread_heap ? ",true" : ",false");
  put_number(text, cell->nursery.nursery_used);
  put_number(text, cell->nursery.used);
  put_number(text, cell->nursery.peak);
  put_number(text, cell->nursery.limit);
  put_number(text, cell->nursery.binned);
}

static void put_cell(fe_text_t *text, const cell_t *cell) {
  fe_text_put(text, "[\"");
  fe_text_put(text, kind_names[cell->kind]);
  fe_text_put(text, "\"");
  if (cell->kind < BLOCKS) put_number(text, cell->unit_count);
  if (cell->heap != NULL) put_heap(text, cell->heap);
  if (cell->kind == BLOCKS) put_blocks(text, cell);
  if (cell->kind == MIXED) put_number(text, cell->mixed_used);
  if (cell->kind == NURSERY) put_nursery(text, cell);
  fe_text_put(text, "]");
}

static void put_slab(fe_text_t *text, const fe_arena_t *arena, unsigned slab, run_of_units_t *run) {
  cell_t cells[FE_UNITS_PER_SLAB];
  fe_census_begin(arena->arenas);
  size_t count = look_at_slab(arena, slab, run, cells);
  fe_census_end(arena->arenas);
  fe_text_put(text, "\n{\"start\":\"");
  fe_text_address(text, fe_unit_address(arena, slab, 0));
  fe_text_put(text, "\",\"cells\":[");
  for (size_t i = 0; i < count; i++) {
    if (i > 0) fe_text_put(text, ",");
    put_cell(text, &cells[i]);
  }
  fe_text_put(text, "]}");
}

/* Those that are there. */
static void put_slabs(fe_text_t *text, fe_arenas_t *arenas) {
  bool is_first = true;
  for (fe_arena_t *arena = fe_arenas_first(arenas); arena != NULL; arena = fe_arena_next(arena)) {
    run_of_units_t run = no_run;
    for (unsigned slab = 0; slab < arena->slab_count; slab++) {
      if (fe_slab_is_absent(&arena->slab[slab])) {
        run = no_run;
        continue;
      }
      if (!is_first) fe_text_put(text, ",");
      is_first = false;
      put_slab(text, arena, slab, &run);
    }
  }
}

void fe_heap_map_write(fe_arenas_t *arenas, fe_write_t *write, void *user_data) {
  arenas = fe_arenas_or_default(arenas);
  fe_text_t text = fe_text_begin(write, user_data);
  fe_stats_refresh_thread_heap(arenas);
  fe_text_put(&text, fe_page_before_data);
  fe_text_put(&text, "{\"version\":1,\"unit_bytes\":");
  fe_text_number(&text, FE_UNIT_SIZE);
  fe_text_put(&text, ",\"slab_bytes\":");
  fe_text_number(&text, FE_SLAB_SIZE);
  fe_text_put(&text, ",");
  fe_stats_put_json(&text, arenas);
  fe_text_put(&text, ",\"slabs\":[");
  put_slabs(&text, arenas);
  fe_text_put(&text, "]}\n");
  fe_text_put(&text, fe_page_after_data);
  fe_text_end(&text);
}
