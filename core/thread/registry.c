/* Claiming, making, giving back and ending the heaps of threads, and what a fork does with them;
 * see registry.h. */
#include "core/thread/registry.h"

#include <pthread.h>

#include "core/heap/roll.h"
#include "core/slab/remote.h"
#include "core/thread/background.h"

_Thread_local fe_heap_t *fe_registry_slot = &fe_heap_empty;

static fe_heap_t *idle_first; /* linked by idle_next; the roll's lock */
/* How many there are. Changed with the lock; read without, relaxed: whether it is worth a look. */
static _Atomic(size_t) idle_count;

/* How often idle heaps are looked at: seldom enough to cost nothing, and in time for memory to go
 * back within a second. */
#define FE_IDLE_COLLECT_MS 200
static _Atomic(uint32_t) tick_ms; /* when they were last; moved on by compare-and-swap */

static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static bool has_exit_key;

static size_t count_idle(void) { return atomic_load_explicit(&idle_count, memory_order_relaxed); }

static void set_idle_count(size_t count) {
  atomic_store_explicit(&idle_count, count, memory_order_relaxed);
}

/* With the lock. */
static void push_idle(fe_heap_t *heap) {
  fe_heap_thread_part(heap)->idle_next = idle_first;
  idle_first = heap;
  set_idle_count(count_idle() + 1);
}

/* -- Heaps without a thread -- */

static fe_heap_t *claim_idle(void) {
  if (count_idle() == 0 || !fe_roll_lock_soon()) return NULL;
  fe_heap_t *heap = idle_first;
  if (heap != NULL) {
    idle_first = fe_heap_thread_part(heap)->idle_next;
    set_idle_count(count_idle() - 1);
    fe_gate_enter(&heap->gate);
    fe_heap_mend(heap);
    fe_heap_resume(heap);
    fe_gate_leave(&heap->gate, FE_GATE_HELD);
  }
  fe_roll_unlock();
  return heap;
}

/* Nothing lives in the heap, and nobody has anything to do with it any more. Inside; else a hint.
 */
static bool is_over(fe_heap_t *heap) {
  bool is_empty = fe_heap_shard_count(heap) == 1 && heap->mixed.shard_count == 0 &&
                  atomic_load_explicit(&heap->nursery.used_bytes, memory_order_relaxed) == 0;
  /* Acquire: what was done with the heap by those who freed its last blocks is over. */
  return is_empty && atomic_load_explicit(&heap->large_bytes, memory_order_acquire) == 0 &&
         atomic_load_explicit(&heap->child_count, memory_order_acquire) == 0 &&
         atomic_load_explicit(&fe_remote_leavers, memory_order_acquire) == 0;
}

/* With the lock: ends the heap if it is over; whether it did. */
static bool end_if_over(fe_heap_t *heap) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  if (!is_over(heap)) {
    fe_gate_leave(&heap->gate, gate);
    return false;
  }
  fe_roll_remove(heap);
  fe_heap_note_end(heap);
  fe_heap_end(heap);
  return true;
}

/* With the lock. */
static void collect_idle(void) {
  fe_heap_t **link = &idle_first;
  while (*link != NULL) {
    fe_heap_t *heap = *link;
    fe_heap_t *next = fe_heap_thread_part(heap)->idle_next;
    fe_heap_reclaim(heap);
    if (is_over(heap) && end_if_over(heap)) {
      *link = next;
      set_idle_count(count_idle() - 1);
    } else {
      link = &fe_heap_thread_part(heap)->idle_next;
    }
  }
}

void fe_registry_collect_idle(void) {
  if (count_idle() == 0 || !fe_roll_lock()) return;
  collect_idle();
  fe_roll_unlock();
}

/* Idle heaps keep some memory for the thread that has them next, but not for long. */
static void tick(void) {
  uint32_t now = fe_clock_ms();
  uint32_t last = atomic_load_explicit(&tick_ms, memory_order_relaxed);
  if (now - last < FE_IDLE_COLLECT_MS) return;
  if (!atomic_compare_exchange_strong_explicit(&tick_ms, &last, now, memory_order_relaxed,
                                               memory_order_relaxed)) {
    return;
  }
  fe_heap_reclaim_emptied();
  if (!fe_roll_try_lock()) return; /* the next tick will do */
  collect_idle();
  fe_roll_unlock();
}

/* -- A thread's beginning and end -- */

static fe_heap_t *make_heap(void) {
  fe_heap_plan_t plan = {.granule = FE_GRANULE_SIZE, .is_permanent = true, .is_thread_heap = true};
  fe_heap_t *heap = fe_heap_new(&plan);
  if (heap == NULL) return NULL;
  atomic_store_explicit(&fe_heap_on_tick, tick, memory_order_relaxed);
  fe_roll_enter(heap);
  return heap;
}

/* What the thread set for itself is not for the next one that has the heap; heaps that stand under
 * this one go on with it. */
static void lift_limit(fe_heap_t *heap) {
  bool has_children = atomic_load_explicit(&heap->child_count, memory_order_relaxed) > 0;
  if (fe_heap_limit(heap) != 0 && !has_children) fe_heap_set_limit(heap, 0);
}

/* Runs at the end of each thread that has a heap. A later destructor that allocates gets one again,
 * and this runs once more. */
static void detach(void *slot) {
  fe_heap_t *heap = slot;
  fe_registry_slot = &fe_heap_empty;
  lift_limit(heap);
  fe_heap_rest(heap);
  if (!fe_roll_lock()) return;
  fe_gate_enter(&heap->gate);
  push_idle(heap);
  fe_gate_leave(&heap->gate, FE_GATE_FREE);
  fe_roll_unlock();
  fe_background_nudge();
}

static void make_exit_key(void) { has_exit_key = pthread_key_create(&exit_key, detach) == 0; }

FE_COLD fe_heap_t *fe_registry_attach(void) {
  if (fe_registry_slot != &fe_heap_empty) return fe_registry_slot;
  fe_heap_t *heap = claim_idle();
  if (heap == NULL) heap = make_heap();
  if (heap == NULL) return NULL;
  fe_registry_slot = heap;
  pthread_once(&exit_key_once, make_exit_key);
  fe_registry_mind_forks();
  /* Without a key the heap is not handed on when the thread ends; nothing else is wrong. */
  if (has_exit_key) pthread_setspecific(exit_key, heap);
  return heap;
}

/* -- Forks -- */

/* The heap of a thread other than the one that forks; it may be one that no thread has. */
static bool is_of_another(const fe_heap_t *heap) {
  return heap->is_thread_heap && heap != fe_registry_slot;
}

static void before_fork(void) {
  fe_roll_before_fork();
  for (fe_heap_t *heap = fe_roll_first; heap != NULL; heap = heap->roll_next) {
    if (is_of_another(heap)) fe_gate_stop(&heap->gate);
  }
}

static void after_fork_in_parent(void) {
  for (fe_heap_t *heap = fe_roll_first; heap != NULL; heap = heap->roll_next) {
    if (is_of_another(heap)) fe_gate_let_go(&heap->gate);
  }
  fe_roll_after_fork();
}

/* Heaps that somebody was inside of are lost. The number of forks goes up when the gates of the
 * others are not stopped any more. */
static void after_fork_in_child(void) {
  for (fe_heap_t *heap = fe_roll_first; heap != NULL; heap = heap->roll_next) {
    if (!is_of_another(heap) || !fe_gate_inherit(&heap->gate)) continue;
    fe_heap_thread_part(heap)->is_torn = true;
    push_idle(heap);
  }
  fe_gate_after_fork();
  atomic_store_explicit(&fe_remote_leavers, 0, memory_order_relaxed);
  fe_roll_after_fork();
}

static void register_handlers(void) {
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void fe_registry_mind_forks(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, register_handlers);
}
