/* The protocol of remote.h, one function for each step. */
#include "core/slab/remote.h"

fe_remote_leavers_t fe_remote_leavers[FE_REMOTE_LEAVERS_COUNT];

void fe_inbox_put(fe_inbox_t *inbox, fe_shard_t *shard) {
  fe_shard_t *head = atomic_load_explicit(&inbox->woken, memory_order_relaxed);
  do {
    shard->woken_next = head;
    /* Release: the owner sees woken_next. */
  } while (!atomic_compare_exchange_weak_explicit(&inbox->woken, &head, shard, memory_order_release,
                                                  memory_order_relaxed));
}

fe_remote_news_t fe_remote_free_and_tell(fe_shard_t *shard, fe_block_t *block) {
  /* Read before the block is pushed; see fe_remote_free. */
  fe_inbox_t *inbox = shard->inbox;
  bool is_of_blocks = shard->kind == FE_SHARD_BLOCKS;
  bool is_counted = is_of_blocks || shard->kind == FE_SHARD_MIXED;
  uint32_t last = fe_remote_count_of_last(shard);
  uintptr_t seen = atomic_load_explicit(&shard->remote, memory_order_relaxed);
  /* Relaxed: whoever takes the block in sees it by the release that pushes the block. */
  const struct fe_heap *heap =
      (const struct fe_heap *)inbox; /* an inbox is its heap's first member */
  atomic_fetch_add_explicit(fe_remote_leavers_of(heap), 1, memory_order_relaxed);
  while (!fe_remote_push(shard, block, &seen, fe_remote_with_block(seen, block))) {
  }
  bool is_waking = fe_remote_state(seen) == FE_REMOTE_ASLEEP;
  if (is_waking) fe_inbox_put(inbox, shard);
  if (is_counted && fe_remote_count(seen) + 1 >= last) return FE_NEWS_EMPTIED;
  return is_waking && !is_of_blocks ? FE_NEWS_WOKEN : FE_NEWS_NONE;
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
    /* Relaxed: that the owner is done with woken_next, fe_remote_wake has released. */
  } while (!atomic_compare_exchange_weak_explicit(&shard->remote, &seen, FE_REMOTE_ASLEEP,
                                                  memory_order_relaxed, memory_order_relaxed));
  return true;
}

static void change_state(fe_shard_t *shard, fe_remote_state_t from, fe_remote_state_t to) {
  uintptr_t seen = atomic_load_explicit(&shard->remote, memory_order_relaxed);
  while (fe_remote_state(seen) == from) {
    /* Release: as in fe_remote_wake, for fe_remote_doze. */
    if (atomic_compare_exchange_weak_explicit(&shard->remote, &seen,
                                              (seen & ~FE_REMOTE_STATE_MASK) | to,
                                              memory_order_release, memory_order_relaxed)) {
      return;
    }
  }
}

void fe_remote_list(fe_shard_t *shard) { change_state(shard, FE_REMOTE_ASLEEP, FE_REMOTE_LISTED); }

void fe_remote_unlist(fe_shard_t *shard) {
  change_state(shard, FE_REMOTE_LISTED, FE_REMOTE_ASLEEP);
}

void fe_remote_doze(fe_shard_t *shard) { change_state(shard, FE_REMOTE_WAKING, FE_REMOTE_ASLEEP); }

fe_block_t *fe_remote_wake(fe_shard_t *shard, fe_remote_state_t state) {
  /* Acquire: pairs with the release of those who freed. Release: the owner is
   * done with woken_next, before others find the shard asleep, now or later. */
  uintptr_t seen = atomic_exchange_explicit(&shard->remote, state, memory_order_acq_rel);
  return fe_remote_first(shard, seen);
}

fe_shard_t *fe_inbox_take(fe_inbox_t *inbox) {
  if (!fe_inbox_has_some(inbox)) return NULL;
  /* Acquire: pairs with fe_inbox_put's release. */
  return atomic_exchange_explicit(&inbox->woken, NULL, memory_order_acquire);
}
