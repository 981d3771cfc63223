/* Visiting the shards and the live blocks of a heap: whatever is in no free list is live. */
#include <string.h>

#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/stats/stats.h"

#define WORD_BITS (sizeof(uintptr_t) * 8)
#define SET_WORDS (FE_UNIT_SIZE / 8 / WORD_BITS) /* a bit for each 8 bytes of a unit */

/* Blocks of one unit, by number. */
typedef struct block_set {
  uintptr_t word[SET_WORDS];
} block_set_t;

static void add_to_set(block_set_t *set, size_t number) {
  set->word[number / WORD_BITS] |= (uintptr_t)1 << (number % WORD_BITS);
}

static bool is_in_set(const block_set_t *set, size_t number) {
  return set->word[number / WORD_BITS] >> (number % WORD_BITS) & 1;
}

typedef struct visit {
  fe_heap_t *heap;
  const fe_visitor_t *visitor;
  void *user_data;
} visit_t;

static bool visit_shard(const visit_t *visit, const fe_shard_view_t *view) {
  return visit->visitor->shard == NULL || visit->visitor->shard(view, visit->user_data);
}

static bool visit_block(const visit_t *visit, const fe_shard_view_t *view, const void *block,
                        size_t size) {
  return visit->visitor->block == NULL ||
         visit->visitor->block(view, block, size, visit->user_data);
}

/* -- Shards of blocks -- */

static const char *first_block(const fe_shard_t *shard) {
  return (const char *)shard + shard->start;
}

static void add_list(block_set_t *set, const fe_shard_t *shard, const fe_block_t *block) {
  for (; block != NULL; block = fe_block_next(block)) {
    add_to_set(set, (size_t)((const char *)block - first_block(shard)) / shard->block_size);
  }
}

static bool visit_live_blocks(const visit_t *visit, const fe_shard_t *shard,
                              const fe_shard_view_t *view) {
  block_set_t free;
  memset(&free, 0, sizeof free);
  add_list(&free, shard, shard->free);
  add_list(&free, shard, shard->kept);
  for (size_t i = 0; i < shard->capacity; i++) {
    if (is_in_set(&free, i)) continue;
    const char *block = first_block(shard) + i * shard->block_size;
    if (!visit_block(visit, view, block, shard->block_size)) return false;
  }
  return true;
}

static bool visit_shard_of_blocks(const visit_t *visit, const fe_shard_t *shard) {
  size_t live_count = fe_shard_used(shard);
  fe_shard_view_t view = {.type = FE_SHARD_OF_ONE_SIZE,
                          .start = shard,
                          .bytes = FE_UNIT_SIZE,
                          .block_size = shard->block_size,
                          .room_count = shard->reserved,
                          .carved_count = shard->capacity,
                          .live_count = live_count,
                          .live_bytes = live_count * shard->block_size};
  return visit_shard(visit, &view) && visit_live_blocks(visit, shard, &view);
}

static bool visit_list(const visit_t *visit, const fe_shard_t *shard,
                       bool (*visit_one)(const visit_t *visit, const fe_shard_t *shard)) {
  for (; shard != NULL; shard = shard->next) {
    if (!visit_one(visit, shard)) return false;
  }
  return true;
}

static bool visit_shards_of_blocks(const visit_t *visit) {
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
    const fe_shard_t *first = fe_heap_current(visit->heap, i);
    if (first == &fe_shard_empty) continue;
    if (!visit_list(visit, first, visit_shard_of_blocks)) return false;
  }
  return visit_list(visit, visit->heap->full, visit_shard_of_blocks);
}

/* -- The nursery -- */

static size_t granule_of(const void *place) { return ((uintptr_t)place & (FE_UNIT_SIZE - 1)) / 8; }

static bool starts_at(const fe_nursery_t *nursery, size_t granule) {
  _Atomic(uintptr_t) *word = fe_nursery_starts(nursery, granule / WORD_BITS);
  return atomic_load_explicit(word, memory_order_relaxed) >> (granule % WORD_BITS) & 1;
}

static bool visit_nursery(const visit_t *visit) {
  const fe_nursery_t *nursery = &visit->heap->nursery;
  block_set_t free;
  memset(&free, 0, sizeof free);
  char *unit = fe_heap_unit(visit->heap);
  for (unsigned i = 0; i < FE_NURSERY_CLASSES; i++) {
    if (nursery->free[i] == 0) continue;
    const fe_block_t *block = (fe_block_t *)(unit + nursery->free[i] * (size_t)8);
    for (; block != NULL; block = block->next) add_to_set(&free, granule_of(block));
  }
  size_t first = granule_of((const char *)fe_align_up((uintptr_t)(visit->heap + 1), 16));
  size_t end = granule_of(nursery->bump);
  fe_shard_view_t view = {.type = FE_SHARD_OF_NURSERY,
                          .start = unit,
                          .bytes = FE_UNIT_SIZE,
                          .live_bytes = fe_figure_get(&nursery->used_bytes)};
  for (size_t i = first; i < end; i++) {
    if (!starts_at(nursery, i)) continue;
    view.carved_count++;
    if (!is_in_set(&free, i)) view.live_count++;
  }
  view.room_count = view.carved_count;
  if (!visit_shard(visit, &view)) return false;
  for (size_t i = first; i < end; i++) {
    if (!starts_at(nursery, i) || is_in_set(&free, i)) continue;
    size_t size = fe_nursery_block_size(visit->heap, unit + i * 8);
    if (!visit_block(visit, &view, unit + i * 8, size)) return false;
  }
  return true;
}

/* -- Mixed shards -- */

static bool visit_mixed(const visit_t *visit, const fe_shard_t *shard) {
  fe_shard_view_t view = {.type = FE_SHARD_OF_MIXED, .start = shard, .bytes = FE_UNIT_SIZE};
  const void *block;
  size_t size;
  for (size_t place = 0; fe_mixed_next(shard, &place, &size) != NULL; view.live_bytes += size) {
    view.live_count++;
  }
  view.room_count = view.live_count;
  view.carved_count = view.live_count;
  if (!visit_shard(visit, &view)) return false;
  for (size_t place = 0; (block = fe_mixed_next(shard, &place, &size)) != NULL;) {
    if (!visit_block(visit, &view, block, size)) return false;
  }
  return true;
}

/* -- Large blocks -- */

/* One, and where it begins. */
typedef struct large {
  fe_shard_view_t view;
  const char *block;
} large_t;

static large_t large_of(const fe_shard_t *shard) {
  return (large_t){.view = {.type = FE_SHARD_OF_LARGE,
                            .start = shard->run_start,
                            .bytes = shard->unit_count * FE_UNIT_SIZE,
                            .block_size = shard->block_size,
                            .room_count = 1,
                            .carved_count = 1,
                            .live_count = 1,
                            .live_bytes = shard->block_size},
                   .block = (const char *)shard + shard->start * (size_t)16};
}

static bool visit_large(const visit_t *visit, const large_t *large) {
  return visit_shard(visit, &large->view) &&
         visit_block(visit, &large->view, large->block, large->view.block_size);
}

static bool visit_listed_large(const visit_t *visit, const fe_shard_t *shard) {
  large_t large = large_of(shard);
  return visit_large(visit, &large);
}

/* The large blocks of a permanent heap in one slab. Others may free them at any time, so they are
 * looked at during a census, and visited after it. */
static size_t find_large(const fe_heap_t *heap, const fe_arena_t *arena, unsigned slab,
                         large_t *found) {
  size_t count = 0;
  fe_census_begin(arena->arenas);
  fe_units_t heads = fe_census_heads(&arena->slab[slab]);
  while (heads != 0) {
    const fe_shard_t *shard = fe_census_next(arena, slab, &heads);
    if (shard->kind != FE_SHARD_LARGE || fe_heap_of(shard) != heap) continue;
    if (fe_shard_state(shard) == FE_SHARD_VACANT) continue;
    found[count++] = large_of(shard);
  }
  fe_census_end(arena->arenas);
  return count;
}

static bool visit_unlisted_large(const visit_t *visit) {
  large_t found[FE_UNITS_PER_SLAB];
  fe_arena_t *arena = fe_arenas_first(visit->heap->context->arenas);
  for (; arena != NULL; arena = fe_arena_next(arena)) {
    for (unsigned slab = 0; slab < arena->slab_count; slab++) {
      size_t count = find_large(visit->heap, arena, slab, found);
      for (size_t i = 0; i < count; i++) {
        if (!visit_large(visit, &found[i])) return false;
      }
    }
  }
  return true;
}

static bool visit_all(const visit_t *visit) {
  if (!visit_nursery(visit) || !visit_list(visit, visit->heap->mixed.first, visit_mixed))
    return false;
  if (!visit_shards_of_blocks(visit)) return false;
  if (visit->heap->is_permanent) return visit_unlisted_large(visit);
  return visit_list(visit, visit->heap->large, visit_listed_large);
}

/* The program's functions run outside of the gate, since they may do anything with other heaps. */
static void set_visited(fe_heap_t *heap, bool is_visited) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  if (is_visited) fe_heap_refresh_figures_inside(heap);
  if (is_visited) fe_bins_empty(heap);
  if (is_visited) fe_kept_give_all(heap);
  heap->is_visited = is_visited;
  fe_gate_leave(&heap->gate, gate);
}

bool fe_heap_visit(fe_heap_t *heap, const fe_visitor_t *visitor, void *user_data) {
  visit_t visit = {.heap = heap, .visitor = visitor, .user_data = user_data};
  set_visited(heap, true);
  bool is_whole = visit_all(&visit);
  set_visited(heap, false);
  return is_whole;
}
