/* Waiting at a gate. */
#include "core/heap/gate.h"

#include "core/base/base.h"

uint32_t fe_gate_shut = FE_GATE_SHUT;

void fe_gate_after_fork(void) { fe_gate_shut += 4; }

/* Whoever is inside is done soon, unless it has no processor. */
static void pause_at(unsigned turn) {
  enum { SHORTEST_SLEEP = 20 };
  fe_wait(turn < SHORTEST_SLEEP ? turn : SHORTEST_SLEEP);
}

static bool change(fe_gate_t *gate, uint32_t from, uint32_t to) {
  return atomic_compare_exchange_strong_explicit(gate, &from, to, memory_order_acq_rel,
                                                 memory_order_relaxed);
}

static uint32_t stopped(void) { return fe_gate_shut + 1; }

uint32_t fe_gate_wait(fe_gate_t *gate) {
  uint32_t since_ms = fe_clock_ms();
  for (unsigned turn = 0;; turn++) {
    uint32_t seen = atomic_load_explicit(gate, memory_order_relaxed);
    bool is_lost = fe_gate_is_lost(seen);
    bool is_late = seen == stopped() && fe_clock_ms() - since_ms > FE_GATE_PATIENCE_MS;
    if ((seen <= FE_GATE_HELD || is_lost || is_late) && change(gate, seen, fe_gate_shut)) {
      return is_lost || is_late ? FE_GATE_HELD : seen;
    }
    pause_at(turn);
  }
}

bool fe_gate_enter_soon(fe_gate_t *gate, unsigned patience_ms, uint32_t *before) {
  uint32_t since_ms = fe_clock_ms();
  for (unsigned turn = 0; !fe_gate_try(gate, before); turn++) {
    if (fe_gate_is_lost(*before) || fe_clock_ms() - since_ms >= patience_ms) return false;
    pause_at(turn);
  }
  return true;
}

void fe_gate_stop(fe_gate_t *gate) {
  uint32_t since_ms = fe_clock_ms();
  for (unsigned turn = 0; fe_clock_ms() - since_ms <= FE_GATE_STOP_MS; turn++) {
    uint32_t seen = atomic_load_explicit(gate, memory_order_relaxed);
    if (seen == FE_GATE_FREE || fe_gate_is_lost(seen)) return;
    if (seen == FE_GATE_HELD && change(gate, seen, stopped())) return;
    pause_at(turn);
  }
}

void fe_gate_let_go(fe_gate_t *gate) { change(gate, stopped(), FE_GATE_HELD); }

bool fe_gate_inherit(fe_gate_t *gate) {
  return change(gate, stopped(), FE_GATE_FREE) || change(gate, FE_GATE_HELD, FE_GATE_FREE);
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
