/* The roll: a list of all heaps, for whoever has to do something for each of them. A lock guards
 * it, which those take who make or end a heap, whose thread begins or ends, or who walk over all of
 * them. Nobody who is inside of a heap's gate waits for it; whoever has it may wait at gates.
 *
 * A fork holds the lock, so that the child finds the list whole. */
#ifndef FERROC_CORE_HEAP_ROLL_H
#define FERROC_CORE_HEAP_ROLL_H

#include "core/heap/heap.h"

/* So long waits who would have to refuse something, or to say that he cannot tell: a fork of a
 * large process takes its time, and many that want the lock do on a busy machine. */
#define FE_ROLL_PATIENCE_MS 10000

/* Not while the calling thread has it. False: in a handler of a fork, whose thread has it already,
 * and has stopped the holders of heaps; then nobody may walk over the list, and fe_roll_unlock is
 * not to be called. */
bool fe_roll_lock(void);
/* The same for what happens on the way of an allocation or a free, whose caller may have a lock
 * that a fork waits for (gate.h): false also if somebody else has it for longer than that, or, the
 * second, if somebody else has it. */
bool fe_roll_lock_soon(unsigned patience_ms);
bool fe_roll_try_lock(void);
void fe_roll_unlock(void);

/* For the handlers of a fork: from `before` to `after`, in the same thread, it has the lock. A
 * handler may fork itself. Whether it is the outermost fork. */
bool fe_roll_before_fork(void);
bool fe_roll_is_outermost_fork(void);
void fe_roll_after_fork(void);

/* With the lock: all heaps, linked by roll_next. */
extern fe_heap_t *fe_roll_first;

/* A heap begins; it waits for nobody, and is in the list when the lock is taken next. Any thread.
 */
void fe_roll_enter(fe_heap_t *heap);

/* Puts those that begin into the list. With the lock, or in a handler of a fork; who gets the lock
 * has done so. */
void fe_roll_take_newcomers(void);

/* With the lock, or in a handler of a fork. */
void fe_roll_remove(fe_heap_t *heap);

#endif /* FERROC_CORE_HEAP_ROLL_H */
