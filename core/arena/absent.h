/* Slabs that are not there: whose addresses were only reserved so far, or were given back to the
 * base, and may come back.
 *
 * The first units of an arena hold what is noted about it and stay for ever; other slabs can be
 * absent. `presence` of a slab:
 *
 *   RESERVED  no unit is free; its addresses are the arena's, and not accessible. As all are at
 *             first of a base that reserves, but for those with the header
 *   PRESENT   who takes all units of it, by their free bits, may unmap it
 *   HELD      no unit is free, and somebody is unmapping or mapping it, or making it accessible
 *   ABSENT    no unit is free; at its addresses there is nothing, or something of others by now
 *
 * PRESENT to HELD: whoever took all units of the slab, as any taker does. HELD to ABSENT: the same,
 * when the base has unmapped it; else he gives the units back, and it is PRESENT. RESERVED or
 * ABSENT to HELD: by compare-and-swap, whoever needs units. HELD to PRESENT, and the units free:
 * the same, when the base has made it accessible, or mapped it again; else it is what it was.
 * RESERVED to HELD to ABSENT: whoever unmaps what nobody uses. So a slab's memory belongs to one
 * thread in each state but PRESENT, in which its units belong to those who took them. Nobody waits:
 * HELD is a passing (passing.h).
 *
 * That nothing in an absent slab is looked at: a census looks at units with a shard's header, which
 * are not free. Who asks whether an address is ferroc's is told that it is not before it goes, and
 * that it is after it came. But the answer is worth nothing a moment later, except about blocks in
 * use: what lies in free units may go at any time.
 *
 * Modelled in tests/model (arena_absent.pml), under these names. */
#ifndef FERROC_CORE_ARENA_ABSENT_H
#define FERROC_CORE_ARENA_ABSENT_H

#include "core/arena/arena.h"

/* Makes slabs present so that `slab_count` (1 or more) in a row may be free. False: there are none,
 * or there is no memory for them, or their addresses are not to be had. Any thread; a passing. */
bool fe_absent_restore(fe_arenas_t *arenas, size_t slab_count);

/* At each tick, after the purge: unmaps slabs that were unused for unmap_delay_ms. */
void fe_absent_tick(fe_arenas_t *arenas, uint32_t now_ms);

/* Unmaps all slabs that are unused now; whether there were any. Any thread. */
bool fe_absent_unmap_all(fe_arenas_t *arenas);

/* Whether such a slab may be waiting for its time. */
static inline bool fe_absent_is_waiting(fe_arenas_t *arenas) {
  return atomic_load_explicit(&arenas->unused_slab_count, memory_order_relaxed) > 0;
}

#endif /* FERROC_CORE_ARENA_ABSENT_H */
