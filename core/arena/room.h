/* Where in an arena to look for units: so that a search does not go through all slabs of a process
 * that has many.
 *
 * For each length of run, and for what else is looked for, `room` of an arena tells a slab before
 * which there is none: searches begin there. It is a hint, but for one thing: what is free is not
 * hidden for good.
 *
 * - Who looked through slabs and found nothing in them raises the word behind them, by
 *   compare-and-swap from where he began, and then looks at them once more. If there is something
 *   by now, he takes the word back.
 * - Who makes units free sets their bits, and then takes back each word that hides them.
 *
 * Setting bits (or the word that says that a slab is absent), raising, and the looks that follow
 * each are sequentially consistent: of the two at least one sees the other. Units that purges have
 * for a moment come back like others. Who finds nothing at all goes through everything before he
 * says so, so that no refusal hangs on a hint.
 *
 * Modelled in tests/model (arena_room.pml). */
#ifndef FERROC_CORE_ARENA_ROOM_H
#define FERROC_CORE_ARENA_ROOM_H

#include "core/arena/arena.h"

/* The first slab that may have it; any thread. */
static inline unsigned fe_room_first(fe_arena_t *arena, unsigned what) {
  return atomic_load_explicit(&arena->room[what], memory_order_relaxed);
}

/* Whether a slab has something that is looked for; `wish` is the searcher's own. */
typedef bool fe_room_look_t(fe_arena_t *arena, unsigned slab, const void *wish);

/* The slabs from `from`, which fe_room_first told, to `to` had nothing. */
void fe_room_raise(fe_arena_t *arena, unsigned what, unsigned from, unsigned to,
                   fe_room_look_t *look, const void *wish);

/* There is something in a slab. */
void fe_room_lower(fe_arena_t *arena, unsigned what, unsigned slab);

/* The caller has just set bits of free units: of a run, from the first slab to the last one. */
void fe_room_after_give(fe_arena_t *arena, unsigned first, unsigned last);

#endif /* FERROC_CORE_ARENA_ROOM_H */
