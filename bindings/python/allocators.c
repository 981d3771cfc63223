/* The allocator tables of allocators.h.
 *
 * Python asks for two things that C's functions leave open: zero bytes give a distinct pointer,
 * which ferroc does by itself, and realloc(ptr, 0) does not free but resizes like realloc(ptr, 1).
 */
#include "bindings/python/allocators.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/ferroc.h"

static inline size_t at_least_one(size_t size) { return size + (size == 0); }

/* -- Per-thread heaps: the raw domain; from Python 3.12 on, with a GIL for each interpreter, all --
 */

static void *thread_malloc(void *ctx, size_t size) {
  (void)ctx;
  return fe_malloc(size);
}

static void *thread_calloc(void *ctx, size_t count, size_t size) {
  (void)ctx;
  return fe_calloc(count, size);
}

/* Python swaps the raw domain for C's own allocator while it starts and ends, so blocks of that one
 * arrive here too. Those are C's, as C's never gets one of ours: what Python allocates during such
 * a swap, it frees during another. */
static void *raw_realloc(void *ctx, void *ptr, size_t size) {
  (void)ctx;
  if (ptr == NULL || fe_owns(ptr)) {
    return fe_realloc(ptr, at_least_one(size));
  }
  return realloc(ptr, at_least_one(size));
}

static void raw_free(void *ctx, void *ptr) {
  (void)ctx;
  if (fe_owns(ptr)) {
    fe_free(ptr);
  } else {
    free(ptr);
  }
}

static const PyMemAllocatorEx routed_raw = {
    .malloc = thread_malloc,
    .calloc = thread_calloc,
    .realloc = raw_realloc,
    .free = raw_free,
};

/* -- The mem and obj domains ---------------------------------------------------------------- */

#if PY_VERSION_HEX < 0x030C0000

/* Python calls mem and obj under its one GIL, so both share a heap without a thread check. It lives
 * as long as the process, because Python may be initialised again. */
static fe_heap_t *object_heap;

bool fe_python_prepare_object_heap(void) {
  if (object_heap == NULL) {
    object_heap = fe_heap_create(NULL);
  }
  return object_heap != NULL;
}

static inline void *object_alloc(size_t size) { return fe_heap_alloc(object_heap, size); }
static inline void *object_calloc(size_t count, size_t size) {
  return fe_heap_calloc(object_heap, count, size);
}
static inline void *object_resize(void *ptr, size_t size) {
  return fe_heap_realloc(object_heap, ptr, at_least_one(size));
}
static inline void object_free(void *ptr) { fe_heap_free(object_heap, ptr); }

static void *routed_realloc(void *ctx, void *ptr, size_t size) {
  return fe_heap_realloc(ctx, ptr, at_least_one(size));
}

/* The heap is the context, so ferroc's own functions are the hooks and no wrapper costs anything.
 * The casts only turn their first parameter from one object pointer into another. */
static PyMemAllocatorEx routed_object_allocator(void) {
  return (PyMemAllocatorEx){
      .ctx = object_heap,
      .malloc = (void *(*)(void *, size_t))fe_heap_alloc,
      .calloc = (void *(*)(void *, size_t, size_t))fe_heap_calloc,
      .realloc = routed_realloc,
      .free = (void (*)(void *, void *))fe_heap_free,
  };
}

size_t fe_python_used_bytes(void) {
  size_t shared = object_heap != NULL ? fe_heap_used_bytes(object_heap) : 0;
  fe_heap_t *thread_heap = fe_thread_heap();
  return shared + (thread_heap != NULL ? fe_heap_used_bytes(thread_heap) : 0);
}

#else

bool fe_python_prepare_object_heap(void) { return true; }

static inline void *object_alloc(size_t size) { return fe_malloc(size); }
static inline void *object_calloc(size_t count, size_t size) { return fe_calloc(count, size); }
static inline void *object_resize(void *ptr, size_t size) {
  return fe_realloc(ptr, at_least_one(size));
}
static inline void object_free(void *ptr) { fe_free(ptr); }

static void *routed_realloc(void *ctx, void *ptr, size_t size) {
  (void)ctx;
  return fe_realloc(ptr, at_least_one(size));
}

static void routed_free(void *ctx, void *ptr) {
  (void)ctx;
  fe_free(ptr);
}

static PyMemAllocatorEx routed_object_allocator(void) {
  return (PyMemAllocatorEx){
      .malloc = thread_malloc,
      .calloc = thread_calloc,
      .realloc = routed_realloc,
      .free = routed_free,
  };
}

size_t fe_python_used_bytes(void) {
  fe_heap_t *thread_heap = fe_thread_heap();
  return thread_heap != NULL ? fe_heap_used_bytes(thread_heap) : 0;
}

#endif

PyMemAllocatorEx fe_python_routed_allocator(PyMemAllocatorDomain domain) {
  return domain == PYMEM_DOMAIN_RAW ? routed_raw : routed_object_allocator();
}

/* -- Wrapped domains ------------------------------------------------------------------------ */

typedef struct wrapped_domain {
  PyMemAllocatorEx old;
  atomic_bool serves_new_blocks; /* relaxed: a block goes to its owner whichever value is seen */
} wrapped_domain_t;

static wrapped_domain_t wrapped_raw;
static wrapped_domain_t wrapped_mem;
static wrapped_domain_t wrapped_obj;

static wrapped_domain_t *wrapped_domain(PyMemAllocatorDomain domain) {
  switch (domain) {
    case PYMEM_DOMAIN_RAW:
      return &wrapped_raw;
    case PYMEM_DOMAIN_MEM:
      return &wrapped_mem;
    default:
      return &wrapped_obj;
  }
}

static inline bool serves_new_blocks(wrapped_domain_t *domain) {
  return atomic_load_explicit(&domain->serves_new_blocks, memory_order_relaxed);
}

static void *wrapped_object_malloc(void *ctx, size_t size) {
  wrapped_domain_t *domain = ctx;
  return serves_new_blocks(domain) ? object_alloc(size) : domain->old.malloc(domain->old.ctx, size);
}

static void *wrapped_object_calloc(void *ctx, size_t count, size_t size) {
  wrapped_domain_t *domain = ctx;
  return serves_new_blocks(domain) ? object_calloc(count, size)
                                   : domain->old.calloc(domain->old.ctx, count, size);
}

/* A block of the old allocator's stays with it for good: only that one knows its size. */
static void *wrapped_object_realloc(void *ctx, void *ptr, size_t size) {
  if (ptr == NULL) {
    return wrapped_object_malloc(ctx, size);
  }
  wrapped_domain_t *domain = ctx;
  return fe_owns(ptr) ? object_resize(ptr, size) : domain->old.realloc(domain->old.ctx, ptr, size);
}

static void wrapped_object_free(void *ctx, void *ptr) {
  if (fe_owns(ptr)) {
    object_free(ptr);
    return;
  }
  wrapped_domain_t *domain = ctx;
  domain->old.free(domain->old.ctx, ptr);
}

/* The raw domain's functions do not use their context. Other threads may be calling them while
 * PyMem_SetAllocator writes the table, and could find a new function beside the old context. */

static void *wrapped_raw_malloc(void *ctx, size_t size) {
  (void)ctx;
  return serves_new_blocks(&wrapped_raw) ? fe_malloc(size)
                                         : wrapped_raw.old.malloc(wrapped_raw.old.ctx, size);
}

static void *wrapped_raw_calloc(void *ctx, size_t count, size_t size) {
  (void)ctx;
  return serves_new_blocks(&wrapped_raw) ? fe_calloc(count, size)
                                         : wrapped_raw.old.calloc(wrapped_raw.old.ctx, count, size);
}

static void *wrapped_raw_realloc(void *ctx, void *ptr, size_t size) {
  if (ptr == NULL) {
    return wrapped_raw_malloc(ctx, size);
  }
  return fe_owns(ptr) ? fe_realloc(ptr, at_least_one(size))
                      : wrapped_raw.old.realloc(wrapped_raw.old.ctx, ptr, size);
}

static void wrapped_raw_free(void *ctx, void *ptr) {
  (void)ctx;
  if (fe_owns(ptr)) {
    fe_free(ptr);
  } else {
    wrapped_raw.old.free(wrapped_raw.old.ctx, ptr);
  }
}

PyMemAllocatorEx fe_python_wrapped_allocator(PyMemAllocatorDomain domain, PyMemAllocatorEx old) {
  wrapped_domain_t *wrapped = wrapped_domain(domain);
  wrapped->old = old;
  if (domain == PYMEM_DOMAIN_RAW) {
    return (PyMemAllocatorEx){
        .malloc = wrapped_raw_malloc,
        .calloc = wrapped_raw_calloc,
        .realloc = wrapped_raw_realloc,
        .free = wrapped_raw_free,
    };
  }
  return (PyMemAllocatorEx){
      .ctx = wrapped,
      .malloc = wrapped_object_malloc,
      .calloc = wrapped_object_calloc,
      .realloc = wrapped_object_realloc,
      .free = wrapped_object_free,
  };
}

void fe_python_serve_wrapped(PyMemAllocatorDomain domain, bool from_ferroc) {
  atomic_store_explicit(&wrapped_domain(domain)->serves_new_blocks, from_ferroc,
                        memory_order_relaxed);
}
