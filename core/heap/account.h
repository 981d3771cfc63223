/* The account of a heap: what it has charged its budget for, so that a limit holds to the byte and
 * costs the quick ways nothing.
 *
 * Large blocks are charged each for itself, and those whose runs wait (large_bins.h) stay so. What
 * one needs less than the one before stays charged up to a limit, for one that needs more: so
 * blocks that come and go are not seen above the heap. For the blocks of shards and the nursery the
 * heap has a lease: never less than what is live, or can come to be live without a slow call. Three
 * states:
 *
 *   OPEN      the lease covers all blocks that were ever carved, live and free ones (held_bytes).
 *             Nothing needs to be counted.
 *   TRIMMED   somebody from outside took the lease down to what the quick ways can reach: what is
 *             live, and the free blocks of current shards. Only these are open, and what others
 *             free in any shard comes through the inbox; so another look would find the same as
 *             long as nothing came there. The holder's next slow call puts that right first: to
 *             OPEN if the budget allows for it, else to TIGHT.
 *   TIGHT     the lease is what is live. No quick way is open: free blocks are kept where the quick
 *             ways do not look (`kept` of each shard) and handed out one by one, each charged;
 *             frees take slow ways, and are uncharged at once. Shards in queues are asleep like
 *             full ones, so that frees by others come through the inbox, and no shard needs to be
 *             searched.
 *
 *   OPEN, TRIMMED -> TIGHT   a charge is refused; or nobody holds the heap, and it stands under a
 *                            limit: then all that is freed in it can be had by others at once
 *   TIGHT -> OPEN            there is room again for all blocks and a step more; tried only after
 *                            so many slow calls as the heap has shards, so that a heap that lives
 * at its limit pays a few steps for each call
 *
 * So a limit of the heap's own refuses only what live blocks leave no room for. To a limit above,
 * each heap that is OPEN counts with its free blocks; before such a limit refuses anything, all
 * heaps under it are gone through and trimmed (reclaim.c). What is left then is said in ferroc.h at
 * fe_heap_set_limit.
 *
 * All is for whoever is inside of the heap's gate. Modelled in tests/model (account.pml). */
#ifndef FERROC_CORE_HEAP_ACCOUNT_H
#define FERROC_CORE_HEAP_ACCOUNT_H

#include "core/heap/budget.h"

struct fe_heap;

typedef enum fe_account_state {
  FE_ACCOUNT_OPEN,
  FE_ACCOUNT_TRIMMED,
  FE_ACCOUNT_TIGHT,
} fe_account_state_t;

typedef struct fe_account {
  size_t held_bytes; /* in blocks, live and free ones, without large blocks */
  size_t lease_bytes;
  uint16_t patience;      /* slow calls until opening is tried again */
  size_t large_lease;     /* charged for large blocks, and in none of them now */
  size_t refused_bytes;   /* what the last charge was for, if it was refused; else 0 */
  _Atomic(uint8_t) state; /* fe_account_state_t; read by all, relaxed: a hint */
} fe_account_t;

static inline fe_account_state_t fe_account_state(const fe_account_t *account) {
  return (fe_account_state_t)atomic_load_explicit(&((fe_account_t *)account)->state,
                                                  memory_order_relaxed);
}

static inline bool fe_account_is_tight(const fe_account_t *account) {
  return fe_account_state(account) == FE_ACCOUNT_TIGHT;
}

/* Before the holder hands out blocks or changes what the quick ways can reach: leaves TRIMMED, and
 * TIGHT if there is room again. For an account that is not OPEN. */
void fe_account_settle(struct fe_heap *heap);

/* Whether the lease covers so many bytes more that are to be carved. */
static inline bool fe_account_has(const fe_account_t *account, size_t bytes) {
  return FE_LIKELY(account->held_bytes + bytes <= account->lease_bytes) &&
         FE_LIKELY(!fe_account_is_tight(account));
}

/* If it does not, while the account is OPEN: whether the lease could be made to. */
bool fe_account_extend(struct fe_heap *heap, size_t bytes);

/* The same for the one block that is wanted: if it must be, the account becomes TIGHT. In TIGHT the
 * block is charged for. False: the limit, the heap's own or one above, forbids it. */
bool fe_account_pay(struct fe_heap *heap, size_t bytes);

/* Blocks of so many bytes are free again, or were not handed out after all; for a TIGHT account. */
void fe_account_refund(struct fe_heap *heap, size_t bytes);

/* A shard was given up: its blocks need not be paid for any more. */
void fe_account_after_give_up(struct fe_heap *heap);

/* Charges for a large block, or for its growth; whether the limit allows for it. */
bool fe_account_charge_large(struct fe_heap *heap, size_t bytes);

/* So much may stay charged for large blocks. */
#define FE_LARGE_LEASE_MAX ((size_t)256 << 10)

/* A run that waited has a block that needs so many bytes more, or (wrapped around) fewer; whether
 * the limit allows for it. */
bool fe_account_recharge_large_slowly(struct fe_heap *heap, size_t more);
static inline bool fe_account_recharge_large(struct fe_heap *heap, fe_account_t *account,
                                             size_t more) {
  size_t lease = account->large_lease - more;
  if (FE_UNLIKELY(lease > FE_LARGE_LEASE_MAX)) return fe_account_recharge_large_slowly(heap, more);
  account->large_lease = lease;
  return true;
}

/* What stayed goes back to the budget. */
void fe_account_trim_large(struct fe_heap *heap);

/* Nobody holds the heap, or it is over its limit: it becomes TIGHT. */
void fe_account_tighten(struct fe_heap *heap);

/* The holder is outside: to TRIMMED, unless it is TIGHT. What came through the inbox was looked at,
 * and shards of blocks that did so are asleep again. */
void fe_account_trim(struct fe_heap *heap);

#endif /* FERROC_CORE_HEAP_ACCOUNT_H */
