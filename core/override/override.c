/* The C library's own allocation functions, all of them ferroc's: what a program links, or
 * preloads, that wants ferroc to be its malloc. malloc and free are their hot paths again and not
 * calls of fe_malloc and fe_free; the rest forwards.
 *
 * These functions are called before anything else runs, by the dynamic loader, and after everything
 * else has ended. They need nothing to be set up: a thread's heap is made at its first
 * allocation, out of memory from the kernel.
 *
 * A free may be handed what is none of ferroc's: what the loader allocated for itself before it
 * found these functions, or what a library allocated by an allocator that it hides. Such a block is
 * left alone. The question whose block it is takes the place of the one for NULL, and makes a
 * malloc and its free 45 instructions long instead of 36. */
#include <errno.h>
#include <malloc.h>

#include "core/global/global.h"
#include "core/thread/registry.h"

FE_API void *malloc(size_t size) {
  void *block = fe_heap_alloc_quickly(fe_registry_heap(), size);
  if (FE_LIKELY(block != NULL)) return block;
  return fe_global_alloc_slowly(size);
}

static FE_COLD void report_foreign(const void *ptr, const char *function) {
  fe_warn("%s: %p is not a block of ferroc's, and is left alone", function, ptr);
}

/* NULL, a block in a region that the program handed in, or a foreign one. */
static FE_COLD void free_outside_table(void *ptr) {
  if (fe_owns_address(ptr)) {
    fe_free(ptr);
  } else if (ptr != NULL) {
    report_foreign(ptr, "free");
  }
}

FE_API void free(void *ptr) {
  if (FE_UNLIKELY(!fe_ownership_in_table(ptr))) {
    free_outside_table(ptr);
    return;
  }
  fe_heap_t *heap = fe_registry_heap();
  if (FE_LIKELY(fe_heap_free_quickly(heap, ptr))) return;
  fe_global_free_slowly(heap, ptr);
}

FE_API void *calloc(size_t count, size_t size) { return fe_calloc(count, size); }

static bool is_foreign(const void *ptr) { return ptr != NULL && !fe_owns_address(ptr); }

/* How long a foreign block is cannot be known, so it cannot be moved. */
static FE_COLD void *realloc_foreign(const void *ptr) {
  report_foreign(ptr, "realloc");
  errno = ENOMEM;
  return NULL;
}

FE_API void *realloc(void *ptr, size_t size) {
  return is_foreign(ptr) ? realloc_foreign(ptr) : fe_realloc(ptr, size);
}

FE_API void *reallocarray(void *ptr, size_t count, size_t size) {
  return is_foreign(ptr) ? realloc_foreign(ptr) : fe_reallocarray(ptr, count, size);
}

FE_API void *aligned_alloc(size_t alignment, size_t size) {
  return fe_aligned_alloc(alignment, size);
}

FE_API void *memalign(size_t alignment, size_t size) { return fe_memalign(alignment, size); }

/* Without memory errno is set as well, as in glibc. */
FE_API int posix_memalign(void **out, size_t alignment, size_t size) {
  int error = fe_posix_memalign(out, alignment, size);
  if (error == ENOMEM) errno = ENOMEM;
  return error;
}

FE_API void *valloc(size_t size) { return fe_valloc(size); }

FE_API void *pvalloc(size_t size) { return fe_pvalloc(size); }

FE_API size_t malloc_usable_size(void *ptr) {
  return fe_owns_address(ptr) ? fe_malloc_size(ptr) : 0;
}

FE_API void cfree(void *ptr) { free(ptr); }

FE_API void free_sized(void *ptr, size_t size) {
  if (is_foreign(ptr)) {
    report_foreign(ptr, "free_sized");
  } else {
    fe_free_sized(ptr, size);
  }
}

FE_API void free_aligned_sized(void *ptr, size_t alignment, size_t size) {
  if (is_foreign(ptr)) {
    report_foreign(ptr, "free_aligned_sized");
  } else {
    fe_free_aligned_sized(ptr, alignment, size);
  }
}

/* -- The names under which glibc has the same functions once more, for programs that wrap them --
 */

FE_API void *__libc_malloc(size_t size) { return malloc(size); }
FE_API void __libc_free(void *ptr) { free(ptr); }
FE_API void *__libc_calloc(size_t count, size_t size) { return calloc(count, size); }
FE_API void *__libc_realloc(void *ptr, size_t size) { return realloc(ptr, size); }
FE_API void *__libc_memalign(size_t alignment, size_t size) { return memalign(alignment, size); }
FE_API void *__libc_valloc(size_t size) { return valloc(size); }
FE_API void *__libc_pvalloc(size_t size) { return pvalloc(size); }
