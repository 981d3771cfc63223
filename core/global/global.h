/* What the files of this floor and the ones above share. */
#ifndef FERROC_CORE_GLOBAL_GLOBAL_H
#define FERROC_CORE_GLOBAL_GLOBAL_H

#include "core/base/base.h"
#include "core/heap/heap_inline.h"

/* Allocates from the calling thread's heap, which is made if need be. NULL and ENOMEM. */
void *fe_global_alloc_slowly(size_t size);

/* Frees a block that is not in an ordinary shard of `heap`, the one that the caller uses. */
void fe_global_free_slowly(fe_heap_t *heap, void *ptr);

/* Debug builds: ends the program when ptr lies outside of ferroc's memory. */
static inline void fe_global_check(const void *ptr, const char *function) {
#ifndef NDEBUG
  if (!fe_owns_address(ptr)) {
    fe_fail("%s: %p is not a block of ferroc's: it must come from one of ferroc's own functions",
            function, ptr);
  }
#else
  (void)ptr;
  (void)function;
#endif
}

#endif /* FERROC_CORE_GLOBAL_GLOBAL_H */
