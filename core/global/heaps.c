/* The functions of explicit heaps: fe_heap_alloc and its family. */
#include <errno.h>
#include <string.h>

#include "core/global/global.h"

static FE_COLD void *alloc_inside(fe_heap_t *heap, size_t size) {
  void *block = fe_heap_alloc_inside(heap, size);
  if (block == NULL) errno = ENOMEM;
  return block;
}

void *fe_global_heap_alloc_slowly(fe_heap_t *heap, size_t size) {
  void *block = fe_heap_alloc_medium(heap, size);
  return FE_LIKELY(block != NULL) ? block : alloc_inside(heap, size);
}

void *fe_heap_alloc(fe_heap_t *heap, size_t size) {
  void *block = fe_heap_alloc_quickly(heap, size);
  if (FE_LIKELY(block != NULL)) return block;
  return fe_global_heap_alloc_slowly(heap, size);
}

void *fe_heap_calloc(fe_heap_t *heap, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX; /* which fails as well */
  bool is_mixed = bytes > FE_MIXED_FROM && bytes <= FE_MEDIUM_MAX;
  if (is_mixed) fe_mixed_forget_zero(heap);
  void *block = fe_heap_alloc(heap, bytes);
  if (block == NULL) return NULL;
  bool is_zero = is_mixed ? fe_mixed_is_zero(heap, block)
                          : bytes > FE_MEDIUM_MAX && fe_shard_of(block)->is_zero;
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
