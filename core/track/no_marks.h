/* Ordinary builds: nobody is told anything. Says what each function is for. */
#ifndef FERROC_CORE_TRACK_NO_MARKS_H
#define FERROC_CORE_TRACK_NO_MARKS_H

#include "core/base/config.h"

#define FE_IS_TRACKED 0
#define FE_IS_HARDENED 0
#define FE_TRACK_TRAILER 0 /* bytes at the end of each block */

/* Whoever took the memory may use all of it; its contents are known. */
static inline void fe_track_open(void *start, size_t size) {
  (void)start;
  (void)size;
}

/* Nobody may use it, but through the functions below. */
static inline void fe_track_close(void *start, size_t size) {
  (void)start;
  (void)size;
}

/* The bytes of a block are known to be zeros. */
static inline void fe_track_define(void *ptr, size_t size) {
  (void)ptr;
  (void)size;
}

/* The link in a free block. */
static inline fe_block_t *fe_track_get_link(fe_block_t *const *link) { return *link; }
static inline void fe_track_set_link(fe_block_t **link, fe_block_t *next) { *link = next; }

/* A word of memory that may be closed. */
static inline uintptr_t fe_track_get_word(const fe_word_t *word) { return *word; }

#endif /* FERROC_CORE_TRACK_NO_MARKS_H */
