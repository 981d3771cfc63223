/* Ferroc: memory heaps as values, made to be plugged into language runtimes.
 *
 * This is the one public header, for C11 and C++17. Three ways to use it:
 *   - fe_malloc, fe_free and their family: every thread has a heap of its own, found by itself.
 *   - fe_heap_create, fe_heap_alloc, fe_heap_destroy: a heap that the program holds.
 *   - fe_heap_resize: one function for all, in the shape that Lua and other runtimes ask for.
 *
 * All sizes are bytes. A block that comes from any function here may be given back by any
 * other one that frees, unless its comment says otherwise.
 */
#ifndef FERROC_H
#define FERROC_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FE_API __attribute__((visibility("default")))
#else
#define FE_API
#endif

/* -- The calling thread's heap ---------------------------------------------------------------
 *
 * Any thread may call these at any time, and may free what another thread allocated. Semantics
 * are those of the C standard's functions of the same name: NULL and errno ENOMEM when there is
 * no memory or when a size overflows; zero bytes give a distinct pointer that must be freed.
 */

FE_API void *fe_malloc(size_t size);
FE_API void *fe_calloc(size_t count, size_t size);

/* Moves the block if it has to. ptr NULL: allocates. On failure the old block stays as it was.
 * size 0: like glibc, frees ptr and returns NULL. */
FE_API void *fe_realloc(void *ptr, size_t size);

/* ptr NULL: nothing happens. A debug build ends the program with a message when ptr is no
 * block of ferroc's. */
FE_API void fe_free(void *ptr);

/* alignment: a power of two, else NULL and errno EINVAL. size need not be a multiple of it. */
FE_API void *fe_aligned_alloc(size_t alignment, size_t size);

/* alignment: a power of two and a multiple of sizeof(void *), else EINVAL is returned. ENOMEM is
 * returned when there is no memory. *out is written on success only; errno is left alone. */
FE_API int fe_posix_memalign(void **out, size_t alignment, size_t size);

/* The bytes that the block can hold, at least what was asked for. NULL: 0. Only the block's
 * present owner may ask, as for a free. */
FE_API size_t fe_malloc_size(const void *ptr);

/* Takes in the blocks that other threads freed in the calling thread's heap. force: does so for the
 * heaps of threads that ended, too, and returns all memory without blocks to the system, whoever
 * freed it. */
FE_API void fe_collect(bool force);

/* Whether ptr lies in memory that ferroc manages; answers for any address, in constant time.
 * True says nothing about whether a block starts there. */
FE_API bool fe_owns(const void *ptr);

/* -- Heaps as values -------------------------------------------------------------------------
 *
 * A heap is used by one thread at a time: the caller sees to it that its calls do not overlap
 * and that each happens after the one before (a mutex, a GIL, a lua_State). Only fe_free may
 * give back a heap's block from any thread at any time.
 */

typedef struct fe_heap fe_heap_t;

/* What fe_heap_create may be told; zero in a field means the default. */
typedef struct fe_heap_options {
  /* The smallest step between sizes, and the alignment of every block: 8 or 16 (the default). */
  size_t granule;
  /* The most bytes the heap's blocks may take together; 0 is no limit. See fe_heap_set_limit. */
  size_t memory_limit;
} fe_heap_options_t;

/* A new, empty heap. options NULL: the defaults. NULL and errno EINVAL (with a line on stderr
 * that says what is allowed) for a bad option, ENOMEM when there is no memory. */
FE_API fe_heap_t *fe_heap_create(const fe_heap_options_t *options);

/* Ends the heap and gives back all its blocks in one step; its cost goes by 64 KiB shards, not
 * by blocks. No other thread may be freeing one of them at that moment. NULL: nothing. */
FE_API void fe_heap_destroy(fe_heap_t *heap);

/* As fe_malloc, fe_calloc, fe_realloc, fe_free and fe_aligned_alloc, in this heap. A block handed
 * to realloc or free need not be of this heap: it is given back to the one it came from, and the
 * new one is this heap's. */
FE_API void *fe_heap_alloc(fe_heap_t *heap, size_t size);
FE_API void *fe_heap_calloc(fe_heap_t *heap, size_t count, size_t size);
FE_API void *fe_heap_realloc(fe_heap_t *heap, void *ptr, size_t size);
FE_API void fe_heap_free(fe_heap_t *heap, void *ptr);
FE_API void *fe_heap_aligned_alloc(fe_heap_t *heap, size_t alignment, size_t size);

/* Allocates (ptr NULL), frees (new_size 0, returns NULL) or resizes, in the shape of Lua's
 * lua_Alloc. old_size: what was asked for last, at least 1; ignored when ptr is NULL. A resize to a
 * smaller size never fails. heap: one made by fe_heap_create, and ptr a block of it: the call
 * trusts the caller, and does not look who owns it. heap NULL: the calling thread's heap; ptr is
 * then a block that some thread allocated from its own, by NULL here or by fe_malloc. */
FE_API void *fe_heap_resize(void *heap, void *ptr, size_t old_size, size_t new_size);

/* Whether ptr is a block of this heap. Addresses that are not ferroc's may be asked about as well,
 * but not the middle of a block above 30 KiB, or of one aligned to 64 KiB or more. */
FE_API bool fe_heap_contains(const fe_heap_t *heap, const void *ptr);

/* Bytes in live blocks, each counted with its full size: up to a granule more than was asked
 * for, above 128 bytes up to an eighth more. Cost: one step for each shard of the heap. */
FE_API size_t fe_heap_used_bytes(fe_heap_t *heap);

/* Sets the most bytes that the heap's blocks may take; an allocation that would pass it gives
 * NULL and ENOMEM, and freeing makes room again. 0 lifts the limit. Below what is in use
 * already: every allocation fails until enough is freed. */
FE_API void fe_heap_set_limit(fe_heap_t *heap, size_t memory_limit);
FE_API size_t fe_heap_limit(const fe_heap_t *heap);

/* Takes in what other threads freed, and gives empty shards up for other heaps. force: as in
 * fe_collect. */
FE_API void fe_heap_collect(fe_heap_t *heap, bool force);

/* The calling thread's heap, made at the first call. NULL and ENOMEM when it cannot be. */
FE_API fe_heap_t *fe_thread_heap(void);

#ifdef __cplusplus
}
#endif

#endif /* FERROC_H */
