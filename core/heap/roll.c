/* The roll of all heaps; see roll.h. */
#include "core/heap/roll.h"

fe_heap_t *fe_roll_first;

/* Heaps that are not in the list yet, linked by roll_next. Pushed by compare-and-swap, and all
 * taken at once by who has the lock. */
static _Atomic(fe_heap_t *) newcomers;

void fe_roll_enter(fe_heap_t *heap) {
  fe_heap_t *first = atomic_load_explicit(&newcomers, memory_order_relaxed);
  do {
    heap->roll_next = first;
    /* Release: whoever walks over the list sees the heap as it was made. Acquire: whoever is not
     * found by a walk sees what was done before it. */
  } while (!atomic_compare_exchange_weak_explicit(&newcomers, &first, heap, memory_order_acq_rel,
                                                  memory_order_relaxed));
}

static void add(fe_heap_t *heap) {
  heap->roll_prev = NULL;
  heap->roll_next = fe_roll_first;
  if (fe_roll_first != NULL) fe_roll_first->roll_prev = heap;
  fe_roll_first = heap;
}

void fe_roll_take_newcomers(void) {
  fe_heap_t *heap = atomic_exchange_explicit(&newcomers, NULL, memory_order_acq_rel);
  while (heap != NULL) {
    fe_heap_t *next = heap->roll_next;
    add(heap);
    heap = next;
  }
}

#ifdef FE_FREESTANDING

bool fe_roll_lock(void) {
  fe_roll_take_newcomers();
  return true;
}
bool fe_roll_lock_soon(unsigned patience_ms) {
  (void)patience_ms;
  return fe_roll_lock();
}
bool fe_roll_try_lock(void) { return fe_roll_lock(); }
void fe_roll_unlock(void) {}
bool fe_roll_before_fork(void) { return true; }
bool fe_roll_is_outermost_fork(void) { return true; }
void fe_roll_after_fork(void) {}

#else

#include <pthread.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* In so many forks the calling thread is; it has the lock for the first of them. */
static _Thread_local unsigned fork_depth;

static bool wait_for(unsigned patience_ms) {
  if (pthread_mutex_trylock(&mutex) == 0) return true;
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += patience_ms / 1000;
  until.tv_nsec += (long)(patience_ms % 1000) * 1000000;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  return pthread_mutex_timedlock(&mutex, &until) == 0;
}

bool fe_roll_lock(void) {
  if (fork_depth > 0) return false;
  pthread_mutex_lock(&mutex);
  fe_roll_take_newcomers();
  return true;
}

bool fe_roll_lock_soon(unsigned patience_ms) {
  if (fork_depth > 0 || !wait_for(patience_ms)) return false;
  fe_roll_take_newcomers();
  return true;
}

bool fe_roll_try_lock(void) {
  if (fork_depth > 0 || pthread_mutex_trylock(&mutex) != 0) return false;
  fe_roll_take_newcomers();
  return true;
}

void fe_roll_unlock(void) { pthread_mutex_unlock(&mutex); }

bool fe_roll_before_fork(void) {
  fe_roll_lock();
  return ++fork_depth == 1;
}

bool fe_roll_is_outermost_fork(void) { return fork_depth == 1; }

void fe_roll_after_fork(void) {
  if (--fork_depth == 0) pthread_mutex_unlock(&mutex);
}

#endif

void fe_roll_remove(fe_heap_t *heap) {
  fe_roll_take_newcomers();
  if (heap->roll_prev != NULL) heap->roll_prev->roll_next = heap->roll_next;
  if (heap->roll_next != NULL) heap->roll_next->roll_prev = heap->roll_prev;
  if (fe_roll_first == heap) fe_roll_first = heap->roll_next;
}
