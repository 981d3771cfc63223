/* Frees by other threads: the protocol between those who free and the owner of the shard.
 *
 * One word for each shard, `remote`: a list of blocks, how many they are, and a state. The states
 * are those of the Rust crate's delayed free, by what they mean to the owner:
 *
 *   LISTED   (vacant)     the shard is in a queue of its heap; the owner will come by, so whoever
 *                         frees only pushes the block
 *   ASLEEP   (occupied)   the shard is full, or large, or a nursery: the owner does not look at
 *                         it. Or he wants to be told (heap/account.h). The next one to free pushes
 *                         its block and makes it WAKING, in one compare-and-swap, and then pushes
 *                         the shard on the heap's inbox
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
 * The count tells whoever frees that no block of the shard is in anybody's hands any more: when it
 * is as high as the shard's `used`. In a full shard, whose `used` nobody changes, that is exact. In
 * one that waits in a queue it may be missed when the owner frees at the same time. Whoever finds
 * that out has nothing left that keeps the shard, or its heap, alive; so it raises
 * the heap's fe_remote_leavers before it pushes the block, and lowers it when it is done with the
 * heap. A heap of a thread that ended does not end as long as anybody is counted there: who takes
 * the block in, or finds the heap without blocks, sees the count that was raised before.
 *
 * "Owner" is whoever is inside of the heap's gate (heap/gate.h). A shard that waits may be given
 * back by somebody who is inside while its holder is not: when all blocks that are handed out are
 * in this list, the holder has none to free, and its last free counted `used` down by a release, as
 * the last thing that it did with the shard (fe_remote_is_all).
 *
 * The steps are modelled in tests/model (remote_free.pml), under the names of these functions. */
#ifndef FERROC_CORE_SLAB_REMOTE_H
#define FERROC_CORE_SLAB_REMOTE_H

#include "core/slab/shard.h"

typedef enum fe_remote_state {
  FE_REMOTE_LISTED = 0,
  FE_REMOTE_ASLEEP = 1,
  FE_REMOTE_NEVER = 2,
  FE_REMOTE_WAKING = 3, /* ASLEEP, and told: one bit more */
} fe_remote_state_t;

/* From the lowest bit on: the state; the place of the list's first block in its unit, in steps of 8
 * bytes, 0 for none; the number of blocks. Both fit into half of what a word of 32 bits has left: a
 * unit has at most 2^15 places. */
#define FE_REMOTE_STATE_BITS 2
#define FE_REMOTE_PLACE_BITS (FE_SHARD_SHIFT - 3)
#define FE_REMOTE_STATE_MASK (((uintptr_t)1 << FE_REMOTE_STATE_BITS) - 1)
#define FE_REMOTE_PLACE_MASK (((uintptr_t)1 << FE_REMOTE_PLACE_BITS) - 1)
#define FE_REMOTE_COUNT_SHIFT (FE_REMOTE_STATE_BITS + FE_REMOTE_PLACE_BITS)
#define FE_REMOTE_COUNT_ONE ((uintptr_t)1 << FE_REMOTE_COUNT_SHIFT)

static_assert(FE_REMOTE_COUNT_SHIFT + FE_REMOTE_PLACE_BITS <= sizeof(uintptr_t) * 8,
              "the count has room");

static inline fe_remote_state_t fe_remote_state(uintptr_t remote) {
  return (fe_remote_state_t)(remote & FE_REMOTE_STATE_MASK);
}

static inline uint32_t fe_remote_count(uintptr_t remote) {
  return (uint32_t)(remote >> FE_REMOTE_COUNT_SHIFT);
}

static inline fe_block_t *fe_remote_first(const fe_shard_t *shard, uintptr_t remote) {
  uintptr_t place = remote >> FE_REMOTE_STATE_BITS & FE_REMOTE_PLACE_MASK;
  return place == 0 ? NULL : (fe_block_t *)((char *)shard + place * 8);
}

/* Those who may have found that a shard has no block in anybody's hands, and are not done. It is
 * not in the heap, which may end; several heaps share one, and few threads write to the same. */
#define FE_REMOTE_LEAVERS_COUNT 16
typedef struct fe_remote_leavers {
  alignas(FE_CACHE_LINE) _Atomic(size_t) count;
} fe_remote_leavers_t;
extern fe_remote_leavers_t fe_remote_leavers[FE_REMOTE_LEAVERS_COUNT];

/* Those of a heap, which may have ended by now. */
static inline _Atomic(size_t) *fe_remote_leavers_of(const struct fe_heap *heap) {
  return &fe_remote_leavers[((uintptr_t)heap >> FE_SHARD_SHIFT) % FE_REMOTE_LEAVERS_COUNT].count;
}

/* The state now; the owner alone may rely on it, and only on what others cannot change: LISTED
 * stays, WAKING stays. */
static inline fe_remote_state_t fe_shard_remote_state(fe_shard_t *shard) {
  return fe_remote_state(atomic_load_explicit(&shard->remote, memory_order_relaxed));
}

/* Puts a shard that is WAKING into the inbox: whoever made it so, or the owner who took it out. */
void fe_inbox_put(fe_inbox_t *inbox, fe_shard_t *shard);

/* The word with one more block in front. A block that finds the shard asleep wakes it. The place of
 * a large block, which is the only one of its shard, means nothing. */
static inline uintptr_t fe_remote_with_block(uintptr_t seen, const fe_block_t *block) {
  uintptr_t place = ((uintptr_t)block & (FE_UNIT_SIZE - 1)) / 8 << FE_REMOTE_STATE_BITS;
  uintptr_t rest = seen & ~(FE_REMOTE_PLACE_MASK << FE_REMOTE_STATE_BITS);
  return (rest + FE_REMOTE_COUNT_ONE) | place | (seen & FE_REMOTE_ASLEEP) << 1;
}

/* Puts the block into the list, if the word is as it was seen; else sees it anew. */
static inline bool fe_remote_push(fe_shard_t *shard, fe_block_t *block, uintptr_t *seen,
                                  uintptr_t wanted) {
  fe_block_set_next(block, fe_remote_first(shard, *seen));
  /* Release: the owner sees the link, and everything that was done with the block before.
   * Acquire: whoever finds the shard asleep may write its woken_next, which the owner has read
   * before it went to sleep. */
  return atomic_compare_exchange_weak_explicit(&shard->remote, seen, wanted, memory_order_acq_rel,
                                               memory_order_relaxed);
}

/* How many blocks the list must have for the shard to have none in anybody's hands. Of a current
 * one nobody wants to know that, since its holder may be about to take a block. */
static inline uint32_t fe_remote_count_of_last(const fe_shard_t *shard) {
  return fe_shard_is_current(shard) ? UINT32_MAX : fe_shard_used(shard);
}

/* Any thread but the owner: frees a block by one successful compare-and-swap. The state is not
 * NEVER. False: nothing was done, for the shard is asleep, or perhaps none of its blocks would be
 * in anybody's hands any more; see fe_remote_free_and_tell. */
static inline bool fe_remote_free(fe_shard_t *shard, fe_block_t *block) {
  /* Read before the block is pushed: while it is not, the shard cannot go away. */
  uint32_t last = fe_remote_count_of_last(shard);
  uintptr_t seen = atomic_load_explicit(&shard->remote, memory_order_relaxed);
  uintptr_t wanted;
  do {
    wanted = fe_remote_with_block(seen, block);
    bool is_asleep = fe_remote_state(seen) == FE_REMOTE_ASLEEP;
    if (FE_UNLIKELY(is_asleep || fe_remote_count(wanted) >= last)) return false;
  } while (!fe_remote_push(shard, block, &seen, wanted));
  return true;
}

/* What a free has to tell the heap: nothing; that the shard, which is not one of blocks, is in the
 * inbox now; that no block of it is in anybody's hands any more. */
typedef enum fe_remote_news { FE_NEWS_NONE, FE_NEWS_WOKEN, FE_NEWS_EMPTIED } fe_remote_news_t;

/* The same with whatever may have to be done besides. The heap stays until the caller calls
 * fe_remote_leave. */
fe_remote_news_t fe_remote_free_and_tell(fe_shard_t *shard, fe_block_t *block);

static inline void fe_remote_leave(const struct fe_heap *heap) {
  /* Release: whoever sees nobody counted sees what was done with the heap. */
  atomic_fetch_sub_explicit(fe_remote_leavers_of(heap), 1, memory_order_release);
}

/* Owner: whether all blocks of a shard of blocks that are handed out are in this list; false also
 * if none is handed out. */
bool fe_remote_is_all(fe_shard_t *shard);

/* Owner: takes the blocks that others freed, and leaves the state as it is. */
fe_block_t *fe_remote_take(fe_shard_t *shard);

/* Owner: the shard has no free block and leaves its queue. False when somebody freed a block in
 * the meantime; the shard is then not asleep. A shard that is WAKING stays so. */
bool fe_remote_sleep(fe_shard_t *shard);

/* Owner: the shard goes back into its queue because the owner freed a block in it. A shard that is
 * WAKING stays so. */
void fe_remote_list(fe_shard_t *shard);

/* Owner: the shard stays where it is, with what others freed in it, but whoever frees next says so.
 * A shard that is WAKING stays so. */
void fe_remote_unlist(fe_shard_t *shard);

/* The same with a shard that came out of the inbox. */
void fe_remote_doze(fe_shard_t *shard);

/* Owner: the shard came out of the inbox. Sets the state (LISTED, or ASLEEP for what is never in a
 * queue), and takes the blocks. */
fe_block_t *fe_remote_wake(fe_shard_t *shard, fe_remote_state_t state);

/* Whether a shard is in the inbox; one that is being put there may be missed. */
static inline bool fe_inbox_has_some(const fe_inbox_t *inbox) {
  return atomic_load_explicit(&((fe_inbox_t *)inbox)->woken, memory_order_relaxed) != NULL;
}

/* Owner: all shards in the inbox, linked by woken_next. Cheap when there is none. */
fe_shard_t *fe_inbox_take(fe_inbox_t *inbox);

#endif /* FERROC_CORE_SLAB_REMOTE_H */
