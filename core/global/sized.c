/* Sizes told and sizes asked: frees by a caller that knows the block's size or alignment, and the
 * sizes that blocks have. A free finds the size by itself as fast as it could use the caller's, so
 * what the caller says is only checked, in debug builds. */
#include "core/global/global.h"

#ifndef NDEBUG
static void check_size(const void *ptr, size_t size, const char *function) {
  size_t usable = fe_malloc_size(ptr);
  if (size > usable && ptr != NULL) {
    fe_fail("%s: the block %p has %zu bytes; the size must be what it was allocated with, not %zu",
            function, ptr, usable, size);
  }
}

static void check_alignment(const void *ptr, size_t alignment, const char *function) {
  if (!fe_is_power_of_two(alignment) || ((uintptr_t)ptr & (alignment - 1)) != 0) {
    fe_fail(
        "%s: the block %p is not aligned to %zu; the alignment must be what it was allocated"
        " with, a power of two",
        function, ptr, alignment);
  }
}
#else
static void check_size(const void *ptr, size_t size, const char *function) {
  (void)ptr;
  (void)size;
  (void)function;
}

static void check_alignment(const void *ptr, size_t alignment, const char *function) {
  (void)ptr;
  (void)alignment;
  (void)function;
}
#endif

void fe_free_sized(void *ptr, size_t size) {
  check_size(ptr, size, "fe_free_sized");
  fe_free(ptr);
}

void fe_free_aligned(void *ptr, size_t alignment) {
  check_alignment(ptr, alignment, "fe_free_aligned");
  fe_free(ptr);
}

void fe_free_aligned_sized(void *ptr, size_t alignment, size_t size) {
  check_alignment(ptr, alignment, "fe_free_aligned_sized");
  check_size(ptr, size, "fe_free_aligned_sized");
  fe_free(ptr);
}

/* A large block has room to the end of its last 16 bytes at least; how much more depends on where
 * in its units it comes to lie. */
static size_t good_size(size_t size, size_t granule) {
  size_t wanted = fe_checked_size(size);
  if (wanted <= FE_MEDIUM_MAX) {
    return fe_class_size(fe_class_of(wanted, granule)) - FE_TRACK_TRAILER;
  }
  return size > PTRDIFF_MAX ? size : fe_align_up(size, 16);
}

size_t fe_good_size(size_t size) { return good_size(size, FE_GRANULE_SIZE); }

size_t fe_heap_good_size(const fe_heap_t *heap, size_t size) {
  return good_size(size, heap->granule);
}
