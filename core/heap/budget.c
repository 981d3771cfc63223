/* Charging budgets and those above them; see budget.h. */
#include "core/heap/budget.h"

fe_lone_budget_t fe_budget_process = {.budget = {.limit = SIZE_MAX}};

static bool is_apart(size_t charged) { return (charged & FE_BUDGET_APART) != 0; }

/* The next level that is to be charged, after one whose count was `before`. */
static fe_budget_t *next_level(const fe_budget_t *budget, size_t before) {
  return is_apart(before) ? NULL : budget->parent;
}

static bool charge_one(fe_budget_t *budget, size_t bytes, size_t *before) {
  size_t limit = fe_budget_limit(budget);
  *before = atomic_load_explicit(&budget->charged, memory_order_relaxed);
  do {
    if (bytes > limit || (*before & ~FE_BUDGET_APART) > limit - bytes) return false;
  } while (!atomic_compare_exchange_weak_explicit(&budget->charged, before, *before + bytes,
                                                  memory_order_relaxed, memory_order_relaxed));
  return true;
}

/* Takes `bytes` back from this budget up to, but without, `end`. */
static void uncharge_up_to(fe_budget_t *budget, const fe_budget_t *end, size_t bytes) {
  while (budget != end && budget != NULL) {
    /* Acquire: after it joined, it is counted above before anything is taken back there. */
    size_t before = atomic_fetch_sub_explicit(&budget->charged, bytes, memory_order_acquire);
    budget = next_level(budget, before);
  }
}

void fe_budget_join(fe_budget_t *budget) {
  size_t charged = atomic_load_explicit(&budget->charged, memory_order_relaxed);
  while (is_apart(charged)) {
    size_t bytes = charged & ~FE_BUDGET_APART;
    atomic_fetch_add_explicit(&budget->parent->charged, bytes, memory_order_relaxed);
    /* Release: pairs with whoever takes it back. */
    if (atomic_compare_exchange_strong_explicit(&budget->charged, &charged, bytes,
                                                memory_order_release, memory_order_relaxed)) {
      return;
    }
    atomic_fetch_sub_explicit(&budget->parent->charged, bytes, memory_order_relaxed);
  }
}

/* Whoever sees a limit above has each level joined, in case that who set it did not find it. */
static void join_if_limited(fe_budget_t *budget) {
  if (budget->parent == NULL || fe_budget_limit(budget->parent) == SIZE_MAX) return;
  fe_budget_join(budget);
}

void fe_budget_leave(fe_budget_t *budget) {
  size_t charged = atomic_load_explicit(&budget->charged, memory_order_relaxed);
  if (!is_apart(charged)) fe_budget_uncharge(budget->parent, charged);
}

bool fe_budget_charge(fe_budget_t *budget, size_t bytes) {
  /* What cannot be had is not charged for even a moment. */
  if (fe_budget_without_room(budget, bytes) != NULL) return false;
  size_t before;
  for (fe_budget_t *level = budget; level != NULL; level = next_level(level, before)) {
    join_if_limited(level);
    if (charge_one(level, bytes, &before)) continue;
    uncharge_up_to(budget, level, bytes);
    return false;
  }
  return true;
}

void fe_budget_uncharge(fe_budget_t *budget, size_t bytes) { uncharge_up_to(budget, NULL, bytes); }
