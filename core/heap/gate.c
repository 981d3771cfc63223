/* Waiting at a gate. */
#include "core/heap/gate.h"

uint32_t fe_gate_shut = FE_GATE_SHUT;

void fe_gate_after_fork(void) { fe_gate_shut += 4; }

#ifdef FE_FREESTANDING

static void pause_at(unsigned turn) { (void)turn; }

#else

#include <sched.h>

/* Whoever is inside is done soon, unless it has no processor. */
static void pause_at(unsigned turn) {
  enum { SPINS = 64 };
  if (turn >= SPINS) sched_yield();
#if defined(__x86_64__) || defined(__i386__)
  if (turn < SPINS) __builtin_ia32_pause();
#endif
}

#endif

uint32_t fe_gate_wait(fe_gate_t *gate) {
  for (unsigned turn = 0;; turn++) {
    uint32_t seen = atomic_load_explicit(gate, memory_order_relaxed);
    bool is_lost = fe_gate_is_lost(seen);
    if ((seen <= FE_GATE_HELD || is_lost) &&
        atomic_compare_exchange_strong_explicit(gate, &seen, fe_gate_shut, memory_order_acquire,
                                                memory_order_relaxed)) {
      return is_lost ? FE_GATE_HELD : seen;
    }
    pause_at(turn);
  }
}

bool fe_gate_claim(fe_gate_t *gate) {
  for (unsigned turn = 0;; turn++) {
    uint32_t seen = FE_GATE_FREE;
    if (atomic_compare_exchange_strong_explicit(gate, &seen, FE_GATE_HELD, memory_order_acquire,
                                                memory_order_relaxed)) {
      return true;
    }
    if (seen == FE_GATE_HELD || fe_gate_is_lost(seen)) return false;
    pause_at(turn);
  }
}
