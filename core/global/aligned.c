/* Blocks that start at a multiple of an alignment, under the names that C and Unix have for them.
 */
#include <errno.h>

#include "core/global/global.h"
#include "core/thread/registry.h"

static inline bool is_alignment_for_posix(size_t alignment) {
  return fe_is_power_of_two(alignment) && alignment % sizeof(void *) == 0;
}

static __attribute__((noinline)) void *alloc_slowly(fe_heap_t *heap, size_t alignment,
                                                    size_t size) {
  if (!fe_is_power_of_two(alignment)) {
    errno = EINVAL;
    return NULL;
  }
  void *block = fe_heap_alloc_aligned(heap, size, alignment);
  if (block == NULL) errno = ENOMEM;
  return block;
}

void *fe_heap_aligned_alloc(fe_heap_t *heap, size_t alignment, size_t size) {
  void *block = NULL;
  if (FE_LIKELY(fe_is_power_of_two(alignment))) {
    block = fe_heap_alloc_aligned_quickly(heap, size, alignment);
  }
  return FE_LIKELY(block != NULL) ? block : alloc_slowly(heap, alignment, size);
}

int fe_heap_posix_memalign(fe_heap_t *heap, void **out, size_t alignment, size_t size) {
  if (!is_alignment_for_posix(alignment)) return EINVAL;
  int saved_errno = errno;
  void *block = fe_heap_aligned_alloc(heap, alignment, size);
  errno = saved_errno;
  if (block == NULL) return ENOMEM;
  *out = block;
  return 0;
}

static __attribute__((noinline)) void *alloc_with_heap(size_t alignment, size_t size) {
  fe_heap_t *heap = fe_thread_heap();
  return heap == NULL ? NULL : alloc_slowly(heap, alignment, size);
}

void *fe_aligned_alloc(size_t alignment, size_t size) {
  void *block = NULL;
  if (FE_LIKELY(fe_is_power_of_two(alignment))) {
    block = fe_heap_alloc_aligned_quickly(fe_registry_heap(), size, alignment);
  }
  return FE_LIKELY(block != NULL) ? block : alloc_with_heap(alignment, size);
}

void *fe_memalign(size_t alignment, size_t size) { return fe_aligned_alloc(alignment, size); }

int fe_posix_memalign(void **out, size_t alignment, size_t size) {
  if (!is_alignment_for_posix(alignment)) return EINVAL;
  int saved_errno = errno;
  void *block = fe_aligned_alloc(alignment, size);
  errno = saved_errno;
  if (block == NULL) return ENOMEM;
  *out = block;
  return 0;
}
