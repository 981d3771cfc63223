/* Frees by other threads: the protocol between those who free and the owner of the shard.
 *
 * One word for each shard, `remote`: the head of a list of blocks, and a state in its low bits.
 * The states are those of the Rust crate's delayed free, by what they mean to the owner:
 *
 *   LISTED   (vacant)     the shard is in a queue of its heap; the owner will come by, so whoever
 *                         frees only pushes the block
 *   ASLEEP   (occupied)   the shard is full, or large, or a nursery: the owner does not look at
 *                         it. The next one to free pushes its block and makes it WAKING, in one
 *                         compare-and-swap, and then pushes the shard on the heap's inbox
 *   WAKING   (saturated)  somebody is about to put the shard into the inbox, or has done so;
 *                         others only push their blocks
 *   NEVER    (never)      a large block of a heap that lives for good: whoever frees it gives the
 *                         run straight back; nothing is ever pushed
 *
 * The message is the shard itself and not a block, so the owner never has to wait for somebody to
 * finish: while a shard is WAKING, the owner may use it as it likes but not give its units away.
 * That holds in a forked child too, where the one who was about to send the message is gone: the
 * shard stays with the heap, nothing spins.
 *
 * The steps are modelled in tests/model (remote_free.pml), under the names of these functions. */
#ifndef FERROC_CORE_SLAB_REMOTE_H
#define FERROC_CORE_SLAB_REMOTE_H

#include "core/slab/shard.h"

typedef enum fe_remote_state {
  FE_REMOTE_LISTED = 0,
  FE_REMOTE_ASLEEP = 1,
  FE_REMOTE_WAKING = 2,
  FE_REMOTE_NEVER = 3,
} fe_remote_state_t;

#define FE_REMOTE_STATE_MASK ((uintptr_t)3)

static inline fe_remote_state_t fe_remote_state(uintptr_t remote) {
  return (fe_remote_state_t)(remote & FE_REMOTE_STATE_MASK);
}

static inline fe_block_t *fe_remote_blocks(uintptr_t remote) {
  return (fe_block_t *)(remote & ~FE_REMOTE_STATE_MASK);
}

/* The state now; the owner alone may rely on it, and only on what others cannot change: LISTED
 * stays, WAKING stays. */
static inline fe_remote_state_t fe_shard_remote_state(fe_shard_t *shard) {
  return fe_remote_state(atomic_load_explicit(&shard->remote, memory_order_relaxed));
}

/* Any thread but the owner: frees a block. The state is not NEVER. One successful
 * compare-and-swap, two when it wakes the owner. */
void fe_remote_free(fe_shard_t *shard, fe_block_t *block);

/* Owner: takes the blocks that others freed, and leaves the state as it is. */
fe_block_t *fe_remote_take(fe_shard_t *shard);

/* Owner: the shard has no free block and leaves its queue. False when somebody freed a block in
 * the meantime; the shard is then not asleep. A shard that is WAKING stays so. */
bool fe_remote_sleep(fe_shard_t *shard);

/* Owner: the shard goes back into its queue because the owner freed a block in it. A shard that is
 * WAKING stays so. */
void fe_remote_list(fe_shard_t *shard);

/* Owner: the shard came out of the inbox. Sets the state (LISTED, or ASLEEP for what is never in a
 * queue), and takes the blocks. */
fe_block_t *fe_remote_wake(fe_shard_t *shard, fe_remote_state_t state);

/* Owner: all shards in the inbox, linked by woken_next. Cheap when there is none. */
fe_shard_t *fe_inbox_take(fe_inbox_t *inbox);

#endif /* FERROC_CORE_SLAB_REMOTE_H */
