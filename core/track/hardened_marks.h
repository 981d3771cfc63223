/* Hardened builds: no tool is told anything. Links are encoded, freed blocks are filled, and what
 * is found to be wrong ends the program. */
#ifndef FERROC_CORE_TRACK_HARDENED_MARKS_H
#define FERROC_CORE_TRACK_HARDENED_MARKS_H

#ifdef FE_FREESTANDING
#error "FE_HARDENED needs random numbers of the system, so it cannot go with FE_FREESTANDING"
#endif

#include <string.h>

#include "core/base/base.h"

#define FE_IS_TRACKED 1
#define FE_IS_HARDENED 1
#define FE_TRACK_TRAILER 16

/* A random number of this process; set before the first block is carved, and never 0 then. */
extern uintptr_t fe_hardened_secret;

void fe_hardened_prepare(void);

/* A free block's link leads nowhere. */
_Noreturn void fe_hardened_bad_link(const void *block);

static inline uintptr_t fe_track_secret(void) { return fe_hardened_secret; }

static inline void fe_track_prepare(void) {
  if (FE_UNLIKELY(fe_hardened_secret == 0)) fe_hardened_prepare();
}

static inline void fe_track_open(void *start, size_t size) {
  (void)start;
  (void)size;
}

static inline void fe_track_close(void *start, size_t size) {
  (void)start;
  (void)size;
}

static inline void fe_track_define(void *ptr, size_t size) {
  (void)ptr;
  (void)size;
}

/* Each place has a key of its own, so that a link that was copied from elsewhere is wrong too. */
static inline uintptr_t fe_hardened_key(const void *place) {
  return ((uintptr_t)place ^ fe_hardened_secret) * (uintptr_t)UINT64_C(0x9e3779b97f4a7c15);
}

/* A right link leads to a block of the same unit, or is the last. */
static inline fe_block_t *fe_track_get_link(fe_block_t *const *link) {
  uintptr_t next = (uintptr_t)*link ^ fe_hardened_key(link);
  if (FE_UNLIKELY(!fe_track_is_link(link, next))) fe_hardened_bad_link(link);
  return (fe_block_t *)next;
}

static inline void fe_track_set_link(fe_block_t **link, fe_block_t *next) {
  *link = (fe_block_t *)((uintptr_t)next ^ fe_hardened_key(link));
}

static inline uintptr_t fe_track_get_word(const fe_word_t *word) { return *word; }
static inline void fe_track_set_word(fe_word_t *word, uintptr_t value) { *word = value; }

/* -- Freed blocks are filled, and looked at when they are handed out again -- */

#define FE_HARDENED_JUNK 0xdf
#define FE_HARDENED_LOOK_BYTES 256 /* of each block that is reused */

_Noreturn void fe_hardened_written_after_free(const void *block);

static inline void fe_track_alloc(void *ptr, size_t size) {
  (void)ptr;
  (void)size;
}

static inline void fe_track_free(void *ptr, void *start, size_t block_size) {
  (void)ptr;
  memset(start, FE_HARDENED_JUNK, block_size - FE_TRACK_TRAILER);
}

#define FE_TRACK_COUNTS_BLOCKS 0
static inline void fe_track_end(void *ptr) { (void)ptr; }

static inline void fe_track_shrink(void *ptr, size_t old_size, size_t size) {
  (void)ptr;
  (void)old_size;
  (void)size;
}

/* A block that was freed before comes from a free list: its link is at its start. */
static inline void fe_track_look(const void *block, size_t block_size) {
  const fe_word_t *word = block;
  size_t bytes = block_size - FE_TRACK_TRAILER;
  if (bytes > FE_HARDENED_LOOK_BYTES) bytes = FE_HARDENED_LOOK_BYTES;
  const uintptr_t junk = UINTPTR_MAX / 0xff * FE_HARDENED_JUNK;
  uintptr_t difference = 0;
  for (size_t i = 1; i < bytes / sizeof *word; i++) difference |= word[i] ^ junk;
  if (FE_UNLIKELY(difference != 0)) fe_hardened_written_after_free(block);
}

static inline void fe_track_misdeed(const void *ptr, const char *call, const char *reason) {
  fe_fail("%s: %p %s", call, ptr, reason);
}

#endif /* FERROC_CORE_TRACK_HARDENED_MARKS_H */
