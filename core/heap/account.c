/* The steps of an account; see account.h. */
#include "core/heap/account.h"

#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/slab/remote.h"

/* What is charged at a time, if the budget allows for it: the more a heap has, the more, so that
 * heaps of many threads seldom meet at the budget above them. */
#define FE_LEASE_STEP_MIN ((size_t)4096)
#define FE_LEASE_STEP_MAX ((size_t)1 << 20)

static size_t lease_step(const fe_heap_t *heap, size_t bytes) {
  size_t step = heap->account.held_bytes / 16 & ~(size_t)15;
  if (step < FE_LEASE_STEP_MIN) step = FE_LEASE_STEP_MIN;
  if (step > FE_LEASE_STEP_MAX) step = FE_LEASE_STEP_MAX;
  return step > bytes ? step : bytes;
}

static void set_state(fe_heap_t *heap, fe_account_state_t state) {
  atomic_store_explicit(&heap->account.state, (uint8_t)state, memory_order_relaxed);
}

static bool charge(fe_heap_t *heap, size_t bytes) {
  bool is_charged = fe_budget_charge(&heap->budget, bytes);
  heap->account.refused_bytes = is_charged ? 0 : bytes;
  return is_charged;
}

static bool lease_more(fe_heap_t *heap, size_t bytes) {
  if (!charge(heap, bytes)) return false;
  heap->account.lease_bytes += bytes;
  return true;
}

/* Gives back what the lease has above `bytes`. */
static void shrink_lease(fe_heap_t *heap, size_t bytes) {
  fe_account_t *account = &heap->account;
  if (account->lease_bytes <= bytes) return;
  fe_budget_uncharge(&heap->budget, account->lease_bytes - bytes);
  account->lease_bytes = bytes;
}

/* -- Closing and opening the quick ways -- */

/* Takes in what others freed in a shard of a queue, and puts it to sleep, so that the next one to
 * free says so. Its free blocks go where no quick way looks. If none lives there now, it goes,
 * unless it is the one that its class goes on with. */
static void close_shard(fe_heap_t *heap, fe_shard_t *shard) {
  do {
    fe_heap_take_remote(heap, shard);
  } while (!fe_remote_sleep(shard));
  fe_count_publish(heap, shard);
  shard->kept = shard->free;
  shard->free = NULL;
  if (fe_shard_state(shard) == FE_SHARD_WAITING && fe_shard_used(shard) == 0) {
    fe_heap_give_up_shard(heap, shard);
  }
}

/* The same in a full shard, of which somebody is about to tell that it is none any more: a lease
 * that was trimmed does not cover what others freed there. */
static void close_full(fe_heap_t *heap) {
  for (fe_shard_t *shard = heap->full; shard != NULL; shard = shard->next) {
    if (!fe_heap_take_remote(heap, shard)) continue;
    shard->kept = shard->free;
    shard->free = NULL;
  }
}

/* They go back to their queues: the message may come to somebody who finds nothing new in them. */
static void open_full(fe_heap_t *heap) {
  for (fe_shard_t *shard = heap->full, *next; shard != NULL; shard = next) {
    next = shard->next;
    if (shard->kept == NULL) continue;
    shard->free = shard->kept;
    shard->kept = NULL;
    fe_heap_unshelve_shard(heap, shard);
  }
}

static void open_shard(fe_heap_t *heap, fe_shard_t *shard) {
  (void)heap;
  shard->free = shard->kept;
  shard->kept = NULL;
  fe_remote_list(shard);
}

static void for_each_queued(fe_heap_t *heap, void (*action)(fe_heap_t *heap, fe_shard_t *shard)) {
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
    if (fe_heap_current(heap, i) == &fe_shard_empty) continue;
    for (fe_shard_t *shard = fe_heap_current(heap, i), *next; shard != NULL; shard = next) {
      next = shard->next;
      action(heap, shard);
    }
  }
}

static void wait_for_room(fe_heap_t *heap) {
  size_t shards = fe_heap_shard_count(heap) + fe_mixed_shard_count(&heap->mixed);
  heap->account.patience = shards < UINT16_MAX ? (uint16_t)shards : UINT16_MAX;
}

/* Full shards that are none any more, of which nobody will tell while the account was trimmed. */
static void wake_full(fe_heap_t *heap) {
  for (fe_shard_t *shard = heap->full, *next; shard != NULL; shard = next) {
    next = shard->next;
    bool is_told = fe_shard_remote_state(shard) == FE_REMOTE_WAKING;
    if (!is_told && fe_heap_take_remote(heap, shard)) fe_heap_unshelve_shard(heap, shard);
  }
}

void fe_account_tighten(fe_heap_t *heap) {
  if (fe_account_is_tight(&heap->account)) return;
  wait_for_room(heap);
  fe_heap_drain(heap);
  wake_full(heap);
  fe_bins_empty(heap);
  for_each_queued(heap, close_shard);
  close_full(heap);
  set_state(heap, FE_ACCOUNT_TIGHT);
  fe_heap_resettle(heap);
  fe_kept_give_all(heap);
  fe_account_trim_large(heap);
  shrink_lease(
      heap, fe_figure_get(&heap->figures.shard_bytes) + fe_figure_get(&heap->nursery.used_bytes));
  fe_count(heap, FE_HEAP_TIGHT_PHASE, 1);
}

static void open(fe_heap_t *heap) {
  set_state(heap, FE_ACCOUNT_OPEN);
  for_each_queued(heap, open_shard);
  open_full(heap);
  fe_heap_resettle(heap);
}

static void try_to_open(fe_heap_t *heap) {
  fe_account_t *account = &heap->account;
  size_t wanted = account->held_bytes + lease_step(heap, 0);
  if (lease_more(heap, wanted - account->lease_bytes)) {
    open(heap);
  } else {
    wait_for_room(heap);
    account->refused_bytes = 0;
  }
}

static void list_shard(fe_heap_t *heap, fe_shard_t *shard) {
  (void)heap;
  fe_remote_list(shard);
}

/* What the quick ways may reach is paid for again. */
static void end_trim(fe_heap_t *heap) {
  set_state(heap, FE_ACCOUNT_OPEN);
  wake_full(heap);
  for_each_queued(heap, list_shard);
  fe_heap_resettle(heap);
}

void fe_account_settle(fe_heap_t *heap) {
  fe_account_t *account = &heap->account;
  if (fe_account_is_tight(account)) {
    if (account->patience > 0) {
      account->patience--;
    } else {
      try_to_open(heap);
    }
  } else if (account->held_bytes <= account->lease_bytes ||
             lease_more(heap, account->held_bytes - account->lease_bytes)) {
    /* The lease may be more: blocks of mixed shards that are freed are not held any more. */
    end_trim(heap);
  } else {
    fe_account_tighten(heap);
    account->refused_bytes = 0;
  }
}

/* -- Blocks of shards and the nursery -- */

bool fe_account_extend(fe_heap_t *heap, size_t bytes) {
  if (fe_account_is_tight(&heap->account)) return false;
  return lease_more(heap, lease_step(heap, bytes)) || lease_more(heap, bytes);
}

bool fe_account_pay(fe_heap_t *heap, size_t bytes) {
  if (fe_account_extend(heap, bytes)) return true;
  fe_account_tighten(heap);
  return lease_more(heap, bytes);
}

void fe_account_refund(fe_heap_t *heap, size_t bytes) {
  shrink_lease(heap, heap->account.lease_bytes - bytes);
}

void fe_account_after_give_up(fe_heap_t *heap) {
  size_t held_bytes = heap->account.held_bytes;
  bool is_limited = fe_budget_is_limited(&heap->budget);
  shrink_lease(heap, is_limited ? held_bytes : held_bytes + 2 * lease_step(heap, 0));
}

/* -- Large blocks -- */

bool fe_account_charge_large(fe_heap_t *heap, size_t bytes) {
  fe_account_t *account = &heap->account;
  if (FE_LIKELY(bytes <= account->large_lease)) {
    account->large_lease -= bytes;
    return true;
  }
  if (FE_LIKELY(charge(heap, bytes))) return true;
  fe_account_tighten(heap);
  return charge(heap, bytes);
}

FE_COLD bool fe_account_recharge_large_slowly(fe_heap_t *heap, size_t more) {
  fe_account_t *account = &heap->account;
  if (more <= PTRDIFF_MAX) return fe_account_charge_large(heap, more);
  account->large_lease -= more;
  fe_account_trim_large(heap);
  return true;
}

void fe_account_trim_large(fe_heap_t *heap) {
  fe_account_t *account = &heap->account;
  if (account->large_lease == 0) return;
  fe_budget_uncharge(&heap->budget, account->large_lease);
  account->large_lease = 0;
}

/* -- From outside -- */

/* What is live in a shard, or can be without a slow call. Blocks that others freed wait for one;
 * those who free more from now on say so. */
static size_t reachable_bytes(fe_shard_t *shard) {
  fe_remote_unlist(shard);
  uintptr_t remote = atomic_load_explicit(&shard->remote, memory_order_relaxed);
  size_t count = fe_shard_is_current(shard) ? shard->capacity : fe_shard_used(shard);
  return (count - fe_remote_count(remote)) * shard->block_size;
}

static size_t reachable_in_list(fe_shard_t *shard) {
  size_t bytes = 0;
  for (; shard != NULL; shard = shard->next) bytes += reachable_bytes(shard);
  return bytes;
}

void fe_account_trim(fe_heap_t *heap) {
  fe_account_trim_large(heap);
  if (fe_account_is_tight(&heap->account)) return;
  /* The holder's quick frees into shards that wait are over first, but for one that is going on. */
  set_state(heap, FE_ACCOUNT_TRIMMED);
  fe_heap_resettle(heap);
  size_t bytes = fe_figure_get(&heap->nursery.used_bytes) + fe_heap_mixed_bytes(heap) +
                 reachable_in_list(heap->full);
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
    fe_shard_t *first = fe_heap_current(heap, i);
    if (first != &fe_shard_empty) bytes += reachable_in_list(first);
  }
  shrink_lease(heap, bytes);
}

/* -- The limit -- */

void fe_heap_set_limit(fe_heap_t *heap, size_t memory_limit) {
  size_t limit = memory_limit == 0 ? SIZE_MAX : memory_limit;
  uint32_t gate = fe_gate_enter(&heap->gate);
  atomic_store_explicit(&heap->budget.limit, limit, memory_order_relaxed);
  heap->account.patience = 0;
  fe_account_trim_large(heap);
  fe_heap_settle(heap);
  if (fe_budget_charged(&heap->budget) > limit) fe_account_tighten(heap);
  fe_gate_leave(&heap->gate, gate);
  fe_heap_after_limit(&heap->budget);
}

size_t fe_heap_limit(const fe_heap_t *heap) {
  size_t limit = fe_budget_limit(&heap->budget);
  return limit == SIZE_MAX ? 0 : limit;
}
