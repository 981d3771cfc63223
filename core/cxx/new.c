/* fe_new and its family: C++'s operator new under names that C has too. The loop is here; what the
 * C++ library does in it is in new_failed.cc. An exception may pass through these functions, so
 * they hold nothing that would have to be given back. */
#include <errno.h>

#include "core/cxx/new_failed.h"
#include "core/global/global.h"
#include "core/thread/registry.h"

/* A new-handler can make memory available, but no alignment right. */
static void handle_failure(size_t size, bool may_try_again) {
  if (fe_new_failed(may_try_again)) return;
  fe_fail(
      "fe_new: no block of %zu bytes can be had, and no C++ library was found to throw"
      " std::bad_alloc (linked statically, it needs -Wl,-u,_ZSt17__throw_bad_allocv);"
      " fe_malloc and fe_new_nothrow return NULL instead",
      size);
}

static FE_COLD void *new_slowly(size_t size) {
  for (;;) {
    void *block = fe_global_alloc_slowly(size);
    if (block != NULL) return block;
    handle_failure(size, true);
  }
}

void *fe_new(size_t size) {
  void *block = fe_heap_alloc_quickly(fe_registry_heap(), size);
  if (FE_LIKELY(block != NULL)) return block;
  return new_slowly(size);
}

void *fe_new_nothrow(size_t size) {
  for (;;) {
    void *block = fe_malloc(size);
    if (block != NULL || !fe_new_failed_nothrow()) return block;
  }
}

void *fe_new_aligned(size_t size, size_t alignment) {
  for (;;) {
    void *block = fe_aligned_alloc(alignment, size);
    if (block != NULL) return block;
    handle_failure(size, errno != EINVAL);
  }
}

void *fe_new_aligned_nothrow(size_t size, size_t alignment) {
  for (;;) {
    void *block = fe_aligned_alloc(alignment, size);
    if (block != NULL || errno == EINVAL || !fe_new_failed_nothrow()) return block;
  }
}
