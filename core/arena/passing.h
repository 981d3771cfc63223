/* Nobody is told that there is no memory while there is some: units in passing.
 *
 * Some units are neither free nor anybody's for a moment: those that a purge gives back to the
 * system, slabs that somebody gathers and gives back since one of them was not to be had, units
 * for which the base refuses memory, chunks that are being mapped. Whoever looks for units in that
 * moment does not find them, and must not conclude that there are none. So:
 *
 * - Before units pass out of sight, fe_passing_begin counts in `begun`; when they are back in sight
 *   (free again, or for good in the hands of whoever keeps them), fe_passing_end counts in `ended`.
 * - Whoever looks for units reads `ended` first (fe_look_at). When he found none, he reads `begun`
 *   (fe_look_again). Both the same: all that had begun by the end of the look had ended before its
 *   beginning, so nothing was in passing at any time of it. Else he waits, and looks again.
 * - A look takes its time: units that were given back in a slab that it had passed, while others
 *   were taken in slabs that it had not reached, escape it though there always were some. So who
 *   gives units back counts them after their bits are set (`given_units` of a slab, which only
 *   grows), and who found none looks again when the sum changed. He reads it before he goes through
 *   all units for the last time (fe_look_note_given): a look that succeeds at once does not. One
 *   that found none without it is repeated.
 *
 * When a look ends without a unit and neither count has moved, every unit was in somebody's hands
 * at that moment: he had taken it and not returned yet from giving it back.
 *
 * Whoever takes or gives units and succeeds pays nothing for it, except on bases that commit.
 *
 * Orders: taking bits is a release, looking at them an acquire. So whoever sees that a unit was
 * taken sees in `begun` that a passing had begun before, and in the count of given units what was
 * given before. Setting bits comes before the release that counts it, so whoever reads that count
 * first sees the bits.
 *
 * Nobody waits for ever: a thread in passing may have been left behind by a fork. After a second
 * its passing counts as lost. Modelled in tests/model (arena_refusal.pml), under these names. */
#ifndef FERROC_CORE_ARENA_PASSING_H
#define FERROC_CORE_ARENA_PASSING_H

#include "core/arena/arena.h"

/* Someone's look for units. */
typedef struct fe_look {
  fe_arenas_t *arenas;
  size_t ended;         /* passings that had ended when the look began */
  bool has_given;       /* whether the next one was read */
  size_t given;         /* units that had been given back before all were looked at */
  size_t own;           /* passings that the look itself began; they have ended when it does */
  unsigned wait_count;  /* for passings */
  unsigned again_count; /* looks that were repeated since units were given back */
} fe_look_t;

/* Any thread; not while it allocates itself. */
static inline void fe_passing_begin(fe_arenas_t *arenas) {
  /* Ordered by the release with which bits are taken, or by the base. */
  atomic_fetch_add_explicit(&arenas->passing.begun, 1, memory_order_relaxed);
}

static inline void fe_passing_end(fe_arenas_t *arenas) {
  atomic_fetch_add_explicit(&arenas->passing.ended, 1, memory_order_release);
}

/* The same by someone who is looking. */
static inline void fe_look_begin_passing(fe_look_t *look) {
  look->own++;
  fe_passing_begin(look->arenas);
}

static inline void fe_look_end_passing(fe_look_t *look) { fe_passing_end(look->arenas); }

/* In the child of a fork: those who had units in passing are not there. */
static inline void fe_passing_after_fork(fe_arenas_t *arenas) {
  size_t ended = atomic_load_explicit(&arenas->passing.ended, memory_order_relaxed);
  size_t begun = atomic_load_explicit(&arenas->passing.begun, memory_order_relaxed);
  atomic_store_explicit(&arenas->passing.lost, begun - ended, memory_order_relaxed);
}

/* Begins a look. */
static inline fe_look_t fe_look_at(fe_arenas_t *arenas) {
  return (fe_look_t){.arenas = arenas,
                     .ended = atomic_load_explicit(&arenas->passing.ended, memory_order_acquire)};
}

/* The first look has found nothing so far; before all units are looked at. */
static inline void fe_look_note_given(fe_look_t *look) {
  if (look->has_given) return;
  look->given = fe_arenas_units_given(look->arenas);
  look->has_given = true;
}

/* After a look that found no units: whether to look again, for there may be some. Waits for those
 * who have units in passing; begins the next look. */
bool fe_look_again(fe_look_t *look);

#endif /* FERROC_CORE_ARENA_PASSING_H */
