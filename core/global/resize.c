/* fe_heap_resize, for runtimes that know the sizes of their blocks: none is looked up. */
#include "core/global/realloc.h"

static __attribute__((noinline)) void *resize_alloc_slowly(fe_heap_t *heap, size_t size) {
  if (size == 0) return NULL;
  if (heap == NULL) return fe_malloc(size);
  return fe_global_heap_alloc_slowly(heap, size);
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
  } else if (shard->kind == FE_SHARD_MIXED && fe_realloc_in_mixed(heap, ptr, usable, new_size)) {
    return ptr;
  }
  return fe_realloc_elsewhere(heap, ptr, usable, old_size, new_size);
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
    void *block = ptr;
    __asm__("" : "+r"(block)); /* else compilers copy it to where the way below returns it */
    if (FE_LIKELY(fe_heap_free_quickly(heap, block))) return NULL;
    return resize_free_slowly(heap, block);
  }
  /* Classes end at multiples of 8, so sizes that round up to the same multiple share one. */
  size_t difference = (old_size - 1) ^ new_top;
  if (difference < 8) return ptr;
  return resize_slowly(heap, ptr, difference, new_top);
}
