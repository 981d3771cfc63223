/* Ferroc: memory heaps as values, made to be plugged into language runtimes.
 *
 * This is the one public header, for C11 and C++17. Three ways to use it:
 *   - fe_malloc, fe_free and their family: every thread has a heap of its own, found by itself.
 *   - fe_heap_create, fe_heap_alloc, fe_heap_destroy: a heap that the program holds.
 *   - fe_heap_resize: one function for all, in the shape that Lua and other runtimes ask for.
 * Heaps may stand on memory of the program's own: see fe_base_t. What they hold can be counted and
 * drawn: see fe_stats and fe_heap_map_write.
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

/* -- Version ---------------------------------------------------------------------------------
 *
 * Libraries, packages and what pkg-config and CMake are told have theirs from here.
 */

#define FE_VERSION_MAJOR 0
#define FE_VERSION_MINOR 1
#define FE_VERSION_PATCH 0

/* Of this header: 100 for 0.1.0, 10203 for 1.2.3. */
#define FE_VERSION (FE_VERSION_MAJOR * 10000 + FE_VERSION_MINOR * 100 + FE_VERSION_PATCH)

/* The same as text: "0.1.0". */
#define FE_VERSION_STRING \
  FE_AS_TEXT_(FE_VERSION_MAJOR) "." FE_AS_TEXT_(FE_VERSION_MINOR) "." FE_AS_TEXT_(FE_VERSION_PATCH)
#define FE_AS_TEXT_(number) FE_AS_TEXT_AS_IT_IS_(number)
#define FE_AS_TEXT_AS_IT_IS_(number) #number

/* FE_VERSION and FE_VERSION_STRING of the library, which may be another one than the header's where
 * it is a shared one. Any thread. */
FE_API int fe_version(void);
FE_API const char *fe_version_string(void);

/* -- The calling thread's heap ---------------------------------------------------------------
 *
 * Any thread may call these at any time, and may free what another thread allocated. Semantics
 * are those of the C standard's functions of the same name: NULL and errno ENOMEM when there is
 * no memory or when a size overflows; zero bytes give a distinct pointer that must be freed.
 */

FE_API void *fe_malloc(size_t size);
FE_API void *fe_calloc(size_t count, size_t size);

/* Moves the block if it has to. ptr NULL: allocates. On failure the old block stays as it was. To a
 * smaller size it does not fail, unless the block is of an explicit heap or of other arenas; what a
 * block above 30 KiB is cut down by goes back, in whole units of 64 KiB. A block up to 24 KiB that
 * grows by a quarter or less gets a half more than that, above 4 KiB a quarter, if there is room
 * and no limit (fe_malloc_size tells), so that many small steps are few moves. size 0: like glibc,
 * frees ptr and returns NULL.
 */
FE_API void *fe_realloc(void *ptr, size_t size);

/* fe_realloc to count * size bytes. When that overflows: NULL and ENOMEM, and the old block stays.
 */
FE_API void *fe_reallocarray(void *ptr, size_t count, size_t size);

/* The same for a block that came from fe_calloc or fe_recalloc (or NULL): all bytes behind the old
 * array are zero. The program must not have written behind it, even if fe_malloc_size says that
 * there is room. */
FE_API void *fe_recalloc(void *ptr, size_t count, size_t size);

/* ptr NULL: nothing happens. errno is left alone. A debug build ends the program with a message
 * when ptr is no block of ferroc's. */
FE_API void fe_free(void *ptr);

/* fe_free by a caller who knows what the block was allocated with: C23's free_sized and
 * free_aligned_sized. A debug build ends the program with a message when the block does not have
 * that many bytes, or does not lie on that alignment. */
FE_API void fe_free_sized(void *ptr, size_t size);
FE_API void fe_free_aligned(void *ptr, size_t alignment);
FE_API void fe_free_aligned_sized(void *ptr, size_t alignment, size_t size);

/* alignment: a power of two, else NULL and errno EINVAL. size need not be a multiple of it. */
FE_API void *fe_aligned_alloc(size_t alignment, size_t size);

/* The older name of fe_aligned_alloc. */
FE_API void *fe_memalign(size_t alignment, size_t size);

/* alignment: a power of two and a multiple of sizeof(void *), else EINVAL is returned. ENOMEM is
 * returned when there is no memory. *out is written on success only; errno is left alone. */
FE_API int fe_posix_memalign(void **out, size_t alignment, size_t size);

/* Aligned to a page of the system; fe_pvalloc also rounds the size up to whole pages. */
FE_API void *fe_valloc(size_t size);
FE_API void *fe_pvalloc(size_t size);

/* The bytes that the block can hold, at least what was asked for. NULL: 0. Only the block's
 * present owner may ask, as for a free. */
FE_API size_t fe_malloc_size(const void *ptr);

/* The size to ask for instead of `size`: all that a block for `size` bytes has room for in a heap
 * that has grown past its first blocks, so asking for it takes no more memory there. A size that no
 * block can have comes back as it is. */
FE_API size_t fe_good_size(size_t size);

/* Copies of strings, as POSIX's strdup and strndup; fe_strndup reads and copies at most length_max
 * bytes, and always ends the copy with a zero. NULL and ENOMEM when there is no memory. */
FE_API char *fe_strdup(const char *text);
FE_API char *fe_strndup(const char *text, size_t length_max);

/* The absolute path without links, as POSIX's realpath: in `resolved`, which has room for PATH_MAX
 * bytes, or when that is NULL in a block of any length. NULL and errno when there is no such path.
 */
FE_API char *fe_realpath(const char *path, char *resolved);

/* As C++'s operator new in its four forms. When there is no memory they call the program's
 * new-handler and try again, until there is no handler: then fe_new and fe_new_aligned throw
 * std::bad_alloc, and the other two return NULL, as they do when the handler throws. An alignment
 * that is not a power of two fails at once. The blocks are given back by fe_free.
 *
 * The library does not bring the C++ library into a program. In one without it there is nobody to
 * throw: fe_new ends the program with a message. A program that links the C++ library statically
 * needs -Wl,-u,_ZSt17__throw_bad_allocv. */
FE_API void *fe_new(size_t size);
FE_API void *fe_new_nothrow(size_t size);
FE_API void *fe_new_aligned(size_t size, size_t alignment);
FE_API void *fe_new_aligned_nothrow(size_t size, size_t alignment);

/* Takes in the blocks that other threads freed in the calling thread's heaps, and gives up their
 * empty shards. force: as fe_trim. */
FE_API void fe_collect(bool force);

/* Returns all memory without blocks to the system, whoever freed it and whose heap it is in: the
 * calling thread's, those of other threads that run, wait or ended, explicit ones, and those that
 * were handed over; of arenas of the program's own if a heap stands on them; and the addresses of
 * slabs of 4 MiB in which there is nothing else. Heaps of
 * threads that ended, in which nothing lives, end. How many bytes of memory went
 * back: whole shards of 64 KiB that were in use since they came from the system, and what other
 * threads returned at the same time.
 * What stays in a heap that some other thread holds: the shards from which its next allocations
 * come, at most one for each size class (64 KiB; 79 classes), those of up to 32 blocks that it
 * freed and that wait for its next ones, and empty ones whose last block that thread is just
 * freeing. Memory goes back by itself, too, some 0.1 s after it was freed, while the program goes
 * on allocating and freeing; with the option background_purge also while it does not. Any thread.
 */
FE_API size_t fe_trim(void);

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
typedef struct fe_context fe_context_t;

/* Why an allocation failed. */
typedef enum fe_error {
  FE_ERROR_NO_MEMORY, /* the heap's base has no more, or the size is impossible */
  FE_ERROR_LIMIT,     /* the heap's limit, or that of a heap above it, forbids it */
} fe_error_t;

/* What fe_heap_create may be told; zero in a field means the default. */
typedef struct fe_heap_options {
  /* The smallest step between sizes, and the alignment of every block: 8 or 16 (the default). */
  size_t granule;
  /* The most bytes the heap's blocks, and those of heaps under it, may take together; 0 is no
   * limit. See fe_heap_set_limit. */
  size_t memory_limit;
  /* What the heap takes its memory from. NULL: a context of its own on the process's arenas. */
  fe_context_t *context;
  /* A heap whose limit this one shares: what this heap takes counts there too, and so on upwards.
   * The parent may be used by another thread meanwhile. It must outlive this heap. */
  fe_heap_t *parent;
  /* For statistics and messages; up to FE_NAME_MAX bytes of it are copied. NULL: no name. */
  const char *name;
  /* The heap lives for good: fe_heap_destroy refuses it. In return any thread that frees a large
   * block of it gives the memory back at once, where it otherwise waits for the heap's holder. */
  bool is_permanent;
  /* Called when an allocation of the heap fails, by the thread that wanted it, before the
   * allocation returns NULL; bytes is what was asked for. It may use other heaps, and this heap for
   * freeing. NULL: nothing is called. */
  void (*on_error)(fe_heap_t *heap, fe_error_t error, size_t bytes, void *user_data);
  void *user_data;
} fe_heap_options_t;

#define FE_NAME_MAX 31

/* A new, empty heap, held by the calling thread. options NULL: the defaults. NULL and errno EINVAL
 * (with a line on stderr that says what is allowed) for a bad option, ENOMEM when there is no
 * memory. */
FE_API fe_heap_t *fe_heap_create(const fe_heap_options_t *options);

/* Ends the heap and gives back all its blocks in one step; its cost goes by 64 KiB shards, not
 * by blocks. Whoever holds the heap may call it, on any thread; nobody may be freeing one of its
 * blocks at that moment. NULL: nothing. Refused with a line on stderr and errno EINVAL for a
 * permanent heap, EBUSY while heaps with this parent exist or while the heap is handed over. */
FE_API void fe_heap_destroy(fe_heap_t *heap);

/* The holder lets go of the heap: what it did with it happens before the return of the
 * fe_heap_take_over that succeeds. It must not use the heap any more; blocks stay valid, and may
 * be freed by fe_free. Refused with a line on stderr and errno EINVAL for a thread's own heap, and
 * for one that is handed over already. */
FE_API void fe_heap_hand_over(fe_heap_t *heap);

/* Takes a heap that was handed over. True: the caller holds it now. False: it was not handed over,
 * or another thread was faster. Any thread. */
FE_API bool fe_heap_take_over(fe_heap_t *heap);

/* The name given at creation; "" if none. Any thread. */
FE_API const char *fe_heap_name(const fe_heap_t *heap);

/* As the functions of the same names above, in this heap. A block handed to realloc or free need
 * not be of this heap: it is given back to the one it came from, and the new one is this heap's.
 * What is missing here has no need of a heap: frees with sizes, and page alignment. operator new on
 * a heap is in ferroc.hpp, for C++. */
FE_API void *fe_heap_alloc(fe_heap_t *heap, size_t size);
FE_API void *fe_heap_calloc(fe_heap_t *heap, size_t count, size_t size);
FE_API void *fe_heap_realloc(fe_heap_t *heap, void *ptr, size_t size);
FE_API void *fe_heap_reallocarray(fe_heap_t *heap, void *ptr, size_t count, size_t size);
FE_API void *fe_heap_recalloc(fe_heap_t *heap, void *ptr, size_t count, size_t size);
FE_API void fe_heap_free(fe_heap_t *heap, void *ptr);
FE_API void *fe_heap_aligned_alloc(fe_heap_t *heap, size_t alignment, size_t size);
FE_API int fe_heap_posix_memalign(fe_heap_t *heap, void **out, size_t alignment, size_t size);
FE_API size_t fe_heap_good_size(const fe_heap_t *heap, size_t size);
FE_API char *fe_heap_strdup(fe_heap_t *heap, const char *text);
FE_API char *fe_heap_strndup(fe_heap_t *heap, const char *text, size_t length_max);
FE_API char *fe_heap_realpath(fe_heap_t *heap, const char *path, char *resolved);

/* Allocates (ptr NULL), frees (new_size 0, returns NULL) or resizes, in the shape of Lua's
 * lua_Alloc. old_size: what was asked for last, at least 1; ignored when ptr is NULL. A resize to a
 * smaller size never fails. heap: one made by fe_heap_create, and ptr a block of it: the call
 * trusts the caller, and does not look who owns it. heap NULL: the calling thread's heap; ptr is
 * then a block that some thread allocated from its own, by NULL here or by fe_malloc. */
FE_API void *fe_heap_resize(void *heap, void *ptr, size_t old_size, size_t new_size);

/* Whether ptr is a block of this heap, or points into one that is not above 30 KiB. Any address may
 * be asked about. A permanent heap (as those of threads are) has no list of its blocks of more than
 * 128 MiB: an address inside of such a chunk is judged by what lies before it, so it must not be in
 * the middle of a block that looks like a header on purpose, nor be freed meanwhile. Holder only.
 */
FE_API bool fe_heap_contains(const fe_heap_t *heap, const void *ptr);

/* Bytes in live blocks, each counted with its full size: up to a granule more than was asked
 * for, above 128 bytes up to an eighth more, of blocks that grew by little up to a half
 * (fe_realloc), or, above 512 bytes, a quarter as well if a freed block at hand had it. Cost: one
 * step for each shard of the heap. */
FE_API size_t fe_heap_used_bytes(fe_heap_t *heap);

/* Sets the most bytes that the blocks of the heap and of the heaps under it may take; an allocation
 * that would pass it gives NULL and ENOMEM, and freeing makes room again. 0 lifts the limit. Below
 * what is in use already: every allocation fails until enough is freed, but for what the rest below
 * allows heaps that share it.
 *
 * Exact for the heap's own blocks: it refuses only what its live blocks leave no room for. A limit
 * that several heaps share (of a parent, of the process) takes back what they keep for nobody
 * before it refuses anything: of heaps that were handed over or whose thread ended all that is not
 * live; of a heap that some thread holds, whether it works or waits, all but a rest: the free
 * blocks of the shards from which its next allocations come, at most one shard (64 KiB) for each
 * size class that it uses; of sizes above 512 bytes of which it has few, 32 blocks, and not more
 * than 64 KiB and a sixteenth of them all; one block that it is just freeing when it is looked at,
 * until it takes a slower way next; and what it takes while the request is under way. A heap that
 * is handed over, or whose limit is lowered, in the midst of a request may count as it was before.
 * A heap that has met the limit itself keeps no rest. Nothing is taken back from a heap that
 * fe_heap_visit goes through at that moment, nor in the handlers of a fork or while one takes
 * longer than ten seconds. */
FE_API void fe_heap_set_limit(fe_heap_t *heap, size_t memory_limit);
FE_API size_t fe_heap_limit(const fe_heap_t *heap);

/* Takes in what other threads freed, and gives empty shards up for other heaps. force: as in
 * fe_collect. */
FE_API void fe_heap_collect(fe_heap_t *heap, bool force);

/* The calling thread's heap, made at the first call. It is this thread's until the thread ends;
 * then it goes to another one, or ends when nothing lives in it, so that nobody may use the pointer
 * any more. NULL and ENOMEM when it cannot be made. */
FE_API fe_heap_t *fe_thread_heap(void);

/* -- Options ---------------------------------------------------------------------------------
 *
 * The names, the defaults in brackets, and the values:
 *
 * - purge_delay_ms (50): how long free memory is kept before it goes back to the system; what was
 *   freed goes back after one to two times as long. 0: at the next occasion.
 * - unmap_delay_ms (10000): how long addresses that nobody uses, whole slabs of 4 MiB, are kept
 * before they go back to the system; they count for ulimit -v and in what the kernel lets a machine
 *   promise. 0: at the next occasion. 4294967296 or more: only fe_trim gives them back.
 * - huge_pages (by_need): never, by_need (for the blocks of heaps of 32 MiB and more) or always.
 * - memory_limit (0): bytes (also as 512K, 64M, 2G) that the blocks of all heaps may take together;
 *   0 is no limit. As with a parent's limit, see fe_heap_set_limit.
 * - stats_at_exit (0): 1 writes the figures of all heaps to stderr, as JSON, when the program
 *   ends.
 * - verbose (0): 1 tells on stderr what the library is doing at large, and names what it maps from
 *   then on in /proc/self/maps, [anon:ferroc], where the kernel can.
 * - on_error (report): what an error of the caller does beside its return value: silent (nothing),
 *   report (a line on stderr) or abort (the line and SIGABRT).
 * - background_purge (0): 1 starts a thread of ferroc's own that gives free memory back while the
 *   program does nothing; it sleeps unless there is some. Set by the environment it is started
 *   when the process has 1 MiB or more, and in the child of a fork when that has 1 MiB more.
 *
 * Each may also be set by an environment variable, in capitals: FERROC_PURGE_DELAY_MS=100. These
 * are read once, when the library is loaded, and not at all in set-uid programs.
 */

/* Sets an option. False and errno EINVAL, with a line on stderr that says what is allowed, for an
 * unknown name or a value that is not allowed; for background_purge also with the reason in errno
 * when the thread cannot be started (EAGAIN, say), and the option stays 0. Any thread. */
FE_API bool fe_option_set(const char *name, const char *value);

/* Writes the value of an option into text, cut off to size - 1 bytes and a zero. Returns its whole
 * length; 0 and errno EINVAL, with a line on stderr, for an unknown name. Any thread. */
FE_API size_t fe_option_get(const char *name, char *text, size_t size);

/* -- Where memory comes from -----------------------------------------------------------------
 *
 * The process's arenas take chunks from the kernel. A program that has memory of its own (a static
 * region, huge pages, shared memory, a device) makes arenas on it, a context on these, and heaps on
 * that:
 *
 *   static char region[1 << 20];
 *   fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, region, sizeof region);
 *   fe_heap_options_t options = {.context = fe_context_create(arenas)};
 *   fe_heap_t *heap = fe_heap_create(&options);
 *
 * or takes a heap for each thread, as fe_malloc has one on the process's arenas:
 *
 *   void *block = fe_heap_alloc(fe_arenas_thread_heap(arenas), 100);
 *   fe_free(block);  (any thread)
 *
 * Nothing but that memory is then ever touched, not even for what ferroc notes about it. Memory
 * that a forked child shares with its parent will not do while both go on: the child writes to the
 * heaps of threads that it does not have, and to the lists of heaps.
 */

typedef struct fe_base fe_base_t;

/* A base: how to get and to give memory, as a table of functions. Each may be called by any thread
 * at any time, and must not allocate from heaps that stand on this base. The table must outlive
 * what is made on it. Handlers of pthread_atfork that take a lock which these functions take must
 * be registered before ferroc's, at the program's start: else a fork has the lock, and waits for a
 * thread that waits for it: a tenth of a second, and the child does without that thread's heap, or,
 * in fe_trim and other visits to all heaps, for ever. */
struct fe_base {
  /* A chunk of `size` bytes, a multiple of 4 MiB (of the slab size), aligned to `alignment`, a
   * power of two. NULL when there is none. A NULL function: all memory is what fe_arenas_manage
   * hands in. */
  void *(*allocate)(const fe_base_t *base, size_t size, size_t alignment);
  /* The same, but addresses alone, which nobody may touch: `protect` makes slabs (4 MiB) of them
   * accessible before they are used, and fails when there is no memory. So a chunk costs no promise
   * of memory (vm.overcommit_memory=2), and none that is locked (mlockall), before it is used.
   * NULL, or without `protect` or `allocate`, or with slabs below 1 MiB, or in hardened builds, or
   * in a copy of fe_base_mmap of which `allocate` alone was replaced: `allocate` is called. */
  void *(*reserve)(const fe_base_t *base, size_t size, size_t alignment);
  /* Gives a whole chunk back. A NULL function: chunks are kept for good. */
  void (*release)(const fe_base_t *base, void *chunk, size_t size);
  /* Puts memory behind whole pages before they are touched; false when there is none. Where pages
   * are larger than shards (64 KiB), some may have memory already: these keep what they hold. NULL:
   * memory comes by itself. */
  bool (*commit)(const fe_base_t *base, void *start, size_t size);
  /* Takes the memory behind whole pages back and keeps the addresses; the contents are lost.
   * Returns false when it did not. NULL: memory stays. */
  bool (*decommit)(const fe_base_t *base, void *start, size_t size);
  /* Makes a whole chunk of `size` bytes larger: where it is, or by moving its pages to another
   * place with the same alignment. The place where it is now; NULL, and the chunk is as it was,
   * when it cannot be done. NULL: large blocks that grow are copied. So they are, and this is not
   * called, where there is no `release`, or a `commit`, which could still fail behind a chunk that
   * has moved. */
  void *(*grow)(const fe_base_t *base, void *chunk, size_t size, size_t new_size, size_t alignment);
  /* Makes memory untouchable (false), or accessible (true), with what it holds; start and size are
   * multiples of 4 KiB. Returns false when it did not, which ends the program when a guard page is
   * needed again. Called for what was reserved, and by hardened builds for guard pages. NULL: there
   * are neither. */
  bool (*protect)(const fe_base_t *base, void *start, size_t size, bool is_accessible);
  /* Asks that whole pages never be (false) or if possible be (true) huge ones. NULL: it is all the
   * same. */
  void (*advise_huge)(const fe_base_t *base, void *start, size_t size, bool is_wanted);
  /* Gives the addresses of one slab (4 MiB) of a chunk back, with the memory that is still there,
   * while the rest of the chunk is in use. Returns false when it did not. Called when nobody used
   * the slab for unmap_delay_ms, and by fe_trim. A chunk of which slabs are unmapped at its end is
   * not released: its other slabs are unmapped instead. NULL: chunks are kept whole. */
  bool (*unmap)(const fe_base_t *base, void *start, size_t size);
  /* Gets the addresses of a slab that was unmapped again, as in a new chunk. Returns false when it
   * cannot: something else may be there by now, and must stay. NULL: nothing is unmapped. */
  bool (*map)(const fe_base_t *base, void *start, size_t size);
  /* New chunks, and what was decommitted, hold zeros. */
  bool is_zeroed;
  /* A power of two, not above 4 MiB: commit and decommit are called for whole pages of this size.
   */
  size_t page_size;
  /* For the functions of a base made by the program; ferroc does not look at it. */
  void *user_data;
};

/* The kernel's anonymous private memory. Not on bare metal. */
FE_API extern const fe_base_t fe_base_mmap;

/* No memory at all but what is handed in. */
FE_API extern const fe_base_t fe_base_static;

typedef struct fe_arenas fe_arenas_t;

/* Arenas on a base. memory: a first region of `size` bytes for them to manage, which also holds
 * what they note; NULL: a chunk of the base. NULL is returned with errno EINVAL, and a line on
 * stderr that says what is allowed, when the base cannot be right or the region is too small or in
 * use already; with ENOMEM when the base has no memory. */
FE_API fe_arenas_t *fe_arenas_create(const fe_base_t *base, void *memory, size_t size);

/* Hands in one more region, of any size and alignment; what does not make whole shards of 64 KiB is
 * not used. It is the arenas' until they are destroyed. arenas NULL: the process's. False and errno
 * EINVAL, with a line on stderr, when it is too small or in use already; ENOMEM when there are 256
 * regions that begin or end inside of a slab (at a multiple of 4 MiB is not inside). Any thread. */
FE_API bool fe_arenas_manage(fe_arenas_t *arenas, void *memory, size_t size);

/* The calling thread's heap on these arenas, made at the first call; later calls find it at once.
 * When the thread ends, the next one that asks on the same arenas goes on with it, or it ends when
 * nothing lives in it, so that nobody may use the pointer any more. fe_heap_destroy and
 * fe_heap_hand_over refuse it. fe_free of any thread gives its blocks back; fe_realloc moves them
 * to the process's arenas, fe_heap_realloc with this heap keeps them here. arenas NULL:
 * fe_thread_heap. NULL and errno ENOMEM when there is no memory. Any thread. */
FE_API fe_heap_t *fe_arenas_thread_heap(fe_arenas_t *arenas);

/* Ends the arenas and releases their chunks. False, errno EBUSY and a line on stderr while a
 * context or a heap stands on them. Heaps of fe_arenas_thread_heap do not count when nothing lives
 * in them and their thread ended or is the caller; those end as well. NULL: true. No other
 * thread may be using them. */
FE_API bool fe_arenas_destroy(fe_arenas_t *arenas);

/* A context: what several heaps of one thread take their shards from. What one of them gives up
 * serves the others first. Used by one thread at a time, together with its heaps. arenas NULL: the
 * process's. NULL and ENOMEM when there is no memory. */
FE_API fe_context_t *fe_context_create(fe_arenas_t *arenas);

/* False, errno EBUSY and a line on stderr while a heap stands on it. NULL: true. */
FE_API bool fe_context_destroy(fe_context_t *context);

/* -- Without an operating system -------------------------------------------------------------
 *
 * Where the library is built with FE_FREESTANDING (core/bare_metal/README.md), fe_malloc and its
 * family have no memory until fe_arenas_manage(NULL, ...) hands some in, and there is one heap for
 * them all: one processor, or one at a time, may call them. So it is with fe_arenas_thread_heap on
 * each arenas. fe_base_mmap is not there.
 */
#ifdef FE_FREESTANDING

/* What errno is elsewhere: the reason why the last call failed. EINVAL is 22, ENOMEM 12. */
extern int fe_errno;

/* Gets the messages that would be on stderr elsewhere: a line with its end, not ended by a zero. */
typedef void (*fe_message_function_t)(const char *line, size_t length);

/* NULL, and at the beginning: messages go nowhere. After a message of the last resort (a foreign
 * pointer in a debug build) the processor gets an instruction that it does not know. */
FE_API void fe_set_message_function(fe_message_function_t function);

#endif /* FE_FREESTANDING */

/* -- Figures --------------------------------------------------------------------------------
 *
 * Whoever holds a heap counts what happens in it. Other threads may read these figures at any time,
 * and wait for none but each other: the live blocks are those of that moment. Where they cannot
 * wait, in the handlers of a fork, the sums over heaps are refused (EBUSY, and a line on stderr).
 * So they are, after ten seconds, in the handler of a signal that came while its thread looked at
 * all heaps itself; a heap in whose slow ways it came counts, after a second, as it was when it was
 * looked at last.
 * A handler that may come in the midst of its thread's malloc or free must not ask for fe_stats,
 * nor for fe_heap_stats of a heap that the thread holds. Blocks that other threads freed count
 * as live until the holder takes them in, which fe_heap_stats, fe_heap_collect and the allocations
 * that find no free block do; large blocks of threads' heaps go at once. Peaks are noted on the
 * cold paths alone: what was asked for at a peak is in it, else it may be off by 64 KiB for each
 * size, and in heaps of more than a MiB be too low by a sixteenth.
 *
 * Each struct begins with struct_size, which the caller sets to its sizeof. Later versions add
 * members at the end only, and fill what the caller has room for. False and errno EINVAL, with a
 * line on stderr, when struct_size is less than what the first version had.
 */

#define FE_STATS_CLASSES_MAX 96

/* The shards for one size of blocks. */
typedef struct fe_class_stats {
  size_t block_size;
  size_t shard_count;
  size_t full_shard_count; /* of these, without a free block */
  size_t carved_count;     /* blocks that were ever in use in these shards; the rest is untouched */
  size_t live_count;
} fe_class_stats_t;

/* One heap, or the sum of several. */
typedef struct fe_heap_stats {
  size_t struct_size;
  size_t heap_count;
  /* Bytes in live blocks: as asked for, and with the size that the blocks have. */
  size_t requested_bytes;
  size_t used_bytes;
  /* Large blocks know what was asked for; for small ones it is inferred from samples. */
  bool requested_is_estimate;
  /* Of one heap, 0 in a sum. Up to 32 blocks that were freed and wait for others count as live. */
  size_t peak_used_bytes;
  size_t limit_bytes;     /* of one heap; 0: none */
  size_t committed_bytes; /* units of 64 KiB that the heap has, and its large blocks */
  size_t nursery_used_bytes;
  size_t nursery_block_count;
  size_t mixed_used_bytes; /* of sizes of which there are few, side by side in mixed shards */
  size_t mixed_block_count;
  size_t large_used_bytes; /* blocks above 30 KiB, also of those aligned so widely */
  size_t large_block_count;
  size_t mixed_shard_count;
  size_t shard_count; /* of blocks of one size */
  size_t full_shard_count;
  /* Events since the heap was made. In a sum over arenas: also those of heaps that ended. */
  size_t nursery_allocs; /* blocks taken from, and given back to, the first unit of a small heap */
  size_t nursery_frees;
  size_t mixed_allocs; /* blocks that a place was looked for; those freed and taken again are not */
  size_t mixed_frees;
  size_t graduations; /* a size that had no shard of its own got one */
  size_t shards_taken;
  size_t shards_given_back;
  size_t refills; /* a shard in use had no free block at hand */
  size_t extends; /* about a page of blocks came into use */
  size_t large_allocs;
  size_t large_frees;
  size_t large_resizes_in_place;
  size_t large_resizes_not_in_place;
  size_t drains;         /* blocks freed by other threads: looked for and found */
  size_t remote_batches; /* the lists of them that were taken in, one for each shard */
  size_t remote_blocks;  /* the blocks in these */
  size_t limit_refusals;
  size_t tight_phases; /* free blocks were held back since the limit was near; see core/README.md */
  size_t failed_allocs;
  size_t ended_heaps; /* in a sum over arenas */
  size_t class_count; /* of `classes`; 0 in builds with shards of less than 16 KiB */
  fe_class_stats_t classes[FE_STATS_CLASSES_MAX];
} fe_heap_stats_t;

/* The memory below heaps. */
typedef struct fe_arenas_stats {
  size_t struct_size;
  size_t reserved_bytes;  /* address space */
  size_t committed_bytes; /* in use, or free but not given back: the most that can be resident */
  size_t taken_bytes;     /* in use by heaps and contexts */
  size_t purgeable_bytes; /* free and not given back yet */
  size_t peak_reserved_bytes;
  size_t peak_committed_bytes;
  size_t arena_count;
  size_t slab_count;
  size_t free_slab_count; /* nothing in it is in use */
  size_t longest_free_run_bytes;
  /* Events since the arenas were made. */
  size_t units_taken; /* of 64 KiB */
  size_t units_given_back;
  size_t chunks_mapped;
  size_t chunks_released;
  size_t purges;
  size_t decommitted_bytes;
} fe_arenas_stats_t;

/* The heap's figures, brought up to date first. The holder only. */
FE_API bool fe_heap_stats(fe_heap_t *heap, fe_heap_stats_t *out);

/* The same, without the blocks that others freed being taken in. Any thread, while the heap exists.
 * Cost: some steps for each shard on its arenas; of many heaps at once fe_heap_stats_write tells at
 * that cost, too. */
FE_API bool fe_heap_stats_peek(const fe_heap_t *heap, fe_heap_stats_t *out);

/* The sum of the heaps on a context. Any thread, while the context exists. Cost: some steps for
 * each shard on its arenas. */
FE_API bool fe_context_stats(const fe_context_t *context, fe_heap_stats_t *out);

/* The sum of all heaps on the arenas, of threads and explicit ones; the calling thread's own one
 * takes in what others freed first. Heap by heap, not all in one moment: of two heaps that take
 * turns both may be in it. Counts of events never go down. arenas NULL: the process's. Any thread.
 */
FE_API bool fe_stats(fe_arenas_t *arenas, fe_heap_stats_t *out);

/* arenas NULL: the process's. Any thread. */
FE_API bool fe_arenas_stats(fe_arenas_t *arenas, fe_arenas_stats_t *out);

/* Is given text piece by piece; not terminated by a zero. It is called while nothing is locked, so
 * it may do as it likes, but for ending what the text is about. */
typedef void fe_write_t(void *user_data, const char *text, size_t length);

typedef enum fe_format {
  FE_FORMAT_JSON,       /* one object */
  FE_FORMAT_PROMETHEUS, /* text exposition format, version 0.0.4 */
} fe_format_t;

/* Writes fe_stats and fe_arenas_stats as text, without allocating: also when there is no memory.
 * False and errno EINVAL, with a line on stderr, for an unknown format. arenas NULL: the process's.
 * Any thread. */
FE_API bool fe_stats_write(fe_arenas_t *arenas, fe_format_t format, fe_write_t *write,
                           void *user_data);

/* Writes fe_heap_stats_peek of several heaps, each labelled with its name and address; as one text,
 * since Prometheus wants all heaps together for each figure. Any thread. */
FE_API bool fe_heap_stats_write(fe_heap_t *const *heaps, size_t heap_count, fe_format_t format,
                                fe_write_t *write, void *user_data);

/* -- Pictures -------------------------------------------------------------------------------- */

typedef enum fe_shard_type {
  FE_SHARD_OF_ONE_SIZE, /* blocks of one size */
  FE_SHARD_OF_LARGE,    /* one block */
  FE_SHARD_OF_NURSERY,  /* the heap itself, and blocks of all small sizes */
  FE_SHARD_OF_MIXED,    /* blocks of several larger sizes */
} fe_shard_type_t;

typedef struct fe_shard_view {
  fe_shard_type_t type;
  const void *start;   /* of its units */
  size_t bytes;        /* of its units */
  size_t block_size;   /* 0: blocks of several sizes */
  size_t room_count;   /* blocks of one size that it has room for; of several: those it has now */
  size_t carved_count; /* blocks that were ever in use; of several sizes: those it has now */
  size_t live_count;
  size_t live_bytes;
} fe_shard_view_t;

/* What fe_heap_visit calls: for each shard, then for each live block in it. A function that is NULL
 * is left out. False from one of them ends the visit. They may use other heaps, but neither
 * allocate nor free in this one. */
typedef struct fe_visitor {
  bool (*shard)(const fe_shard_view_t *shard, void *user_data);
  /* block: where it begins; for an aligned allocation that may be before what the caller has. */
  bool (*block)(const fe_shard_view_t *shard, const void *block, size_t size, void *user_data);
} fe_visitor_t;

/* Visits all shards of the heap. The live bytes of all add up to fe_heap_used_bytes, unless other
 * threads free blocks meanwhile, or the heap is permanent (as those of threads are) and has blocks
 * of more than 128 MiB, which nothing lists. Holder only. False: a function ended it. */
FE_API bool fe_heap_visit(fe_heap_t *heap, const fe_visitor_t *visitor, void *user_data);

/* Writes an HTML page that shows the arenas' memory unit by unit: whose, which size, how full, what
 * is free. It needs nothing but a browser, and holds its data: opened in it, an earlier page can be
 * chosen to see what changed in between. Slab by slab, not all in one moment. Does not allocate.
 * arenas NULL: the process's. Any thread. */
FE_API void fe_heap_map_write(fe_arenas_t *arenas, fe_write_t *write, void *user_data);

#ifdef __cplusplus
}
#endif

#endif /* FERROC_H */
