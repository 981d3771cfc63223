/* Marks for AddressSanitizer: what is no live block is poisoned. Its own report tells the place of
 * a wrong access, but not who allocated the block: it knows that for its own blocks only. */
#ifndef FERROC_CORE_TRACK_ASAN_MARKS_H
#define FERROC_CORE_TRACK_ASAN_MARKS_H

#include <sanitizer/asan_interface.h>

#include "core/base/base.h"

#define FE_IS_TRACKED 1
#define FE_IS_HARDENED 0
#define FE_TRACK_TRAILER 16

#define FE_TRACK_UNSEEN __attribute__((no_sanitize_address, noinline, unused))

static inline void fe_track_open(void *start, size_t size) {
  ASAN_UNPOISON_MEMORY_REGION(start, size);
}

static inline void fe_track_close(void *start, size_t size) {
  ASAN_POISON_MEMORY_REGION(start, size);
}

static inline void fe_track_define(void *ptr, size_t size) {
  (void)ptr;
  (void)size;
}

/* Links and trailers lie in memory that is poisoned. */
static FE_TRACK_UNSEEN uintptr_t fe_track_get_word(const fe_word_t *word) { return *word; }
static FE_TRACK_UNSEEN void fe_track_set_word(fe_word_t *word, uintptr_t value) { *word = value; }
static FE_TRACK_UNSEEN fe_block_t *fe_track_get_link(fe_block_t *const *link) { return *link; }
static FE_TRACK_UNSEEN void fe_track_set_link(fe_block_t **link, fe_block_t *next) { *link = next; }

/* The tool itself has seen to it that nobody wrote into the free block. */
static inline void fe_track_look(const void *start, size_t block_size) {
  (void)start;
  (void)block_size;
}

static inline uintptr_t fe_track_secret(void) { return 0; }
static inline void fe_track_prepare(void) {}

static inline void fe_track_alloc(void *ptr, size_t size) {
  ASAN_UNPOISON_MEMORY_REGION(ptr, size);
}

static inline void fe_track_free(void *ptr, void *start, size_t block_size) {
  (void)ptr;
  ASAN_POISON_MEMORY_REGION(start, block_size);
}

#define FE_TRACK_COUNTS_BLOCKS 0
static inline void fe_track_end(void *ptr) { (void)ptr; }

static inline void fe_track_shrink(void *ptr, size_t old_size, size_t size) {
  ASAN_POISON_MEMORY_REGION(ptr, old_size);
  ASAN_UNPOISON_MEMORY_REGION(ptr, size);
}

/* Ends the program with a report and a stack trace. */
static inline void fe_track_misdeed(const void *ptr, const char *call, const char *reason) {
  fe_note("%s: %p %s", call, ptr, reason);
  __asan_report_error(__builtin_return_address(0), __builtin_frame_address(0),
                      __builtin_frame_address(0), (void *)ptr, 1, 1);
}

#endif /* FERROC_CORE_TRACK_ASAN_MARKS_H */
