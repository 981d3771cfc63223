/* Making, ending and measuring heaps. */
#include "core/heap/heap.h"

#include <errno.h>
#include <string.h>

#include "core/heap/checked.h"
#include "core/heap/counting.h"
#include "core/heap/roll.h"
#include "core/slab/census.h"
#include "core/slab/remote.h"

#define EMPTY &fe_shard_empty

fe_heap_t fe_heap_empty = {
    .table = {[0 ... FE_TINY_MAX] = EMPTY},
    .current = {[0 ... FE_CLASS_COUNT - 1] = EMPTY},
};

/* The heap lies behind the header of its nursery's shard. */
#define FE_HEAP_OFFSET ((FE_SHARD_BLOCKS_START + FE_CACHE_LINE - 1) / FE_CACHE_LINE * FE_CACHE_LINE)

static_assert(FE_HEAP_OFFSET >= FE_SHARD_BLOCKS_START, "the heap lies behind the shard's header");
static_assert(FE_HEAP_OFFSET + sizeof(fe_heap_t) < FE_UNIT_SIZE * 3 / 4, "a nursery has room");
static_assert(FE_HEAP_OFFSET + sizeof(fe_heap_t) < (FE_SHARD_SHIFT > 16 ? FE_UNIT_SIZE / 16 : 4096),
              "a small heap begins in its first page, or a sixteenth of its shard");

static fe_shard_t *nursery_shard(const fe_heap_t *heap) {
  return (fe_shard_t *)((char *)heap - FE_HEAP_OFFSET);
}

static void add_annex(fe_heap_t *heap, const fe_heap_options_t *options) {
  fe_heap_annex_t *annex = fe_heap_annex(heap);
  *annex = (fe_heap_annex_t){.on_error = options->on_error, .user_data = options->user_data};
  if (options->name != NULL) {
    memcpy(annex->name, options->name, strnlen(options->name, FE_NAME_MAX));
  }
  heap->has_annex = true;
}

/* Puts the heap under its parent and on its context, where others count it. */
static void connect(fe_heap_t *heap, const fe_heap_plan_t *plan, const fe_context_t *own_context) {
  heap->own_context = *own_context;
  heap->context = plan->context != NULL ? plan->context : &heap->own_context;
  if (plan->context != NULL) fe_shared_context(plan->context)->heap_count++;
  if (plan->parent == NULL) {
    heap->budget.parent = &fe_budget_process.budget;
    atomic_store_explicit(&heap->budget.charged, FE_BUDGET_APART, memory_order_relaxed);
    return;
  }
  heap->budget.parent = &plan->parent->budget;
  atomic_fetch_add_explicit(&plan->parent->child_count, 1, memory_order_relaxed);
}

fe_heap_t *fe_heap_new(const fe_heap_plan_t *plan) {
  fe_context_t own_context = {.arenas = plan->arenas != NULL ? plan->arenas : &fe_arenas_default};
  fe_run_t run;
  fe_context_t *context = plan->context != NULL ? plan->context : &own_context;
  if (!fe_heap_take_first_unit(context, &run)) return NULL;
  fe_heap_t *heap = (fe_heap_t *)(run.start + FE_HEAP_OFFSET);
  if (!run.is_zero) memset(heap, 0, sizeof *heap);
  for (size_t size = 0; size <= FE_TINY_MAX; size++) fe_heap_set_place(&heap->table[size], EMPTY);
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) fe_heap_set_place(&heap->current[i], EMPTY);
  atomic_store_explicit(&heap->gate, FE_GATE_HELD, memory_order_relaxed);
  heap->granule = (uint8_t)plan->granule;
  atomic_store_explicit(&heap->budget.limit, SIZE_MAX, memory_order_relaxed);
  heap->is_permanent = plan->is_permanent;
  heap->is_thread_heap = plan->is_thread_heap;
  connect(heap, plan, &own_context);
  fe_heap_add_shard_count(heap, 1);
  heap->nursery.bump = (char *)fe_align_up((uintptr_t)(heap + 1), 16);
  heap->nursery.end = run.start + FE_NURSERY_END;
  if (plan->options != NULL) add_annex(heap, plan->options);
  if (plan->is_thread_heap) *fe_heap_thread_part(heap) = (fe_thread_part_t){.idle_next = NULL};
  fe_census_enter(fe_shard_init(&run, 0, &heap->inbox, FE_SHARD_NURSERY));
  return heap;
}

fe_heap_t *fe_heap_create(const fe_heap_options_t *options) {
  static const fe_heap_options_t defaults;
  if (options == NULL) options = &defaults;
  size_t granule = options->granule == 0 ? FE_GRANULE_SIZE : options->granule;
  if (granule != 8 && granule != 16) {
    fe_warn("fe_heap_create: the granule is %zu; 8 and 16 (or 0, for %zu) are allowed", granule,
            FE_GRANULE_SIZE);
    errno = EINVAL;
    return NULL;
  }
  bool has_annex = options->on_error != NULL || options->name != NULL;
  fe_heap_plan_t plan = {.granule = granule,
                         .is_permanent = options->is_permanent,
                         .context = options->context,
                         .parent = options->parent,
                         .options = has_annex ? options : NULL};
  fe_heap_t *heap = fe_heap_new(&plan);
  if (heap == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  fe_heap_set_limit(heap, options->memory_limit);
  fe_roll_enter(heap);
  return heap;
}

const char *fe_heap_name(const fe_heap_t *heap) {
  return heap->has_annex ? fe_heap_annex(heap)->name : "";
}

void fe_heap_hand_over(fe_heap_t *heap) {
  if (heap->is_thread_heap || fe_gate_is_free(&heap->gate)) {
    fe_warn("fe_heap_hand_over: %s", heap->is_thread_heap
                                         ? "a thread's own heap stays with its thread"
                                         : "the heap is handed over already");
    errno = EINVAL;
    return;
  }
  fe_gate_enter(&heap->gate);
  /* The step `hand_over` of tests/model/heap_gate.pml. */
  fe_gate_leave(&heap->gate, FE_GATE_FREE);
}

void fe_heap_resume(fe_heap_t *heap) {
  if (!atomic_load_explicit(&heap->has_rested, memory_order_relaxed)) return;
  atomic_store_explicit(&heap->has_rested, false, memory_order_relaxed);
  if (fe_account_is_tight(&heap->account)) return;
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
    if (fe_heap_current(heap, i) == EMPTY) continue;
    for (fe_shard_t *shard = fe_heap_current(heap, i); shard != NULL; shard = shard->next) {
      fe_remote_list(shard);
    }
  }
}

bool fe_heap_take_over(fe_heap_t *heap) {
  if (heap->is_thread_heap || !fe_gate_claim(&heap->gate)) return false;
  uint32_t gate = fe_gate_enter(&heap->gate);
  fe_heap_resume(heap);
  fe_gate_leave(&heap->gate, gate);
  return true;
}

/* Why the heap cannot be ended; NULL: it can be. */
static const char *what_keeps(const fe_heap_t *heap) {
  if (heap->is_thread_heap) return "a thread's own heap cannot be destroyed";
  if (heap->is_permanent) return "the heap is permanent";
  return NULL;
}

static bool is_busy(fe_heap_t *heap) {
  return fe_gate_is_free(&heap->gate) ||
         atomic_load_explicit(&heap->child_count, memory_order_acquire) > 0;
}

static void give_list(const fe_context_t *context, fe_shard_t *shard) {
  while (shard != NULL) {
    fe_shard_t *next = shard->next;
    fe_checked_end_shard(shard);
    fe_run_t run = fe_shard_run(shard);
    if (fe_census_leave(shard)) fe_context_give(context, &run);
    shard = next;
  }
}

/* Takes the heap out of what it stands under and on. */
static void disconnect(fe_heap_t *heap) {
  if (heap->context != &heap->own_context) fe_shared_context(heap->context)->heap_count--;
  fe_budget_leave(&heap->budget);
  if (heap->budget.parent == &fe_budget_process.budget) return;
  fe_heap_t *parent = (fe_heap_t *)((char *)heap->budget.parent - offsetof(struct fe_heap, budget));
  /* Release: the parent's end comes after all that its children did with it. */
  atomic_fetch_sub_explicit(&parent->child_count, 1, memory_order_release);
}

static void give_everything(fe_heap_t *heap) {
  fe_context_t context = *heap->context; /* the heap's own one goes with its first unit */
  if (fe_heap_shard_count(heap) > 1) {
    for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
      if (fe_heap_current(heap, i) != EMPTY) give_list(&context, fe_heap_current(heap, i));
    }
    give_list(&context, heap->full);
  }
  give_list(&context, heap->mixed.first);
  give_list(&context, heap->large);
  give_list(&context, nursery_shard(heap));
}

/* Whoever sums up heaps has the roll's lock: he finds the heap, or what it had counted. */
void fe_heap_note_end(fe_heap_t *heap) {
  fe_events_t events = fe_heap_events(heap);
  fe_count_heap_end(heap->context->arenas, &events);
}

void fe_heap_destroy(fe_heap_t *heap) {
  if (heap == NULL) return;
  const char *reason = what_keeps(heap);
  if (reason != NULL) {
    fe_warn("fe_heap_destroy: %s", reason);
    errno = EINVAL;
    return;
  }
  if (is_busy(heap)) {
    fe_warn("fe_heap_destroy: the heap is handed over, or heaps under it still exist");
    errno = EBUSY;
    return;
  }
  bool has_lock = fe_roll_lock();
  fe_roll_remove(heap);
  fe_gate_enter(&heap->gate);
  fe_heap_note_end(heap);
  if (has_lock) fe_roll_unlock();
  fe_heap_end(heap);
}

bool fe_heap_is_empty(fe_heap_t *heap) {
  bool has_no_blocks = fe_heap_shard_count(heap) == 1 && fe_mixed_shard_count(&heap->mixed) == 0 &&
                       atomic_load_explicit(&heap->nursery.used_bytes, memory_order_relaxed) == 0;
  /* Acquire, both: what was done with the heap by those who freed its last blocks is over. */
  return has_no_blocks && fe_heap_large_bytes(heap) == 0 &&
         atomic_load_explicit(&heap->child_count, memory_order_acquire) == 0;
}

void fe_heap_end(fe_heap_t *heap) {
  fe_kept_give_all(heap);
  disconnect(heap);
  give_everything(heap);
}

FE_COLD void fe_heap_publish_shards(fe_heap_t *heap, const fe_shard_t *but) {
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
    if (fe_heap_current(heap, i) == EMPTY) continue;
    for (fe_shard_t *shard = fe_heap_current(heap, i); shard != NULL; shard = shard->next) {
      if (shard == but) continue;
      fe_set_published(heap, shard, fe_shard_used(shard), shard->capacity);
    }
  }
}

void fe_heap_refresh_figures_inside(fe_heap_t *heap) {
  fe_heap_settle(heap);
  fe_heap_drain(heap);
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
    if (fe_heap_current(heap, i) == EMPTY) continue;
    for (fe_shard_t *shard = fe_heap_current(heap, i); shard != NULL; shard = shard->next) {
      fe_heap_take_remote(heap, shard);
      fe_count_publish(heap, shard);
    }
  }
  fe_raise_peak(heap);
}

void fe_heap_look_at_figures(fe_heap_t *heap) {
  uint32_t gate;
  if (!fe_gate_enter_soon(&heap->gate, FE_RECLAIM_PATIENCE_MS, &gate)) return;
  fe_heap_publish_shards(heap, NULL);
  fe_raise_peak(heap);
  fe_gate_leave(&heap->gate, gate);
}

void fe_heap_refresh_figures(fe_heap_t *heap) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  fe_heap_refresh_figures_inside(heap);
  fe_gate_leave(&heap->gate, gate);
}

size_t fe_heap_used_bytes(fe_heap_t *heap) {
  fe_heap_refresh_figures(heap);
  return fe_heap_published_bytes(heap);
}

/* Takes in blocks that others freed in the shards of one class, and gives up those that are empty,
 * the current one too if that is wished. */
static void collect_class(fe_heap_t *heap, unsigned class_index, bool with_current) {
  fe_shard_t *shard = fe_heap_current(heap, class_index);
  if (shard == EMPTY) return;
  for (fe_shard_t *next; shard != NULL; shard = next) {
    next = shard->next;
    fe_heap_take_remote(heap, shard);
    fe_count_publish(heap, shard);
    bool is_current = shard == fe_heap_current(heap, class_index);
    if (fe_shard_used(shard) == 0 && (with_current || !is_current)) {
      fe_heap_give_up_shard(heap, shard);
    }
  }
}

static void collect(fe_heap_t *heap, bool with_current) {
  fe_heap_settle(heap);
  fe_heap_drain(heap);
  fe_bins_empty(heap);
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) collect_class(heap, i, with_current);
  fe_kept_give_all(heap);
  fe_account_trim_large(heap);
}

/* Shards in queues, too, tell when somebody frees in them. What was freed while they were collected
 * is taken in, and may be the last that lived there. */
static void put_to_sleep(fe_heap_t *heap) {
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
    if (fe_heap_current(heap, i) == EMPTY) continue;
    for (fe_shard_t *shard = fe_heap_current(heap, i), *next; shard != NULL; shard = next) {
      next = shard->next;
      while (!fe_remote_sleep(shard)) fe_heap_take_remote(heap, shard);
      if (fe_shard_used(shard) == 0) fe_heap_give_up_shard(heap, shard);
    }
  }
}

void fe_heap_rest(fe_heap_t *heap) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  collect(heap, false);
  fe_gate_leave(&heap->gate, gate);
}

void fe_heap_collect_inside(fe_heap_t *heap) {
  collect(heap, true);
  fe_mixed_collect(heap);
  fe_kept_give_all(heap);
}

void fe_heap_collect_for_nobody(fe_heap_t *heap) {
  fe_heap_collect_inside(heap);
  put_to_sleep(heap);
  fe_kept_give_all(heap);
}

void fe_heap_collect(fe_heap_t *heap, bool force) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  fe_heap_collect_inside(heap);
  fe_gate_leave(&heap->gate, gate);
  if (force) fe_arenas_purge(heap->context->arenas);
}
