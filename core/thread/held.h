/* The heaps that the calling thread has on arenas of the program's own, at most one on each. They
 * come from the registry, and go back to it when the thread ends.
 *
 * A short table answers for those arenas that were asked for last, and a list, linked by held_next,
 * for all. Only the thread itself looks at either. Arenas cannot end while a thread has a heap
 * there, but by that thread: so what both say is true, also when others are made at the same
 * address later on. */
#ifndef FERROC_CORE_THREAD_HELD_H
#define FERROC_CORE_THREAD_HELD_H

#include "core/thread/registry.h"

/* The first of the list. */
extern __attribute__((visibility("hidden"))) FE_THREAD_LOCAL fe_heap_t *fe_held_first;

/* The calling thread's heap on these arenas, the process's or others, if it has one; else NULL. */
fe_heap_t *fe_held_on(const fe_arenas_t *arenas);

/* As if the thread had none on arenas of the program's; returns the list of those that it had. */
fe_heap_t *fe_held_forget_all(void);

/* fe_heap_collect for all heaps that the thread has. */
void fe_held_collect(void);

#endif /* FERROC_CORE_THREAD_HELD_H */
