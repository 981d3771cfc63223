/* The roll of all heaps; see roll.h. */
#include "core/heap/roll.h"

fe_heap_t *fe_roll_first;

#ifdef FE_FREESTANDING

bool fe_roll_lock(void) { return true; }
bool fe_roll_try_lock(void) { return true; }
void fe_roll_unlock(void) {}
void fe_roll_before_fork(void) {}
void fe_roll_after_fork(void) {}

#else

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* The thread that forks; valid while it has the lock for that. */
static pthread_t forking_thread;
static atomic_bool is_forking;

static bool is_forking_here(void) {
  return atomic_load_explicit(&is_forking, memory_order_acquire) &&
         pthread_equal(forking_thread, pthread_self());
}

bool fe_roll_lock(void) {
  if (is_forking_here()) return false;
  pthread_mutex_lock(&mutex);
  return true;
}

bool fe_roll_try_lock(void) { return !is_forking_here() && pthread_mutex_trylock(&mutex) == 0; }

void fe_roll_unlock(void) { pthread_mutex_unlock(&mutex); }

void fe_roll_before_fork(void) {
  pthread_mutex_lock(&mutex);
  forking_thread = pthread_self();
  atomic_store_explicit(&is_forking, true, memory_order_release);
}

void fe_roll_after_fork(void) {
  atomic_store_explicit(&is_forking, false, memory_order_release);
  pthread_mutex_unlock(&mutex);
}

#endif

void fe_roll_add(fe_heap_t *heap) {
  heap->roll_prev = NULL;
  heap->roll_next = fe_roll_first;
  if (fe_roll_first != NULL) fe_roll_first->roll_prev = heap;
  fe_roll_first = heap;
}

void fe_roll_remove(fe_heap_t *heap) {
  if (heap->roll_prev != NULL) heap->roll_prev->roll_next = heap->roll_next;
  if (heap->roll_next != NULL) heap->roll_next->roll_prev = heap->roll_prev;
  if (fe_roll_first == heap) fe_roll_first = heap->roll_next;
}
