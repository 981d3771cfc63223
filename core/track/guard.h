/* Guard pages of hardened builds: pages that nobody can touch, so that a run over an end or a
 * beginning stops there. Bases that cannot protect memory go without. */
#ifndef FERROC_CORE_TRACK_GUARD_H
#define FERROC_CORE_TRACK_GUARD_H

#include "core/track/track.h"

/* A page on both sides of a shard's blocks; the header lies in a page before. Where units are
 * small, there is no room for that. */
#if FE_IS_HARDENED && FE_SHARD_SHIFT >= 16
#define FE_GUARD_SIZE ((size_t)4096)
#else
#define FE_GUARD_SIZE ((size_t)0)
#endif

#if FE_IS_HARDENED

/* What is protected for somebody; size 0: nothing is. */
typedef struct fe_guard {
  const fe_base_t *base;
  char *start;
  size_t size;
} fe_guard_t;

/* Protects whole pages, if the base can. */
void fe_guard_set(fe_guard_t *guard, const fe_base_t *base, char *start, size_t size);

/* The memory can be used again. */
void fe_guard_lift(fe_guard_t *guard);

#else

typedef struct fe_guard {
} fe_guard_t;

static inline void fe_guard_set(fe_guard_t *guard, const fe_base_t *base, char *start,
                                size_t size) {
  (void)guard;
  (void)base;
  (void)start;
  (void)size;
}

static inline void fe_guard_lift(fe_guard_t *guard) { (void)guard; }

#endif

#endif /* FERROC_CORE_TRACK_GUARD_H */
