/* The gate of a heap: who may touch what only one thread at a time may.
 *
 * The quick ways of a heap's holder (heap_inline.h) go by it: they take blocks from current shards
 * and put them back into shards of queues, and touch nothing else. All else, every list and count
 * of a heap, is for whoever is inside. The holder goes inside for each slow call. Anybody else may
 * go inside as well, to get back what the heap keeps for nobody (reclaim.c), and leaves alone what
 * the quick ways may touch at that moment. So nothing stays because the holder sleeps. Whoever is
 * not the holder has the lock of the roll (roll.h) while he is inside, so that a fork, which has it
 * too, finds nobody but holders there.
 *
 *   FREE   nobody holds the heap: it was handed over, or its thread ended. Whoever goes inside may
 *          do all that a holder may; whoever claims it (FREE -> HELD) is the holder
 *   HELD   somebody holds the heap, and is outside
 *   SHUT   somebody is inside
 *   STOPPED  the holder is outside, and shall not come inside while the process forks
 *
 * Into SHUT by compare-and-swap, acquire; out of it by a store of what was there before, release:
 * so each one who is inside sees what all before him did. Who is inside calls nothing that waits
 * for another gate or for the roll of all heaps (roll.h), and none of the program's functions but
 * the base's; so whoever waits, waits for a bounded time, but for a base's function that comes back
 * here: visits from outside give up after a while (fe_gate_enter_soon).
 *
 * A fork stops the holders of threads' heaps (thread/registry.h), so that the child finds these
 * heaps whole. But whoever allocates may have a lock that the fork waits for, as those of the C
 * library: so he waits for it FE_GATE_PATIENCE_MS, and then goes inside. The child sees that, if it
 * sees anything of what he does there: it sees of each thread what it did up to some moment.
 * The child of a fork that takes longer therefore loses what such heaps have.
 *
 * A forked child may find gates shut by threads that are not there, which held the heaps. SHUT
 * tells how many forks there had been, so that such a gate is known: its heap may be in the middle
 * of anything. Who says that he holds it now may go on with it, at his own risk; others leave it
 * alone.
 *
 * Modelled in tests/model (heap_gate.pml). */
#ifndef FERROC_CORE_HEAP_GATE_H
#define FERROC_CORE_HEAP_GATE_H

#include <stdatomic.h>

#include "core/base/config.h"

#define FE_GATE_FREE 0u
#define FE_GATE_HELD 1u
#define FE_GATE_SHUT 2u /* and four times the number of forks; STOPPED is one more than it is */
#define FE_GATE_PATIENCE_MS 10
#define FE_GATE_STOP_MS 100 /* so long a fork waits for who is inside */

typedef _Atomic(uint32_t) fe_gate_t;

/* What SHUT is now; changed in a forked child, while it has one thread. */
extern uint32_t fe_gate_shut;

/* In a forked child, once the gates that were stopped are not any more. */
void fe_gate_after_fork(void);

/* Before a fork: stops the holder, if there is one, when he is outside. Who stays inside for long
 * may wait there, in a function of the base, for a lock that the caller has: the child loses his
 * heap. */
void fe_gate_stop(fe_gate_t *gate);
/* After it, in the parent. */
void fe_gate_let_go(fe_gate_t *gate);
/* After it, in the child, where the holder is not: HELD or STOPPED -> FREE; whether it was. */
bool fe_gate_inherit(fe_gate_t *gate);

/* Goes inside, whatever the gate is, when nobody else is. Returns what it was. Holder, or whoever
 * may wait for the heap and knows that it stays. */
uint32_t fe_gate_wait(fe_gate_t *gate);

/* Goes inside if nobody is there now, or, the second, within that time; whether it did, and what
 * the gate was. */
bool fe_gate_enter_soon(fe_gate_t *gate, unsigned patience_ms, uint32_t *before);
static inline bool fe_gate_try(fe_gate_t *gate, uint32_t *before) {
  *before = atomic_load_explicit(gate, memory_order_relaxed);
  return *before <= FE_GATE_HELD &&
         atomic_compare_exchange_strong_explicit(gate, before, fe_gate_shut, memory_order_acquire,
                                                 memory_order_relaxed);
}

static inline uint32_t fe_gate_enter(fe_gate_t *gate) {
  uint32_t before = FE_GATE_HELD;
  if (FE_LIKELY(atomic_compare_exchange_strong_explicit(
          gate, &before, fe_gate_shut, memory_order_acquire, memory_order_relaxed))) {
    return FE_GATE_HELD;
  }
  return fe_gate_wait(gate);
}

static inline void fe_gate_leave(fe_gate_t *gate, uint32_t before) {
  atomic_store_explicit(gate, before, memory_order_release);
}

/* Whether nobody held the heap, and the caller does now. Waits for whoever is inside. */
bool fe_gate_claim(fe_gate_t *gate);

static inline bool fe_gate_is_free(const fe_gate_t *gate) {
  return atomic_load_explicit((fe_gate_t *)gate, memory_order_relaxed) == FE_GATE_FREE;
}

/* Whether it was shut by a thread that a fork left behind. */
static inline bool fe_gate_is_lost(uint32_t value) {
  return value > FE_GATE_HELD && (value & ~1u) != fe_gate_shut;
}

#endif /* FERROC_CORE_HEAP_GATE_H */
