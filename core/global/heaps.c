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

/* All of the block, so that fe_heap_recalloc need not know what was asked for. */
static void *clear(void *block, size_t block_size) { return memset(block, 0, block_size); }

/* A block that is there already, of a shard or a bin: it was in use before, so it is not asked
 * whether it is zero. NULL: there is none. */
static inline void *calloc_quickly(fe_heap_t *heap, size_t bytes) {
  if (FE_IS_TRACKED || bytes > FE_MEDIUM_MAX) return NULL;
  void *block =
      bytes <= FE_TINY_MAX ? fe_heap_alloc_quickly(heap, bytes) : fe_heap_alloc_medium(heap, bytes);
  if (FE_UNLIKELY(block == NULL)) return NULL;
  const fe_shard_t *shard = fe_shard_of(block);
  bool is_mixed = shard->kind == FE_SHARD_MIXED;
  return clear(block, is_mixed ? fe_mixed_block_size(shard, block) : shard->block_size);
}

static FE_COLD void *calloc_slowly(fe_heap_t *heap, size_t bytes) {
  bool is_mixed = bytes > FE_MIXED_FROM && bytes <= FE_MEDIUM_MAX;
  if (is_mixed) fe_mixed_forget_zero(heap);
  void *block = fe_heap_alloc(heap, bytes);
  if (block == NULL) return NULL;
  bool is_zero = is_mixed ? fe_mixed_is_zero(heap, block)
                          : bytes > FE_MEDIUM_MAX && fe_shard_of(block)->is_zero;
  if (!is_zero) return clear(block, fe_block_usable_size(block));
  fe_track_define(block, bytes);
  return block;
}

void *fe_heap_calloc(fe_heap_t *heap, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX; /* which fails as well */
  void *block = calloc_quickly(heap, bytes);
  return FE_LIKELY(block != NULL) ? block : calloc_slowly(heap, bytes);
}

void fe_heap_free(fe_heap_t *heap, void *ptr) {
  if (FE_UNLIKELY(ptr == NULL)) return;
  fe_global_check(ptr, "fe_heap_free");
  if (FE_LIKELY(fe_heap_free_quickly(heap, ptr))) return;
  fe_global_free_slowly(heap, ptr);
}
