/* The protocol of remote.h, one function for each step. */
#include "core/slab/remote.h"

static void inbox_push(fe_inbox_t *inbox, fe_shard_t *shard) {
  fe_shard_t *head = atomic_load_explicit(&inbox->woken, memory_order_relaxed);
  do {
    shard->woken_next = head;
    /* Release: the owner sees woken_next. */
  } while (!atomic_compare_exchange_weak_explicit(&inbox->woken, &head, shard, memory_order_release,
                                                  memory_order_relaxed));
}

void fe_remote_free(fe_shard_t *shard, fe_block_t *block) {
  /* Read before the block is pushed: while it is not, the shard cannot go away. */
  fe_inbox_t *inbox = shard->inbox;
  uintptr_t seen = atomic_load_explicit(&shard->remote, memory_order_relaxed);
  fe_remote_state_t state;
  uintptr_t wanted;
  do {
    state = fe_remote_state(seen);
    fe_block_set_next(block, fe_remote_blocks(seen));
    wanted = (uintptr_t)block | (state == FE_REMOTE_ASLEEP ? FE_REMOTE_WAKING : state);
    /* Release: the owner sees the link, and everything that was done with the block before.
     * Acquire: whoever finds the shard asleep may write its woken_next, which the owner has read
     * before it went to sleep. */
  } while (!atomic_compare_exchange_weak_explicit(&shard->remote, &seen, wanted,
                                                  memory_order_acq_rel, memory_order_relaxed));
  if (state == FE_REMOTE_ASLEEP) inbox_push(inbox, shard);
}

fe_block_t *fe_remote_take(fe_shard_t *shard) {
  uintptr_t seen = atomic_load_explicit(&shard->remote, memory_order_relaxed);
  while (fe_remote_blocks(seen) != NULL) {
    /* Acquire: pairs with the release of those who freed. */
    if (atomic_compare_exchange_weak_explicit(&shard->remote, &seen, fe_remote_state(seen),
                                              memory_order_acquire, memory_order_relaxed)) {
      return fe_remote_blocks(seen);
    }
  }
  return NULL;
}

bool fe_remote_sleep(fe_shard_t *shard) {
  uintptr_t seen = atomic_load_explicit(&shard->remote, memory_order_relaxed);
  do {
    if (fe_remote_blocks(seen) != NULL) return false;
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
  return fe_remote_blocks(seen);
}

fe_shard_t *fe_inbox_take(fe_inbox_t *inbox) {
  if (atomic_load_explicit(&inbox->woken, memory_order_relaxed) == NULL) return NULL;
  /* Acquire: pairs with inbox_push's release. */
  return atomic_exchange_explicit(&inbox->woken, NULL, memory_order_acquire);
}
