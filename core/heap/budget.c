/* Charging budgets and those above them; see budget.h. */
#include "core/heap/budget.h"

fe_budget_t fe_budget_process = {.limit = SIZE_MAX};

static bool charge_one(fe_budget_t *budget, size_t bytes) {
  size_t limit = fe_budget_limit(budget);
  size_t charged = fe_budget_charged(budget);
  do {
    if (bytes > limit || charged > limit - bytes) return false;
  } while (!atomic_compare_exchange_weak_explicit(&budget->charged, &charged, charged + bytes,
                                                  memory_order_relaxed, memory_order_relaxed));
  return true;
}

/* Takes `bytes` back from this budget up to, but without, `end`. */
static void uncharge_up_to(fe_budget_t *budget, const fe_budget_t *end, size_t bytes) {
  for (; budget != end; budget = budget->parent) {
    atomic_fetch_sub_explicit(&budget->charged, bytes, memory_order_relaxed);
  }
}

bool fe_budget_charge(fe_budget_t *budget, size_t bytes) {
  /* What cannot be had is not charged for even a moment. */
  if (fe_budget_without_room(budget, bytes) != NULL) return false;
  for (fe_budget_t *level = budget; level != NULL; level = level->parent) {
    if (charge_one(level, bytes)) continue;
    uncharge_up_to(budget, level, bytes);
    return false;
  }
  return true;
}

void fe_budget_uncharge(fe_budget_t *budget, size_t bytes) { uncharge_up_to(budget, NULL, bytes); }
