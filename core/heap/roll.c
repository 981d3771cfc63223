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

/* The calling thread forks, and has the lock for that. */
static _Thread_local bool is_forking;

bool fe_roll_lock(void) {
  if (is_forking) return false;
  pthread_mutex_lock(&mutex);
  return true;
}

bool fe_roll_try_lock(void) { return !is_forking && pthread_mutex_trylock(&mutex) == 0; }

void fe_roll_unlock(void) { pthread_mutex_unlock(&mutex); }

void fe_roll_before_fork(void) {
  pthread_mutex_lock(&mutex);
  is_forking = true;
}

void fe_roll_after_fork(void) {
  is_forking = false;
  pthread_mutex_unlock(&mutex);
}

#endif

static void add(fe_heap_t *heap) {
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

void fe_roll_enter(fe_heap_t *heap) {
  bool is_locked = fe_roll_lock();
  add(heap);
  if (is_locked) fe_roll_unlock();
}
