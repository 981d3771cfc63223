/* How many free units are dirty, at most: for whether there is one to be had, and how much waits to
 * go back to the system. All threads read the sum; so that takers and givers seldom write it, each
 * slab has a number that was noted in it. Givers note more when the slab has a few units more than
 * that. Takers note nothing.
 *
 * - The sum is never less than all that is noted: who notes more adds the difference before, who
 *   notes less takes it away behind.
 * - Where there are dirty units, something is noted. Who sets bits of free units looks then at what
 *   is noted; who notes less looks at the bits again. All four are sequentially consistent, so that
 *   one of the two sees the other.
 * - Ticks note what there is to the unit. So what was taken again is in the sum until the next one.
 *
 * Who notes something where nothing was noted since he had noted less says so, as a giver would:
 * that one may have found enough (litmus tests: dirty). */
#ifndef FERROC_CORE_ARENA_DIRTY_H
#define FERROC_CORE_ARENA_DIRTY_H

#include "core/arena/arena.h"

/* Units of a slab were given back: notes how many there are, if that is far more than what is
 * noted. The second: whatever is noted. */
void fe_dirty_after_give(fe_arena_t *arena, unsigned index);
void fe_dirty_note(fe_arena_t *arena, unsigned index);

#endif /* FERROC_CORE_ARENA_DIRTY_H */
