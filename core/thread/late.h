/* Heaps that a thread gets after its end was told of (registry.c): a destructor of a key that comes
 * later may allocate in each round, in the last one too, and nobody tells of the end again. So such
 * a heap has a robust mutex, which its thread has locked: when the thread is gone, the system says
 * so to whoever tries to lock it.
 *
 * They are a list, to which their threads push them by compare-and-swap, and of which all else is
 * for who has the roll's lock. A thread whose end is told of after all unlocks the mutex before it
 * hands the heap on. */
#ifndef FERROC_CORE_THREAD_LATE_H
#define FERROC_CORE_THREAD_LATE_H

#include "core/heap/heap.h"

/* The heap is the calling thread's, which is about to end. */
void fe_late_note(fe_heap_t *heap);

/* Its thread hands it on, or somebody else does when the thread is gone. Also for other heaps. */
void fe_late_leave(fe_heap_t *heap);

/* With the roll's lock: calls `adopt` for the heaps of threads that are gone, and forgets those
 * that were handed on by their threads; how many these are. */
size_t fe_late_take(void (*adopt)(fe_heap_t *heap));

/* With the roll's lock: the calling thread's heap is about to end. Whether it was a late one. */
bool fe_late_forget(fe_heap_t *heap);

/* In the child of a fork, where all heaps of other threads are handed on. */
void fe_late_forget_all(void);

#endif /* FERROC_CORE_THREAD_LATE_H */
