/* Blocks that change their size: where they are, if they can, or else at another place. */
#include "core/global/realloc.h"

#include <string.h>

/* A block of another heap moves to this one, but among threads it does not matter whose heap it is
 * in, as long as it stays on its arenas. */
static bool is_at_home(const fe_heap_t *heap, const void *ptr) {
  const fe_heap_t *owner = fe_heap_of(fe_shard_of(ptr));
  bool are_threads = owner->is_thread_heap && heap->is_thread_heap;
  return owner == heap || (are_threads && owner->context->arenas == heap->context->arenas);
}

/* Whether a large block has its new size where it is. */
static bool resize_large(fe_heap_t *heap, void *ptr, size_t size) {
  fe_shard_t *shard = fe_shard_of(ptr);
  if (fe_heap_of(shard) == heap) return fe_large_resize(heap, shard, ptr, size);
  return is_at_home(heap, ptr) && fe_large_resize_elsewhere(shard, ptr, size);
}

/* Up to here by half. */
#define FE_GROWS_BY_HALF_MAX (FE_UNIT_SIZE / 16)

/* A block that grows by little is likely to do so again: it gets a half or a quarter more than it
 * needs, so that many small steps are few moves; but not where a limit is set, which others may
 * reach for it. The idea is rpmalloc's, where it is three eighths. 0: as much as it needs will do.
 */
static size_t size_to_grow_to(const fe_heap_t *heap, size_t usable, size_t size) {
  bool is_small_step = size > usable && size - usable <= usable / 4;
  if (FE_IS_TRACKED || !is_small_step || size > FE_MEDIUM_MAX / 5 * 4) return 0;
  if (fe_budget_is_limited(&heap->budget)) return 0;
  return size + (size <= FE_GROWS_BY_HALF_MAX ? size / 2 : size / 4);
}

bool fe_realloc_in_mixed(fe_heap_t *heap, void *ptr, size_t usable, size_t size) {
  fe_shard_t *shard = fe_shard_of(ptr);
  size_t more = size_to_grow_to(heap, usable, size);
  return (more > 0 && fe_mixed_resize(heap, shard, ptr, more)) ||
         fe_mixed_resize(heap, shard, ptr, size);
}

/* A place for a block that grows by little; NULL: it does not, or there is none. */
static void *place_to_grow(fe_heap_t *heap, size_t usable, size_t size) {
  size_t more = size_to_grow_to(heap, usable, size);
  return more > 0 ? fe_heap_alloc_if_possible(heap, more) : NULL;
}

/* Whether the block can stay where it is when its size changes. */
static bool resize_in_place(fe_heap_t *heap, void *ptr, size_t usable, size_t size) {
  fe_shard_t *shard = fe_shard_of(ptr);
  fe_heap_t *owner = fe_heap_of(shard);
  if (!is_at_home(heap, ptr)) return false;
  if (FE_IS_TRACKED) return size == usable; /* pointers to the old place shall be wrong */
  if (shard->kind == FE_SHARD_LARGE) {
    if (resize_large(heap, ptr, size)) return true;
    if (owner == heap) return false;
  }
  bool fits = size <= usable && size >= usable / 2;
  if (fits || shard->kind != FE_SHARD_MIXED || owner != heap) return fits;
  return fe_realloc_in_mixed(heap, ptr, usable, size);
}

/* There is no memory for a smaller block: the old one serves, less what it can do without. */
static void *stay(fe_heap_t *heap, void *ptr, size_t size) {
  fe_shard_t *shard = fe_shard_of(ptr);
  if (FE_IS_TRACKED) {
    fe_checked_shrink(ptr, size);
  } else if (shard->kind == FE_SHARD_LARGE) {
    resize_large(heap, ptr, size > FE_MEDIUM_MAX ? size : FE_MEDIUM_MAX + 1);
  }
  return ptr;
}

/* What lies behind a large block may have been kept by somebody who does not need it, or given back
 * by now. */
static bool resize_with_room(fe_heap_t *heap, void *ptr, size_t size) {
  size_t given = fe_arenas_units_given(heap->context->arenas);
  return resize_large(heap, ptr, size) ||
         (fe_heap_make_room(heap, given) && resize_large(heap, ptr, size));
}

/* Where a block goes that cannot have its new size where it is, or, if it has to be or can be after
 * all, there. NULL: no memory. */
static void *place_for(fe_heap_t *heap, void *ptr, size_t size, bool may_stay) {
  fe_shard_t *shard = fe_shard_of(ptr);
  bool is_large = shard->kind == FE_SHARD_LARGE && size <= PTRDIFF_MAX && !FE_IS_TRACKED;
  void *place = may_stay || is_large ? fe_heap_alloc_if_possible(heap, size) : NULL;
  if (place != NULL) return place;
  if (may_stay) return stay(heap, ptr, size);
  bool is_limited = fe_budget_without_room(&heap->budget, size) != NULL;
  if (is_large && !is_limited && resize_with_room(heap, ptr, size)) return ptr;
  return fe_heap_alloc(heap, size);
}

void *fe_realloc_elsewhere(fe_heap_t *heap, void *ptr, size_t usable, size_t used, size_t size) {
  void *moved = fe_large_move(heap, ptr, size);
  if (moved != NULL) return moved;
  moved = place_to_grow(heap, usable, size);
  if (moved == NULL) {
    moved = place_for(heap, ptr, size, size <= usable && is_at_home(heap, ptr));
  }
  if (moved == NULL || moved == ptr) return moved;
  memcpy(moved, ptr, size < used ? size : used);
  fe_heap_free(heap, ptr);
  return moved;
}

void *fe_global_realloc_slowly(fe_heap_t *heap, void *ptr, size_t size) {
  if (ptr == NULL) return fe_heap_alloc(heap, size);
  if (size == 0) {
    fe_heap_free(heap, ptr);
    return NULL;
  }
  size_t usable = fe_block_usable_size(ptr);
  if (resize_in_place(heap, ptr, usable, size)) return ptr;
  return fe_realloc_elsewhere(heap, ptr, usable, usable, size);
}

void *fe_heap_realloc(fe_heap_t *heap, void *ptr, size_t size) {
  if (ptr != NULL) fe_global_check(ptr, "fe_heap_realloc");
  if (ptr != NULL && size != 0 && fe_global_has_size(heap, ptr, size)) return ptr;
  return fe_global_realloc_slowly(heap, ptr, size);
}
