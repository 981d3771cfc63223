/* The 20 forms of operator new and operator delete that a program may replace, forwarded to the
 * functions in C. An exception only passes through here, so this is compiled without support for
 * exceptions of its own, and needs nothing of the C++ library. */
#include <stdlib.h>

#include <new>

#include "core/ferroc.h"

using std::align_val_t;
using std::nothrow_t;
using std::size_t;

#define FE_OPERATOR FE_API __attribute__((used))

static inline size_t number(align_val_t alignment) { return static_cast<size_t>(alignment); }

/* -- new -- */

FE_OPERATOR void *operator new(size_t size) { return fe_new(size); }

FE_OPERATOR void *operator new[](size_t size) { return fe_new(size); }

FE_OPERATOR void *operator new(size_t size, const nothrow_t &) noexcept {
  return fe_new_nothrow(size);
}

FE_OPERATOR void *operator new[](size_t size, const nothrow_t &) noexcept {
  return fe_new_nothrow(size);
}

FE_OPERATOR void *operator new(size_t size, align_val_t alignment) {
  return fe_new_aligned(size, number(alignment));
}

FE_OPERATOR void *operator new[](size_t size, align_val_t alignment) {
  return fe_new_aligned(size, number(alignment));
}

FE_OPERATOR void *operator new(size_t size, align_val_t alignment, const nothrow_t &) noexcept {
  return fe_new_aligned_nothrow(size, number(alignment));
}

FE_OPERATOR void *operator new[](size_t size, align_val_t alignment, const nothrow_t &) noexcept {
  return fe_new_aligned_nothrow(size, number(alignment));
}

/* -- delete: by free, which leaves alone what is not ferroc's -- */

FE_OPERATOR void operator delete(void *ptr) noexcept { free(ptr); }

FE_OPERATOR void operator delete[](void *ptr) noexcept { free(ptr); }

FE_OPERATOR void operator delete(void *ptr, const nothrow_t &) noexcept { free(ptr); }

FE_OPERATOR void operator delete[](void *ptr, const nothrow_t &) noexcept { free(ptr); }

FE_OPERATOR void operator delete(void *ptr, size_t) noexcept { free(ptr); }

FE_OPERATOR void operator delete[](void *ptr, size_t) noexcept { free(ptr); }

FE_OPERATOR void operator delete(void *ptr, align_val_t) noexcept { free(ptr); }

FE_OPERATOR void operator delete[](void *ptr, align_val_t) noexcept { free(ptr); }

FE_OPERATOR void operator delete(void *ptr, align_val_t, const nothrow_t &) noexcept { free(ptr); }

FE_OPERATOR void operator delete[](void *ptr, align_val_t, const nothrow_t &) noexcept {
  free(ptr);
}

FE_OPERATOR void operator delete(void *ptr, size_t, align_val_t) noexcept { free(ptr); }

FE_OPERATOR void operator delete[](void *ptr, size_t, align_val_t) noexcept { free(ptr); }
