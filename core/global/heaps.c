/* The functions of explicit heaps: fe_heap_alloc and its family, and fe_heap_resize. */
#include <errno.h>
#include <string.h>

#include "core/global/global.h"
#include "core/thread/registry.h"

static FE_COLD void *alloc_inside(fe_heap_t *heap, size_t size) {
  void *block = fe_heap_alloc_inside(heap, size);
  if (block == NULL) errno = ENOMEM;
  return block;
}

static __attribute__((noinline)) void *alloc_slowly(fe_heap_t *heap, size_t size) {
  void *block = fe_heap_alloc_medium(heap, size);
  return FE_LIKELY(block != NULL) ? block : alloc_inside(heap, size);
}

void *fe_heap_alloc(fe_heap_t *heap, size_t size) {
  void *block = fe_heap_alloc_quickly(heap, size);
  if (FE_LIKELY(block != NULL)) return block;
  return alloc_slowly(heap, size);
}

void *fe_heap_calloc(fe_heap_t *heap, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX; /* which fails as well */
  void *block = fe_heap_alloc(heap, bytes);
  if (block == NULL) return NULL;
  bool is_zero = bytes > FE_MEDIUM_MAX && fe_shard_of(block)->is_zero;
  /* All of the block, so that fe_heap_recalloc need not know what was asked for. */
  if (!is_zero) return memset(block, 0, fe_block_usable_size(block));
  fe_track_define(block, bytes);
  return block;
}

void fe_heap_free(fe_heap_t *heap, void *ptr) {
  if (FE_UNLIKELY(ptr == NULL)) return;
  fe_global_check(ptr, "fe_heap_free");
  if (FE_LIKELY(fe_heap_free_quickly(heap, ptr))) return;
  fe_global_free_slowly(heap, ptr);
}

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
#define FE_GROWS_BY_HALF_MAX 4096

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

/* The same in mixed memory of the heap's. */
static bool resize_mixed(fe_heap_t *heap, void *ptr, size_t usable, size_t size) {
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
  return resize_mixed(heap, ptr, usable, size);
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

/* Where a block goes that cannot have its new size where it is, or, if it has to be or can be after
 * all, there. NULL: no memory. */
static void *place_for(fe_heap_t *heap, void *ptr, size_t size, bool may_stay) {
  fe_shard_t *shard = fe_shard_of(ptr);
  bool is_large = shard->kind == FE_SHARD_LARGE && size <= PTRDIFF_MAX && !FE_IS_TRACKED;
  size_t given = fe_arenas_units_given(heap->context->arenas);
  void *place = may_stay || is_large ? fe_heap_alloc_if_possible(heap, size) : NULL;
  if (place != NULL) return place;
  if (may_stay) return stay(heap, ptr, size);
  /* What lies behind the block may have been kept by somebody who does not need it. */
  bool is_limited = fe_budget_without_room(&heap->budget, size) != NULL;
  if (is_large && !is_limited && fe_heap_make_room(heap, given) && resize_large(heap, ptr, size)) {
    return ptr;
  }
  return fe_heap_alloc(heap, size);
}

static void *move_block(fe_heap_t *heap, void *ptr, size_t usable, size_t size) {
  void *moved = fe_large_move(heap, ptr, size);
  if (moved != NULL) return moved;
  moved = place_to_grow(heap, usable, size);
  if (moved == NULL) {
    moved = place_for(heap, ptr, size, size <= usable && is_at_home(heap, ptr));
  }
  if (moved == NULL || moved == ptr) return moved;
  memcpy(moved, ptr, size < usable ? size : usable);
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
  return move_block(heap, ptr, usable, size);
}

void *fe_heap_realloc(fe_heap_t *heap, void *ptr, size_t size) {
  if (ptr != NULL) fe_global_check(ptr, "fe_heap_realloc");
  if (ptr != NULL && size != 0 && fe_global_has_size(heap, ptr, size)) return ptr;
  return fe_global_realloc_slowly(heap, ptr, size);
}

/* -- fe_heap_resize: the sizes come from the caller, so none is looked up -- */

static __attribute__((noinline)) void *resize_alloc_slowly(fe_heap_t *heap, size_t size) {
  if (size == 0) return NULL;
  if (heap == NULL) return fe_malloc(size);
  return alloc_slowly(heap, size);
}

/* The heap is NULL, or the shard is not an ordinary one of it. */
static __attribute__((noinline)) void *resize_free_slowly(fe_heap_t *heap, void *ptr) {
  if (heap == NULL) {
    fe_free(ptr);
  } else {
    fe_global_free_slowly(heap, ptr);
  }
  return NULL;
}

/* A block that fits its new size as well as its old one stays; a smaller size moves to a smaller
 * class, unless there is no memory for it. The sizes come as the caller has them at hand. */
static FE_COLD void *resize_slowly(fe_heap_t *heap, void *ptr, size_t difference, size_t new_top) {
  size_t new_size = new_top + 1;
  size_t old_size = (difference ^ new_top) + 1;
  if (heap == NULL) return fe_realloc(ptr, new_size);
  fe_global_check(ptr, "fe_heap_resize");
  size_t usable = fe_block_usable_size(ptr);
  fe_shard_t *shard = fe_shard_of(ptr);
  if (shard->kind == FE_SHARD_LARGE) {
    if (fe_large_resize(heap, shard, ptr, new_size)) return ptr;
  } else if (new_size <= usable &&
             (new_size > old_size ||
              fe_class_of(new_size, heap->granule) == fe_class_of(usable, heap->granule))) {
    return ptr;
  } else if (shard->kind == FE_SHARD_MIXED && resize_mixed(heap, ptr, usable, new_size)) {
    return ptr;
  }
  void *moved = fe_large_move(heap, ptr, new_size);
  if (moved != NULL) return moved;
  moved = place_to_grow(heap, usable, new_size);
  if (moved == NULL) moved = place_for(heap, ptr, new_size, new_size <= usable);
  if (moved == NULL || moved == ptr) return moved;
  memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
  fe_heap_resize(heap, ptr, old_size, 0);
  return moved;
}

static void *resize_alloc_checked(fe_heap_t *heap, size_t size) {
  if (size == 0) return NULL;
  return heap == NULL ? fe_malloc(size) : fe_heap_alloc(heap, size);
}

/* Builds that check trust nobody. */
static FE_COLD void *resize_checked(fe_heap_t *heap, void *ptr, size_t new_size) {
  if (ptr == NULL) return resize_alloc_checked(heap, new_size);
  return heap == NULL ? fe_realloc(ptr, new_size) : fe_heap_realloc(heap, ptr, new_size);
}

void *fe_heap_resize(void *heap_or_null, void *ptr, size_t old_size, size_t new_size) {
  fe_heap_t *heap = heap_or_null;
  if (FE_IS_TRACKED) return resize_checked(heap, ptr, new_size);
  if (ptr == NULL) {
    if (FE_UNLIKELY(heap == NULL || new_size > FE_TINY_MAX)) {
      return resize_alloc_slowly(heap, new_size);
    }
    fe_shard_t *shard = fe_heap_current_of_size(heap, new_size);
    fe_block_t *block = fe_shard_pop(shard);
    if (FE_UNLIKELY(block == NULL)) return resize_alloc_slowly(heap, new_size);
    fe_shard_count_up(shard);
    return block;
  }
  size_t new_top; /* of a block of new_size: the offset of its last byte */
  if (FE_LIKELY(__builtin_sub_overflow(new_size, 1, &new_top))) {
    if (FE_LIKELY(fe_heap_free_quickly(heap, ptr))) return NULL;
    return resize_free_slowly(heap, ptr);
  }
  /* Classes end at multiples of 8, so sizes that round up to the same multiple share one. */
  size_t difference = (old_size - 1) ^ new_top;
  if (difference < 8) return ptr;
  return resize_slowly(heap, ptr, difference, new_top);
}
