/* The thread registry: gives each thread a heap of its own at its first allocation, takes the heap
 * back whole when the thread ends, and hands it to a later thread.
 *
 * All heaps that were ever made are in one list that only grows at its head, and each says whether
 * a thread has it. A thread claims an idle one by compare-and-swap of that word. Nothing is ever
 * taken out of the list, so there is no pointer that could be mistaken for an older one (no ABA).
 *
 *   registry head     all threads; push by compare-and-swap, release; read with acquire
 *   is_held           of each heap: 0 -> 1 by a thread that claims it, acquire: it sees all that
 * the one before did with the heap; 1 -> 0 by the heap's thread at its end, release
 *
 * In the child of a fork, heaps of threads that are not there any more stay taken: they may have
 * been in the middle of anything. Blocks in them can be freed, and wait in the heap's inbox.
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

/* Takes in what others freed in heaps that no thread has, and gives their empty shards up. */
void fe_registry_collect_idle(void);

#endif /* FERROC_CORE_THREAD_REGISTRY_H */
