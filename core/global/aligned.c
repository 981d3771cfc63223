/* Blocks that start at a multiple of an alignment, under the names that C and Unix have for them.
 */
#include <errno.h>

#include "core/global/global.h"

void *fe_heap_aligned_alloc(fe_heap_t *heap, size_t alignment, size_t size) {
  if (!fe_is_power_of_two(alignment)) {
    errno = EINVAL;
    return NULL;
  }
  void *block = fe_heap_alloc_aligned(heap, size, alignment);
  if (block == NULL) errno = ENOMEM;
  return block;
}

int fe_heap_posix_memalign(fe_heap_t *heap, void **out, size_t alignment, size_t size) {
  if (!fe_is_power_of_two(alignment) || alignment % sizeof(void *) != 0) return EINVAL;
  int saved_errno = errno;
  void *block = fe_heap_alloc_aligned(heap, size, alignment);
  errno = saved_errno;
  if (block == NULL) return ENOMEM;
  *out = block;
  return 0;
}

void *fe_aligned_alloc(size_t alignment, size_t size) {
  fe_heap_t *heap = fe_thread_heap();
  return heap == NULL ? NULL : fe_heap_aligned_alloc(heap, alignment, size);
}

void *fe_memalign(size_t alignment, size_t size) { return fe_aligned_alloc(alignment, size); }

int fe_posix_memalign(void **out, size_t alignment, size_t size) {
  int saved_errno = errno;
  fe_heap_t *heap = fe_thread_heap();
  errno = saved_errno;
  return heap == NULL ? ENOMEM : fe_heap_posix_memalign(heap, out, alignment, size);
}
