/* Claiming, making and giving back the heaps of threads; see registry.h for the protocol. */
#include "core/thread/registry.h"

#include <pthread.h>

_Thread_local fe_heap_t *fe_registry_slot = &fe_heap_empty;

static _Atomic(fe_heap_t *) registry_head;
static _Atomic(size_t) idle_count; /* relaxed, a hint only: whether a search is worth it */

/* How often idle heaps are looked at: seldom enough to cost nothing, and in time for memory to go
 * back within a second. */
#define FE_IDLE_COLLECT_MS 200
static _Atomic(uint32_t) tick_ms; /* when they were last; moved on by compare-and-swap */

static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static bool has_exit_key;

/* Whether the heap was idle and is the caller's now. */
static bool claim(fe_heap_t *heap) {
  if (!fe_heap_claim(heap)) return false;
  atomic_fetch_sub_explicit(&idle_count, 1, memory_order_relaxed);
  return true;
}

static void unclaim(fe_heap_t *heap) {
  atomic_fetch_add_explicit(&idle_count, 1, memory_order_relaxed);
  atomic_store_explicit(&heap->is_held, 0, memory_order_release);
}

static fe_heap_t *claim_idle(void) {
  if (atomic_load_explicit(&idle_count, memory_order_relaxed) == 0) return NULL;
  fe_heap_t *heap = atomic_load_explicit(&registry_head, memory_order_acquire);
  while (heap != NULL && !claim(heap)) heap = heap->registry_next;
  return heap;
}

void fe_registry_collect_idle(void) {
  fe_heap_t *heap = atomic_load_explicit(&registry_head, memory_order_acquire);
  for (; heap != NULL; heap = heap->registry_next) {
    if (!claim(heap)) continue;
    fe_heap_collect(heap, false);
    unclaim(heap);
  }
}

/* Idle heaps keep some memory for the thread that has them next, but not for long. */
static void tick(void) {
  if (atomic_load_explicit(&idle_count, memory_order_relaxed) == 0) return;
  uint32_t now = fe_clock_ms();
  uint32_t last = atomic_load_explicit(&tick_ms, memory_order_relaxed);
  if (now - last < FE_IDLE_COLLECT_MS) return;
  if (!atomic_compare_exchange_strong_explicit(&tick_ms, &last, now, memory_order_relaxed,
                                               memory_order_relaxed)) {
    return;
  }
  fe_registry_collect_idle();
}

static fe_heap_t *make_heap(void) {
  fe_heap_plan_t plan = {.granule = FE_GRANULE_SIZE, .is_permanent = true, .is_thread_heap = true};
  fe_heap_t *heap = fe_heap_new(&plan);
  if (heap == NULL) return NULL;
  atomic_store_explicit(&fe_heap_on_tick, tick, memory_order_relaxed);
  fe_heap_t *head = atomic_load_explicit(&registry_head, memory_order_relaxed);
  do {
    heap->registry_next = head;
  } while (!atomic_compare_exchange_weak_explicit(&registry_head, &head, heap, memory_order_release,
                                                  memory_order_relaxed));
  return heap;
}

/* Runs at the end of each thread that has a heap. A later destructor that allocates gets one again,
 * and this runs once more. */
static void detach(void *slot) {
  fe_heap_t *heap = slot;
  fe_registry_slot = &fe_heap_empty;
  fe_heap_rest(heap);
  unclaim(heap);
}

static void make_exit_key(void) { has_exit_key = pthread_key_create(&exit_key, detach) == 0; }

FE_COLD fe_heap_t *fe_registry_attach(void) {
  if (fe_registry_slot != &fe_heap_empty) return fe_registry_slot;
  fe_heap_t *heap = claim_idle();
  if (heap == NULL) heap = make_heap();
  if (heap == NULL) return NULL;
  fe_registry_slot = heap;
  pthread_once(&exit_key_once, make_exit_key);
  /* Without a key the heap is not handed on when the thread ends; nothing else is wrong. */
  if (has_exit_key) pthread_setspecific(exit_key, heap);
  return heap;
}
