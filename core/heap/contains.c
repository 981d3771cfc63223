/* Whether an address is a block of a heap. Memory of ferroc's may be free, and then there may be no
 * memory behind it; it may be the program's, in the middle of a block; and it may be somebody
 * else's, who gives it back at this moment. So the words of the arenas are asked first, and only
 * what is known to be a header is looked at. */
#include "core/arena/bitmap.h"
#include "core/heap/heap.h"
#include "core/slab/census.h"

static bool is_of_heap(const fe_heap_t *heap, const fe_shard_t *shard) {
  if (fe_track_get_word((const fe_word_t *)&shard->inbox) != (uintptr_t)&heap->inbox) return false;
  return FE_IS_TRACKED || fe_shard_state(shard) != FE_SHARD_VACANT;
}

static bool is_head(const fe_arena_t *arena, const fe_shard_t *shard) {
  size_t unit = (size_t)((const char *)shard - arena->start) >> FE_SHARD_SHIFT;
  fe_units_t heads = fe_census_heads(&arena->slab[unit / FE_UNITS_PER_SLAB]);
  return (heads & fe_bitmap_mask((unsigned)(unit % FE_UNITS_PER_SLAB), 1)) != 0;
}

/* Where memory comes by itself and addresses stay, a header that is given back meanwhile is still
 * there, without its heap. Elsewhere a census keeps it. */
static bool is_in_arena(const fe_heap_t *heap, const fe_arena_t *arena, const fe_shard_t *shard) {
  fe_arenas_t *arenas = arena->arenas;
  bool stays = arenas->base->commit == NULL && arenas->base->unmap == NULL;
  if (stays) return is_head(arena, shard) && is_of_heap(heap, shard);
  fe_census_begin(arenas);
  bool is_found = is_head(arena, shard) && is_of_heap(heap, shard);
  fe_census_end(arenas);
  return is_found;
}

/* A heap that lives for good keeps no list of its blocks: there a chunk's header is looked at
 * wherever the address would have it, and nobody may be freeing that chunk. */
static bool is_in_single_chunk(const fe_heap_t *heap, const fe_shard_t *shard) {
  if (!fe_ownership_is_single(shard)) return false;
  if (heap->is_permanent) return is_of_heap(heap, shard);
  const fe_shard_t *large = heap->large;
  while (large != NULL && large != shard) large = large->next;
  return large != NULL;
}

bool fe_heap_contains(const fe_heap_t *heap, const void *ptr) {
  /* The header lies before ptr; at the start of a chunk or a region there is none. */
  const fe_shard_t *shard = fe_shard_of(ptr);
  if (!fe_owns_address(ptr) || !fe_owns_address(shard)) return false;
  const fe_arena_t *arena = fe_arenas_find(heap->context->arenas, shard);
  if (arena != NULL) return is_in_arena(heap, arena, shard);
  return is_in_single_chunk(heap, shard);
}
