/* Claiming, making, giving back and ending the heaps of threads, and what a fork does with them;
 * see registry.h. */
#include "core/thread/registry.h"

#include <pthread.h>

#include "core/arena/passing.h"
#include "core/heap/roll.h"
#include "core/slab/remote.h"
#include "core/thread/background.h"
#include "core/thread/held.h"
#include "core/thread/late.h"

_Thread_local fe_heap_t *fe_registry_slot = &fe_heap_empty;

static fe_heap_t *idle_first; /* linked by idle_next; the roll's lock */
/* Those of threads that ended since somebody had the lock, linked by idle_next: a thread's end
 * waits for nobody, since a fork may wait for it. */
static _Atomic(fe_heap_t *) ended;
/* How many there are in both, or are about to be, and late ones (late.h). Relaxed: whether it is
 * worth a look. */
static _Atomic(size_t) idle_count;

/* How often idle heaps are looked at: seldom enough to cost nothing, and in time for memory to go
 * back within a second. */
#define FE_IDLE_COLLECT_MS 200
static _Atomic(uint32_t) tick_ms; /* when they were last; moved on by compare-and-swap */

/* The end of this thread was told of. */
static _Thread_local bool is_ending;

static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static atomic_bool has_exit_key; /* relaxed */
/* The key tells of this thread's end, or is just being told of it. */
static _Thread_local bool is_exit_noted;

static bool has_idle(void) { return atomic_load_explicit(&idle_count, memory_order_relaxed) > 0; }

static void count_one_more(void) {
  atomic_fetch_add_explicit(&idle_count, 1, memory_order_relaxed);
}

static void count_one_less(void) {
  atomic_fetch_sub_explicit(&idle_count, 1, memory_order_relaxed);
}

static void push_ended(fe_heap_t *heap) {
  count_one_more();
  fe_heap_t *first = atomic_load_explicit(&ended, memory_order_relaxed);
  do {
    fe_heap_thread_part(heap)->idle_next = first;
    /* Release: whoever takes the heap sees the link, and that it has no holder. */
  } while (!atomic_compare_exchange_weak_explicit(&ended, &first, heap, memory_order_release,
                                                  memory_order_relaxed));
}

/* With the lock. */
static void push_idle(fe_heap_t *heap) {
  fe_heap_thread_part(heap)->idle_next = idle_first;
  idle_first = heap;
}

/* In a forked child: a thread that is not there may have counted a heap that it had not pushed. */
static void count_anew(void) {
  atomic_store_explicit(&idle_count, 0, memory_order_relaxed);
  fe_heap_t *heap = idle_first;
  for (; heap != NULL; heap = fe_heap_thread_part(heap)->idle_next) count_one_more();
}

/* With the lock. The one that ended last comes first. */
static void take_pushed(void) {
  fe_heap_t *heap = atomic_exchange_explicit(&ended, NULL, memory_order_acquire);
  fe_heap_t *oldest_first = NULL;
  for (fe_heap_t *next; heap != NULL; heap = next) {
    next = fe_heap_thread_part(heap)->idle_next;
    fe_heap_thread_part(heap)->idle_next = oldest_first;
    oldest_first = heap;
  }
  for (fe_heap_t *next; oldest_first != NULL; oldest_first = next) {
    next = fe_heap_thread_part(oldest_first)->idle_next;
    push_idle(oldest_first);
  }
}

/* What tells the calling thread from all others. */
static const void *this_thread(void) { return &fe_registry_slot; }

static void set_holder(fe_heap_t *heap, const void *thread) {
  atomic_store_explicit(&fe_heap_thread_part(heap)->holder, thread, memory_order_relaxed);
}

/* What the thread set for itself is not for the next one that has the heap; heaps that stand under
 * this one go on with it. */
static void lift_limit(fe_heap_t *heap) {
  bool has_children = atomic_load_explicit(&heap->child_count, memory_order_relaxed) > 0;
  if (fe_heap_limit(heap) != 0 && !has_children) fe_heap_set_limit(heap, 0);
}

/* Makes a heap one without a thread, which `push` puts into a list. */
static void let_go(fe_heap_t *heap, void (*push)(fe_heap_t *heap)) {
  lift_limit(heap);
  fe_heap_rest(heap);
  fe_late_leave(heap);
  /* Inside: who claims the heap waits until the thread is done with it. */
  fe_gate_enter(&heap->gate);
  set_holder(heap, NULL);
  push(heap);
  fe_gate_leave(&heap->gate, FE_GATE_FREE);
}

static void adopt(fe_heap_t *heap) { let_go(heap, push_idle); }

/* With the lock. In this order: what was pushed has been unlocked before, so that no heap without a
 * thread is in the list of late ones afterwards. */
static void take_ended(void) {
  take_pushed();
  atomic_fetch_sub_explicit(&idle_count, fe_late_take(adopt), memory_order_relaxed);
}

/* With the lock. */
static void unlink_idle(fe_heap_t **link) {
  *link = fe_heap_thread_part(*link)->idle_next;
  count_one_less();
}

/* -- Heaps without a thread -- */

static bool is_on(const fe_heap_t *heap, const fe_arenas_t *arenas) {
  return heap->context->arenas == arenas;
}

static fe_heap_t *claim_idle(const fe_arenas_t *arenas) {
  if (!has_idle() || !fe_roll_lock_soon(FE_GATE_PATIENCE_MS)) return NULL;
  take_ended();
  fe_heap_t **link = &idle_first;
  while (*link != NULL && !is_on(*link, arenas)) link = &fe_heap_thread_part(*link)->idle_next;
  fe_heap_t *heap = *link;
  if (heap != NULL) {
    unlink_idle(link);
    set_holder(heap, this_thread());
    fe_gate_enter(&heap->gate);
    fe_heap_mend(heap);
    fe_heap_resume(heap);
    fe_gate_leave(&heap->gate, FE_GATE_HELD);
  }
  fe_roll_unlock();
  return heap;
}

/* Nobody who freed the last block of the heap has anything to do with it any more. */
static bool have_all_left(const fe_heap_t *heap) {
  return atomic_load_explicit(fe_remote_leavers_of(heap), memory_order_acquire) == 0;
}

/* With the lock: ends the heap if nothing lives in it, and nobody is about to leave it, which the
 * caller may know; whether it did. */
static bool end_if_over(fe_heap_t *heap, bool is_left) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  if (!fe_heap_is_empty(heap) || !(is_left || have_all_left(heap))) {
    fe_gate_leave(&heap->gate, gate);
    return false;
  }
  fe_roll_remove(heap);
  fe_heap_note_end(heap);
  fe_heap_end(heap);
  return true;
}

/* With the lock. Of the heaps on some arenas, which all have left who had to do with them; NULL: of
 * all. */
static void collect_idle(const fe_arenas_t *arenas, unsigned patience_ms) {
  take_ended();
  fe_heap_t **link = &idle_first;
  while (*link != NULL) {
    fe_heap_t *heap = *link;
    fe_heap_t *next = fe_heap_thread_part(heap)->idle_next;
    bool is_meant = arenas == NULL || is_on(heap, arenas);
    if (is_meant) fe_heap_reclaim(heap, patience_ms);
    if (is_meant && fe_heap_is_empty(heap) && end_if_over(heap, arenas != NULL)) {
      *link = next;
      count_one_less();
    } else {
      link = &fe_heap_thread_part(heap)->idle_next;
    }
  }
}

bool fe_registry_collect_idle(unsigned patience_ms) {
  if (!has_idle()) return true;
  if (!fe_roll_lock_soon(patience_ms)) return false;
  collect_idle(NULL, FE_RECLAIM_PATIENCE_MS);
  fe_roll_unlock();
  return true;
}

/* With the lock in any case: whoever just ends the last one is done with the arenas then. */
void fe_registry_end_idle(fe_arenas_t *arenas) {
  if (!fe_roll_lock()) return;
  collect_idle(arenas, FE_RECLAIM_PATIENCE_MS);
  fe_roll_unlock();
}

void fe_registry_before_end(fe_heap_t *heap) {
  if (fe_late_forget(heap)) count_one_less();
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
  if (!has_idle() || !fe_roll_try_lock()) return; /* the next tick will do */
  collect_idle(NULL, 0);
  fe_roll_unlock();
}

/* -- A thread's beginning and end -- */

static fe_heap_t *make_heap(fe_arenas_t *arenas) {
  fe_heap_plan_t plan = {
      .granule = FE_GRANULE_SIZE, .is_permanent = true, .is_thread_heap = true, .arenas = arenas};
  fe_heap_t *heap = fe_heap_new(&plan);
  if (heap == NULL) return NULL;
  set_holder(heap, this_thread());
  atomic_store_explicit(&fe_heap_on_tick, tick, memory_order_relaxed);
  fe_roll_enter(heap);
  return heap;
}

static void hand_on(fe_heap_t *heap) { let_go(heap, push_ended); }

/* Runs at the end of each thread that has a heap. A later destructor that allocates gets one again,
 * and this runs once more, unless it was the last round. */
static void detach(void *unused) {
  (void)unused;
  is_exit_noted = false;
  is_ending = true;
  fe_heap_t *heap = fe_registry_slot;
  fe_registry_slot = &fe_heap_empty;
  if (heap != &fe_heap_empty) hand_on(heap);
  for (fe_heap_t *held = fe_held_forget_all(), *next; held != NULL; held = next) {
    next = fe_heap_thread_part(held)->held_next; /* before somebody else has the heap */
    hand_on(held);
  }
  fe_background_nudge();
}

static bool can_note_exits(void) {
  return atomic_load_explicit(&has_exit_key, memory_order_relaxed);
}

static void make_exit_key(void) {
  bool is_made = pthread_key_create(&exit_key, detach) == 0;
  atomic_store_explicit(&has_exit_key, is_made, memory_order_relaxed);
}

/* The calling thread has come to have a heap. The C library may allocate here, which makes the
 * thread one more heap if it has none for that yet. */
static void note_exit(void) {
  pthread_once(&exit_key_once, make_exit_key);
  fe_registry_mind_forks();
  if (is_exit_noted) return;
  is_exit_noted = true;
  /* Without a key heaps are not handed on when the thread ends; nothing else is wrong. The value
   * must not be NULL, and says nothing. */
  if (can_note_exits()) pthread_setspecific(exit_key, this_thread());
}

static fe_heap_t *claim_or_make(fe_arenas_t *arenas) {
  fe_heap_t *heap = claim_idle(arenas);
  if (heap == NULL) heap = make_heap(arenas);
  if (heap != NULL && is_ending) {
    count_one_more();
    fe_late_note(heap);
  }
  return heap;
}

FE_COLD fe_heap_t *fe_registry_attach(void) {
  if (fe_registry_slot != &fe_heap_empty) return fe_registry_slot;
  fe_heap_t *heap = claim_or_make(&fe_arenas_default);
  if (heap == NULL) return NULL;
  fe_registry_slot = heap;
  note_exit();
  return heap;
}

fe_heap_t *fe_registry_take(fe_arenas_t *arenas) {
  fe_heap_t *heap = claim_or_make(arenas);
  if (heap != NULL) note_exit();
  return heap;
}

/* -- Forks -- */

/* The heap of a thread other than the one that forks; it may be one that no thread has. */
static bool is_of_another(const fe_heap_t *heap) {
  if (!heap->is_thread_heap) return false;
  return atomic_load_explicit(&fe_heap_thread_part(heap)->holder, memory_order_relaxed) !=
         this_thread();
}

static void before_fork(void) {
  if (!fe_roll_before_fork()) return;
  for (fe_heap_t *heap = fe_roll_first; heap != NULL; heap = heap->roll_next) {
    if (is_of_another(heap)) fe_gate_stop(&heap->gate);
  }
}

static void let_all_go(void) {
  for (fe_heap_t *heap = fe_roll_first; heap != NULL; heap = heap->roll_next) {
    if (is_of_another(heap)) fe_gate_let_go(&heap->gate);
  }
}

/* While an outer fork goes on, holders stay stopped. */
static void after_fork_in_parent(void) {
  if (fe_roll_is_outermost_fork()) let_all_go();
  fe_roll_after_fork();
}

/* Heaps that somebody was inside of are lost. The number of forks goes up when the gates of the
 * others are not stopped any more. */
static void after_fork_in_child(void) {
  fe_roll_take_newcomers(); /* of threads that went on until the fork */
  take_pushed();
  fe_late_forget_all();
  for (fe_heap_t *heap = fe_roll_first; heap != NULL; heap = heap->roll_next) {
    fe_passing_after_fork(heap->context->arenas);
    if (!is_of_another(heap) || !fe_gate_inherit(&heap->gate)) continue;
    set_holder(heap, NULL);
    fe_heap_thread_part(heap)->is_torn = true;
    push_idle(heap);
  }
  count_anew();
  fe_gate_after_fork();
  for (unsigned i = 0; i < FE_REMOTE_LEAVERS_COUNT; i++) {
    atomic_store_explicit(&fe_remote_leavers[i].count, 0, memory_order_relaxed);
  }
  fe_roll_after_fork();
}

static void register_handlers(void) {
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void fe_registry_end(void) {
  if (!can_note_exits()) return;
  atomic_store_explicit(&has_exit_key, false, memory_order_relaxed);
  pthread_key_delete(exit_key);
}

void fe_registry_mind_forks(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, register_handlers);
}
