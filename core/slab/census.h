/* A census: somebody who looks at the shards of all heaps, while their holders go on.
 *
 * Each slab has a word, `heads`, with a bit for each unit that has the header of a shard in it
 * which may be looked at. A shard enters when its header is complete, and leaves before its units
 * are given back. What a census reads of a header, and of the heap that it belongs to, is constant
 * or atomic, so all it needs is that the memory stays what it is. Whoever gives a shard back sees
 * to that:
 *
 * - fe_census_leave clears the bit, then looks at `is_census` of the arenas. Not set: the shard may
 *   be given back, for a census that begins now will not find the bit. Set: the shard is parked on
 *   a list of the arenas.
 * - fe_census_begin sets is_census; bits are read after that.
 * - fe_census_end clears is_census, then gives back what is parked.
 *
 * Clearing the bit, looking at is_census, setting it, and reading bits are sequentially consistent:
 * each side writes its own word before it reads the other's, so at least one of them sees the
 * other. Clearing is_census is a release: whoever then sees no census comes after all that it
 * looked at. Who parks and who takes the list meet at its head, by acquire and release: whoever
 * comes second sees what the other did before.
 *
 * Parked shards are given back by whoever took the whole list and saw no census after that: the
 * shards in it had left before, so that a later census cannot find them. Until then their units are
 * in passing, as arena/passing.h has it: a census is a passing from its beginning to its end, and
 * so is what else gives parked shards back. Whoever finds no units otherwise waits for it. Nobody
 * else waits for a census, and a census waits for none but another census.
 *
 * The chunks that blocks of more than 128 MiB have for themselves are in no slab, and take no part.
 *
 * Modelled in tests/model (census.pml), under the names of these functions. */
#ifndef FERROC_CORE_SLAB_CENSUS_H
#define FERROC_CORE_SLAB_CENSUS_H

#include "core/slab/shard.h"

/* The shard's header is complete, and so is the heap that it names. Owner. */
void fe_census_enter(fe_shard_t *shard);

/* Before the shard's run is given back: whether the caller may do so. If not, it is done for him;
 * the shard is not his any more either way. Whoever owns the shard or the only block in it. */
bool fe_census_leave(fe_shard_t *shard);

/* Begins a census of the arenas, and ends it. In between, the units whose bits fe_census_heads
 * reads keep their headers. One census at a time; a fork waits for its end. */
void fe_census_begin(fe_arenas_t *arenas);
void fe_census_end(fe_arenas_t *arenas);

static inline fe_units_t fe_census_heads(const fe_slab_t *slab) {
  return atomic_load_explicit(&((fe_slab_t *)slab)->heads, memory_order_seq_cst);
}

#endif /* FERROC_CORE_SLAB_CENSUS_H */
