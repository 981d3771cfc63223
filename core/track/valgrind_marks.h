/* Marks for memcheck, which then knows each block with its size and its stack traces. Its memory
 * pools would end with their heaps by themselves, but it reports no leaks from them. */
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

static inline void fe_track_define(void *ptr, size_t size) { VALGRIND_MAKE_MEM_DEFINED(ptr, size); }

/* Links and trailers lie in memory that is closed, and what may be a header may lie in a block.
 * What is read there is ferroc's business, and defined. */
static inline uintptr_t fe_track_get_word(const fe_word_t *word) {
  VALGRIND_DISABLE_ERROR_REPORTING;
  uintptr_t value = *(const volatile fe_word_t *)word;
  VALGRIND_ENABLE_ERROR_REPORTING;
  VALGRIND_MAKE_MEM_DEFINED(&value, sizeof(value));
  return value;
}

static inline void fe_track_set_word(fe_word_t *word, uintptr_t value) {
  VALGRIND_DISABLE_ERROR_REPORTING;
  *(volatile fe_word_t *)word = value;
  VALGRIND_ENABLE_ERROR_REPORTING;
}

/* Memcheck has reported whoever wrote into the free block; the blocks behind it are lost. */
static inline fe_block_t *fe_track_get_link(fe_block_t *const *link) {
  uintptr_t next = fe_track_get_word((const fe_word_t *)link);
  return fe_track_is_link(link, next) ? (fe_block_t *)next : NULL;
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
static inline void fe_track_alloc(void *ptr, size_t size) {
  VALGRIND_MALLOCLIKE_BLOCK(ptr, size, 0, false);
}

/* It comes back; it lies in `block_size` bytes from `start` on. */
static inline void fe_track_free(void *ptr, void *start, size_t block_size) {
  (void)start;
  (void)block_size;
  VALGRIND_FREELIKE_BLOCK(ptr, 0);
}

/* Its heap ends, and it with it. */
#define FE_TRACK_COUNTS_BLOCKS 1
static inline void fe_track_end(void *ptr) { VALGRIND_FREELIKE_BLOCK(ptr, 0); }

/* It keeps its place and its contents. */
static inline void fe_track_shrink(void *ptr, size_t old_size, size_t size) {
  VALGRIND_RESIZEINPLACE_BLOCK(ptr, old_size, size, 0);
}

/* What was handed in is no live block, for the given reason. The caller goes on without it. */
static inline void fe_track_misdeed(const void *ptr, const char *call, const char *reason) {
  VALGRIND_PRINTF("ferroc: %s: %p %s\n", call, ptr, reason);
  VALGRIND_FREELIKE_BLOCK(ptr, 0); /* memcheck knows of no such block, and says so */
}

#endif /* FERROC_CORE_TRACK_VALGRIND_MARKS_H */
