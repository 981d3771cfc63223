/* Getting back what a heap keeps and nobody uses, from outside: of a heap that nobody holds, and of
 * one whose holder sleeps or works elsewhere.
 *
 * What the quick ways of a holder may touch at any moment stays as it is: current shards, and what
 * waits in queues and has blocks that the holder may free. What they cannot touch is gone through
 * as the holder would: full shards and large blocks whose blocks others freed, mixed shards, the
 * nursery. A shard that waits is given back if all blocks that are handed out of it were freed by
 * others (fe_remote_is_all). */
#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/heap/roll.h"
#include "core/slab/remote.h"

/* -- A heap that somebody holds -- */

/* A shard of blocks is given up if others freed all of it, unless it is a current one. Nobody tells
 * of that if it was so before the shard was put to sleep. One that is about to come to the inbox is
 * looked at then. */
static void give_up_if_all(fe_heap_t *heap, fe_shard_t *shard) {
  if (fe_shard_is_current(shard) || !fe_remote_is_all(shard)) return;
  if (fe_shard_remote_state(shard) == FE_REMOTE_WAKING) return;
  fe_heap_take_remote(heap, shard);
  if (fe_shard_state(shard) == FE_SHARD_FULL) {
    fe_heap_give_up_full_shard(heap, shard);
  } else {
    fe_heap_give_up_shard(heap, shard);
  }
}

/* What others freed in shards of blocks, the holder takes in when it comes by. */
static void look_through_inbox(fe_heap_t *heap) {
  fe_shard_t *shard = fe_inbox_take(&heap->inbox);
  if (shard != NULL) fe_count(heap, FE_HEAP_DRAIN, 1);
  while (shard != NULL) {
    fe_shard_t *next = shard->woken_next;
    if (shard->kind != FE_SHARD_BLOCKS) {
      fe_heap_wake_shard(heap, shard);
    } else {
      fe_remote_doze(shard);
      give_up_if_all(heap, shard);
    }
    shard = next;
  }
}

static void look_through_queue(fe_heap_t *heap, fe_shard_t *current) {
  for (fe_shard_t *shard = current->next, *next; shard != NULL; shard = next) {
    next = shard->next;
    give_up_if_all(heap, shard);
  }
}

static void reclaim_of_holder(fe_heap_t *heap) {
  /* While the account is tight, the holder takes no quick way: all is as if nobody held the heap,
   * but for the empty shards that it goes on with. */
  if (fe_account_is_tight(&heap->account)) {
    fe_heap_drain(heap);
    fe_kept_give_all(heap);
    return;
  }
  look_through_inbox(heap);
  fe_stock_empty(heap);
  fe_mixed_collect(heap);
  fe_kept_give_all(heap);
  fe_account_trim(heap);
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) look_through_queue(heap, fe_heap_current(heap, i));
}

/* -- A heap that nobody holds -- */

static void reclaim_of_nobody(fe_heap_t *heap) {
  fe_heap_mend(heap);
  /* What is tight stays so meanwhile: opened, it would be charged for all its free blocks. */
  heap->account.patience = UINT16_MAX;
  /* Before shards are given up: it takes in what others freed, which may be the last there. */
  if (fe_budget_is_limited(&heap->budget)) fe_account_tighten(heap);
  fe_heap_collect_for_nobody(heap);
  heap->account.patience = 0;
  atomic_store_explicit(&heap->has_rested, true, memory_order_relaxed);
}

/* -- Both -- */

static bool has_message(fe_heap_t *heap) {
  return fe_inbox_has_some(&heap->inbox) || fe_heap_kept_units(heap) > 0 ||
         fe_heap_stock_bytes(heap) > 0 ||
         atomic_load_explicit(&heap->emptied_count, memory_order_relaxed) > 0;
}

/* Whether a look inside would find what the last one left. */
static bool is_as_it_was(fe_heap_t *heap) {
  if (has_message(heap)) return false;
  bool is_tight = fe_account_is_tight(&heap->account);
  uint32_t gate = atomic_load_explicit(&heap->gate, memory_order_relaxed);
  /* Whoever is inside may have taken the messages, and not be done with them. */
  if (gate != FE_GATE_FREE) {
    return gate == FE_GATE_HELD && fe_account_state(&heap->account) != FE_ACCOUNT_OPEN;
  }
  return atomic_load_explicit(&heap->has_rested, memory_order_relaxed) &&
         (is_tight || !fe_budget_is_limited(&heap->budget));
}

/* The units that it may give back. Any thread, while the heap stays. */
static size_t count_units(const fe_heap_t *heap) {
  return fe_heap_shard_count(heap) + fe_mixed_shard_count(&heap->mixed) + fe_heap_kept_units(heap);
}

/* Inside. */
static bool reclaim(fe_heap_t *heap, uint32_t gate) {
  if (heap->is_visited) return false;
  size_t units = count_units(heap);
  size_t charged = fe_budget_charged(&heap->budget);
  atomic_store_explicit(&heap->emptied_count, 0, memory_order_relaxed);
  if (gate == FE_GATE_FREE) {
    reclaim_of_nobody(heap);
  } else {
    reclaim_of_holder(heap);
  }
  return count_units(heap) < units || fe_budget_charged(&heap->budget) < charged;
}

bool fe_heap_reclaim(fe_heap_t *heap, unsigned patience_ms) {
  uint32_t gate;
  if (is_as_it_was(heap) || !fe_gate_enter_soon(&heap->gate, patience_ms, &gate)) return false;
  bool has_given = reclaim(heap, gate);
  fe_gate_leave(&heap->gate, gate);
  return has_given;
}

/* So few empty shards are left to the holder, or to the next tick. */
#define FE_EMPTIED_MIN 16

/* Some heap has fewer than that, or something in its inbox or its large bins. Relaxed, a hint: who
 * set it may be seen late, not missed. */
static atomic_bool has_emptied;

/* With the roll's lock, so that a fork finds nobody inside. */
static bool try_to_reclaim(fe_heap_t *heap) {
  uint32_t gate;
  if (!fe_roll_try_lock()) return false;
  bool is_inside = fe_gate_try(&heap->gate, &gate);
  if (is_inside) {
    reclaim(heap, gate);
    fe_gate_leave(&heap->gate, gate);
  }
  fe_roll_unlock();
  return is_inside;
}

/* Who finds it set writes nothing to a word that all threads read. */
static void set_has_emptied(void) {
  if (atomic_load_explicit(&has_emptied, memory_order_relaxed)) return;
  atomic_store_explicit(&has_emptied, true, memory_order_relaxed);
}

void fe_heap_after_woken(fe_heap_t *heap) {
  set_has_emptied();
  fe_arenas_tell_given(heap->context->arenas);
}

void fe_heap_after_kept(fe_heap_t *heap) {
  if (!atomic_load_explicit(&has_emptied, memory_order_relaxed)) fe_heap_after_woken(heap);
}

void fe_heap_after_emptied(fe_heap_t *heap) {
  uint32_t count = atomic_fetch_add_explicit(&heap->emptied_count, 1, memory_order_relaxed) + 1;
  /* A look goes through all shards, so it must be worth it. */
  bool is_worth = count >= FE_EMPTIED_MIN && count >= count_units(heap) / 8;
  if (!is_worth || !try_to_reclaim(heap)) fe_heap_after_woken(heap);
}

/* -- Many heaps -- */

/* Those under a budget, or, NULL, those on some arenas; but for one. */
typedef struct others {
  const fe_heap_t *but;
  const fe_budget_t *budget;
  const fe_arenas_t *arenas;
} others_t;

static bool is_among(const others_t *others, const fe_heap_t *heap) {
  if (heap == others->but) return false;
  if (others->budget != NULL) return fe_budget_is_under(&heap->budget, others->budget);
  return heap->context->arenas == others->arenas;
}

static bool reclaim_others(const others_t *others) {
  bool has_given = false;
  if (!fe_roll_lock_soon(FE_ROLL_PATIENCE_MS)) return false;
  for (fe_heap_t *heap = fe_roll_first; heap != NULL; heap = heap->roll_next) {
    if (is_among(others, heap) && fe_heap_reclaim(heap, FE_RECLAIM_PATIENCE_MS)) has_given = true;
  }
  fe_roll_unlock();
  return has_given;
}

bool fe_heap_make_room_in_budget(fe_heap_t *heap, size_t bytes, bool is_holder) {
  const fe_budget_t *budget = fe_budget_without_room(&heap->budget, bytes);
  if (budget == NULL) return true; /* by now there is room */
  /* Of a heap's own limit there is nothing more to be had, unless others share it. */
  if (budget == &heap->budget && is_holder &&
      atomic_load_explicit(&heap->child_count, memory_order_relaxed) == 0) {
    return false;
  }
  /* Under the highest one are those under the others, too. */
  budget = fe_budget_last_without_room(&heap->budget, bytes);
  if (reclaim_others(&(others_t){.but = is_holder ? heap : NULL, .budget = budget})) return true;
  return fe_budget_without_room(&heap->budget, bytes) == NULL;
}

void fe_heap_after_limit(const fe_budget_t *budget) {
  if (fe_budget_charged(budget) > fe_budget_limit(budget)) {
    reclaim_others(&(others_t){.budget = budget});
  }
}

/* Heaps that are apart are counted from now on. Whoever begins a heap that is not found here sees
 * the limit; so does, sooner or later, whoever charges one, if they cannot be gone through. */
static void join_all(void) {
  if (!fe_roll_lock_soon(FE_ROLL_PATIENCE_MS)) return;
  for (fe_heap_t *heap = fe_roll_first; heap != NULL; heap = heap->roll_next) {
    fe_budget_join(&heap->budget);
  }
  fe_roll_unlock();
}

void fe_heap_set_process_limit(size_t memory_limit) {
  size_t limit = memory_limit == 0 ? SIZE_MAX : memory_limit;
  atomic_store_explicit(&fe_budget_process.budget.limit, limit, memory_order_relaxed);
  if (limit != SIZE_MAX) join_all();
  fe_heap_after_limit(&fe_budget_process.budget);
}

/* The same as fe_heap_reclaim, for the heap's holder. */
static bool collect_own(fe_heap_t *heap) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  size_t units = count_units(heap);
  fe_heap_collect_inside(heap);
  bool has_given = count_units(heap) < units;
  fe_gate_leave(&heap->gate, gate);
  return has_given;
}

/* What nobody uses on the arenas, but for one heap; what others had given back meanwhile does as
 * well. If there is nothing: free memory, of which the base may make addresses or other memory. */
static bool make_room_on(fe_arenas_t *arenas, const fe_heap_t *but, size_t given) {
  bool has_given = reclaim_others(&(others_t){.but = but, .arenas = arenas});
  return has_given || fe_arenas_units_given(arenas) != given || fe_arenas_give_all_back(arenas);
}

bool fe_heap_make_room(fe_heap_t *heap, size_t given) {
  bool has_own = collect_own(heap);
  return make_room_on(heap->context->arenas, heap, given) || has_own;
}

bool fe_heap_take_first_unit(fe_context_t *context, fe_run_t *run) {
  enum { TURNS_MAX = 3 };
  if (fe_context_take(context, 1, run)) return true;
  for (int turn = 0; turn < TURNS_MAX; turn++) {
    size_t given = fe_arenas_units_given(context->arenas);
    if (fe_context_take(context, 1, run)) return true;
    if (!make_room_on(context->arenas, NULL, given)) return false;
  }
  return false;
}

/* What a visit left, since somebody was inside, is for the next tick. */
static void note_rest(fe_heap_t *heap) {
  if (!has_message(heap)) return;
  if (fe_gate_is_lost(atomic_load_explicit(&heap->gate, memory_order_relaxed))) return;
  atomic_store_explicit(&has_emptied, true, memory_order_relaxed);
}

/* Whether the holder has been inside since the last tick, if there is one: then he takes in what
 * comes to the inbox himself, and a visit would be for nothing. */
static bool is_at_work(fe_heap_t *heap) {
  uint8_t count = atomic_load_explicit(&heap->watch.count, memory_order_relaxed);
  bool is_at_work = count != heap->watch.count_at_tick && !fe_gate_is_free(&heap->gate);
  heap->watch.count_at_tick = count;
  return is_at_work;
}

void fe_heap_reclaim_emptied(void) {
  if (!atomic_load_explicit(&has_emptied, memory_order_relaxed) || !fe_roll_try_lock()) return;
  atomic_exchange_explicit(&has_emptied, false, memory_order_relaxed);
  for (fe_heap_t *heap = fe_roll_first; heap != NULL; heap = heap->roll_next) {
    if (!has_message(heap)) continue;
    bool has_emptied_shards = atomic_load_explicit(&heap->emptied_count, memory_order_relaxed) > 0;
    if (!is_at_work(heap) || has_emptied_shards) fe_heap_reclaim(heap, 0);
    note_rest(heap);
  }
  fe_roll_unlock();
}

bool fe_heap_reclaim_all(unsigned patience_ms) {
  if (!fe_roll_lock_soon(patience_ms)) return false;
  /* What is kept from now on is told anew. */
  atomic_store_explicit(&has_emptied, false, memory_order_relaxed);
  for (fe_heap_t *heap = fe_roll_first; heap != NULL; heap = heap->roll_next) {
    fe_heap_reclaim(heap, FE_RECLAIM_PATIENCE_MS);
    note_rest(heap);
  }
  fe_roll_unlock();
  return true;
}

bool fe_heap_for_own_arenas(void (*action)(fe_arenas_t *arenas, void *argument), void *argument,
                            unsigned patience_ms) {
  if (!fe_roll_lock_soon(patience_ms)) return false;
  for (fe_heap_t *heap = fe_roll_first; heap != NULL; heap = heap->roll_next) {
    if (heap->context->arenas != &fe_arenas_default) action(heap->context->arenas, argument);
  }
  fe_roll_unlock();
  return true;
}
