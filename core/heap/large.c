/* Blocks with a run of units of their own: large, huge, and those aligned so widely that no shard
 * of blocks can hold them. */
#include <string.h>

#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/heap/large_layout.h"
#include "core/heap/roll.h"
#include "core/slab/census.h"
#include "core/slab/remote.h"

static void link_large(fe_heap_t *heap, fe_shard_t *shard) {
  shard->prev = NULL;
  shard->next = heap->large;
  if (heap->large != NULL) heap->large->prev = shard;
  heap->large = shard;
}

static void unlink_large(fe_heap_t *heap, fe_shard_t *shard) {
  if (shard->prev != NULL) shard->prev->next = shard->next;
  if (shard->next != NULL) shard->next->prev = shard->prev;
  if (heap->large == shard) heap->large = shard->next;
}

/* Enters a large block in the heap's books. A heap that lives for good keeps no list, so that
 * whoever frees the block can give its memory back. */
static void enter(fe_heap_t *heap, fe_shard_t *shard) {
  fe_figure_add(&heap->large_taken_bytes, shard->block_size);
  if (heap->is_permanent) {
    atomic_store_explicit(&shard->remote, FE_REMOTE_NEVER, memory_order_relaxed);
  } else {
    link_large(heap, shard);
  }
}

/* Up to so many units are counted in a header, also when they are rounded up to whole slabs. */
#define FE_LARGE_RUN_UNITS_MAX (UINT32_MAX - FE_UNITS_PER_SLAB)

/* A shard with a run from the arenas. */
static fe_shard_t *take_run(fe_heap_t *heap, size_t unit_count, size_t size, size_t alignment) {
  fe_run_t run;
  fe_large_bins_before_run(heap);
  bool is_taken = unit_count == 1 ? fe_kept_take_unit(heap, &run)
                                  : fe_context_take(heap->context, unit_count, &run);
  if (!is_taken) return NULL;
  char *block = fe_large_place(&run, unit_count, size, alignment, heap->colour++);
  size_t header = (size_t)((char *)fe_shard_of(block) - run.start) >> FE_SHARD_SHIFT;
  fe_shard_t *shard = fe_shard_init(&run, header, &heap->inbox, FE_SHARD_LARGE);
  fe_large_set_block(shard, block);
  return shard;
}

void *fe_large_alloc(fe_heap_t *heap, size_t size, size_t alignment) {
  if (size > PTRDIFF_MAX || alignment > PTRDIFF_MAX - size) return NULL;
  size_t unit_count = fe_large_units(size, alignment);
  if (unit_count > FE_LARGE_RUN_UNITS_MAX) return NULL;
  void *block = fe_large_alloc_waiting(heap, size, alignment);
  if (block != NULL) return block;
  size_t charged = fe_large_counted_size(size);
  if (!fe_account_charge_large(heap, charged)) return NULL;
  fe_shard_t *shard = take_run(heap, unit_count, size, alignment);
  size_t block_size = shard == NULL ? 0 : fe_large_block_size(shard, charged);
  if (block_size < charged) fe_budget_uncharge(&heap->budget, charged - block_size);
  if (shard == NULL) return NULL;
  shard->block_size = block_size;
  enter(heap, shard);
  fe_large_guard(heap, shard, fe_large_block(shard));
  fe_count_large_alloc(heap, shard, size);
  fe_census_enter(shard);
  return fe_large_block(shard);
}

/* The block has a new size, for which `charged` bytes more were charged. */
static void change_size(fe_heap_t *heap, fe_shard_t *shard, size_t block_size, size_t charged) {
  size_t change = block_size - shard->block_size; /* wraps around for a smaller one */
  fe_figure_add(&heap->large_taken_bytes, change);
  fe_budget_uncharge(&heap->budget, charged - change);
  shard->block_size = block_size;
}

/* Makes the run have so many units, if that can be done where it is. */
static bool resize_run(fe_heap_t *heap, fe_shard_t *shard, size_t before, size_t after) {
  if (after < before) {
    fe_run_t tail = {.arena = shard->arena,
                     .start = shard->run_start + after * FE_UNIT_SIZE,
                     .unit_count = before - after};
    fe_arenas_give(heap->context->arenas, &tail);
  } else if (after > before &&
             !fe_arenas_extend(shard->arena, shard->run_start, before, after - before)) {
    return false;
  }
  shard->unit_count = (uint32_t)after;
  return true;
}

/* Whether the units behind the new end of a block are to be given back: those of a run of a few
 * units at once, else when they are an eighth, or a slab. */
static bool is_worth_giving(size_t before, size_t after) {
  return after < before && (before <= FE_LARGE_UNITS_MAX || before - after >= before / 8 ||
                            before - after >= FE_UNITS_PER_SLAB);
}

/* Grows to the end of a slab, so that the next growth is there already, or else as far as is
 * needed. What would be longer than other runs in arenas is better moved to a chunk of its own. */
static bool grow_run(fe_heap_t *heap, fe_shard_t *shard, size_t before, size_t after) {
  bool is_chunk_better = fe_base_has_single_chunks(heap->context->arenas->base);
  if (after > FE_ARENA_RUN_UNITS_MAX && is_chunk_better) return false;
  if (after <= FE_LARGE_UNITS_MAX) return resize_run(heap, shard, before, after);
  /* Among runs of a few units it would be in the way of many. */
  if (before <= FE_LARGE_UNITS_MAX && is_chunk_better) return false;
  size_t first = (size_t)(shard->run_start - shard->arena->start) >> FE_SHARD_SHIFT;
  size_t rounded = fe_align_up(first + after, FE_UNITS_PER_SLAB) - first;
  return resize_run(heap, shard, before, rounded) || resize_run(heap, shard, before, after);
}

/* The same in a chunk of its own. Where an eighth of its addresses would be all that is used, or
 * where half of its memory would lie idle, it does not stay. */
static bool resize_in_chunk(fe_heap_t *heap, fe_shard_t *shard, size_t after) {
  fe_arenas_t *arenas = heap->context->arenas;
  fe_run_t run = fe_shard_run(shard);
  bool may_stay = true;
  if (after > run.open_count) {
    may_stay = fe_arenas_open(arenas, &run, after);
  } else if (after < run.unit_count / 8) {
    return false;
  } else if (is_worth_giving(run.open_count, after)) {
    may_stay = fe_arenas_close(arenas, &run, after) || after >= run.open_count / 2;
  }
  shard->open_count = (uint32_t)run.open_count;
  return may_stay;
}

/* Sets the units of the run, if the block can stay where it is. */
static bool resize_where_it_is(fe_heap_t *heap, fe_shard_t *shard, size_t after) {
  size_t before = shard->unit_count;
  if (shard->arena == NULL) return resize_in_chunk(heap, shard, after);
  if (after > before) {
    if (grow_run(heap, shard, before, after)) return true;
    if (fe_heap_kept_units(heap) < after - before) return false;
    fe_kept_give_all(heap);
    return grow_run(heap, shard, before, after);
  }
  return !is_worth_giving(before, after) || resize_run(heap, shard, before, after);
}

/* Whoever does not hold the heap cannot close its quick ways to make room for more, nor take in
 * what others freed. */
static bool charge_more(fe_heap_t *heap, size_t bytes, bool is_holder) {
  if (is_holder) {
    fe_heap_settle(heap);
    if (fe_inbox_has_some(&heap->inbox)) fe_heap_drain(heap);
    return fe_account_charge_large(heap, bytes);
  }
  bool is_charged = fe_budget_charge(&heap->budget, bytes);
  heap->account.refused_bytes = is_charged ? 0 : bytes;
  return is_charged;
}

static bool resize(fe_heap_t *heap, fe_shard_t *shard, void *ptr, size_t size, bool is_holder) {
  heap->account.refused_bytes = 0;
  if (size > PTRDIFF_MAX || size <= FE_MEDIUM_MAX) return false;
  size_t offset = (size_t)((char *)ptr - shard->run_start);
  size_t counted = fe_large_counted_size(size);
  size_t more = counted > shard->block_size ? counted - shard->block_size : 0;
  if (more > 0 && !charge_more(heap, more, is_holder)) return false;
  size_t after = (offset + size + FE_UNIT_SIZE - 1) >> FE_SHARD_SHIFT;
  if (!resize_where_it_is(heap, shard, after)) {
    fe_budget_uncharge(&heap->budget, more);
    fe_count(heap, FE_HEAP_LARGE_NOT_IN_PLACE, 1);
    return false;
  }
  size_t room = fe_large_room(shard, offset);
  change_size(heap, shard, counted < room ? counted : room, more);
  fe_count(heap, FE_HEAP_LARGE_IN_PLACE, 1);
  fe_count_large_size(heap, shard, size);
  return true;
}

enum { TURNS_MAX = 4 }; /* others may take what was made room for */

bool fe_large_resize(fe_heap_t *heap, fe_shard_t *shard, void *ptr, size_t size) {
  bool has_room = true;
  for (int turn = 0; has_room && turn < TURNS_MAX; turn++) {
    uint32_t gate = fe_gate_enter(&heap->gate);
    bool is_done = resize(heap, shard, ptr, size, true);
    size_t refused_bytes = heap->account.refused_bytes;
    fe_gate_leave(&heap->gate, gate);
    if (is_done) return true;
    has_room = refused_bytes > 0 && fe_heap_make_room_in_budget(heap, refused_bytes, true);
  }
  return false;
}

bool fe_large_resize_elsewhere(fe_shard_t *shard, void *ptr, size_t size) {
  fe_heap_t *heap = fe_heap_of(shard);
  bool has_room = true;
  for (int turn = 0; has_room && turn < TURNS_MAX; turn++) {
    if (!fe_roll_lock_soon(FE_GATE_PATIENCE_MS)) return false;
    uint32_t gate;
    if (!fe_gate_enter_soon(&heap->gate, FE_GATE_PATIENCE_MS, &gate)) {
      fe_roll_unlock();
      return false;
    }
    bool is_done = resize(heap, shard, ptr, size, false);
    size_t refused_bytes = heap->account.refused_bytes;
    fe_gate_leave(&heap->gate, gate);
    fe_roll_unlock();
    if (is_done) return true;
    has_room = refused_bytes > 0 && fe_heap_make_room_in_budget(heap, refused_bytes, false);
  }
  return false;
}

/* -- Growing at another place: in a chunk of its own, whose pages can be moved -- */

/* Notes in a block's header where its run is now, and enters it in the heap's list and, if it came
 * to lie in slabs, for censuses. */
static void *settle(fe_heap_t *heap, const fe_run_t *run, size_t offset) {
  char *block = run->start + offset;
  fe_shard_t *shard = fe_shard_of(block);
  shard->arena = run->arena;
  shard->run_start = run->start;
  shard->unit_count = (uint32_t)run->unit_count;
  shard->open_count = (uint32_t)run->open_count;
  if (!heap->is_permanent) link_large(heap, shard);
  fe_census_enter(shard);
  return block;
}

/* The block is where it was, and NULL is returned, if the chunk cannot grow. */
static void *move_pages(fe_heap_t *heap, fe_shard_t *shard, size_t offset, size_t unit_count) {
  fe_run_t run = fe_shard_run(shard);
  if (!heap->is_permanent) unlink_large(heap, shard);
  bool has_grown = fe_arenas_grow(heap->context->arenas, &run, unit_count);
  void *block = settle(heap, &run, offset);
  return has_grown ? block : NULL;
}

static void *copy_to_chunk(fe_heap_t *heap, fe_shard_t *shard, size_t offset, size_t unit_count) {
  fe_arenas_t *arenas = heap->context->arenas;
  fe_run_t before = fe_shard_run(shard);
  fe_run_t run;
  if (!fe_arenas_take_to_grow(arenas, unit_count, &run)) return NULL;
  size_t header_offset = (size_t)((char *)shard - before.start);
  memcpy(run.start + header_offset, shard, FE_SHARD_BLOCKS_START);
  memcpy(run.start + offset, before.start + offset, shard->block_size);
  if (!heap->is_permanent) unlink_large(heap, shard);
  if (fe_census_leave(shard)) fe_arenas_give(arenas, &before);
  return settle(heap, &run, offset);
}

static void *move(fe_heap_t *heap, fe_shard_t *shard, void *ptr, size_t size) {
  if (FE_IS_TRACKED) return NULL; /* moved blocks are new ones, and the old ones stay checked */
  const fe_base_t *base = heap->context->arenas->base;
  if (shard->unit_count <= FE_LARGE_UNITS_MAX || !fe_base_can_grow(base)) return NULL;
  size_t offset = (size_t)((char *)ptr - shard->run_start);
  size_t unit_count = (offset + size + FE_UNIT_SIZE - 1) >> FE_SHARD_SHIFT;
  /* A small block may have been large for its alignment alone, which it need not keep. */
  if (size <= FE_MEDIUM_MAX || size <= shard->block_size) return NULL;
  if (size > PTRDIFF_MAX || unit_count > FE_LARGE_RUN_UNITS_MAX) return NULL;
  size_t counted = fe_large_counted_size(size);
  size_t more = counted - shard->block_size;
  if (!fe_account_charge_large(heap, more)) return NULL;
  void *block = shard->arena == NULL ? move_pages(heap, shard, offset, unit_count)
                                     : copy_to_chunk(heap, shard, offset, unit_count);
  if (block == NULL) {
    fe_budget_uncharge(&heap->budget, more);
    return NULL;
  }
  shard = fe_shard_of(block);
  size_t room = fe_large_room(shard, offset);
  change_size(heap, shard, counted < room ? counted : room, more);
  fe_count_large_size(heap, shard, size);
  return block;
}

void *fe_large_move(fe_heap_t *heap, void *ptr, size_t size) {
  fe_shard_t *shard = fe_shard_of(ptr);
  if (shard->kind != FE_SHARD_LARGE || fe_heap_of(shard) != heap) return NULL;
  uint32_t gate = fe_gate_enter(&heap->gate);
  void *block = move(heap, shard, ptr, size);
  fe_gate_leave(&heap->gate, gate);
  return block;
}

void fe_large_give(fe_heap_t *heap, fe_shard_t *shard) {
  if (!heap->is_permanent) unlink_large(heap, shard);
  fe_budget_uncharge(&heap->budget, shard->block_size);
  fe_run_t run = fe_shard_run(shard);
  if (fe_census_leave(shard)) fe_arenas_give(heap->context->arenas, &run);
}

bool fe_large_free(fe_heap_t *heap, fe_shard_t *shard) {
  if (fe_large_keep(heap, shard)) return false;
  fe_count_large_free(heap, shard);
  fe_figure_add(&heap->large_taken_bytes, -shard->block_size);
  fe_large_give(heap, shard);
  return true;
}

void fe_large_free_elsewhere(fe_shard_t *shard) {
  fe_heap_t *heap = fe_heap_of(shard);
  fe_arenas_t *arenas = heap->context->arenas;
  size_t bytes = shard->block_size;
  size_t slack = fe_small_figure_get(&shard->published);
  fe_run_t run = fe_shard_run(shard);
  fe_budget_uncharge(&heap->budget, bytes);
  fe_count_large_free_elsewhere(heap, bytes, slack);
  if (fe_census_leave(shard)) fe_arenas_give(arenas, &run);
}
