/* Marks for memcheck. What a heap hands out is a memory pool of memcheck's, so that it knows each
 * block with its size and its stack traces, and forgets all of them when the heap ends. */
#ifndef FERROC_CORE_TRACK_VALGRIND_MARKS_H
#define FERROC_CORE_TRACK_VALGRIND_MARKS_H

#include <valgrind/memcheck.h>

#include "core/base/config.h"

#define FE_IS_TRACKED 1
#define FE_IS_HARDENED 0
#define FE_TRACK_TRAILER 16

static inline void fe_track_open(void *start, size_t size) {
  VALGRIND_MAKE_MEM_DEFINED(start, size);
}

static inline void fe_track_close(void *start, size_t size) {
  VALGRIND_MAKE_MEM_NOACCESS(start, size);
}

static inline void fe_track_heap(void *heap) { VALGRIND_CREATE_MEMPOOL(heap, 0, 0); }
static inline void fe_track_heap_end(void *heap) { VALGRIND_DESTROY_MEMPOOL(heap); }

static inline void fe_track_define(void *ptr, size_t size) { VALGRIND_MAKE_MEM_DEFINED(ptr, size); }

/* Links and trailers lie in memory that is closed. Memcheck takes what it reads there for defined.
 */
static inline uintptr_t fe_track_get_word(const fe_word_t *word) {
  VALGRIND_DISABLE_ERROR_REPORTING;
  uintptr_t value = *(const volatile fe_word_t *)word;
  VALGRIND_ENABLE_ERROR_REPORTING;
  return value;
}

static inline void fe_track_set_word(fe_word_t *word, uintptr_t value) {
  VALGRIND_DISABLE_ERROR_REPORTING;
  *(volatile fe_word_t *)word = value;
  VALGRIND_ENABLE_ERROR_REPORTING;
}

static inline fe_block_t *fe_track_get_link(fe_block_t *const *link) {
  return (fe_block_t *)fe_track_get_word((const fe_word_t *)link);
}

static inline void fe_track_set_link(fe_block_t **link, fe_block_t *next) {
  fe_track_set_word((fe_word_t *)link, (uintptr_t)next);
}

/* The tool itself has seen to it that nobody wrote into the free block. */
static inline void fe_track_look(const void *start, size_t block_size) {
  (void)start;
  (void)block_size;
}

static inline uintptr_t fe_track_secret(void) { return 0; }
static inline void fe_track_prepare(void) {}

/* A block of `size` bytes is handed out, its contents unknown. */
static inline void fe_track_alloc(void *heap, void *ptr, size_t size) {
  VALGRIND_MEMPOOL_ALLOC(heap, ptr, size);
}

/* It comes back; it lies in `block_size` bytes from `start` on. */
static inline void fe_track_free(void *heap, void *ptr, void *start, size_t block_size) {
  (void)start;
  (void)block_size;
  VALGRIND_MEMPOOL_FREE(heap, ptr);
}

/* It keeps its place and its contents. */
static inline void fe_track_shrink(void *heap, void *ptr, size_t old_size, size_t size) {
  (void)old_size;
  VALGRIND_MEMPOOL_CHANGE(heap, ptr, ptr, size);
}

/* What was handed in is no live block, for the given reason. The caller goes on without it. */
static inline void fe_track_misdeed(const void *ptr, const char *call, const char *reason) {
  VALGRIND_PRINTF("ferroc: %s: %p %s\n", call, ptr, reason);
  VALGRIND_FREELIKE_BLOCK(ptr, 0); /* memcheck knows of no such block, and says so */
}

#endif /* FERROC_CORE_TRACK_VALGRIND_MARKS_H */
