/* Noticing the end of threads that got a heap when they were about to end; see late.h. */
#include "core/thread/late.h"

#include <errno.h>

/* Linked by late_next. */
static _Atomic(fe_heap_t *) first;

static void push(fe_heap_t *heap) {
  fe_heap_t *seen = atomic_load_explicit(&first, memory_order_relaxed);
  do {
    fe_heap_thread_part(heap)->late_next = seen;
    /* Release: whoever takes the heap sees the link and the mutex. */
  } while (!atomic_compare_exchange_weak_explicit(&first, &seen, heap, memory_order_release,
                                                  memory_order_relaxed));
}

void fe_late_note(fe_heap_t *heap) {
  fe_thread_part_t *part = fe_heap_thread_part(heap);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&part->late_mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  pthread_mutex_lock(&part->late_mutex);
  part->is_late = true;
  push(heap);
}

void fe_late_leave(fe_heap_t *heap) {
  fe_thread_part_t *part = fe_heap_thread_part(heap);
  if (!part->is_late) return;
  part->is_late = false;
  pthread_mutex_unlock(&part->late_mutex);
}

static fe_heap_t *take_all(void) {
  return atomic_exchange_explicit(&first, NULL, memory_order_acquire);
}

size_t fe_late_take(void (*adopt)(fe_heap_t *heap)) {
  size_t count = 0;
  fe_heap_t *heap = take_all();
  for (fe_heap_t *next; heap != NULL; heap = next) {
    fe_thread_part_t *part = fe_heap_thread_part(heap);
    next = part->late_next;
    int error = pthread_mutex_trylock(&part->late_mutex);
    if (error == EBUSY) {
      push(heap);
    } else if (error == EOWNERDEAD) {
      pthread_mutex_consistent(&part->late_mutex);
      adopt(heap);
    } else {
      pthread_mutex_unlock(&part->late_mutex);
      count++;
    }
  }
  return count;
}

bool fe_late_forget(fe_heap_t *heap) {
  if (!fe_heap_thread_part(heap)->is_late) return false;
  fe_late_leave(heap);
  for (fe_heap_t *other = take_all(), *next; other != NULL; other = next) {
    next = fe_heap_thread_part(other)->late_next;
    if (other != heap) push(other);
  }
  return true;
}

void fe_late_forget_all(void) {
  fe_heap_t *heap = take_all();
  for (; heap != NULL; heap = fe_heap_thread_part(heap)->late_next) {
    fe_heap_thread_part(heap)->is_late = false;
  }
}
