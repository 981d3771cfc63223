/* The protocol of remote.h, one function for each step. */
#include "core/slab/remote.h"

_Atomic(size_t) fe_remote_leavers;

void fe_inbox_put(fe_inbox_t *inbox, fe_shard_t *shard) {
  fe_shard_t *head = atomic_load_explicit(&inbox->woken, memory_order_relaxed);
  do {
    shard->woken_next = head;
    /* Release: the owner sees woken_next. */
  } while (!atomic_compare_exchange_weak_explicit(&inbox->woken, &head, shard, memory_order_release,
                                                  memory_order_relaxed));
}

/* The word with one more block in front. A block that finds the shard asleep wakes it. */
static uintptr_t with_block(uintptr_t seen, uintptr_t place) {
  uintptr_t count = (seen >> FE_REMOTE_COUNT_SHIFT) + 1;
  uintptr_t state = seen & FE_REMOTE_STATE_MASK;
  if (state == FE_REMOTE_ASLEEP) state = FE_REMOTE_WAKING;
  return count << FE_REMOTE_COUNT_SHIFT | place << FE_REMOTE_STATE_BITS | state;
}

/* A large block, which is the only one of its shard, needs no place. */
static uintptr_t place_of(const fe_shard_t *shard, const fe_block_t *block) {
  if (shard->kind == FE_SHARD_LARGE) return 0;
  return (uintptr_t)((const char *)block - (const char *)shard) / 8;
}

/* How many blocks the list must have for the shard to have none in anybody's hands. Of a current
 * one nobody wants to know that, since its holder may be about to take a block. */
static uint32_t count_of_last(const fe_shard_t *shard) {
  if (shard->kind != FE_SHARD_BLOCKS || fe_shard_is_current(shard)) return UINT32_MAX;
  return fe_shard_used(shard);
}

static FE_COLD void enter_leavers(void) {
  /* Relaxed: whoever takes the block in sees it by the release that pushes the block. */
  atomic_fetch_add_explicit(&fe_remote_leavers, 1, memory_order_relaxed);
}

bool fe_remote_free(fe_shard_t *shard, fe_block_t *block) {
  /* Read before the block is pushed: while it is not, the shard cannot go away. */
  fe_inbox_t *inbox = shard->inbox;
  uint32_t last = count_of_last(shard);
  uintptr_t place = place_of(shard, block);
  uintptr_t seen = atomic_load_explicit(&shard->remote, memory_order_relaxed);
  uintptr_t wanted;
  bool is_leaver = false;
  do {
    wanted = with_block(seen, place);
    if (FE_UNLIKELY(fe_remote_count(wanted) >= last) && !is_leaver) {
      enter_leavers();
      is_leaver = true;
    }
    fe_block_set_next(block, fe_remote_first(shard, seen));
    /* Release: the owner sees the link, and everything that was done with the block before.
     * Acquire: whoever finds the shard asleep may write its woken_next, which the owner has read
     * before it went to sleep. */
  } while (!atomic_compare_exchange_weak_explicit(&shard->remote, &seen, wanted,
                                                  memory_order_acq_rel, memory_order_relaxed));
  if (fe_remote_state(seen) == FE_REMOTE_ASLEEP) fe_inbox_put(inbox, shard);
  if (FE_LIKELY(!is_leaver)) return false;
  bool is_last = fe_remote_count(wanted) >= last;
  if (!is_last) fe_remote_leave();
  return is_last;
}

bool fe_remote_is_all(fe_shard_t *shard) {
  /* Acquire, and in this order: the count only grows, `used` only falls, and is never below the
   * count; where they meet, what was done with the blocks, by others and by the holder, is over. */
  uintptr_t seen = atomic_load_explicit(&shard->remote, memory_order_acquire);
  uint32_t used = atomic_load_explicit(&shard->used, memory_order_acquire);
  return fe_remote_count(seen) > 0 && fe_remote_count(seen) == used;
}

fe_block_t *fe_remote_take(fe_shard_t *shard) {
  uintptr_t seen = atomic_load_explicit(&shard->remote, memory_order_relaxed);
  while (fe_remote_count(seen) > 0) {
    /* Acquire: pairs with the release of those who freed. */
    if (atomic_compare_exchange_weak_explicit(&shard->remote, &seen, fe_remote_state(seen),
                                              memory_order_acquire, memory_order_relaxed)) {
      return fe_remote_first(shard, seen);
    }
  }
  return NULL;
}

bool fe_remote_sleep(fe_shard_t *shard) {
  uintptr_t seen = atomic_load_explicit(&shard->remote, memory_order_relaxed);
  do {
    if (fe_remote_count(seen) > 0) return false;
    if (fe_remote_state(seen) == FE_REMOTE_WAKING) return true;
    /* Release: the owner is done with woken_next. */
  } while (!atomic_compare_exchange_weak_explicit(&shard->remote, &seen, FE_REMOTE_ASLEEP,
                                                  memory_order_release, memory_order_relaxed));
  return true;
}

void fe_remote_list(fe_shard_t *shard) {
  uintptr_t seen = atomic_load_explicit(&shard->remote, memory_order_relaxed);
  while (fe_remote_state(seen) == FE_REMOTE_ASLEEP) {
    if (atomic_compare_exchange_weak_explicit(&shard->remote, &seen,
                                              (seen & ~FE_REMOTE_STATE_MASK) | FE_REMOTE_LISTED,
                                              memory_order_relaxed, memory_order_relaxed)) {
      return;
    }
  }
}

fe_block_t *fe_remote_wake(fe_shard_t *shard, fe_remote_state_t state) {
  /* Acquire: pairs with the release of those who freed. Release: as in fe_remote_sleep. */
  uintptr_t seen = atomic_exchange_explicit(&shard->remote, state, memory_order_acq_rel);
  return fe_remote_first(shard, seen);
}

fe_shard_t *fe_inbox_take(fe_inbox_t *inbox) {
  if (!fe_inbox_has_some(inbox)) return NULL;
  /* Acquire: pairs with fe_inbox_put's release. */
  return atomic_exchange_explicit(&inbox->woken, NULL, memory_order_acquire);
}
