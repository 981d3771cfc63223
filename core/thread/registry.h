/* The thread registry: gives each thread a heap of its own at its first allocation, takes the heap
 * back when the thread ends, and hands it to a later thread. A heap that no thread has, in which
 * nothing lives, ends some time later, so that nothing grows with the number of threads that ever
 * were.
 *
 * On arenas of the program's own a thread has a heap besides, from its first request for it on
 * (held.h); all that follows holds for those, too.
 *
 * Heaps without a thread are a list, of which the one that came last to the same arenas is taken
 * first, since its memory is warm. The list is guarded by the lock of the roll (heap/roll.h), for
 * which a thread does not wait at its end: it pushes its heap on a list of those that ended, by
 * compare-and-swap, which the next one with the lock takes in. The heap itself is handed on by its
 * gate: HELD -> FREE by the thread at its end, release; FREE -> HELD by the one that claims it,
 * acquire: it sees all that the one before did with the heap.
 *
 * A heap ends when it is without a thread and without blocks, and nobody is about to leave it who
 * freed its last one (fe_remote_leavers). Whoever looks at all heaps has the roll's lock, or is in
 * a census, which keeps the memory.
 *
 * A fork has the roll's lock and stops the holders of all threads' heaps, so that no thread is
 * caught inside of one, but for those who waited too long (heap/gate.h): their heaps are lost to
 * the child. What threads were doing on quick ways is cut off between two of their instructions: at
 * most one block of each is then in no list, or counted as handed out for good. In the child, heaps
 * of threads that are not there become heaps without a thread. Their counts are put right by their
 * free lists before anybody uses them (fe_heap_mend).
 *
 * Modelled in tests/model (thread_registry.pml). */
#ifndef FERROC_CORE_THREAD_REGISTRY_H
#define FERROC_CORE_THREAD_REGISTRY_H

#include "core/heap/heap.h"

/* Without an operating system there is one thread for all of it: single.c instead of registry.c. */
#ifdef FE_FREESTANDING
#define FE_THREAD_LOCAL
#else
#define FE_THREAD_LOCAL _Thread_local
#endif

/* The calling thread's heap, or fe_heap_empty. */
extern __attribute__((visibility("hidden"))) FE_THREAD_LOCAL fe_heap_t *fe_registry_slot;

static inline fe_heap_t *fe_registry_heap(void) { return fe_registry_slot; }

/* Gives the calling thread a heap if it has none, and returns it. NULL: no memory. */
fe_heap_t *fe_registry_attach(void);

/* A heap for the calling thread on arenas of the program's own, which the caller notes (held.h):
 * one without a thread, or a new one. NULL: no memory. */
fe_heap_t *fe_registry_take(fe_arenas_t *arenas);

/* Ends the heaps on these arenas that no thread has, and in which nothing lives. Nobody else may be
 * using the arenas. */
void fe_registry_end_idle(fe_arenas_t *arenas);

/* With the roll's lock: the calling thread's heap is about to end. */
void fe_registry_before_end(fe_heap_t *heap);

/* Takes in what others freed in heaps that no thread has, gives their empty shards up, and ends
 * those in which nothing lives. False if somebody else had the roll for longer than that. */
bool fe_registry_collect_idle(unsigned patience_ms);

/* The library ends, in a program that may go on: threads that end later do not call it. */
void fe_registry_end(void);

/* Sees to it that a fork leaves heaps whole. Before the first one; any number of times. */
void fe_registry_mind_forks(void);

#endif /* FERROC_CORE_THREAD_REGISTRY_H */
