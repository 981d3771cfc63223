/* The base that takes its chunks from the kernel by mmap. Chunks are reserved whole, made
 * accessible slab by slab, and backed by memory page by page, as they are touched. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mremap */
#endif

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "core/base/base.h"
#include "core/base/settings.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0
#endif

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef PR_SET_VMA_ANON_NAME
#define PR_SET_VMA_ANON_NAME 0
#endif

/* The largest page that kernels for this machine have. */
#if defined(__x86_64__) || defined(__i386__) || defined(__riscv)
#define PAGE_SIZE_MAX 4096
#else
#define PAGE_SIZE_MAX 65536
#endif

/* Shows the mapping as [anon:ferroc] in /proc/self/maps, if the kernel can. Filters of system calls
 * that know what an allocator calls do not know prctl, and end the program: so only on request. */
static void name_mapping(void *start, size_t size) {
  if (fe_setting(FE_SETTING_VERBOSE) == 0) return;
  int saved_errno = errno;
  prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, start, size, "ferroc");
  errno = saved_errno;
}

static void *map(size_t size, int access) {
  void *start = mmap(NULL, size, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return start == MAP_FAILED ? NULL : start;
}

/* Maps more than is needed and cuts off what lies before and behind the aligned part. */
static void *map_and_trim(size_t size, size_t alignment, int access) {
  if (size > SIZE_MAX - alignment) return NULL;
  char *start = map(size + alignment, access);
  if (start == NULL) return NULL;
  char *aligned = (char *)fe_align_up((uintptr_t)start, alignment);
  size_t before = (size_t)(aligned - start);
  if (before > 0) munmap(start, before);
  munmap(aligned + size, alignment - before);
  return aligned;
}

static void *map_aligned(size_t size, size_t alignment, int access) {
  void *start = map(size, access);
  if (start != NULL && ((uintptr_t)start & (alignment - 1)) != 0) {
    munmap(start, size);
    start = map_and_trim(size, alignment, access);
  }
  if (start != NULL) name_mapping(start, size);
  return start;
}

static void *mmap_allocate(const fe_base_t *base, size_t size, size_t alignment) {
  (void)base;
  return map_aligned(size, alignment, PROT_READ | PROT_WRITE);
}

static void *mmap_reserve(const fe_base_t *base, size_t size, size_t alignment) {
  (void)base;
  return map_aligned(size, alignment, PROT_NONE);
}

static void mmap_release(const fe_base_t *base, void *chunk, size_t size) {
  (void)base;
  munmap(chunk, size);
}

static bool mmap_decommit(const fe_base_t *base, void *start, size_t size) {
  (void)base;
  return madvise(start, size, MADV_DONTNEED) == 0;
}

static void *mmap_grow(const fe_base_t *base, void *chunk, size_t size, size_t new_size,
                       size_t alignment) {
  if (mremap(chunk, size, new_size, 0) != MAP_FAILED) return chunk;
  void *place = mmap_allocate(base, new_size, alignment);
  if (place == NULL) return NULL;
  int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  if (mremap(chunk, size, new_size, flags, place) != MAP_FAILED) return place;
  /* Whether the new place is still mapped is not known, and by now another thread's mapping may be
   * there: it stays as it is. */
  return NULL;
}

static bool mmap_protect(const fe_base_t *base, void *start, size_t size, bool is_accessible) {
  (void)base;
  return mprotect(start, size, is_accessible ? PROT_READ | PROT_WRITE : PROT_NONE) == 0;
}

static void mmap_advise_huge(const fe_base_t *base, void *start, size_t size, bool is_wanted) {
  (void)base;
  madvise(start, size, is_wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static bool mmap_unmap(const fe_base_t *base, void *start, size_t size) {
  (void)base;
  return munmap(start, size) == 0;
}

/* A kernel that does not know the flag takes the place for a hint. */
static bool mmap_map(const fe_base_t *base, void *start, size_t size) {
  (void)base;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  void *place = mmap(start, size, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (place == MAP_FAILED) return false;
  if (place != start) {
    munmap(place, size);
    return false;
  }
  name_mapping(start, size);
  return true;
}

const fe_base_t fe_base_mmap = {
    .allocate = mmap_allocate,
    .reserve = mmap_reserve,
    .release = mmap_release,
    .decommit = mmap_decommit,
    .grow = mmap_grow,
    .protect = mmap_protect,
    .advise_huge = mmap_advise_huge,
    .unmap = mmap_unmap,
    .map = mmap_map,
    .is_zeroed = true,
    .page_size = PAGE_SIZE_MAX,
};
