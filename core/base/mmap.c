/* The base that takes its chunks from the kernel by mmap. Chunks are reserved whole and backed by
 * memory page by page, as they are touched. */
#include <sys/mman.h>

#include "core/base/base.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

static void *map(size_t size) {
  void *start =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return start == MAP_FAILED ? NULL : start;
}

/* Maps more than is needed and cuts off what lies before and behind the aligned part. */
static void *map_and_trim(size_t size, size_t alignment) {
  if (size > SIZE_MAX - alignment) return NULL;
  char *start = map(size + alignment);
  if (start == NULL) return NULL;
  char *aligned = (char *)fe_align_up((uintptr_t)start, alignment);
  size_t before = (size_t)(aligned - start);
  if (before > 0) munmap(start, before);
  munmap(aligned + size, alignment - before);
  return aligned;
}

static void *mmap_allocate(const fe_base_t *base, size_t size, size_t alignment) {
  (void)base;
  void *start = map(size);
  if (start != NULL && ((uintptr_t)start & (alignment - 1)) != 0) {
    munmap(start, size);
    start = map_and_trim(size, alignment);
  }
  if (start != NULL && !fe_is_address((uintptr_t)start + size - 1)) {
    munmap(start, size);
    return NULL;
  }
  return start;
}

static void mmap_release(const fe_base_t *base, void *chunk, size_t size) {
  (void)base;
  munmap(chunk, size);
}

static bool mmap_decommit(const fe_base_t *base, void *start, size_t size) {
  (void)base;
  return madvise(start, size, MADV_DONTNEED) == 0;
}

static void mmap_advise_huge(const fe_base_t *base, void *start, size_t size, bool is_wanted) {
  (void)base;
  madvise(start, size, is_wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

const fe_base_t fe_base_mmap = {
    .allocate = mmap_allocate,
    .release = mmap_release,
    .decommit = mmap_decommit,
    .advise_huge = mmap_advise_huge,
    .is_zeroed = true,
    .page_size = 4096,
};
