/* A budget: how many bytes a heap and the heaps under it may take, and how many they have taken.
 *
 * Heaps of several threads may stand under one budget. `charged` is a plain counter that everybody
 * changes by atomic operations: who charges adds to it only if the sum stays within the limit, who
 * charges for several levels takes back what it added below when a level above refuses. So charged
 * never passes the limit by a charge, whatever the order; in between, a refused charge may be seen
 * as charged for a moment, and make another one fail that would just have fitted.
 *
 * As long as nothing limits the process, heaps do not write its counter, which all of them share:
 * they are apart. A bit of a heap's own counter says so, so each charge knows in the moment that it
 * is made whether it counts above as well. When a limit is set, each heap joins, for good: what it
 * has charged is counted above, and then the bit goes, if nothing was charged or taken back
 * meanwhile.
 *
 * Relaxed order is enough, for the counters order nothing but themselves, but for this: what was
 * joined is counted above before it is taken back there. Modelled in tests/model (budget.pml). */
#ifndef FERROC_CORE_HEAP_BUDGET_H
#define FERROC_CORE_HEAP_BUDGET_H

#include <stdatomic.h>

#include "core/base/config.h"

typedef struct fe_budget {
  struct fe_budget *parent; /* what is charged here is charged there, too; NULL: none; constant */
  _Atomic(size_t) limit;    /* SIZE_MAX: none; written by the heap's holder, read by all */
  _Atomic(size_t) charged;  /* bytes, an even number, and FE_BUDGET_APART; all */
} fe_budget_t;

/* What is charged is not charged in the parent. */
#define FE_BUDGET_APART ((size_t)1)

/* The one above all: what the option memory_limit is about. Heaps without a parent stand under it,
 * and are apart at first. A line of its own: with a limit, all threads write there. */
typedef struct fe_lone_budget {
  alignas(FE_CACHE_LINE) fe_budget_t budget;
} fe_lone_budget_t;
extern fe_lone_budget_t fe_budget_process;

/* For a budget that is apart, and whose parent is that of the process: it is not any more, and what
 * it has charged is charged there, whatever the limit is. Any thread. */
void fe_budget_join(fe_budget_t *budget);

/* The budget ends: its parent does without what it has charged. Nobody else uses it. */
void fe_budget_leave(fe_budget_t *budget);

/* Charges the budget and all above it, or none; whether it could. Any thread. */
bool fe_budget_charge(fe_budget_t *budget, size_t bytes);

/* Takes back what was charged. Any thread. */
void fe_budget_uncharge(fe_budget_t *budget, size_t bytes);

static inline size_t fe_budget_charged(const fe_budget_t *budget) {
  size_t charged = atomic_load_explicit(&((fe_budget_t *)budget)->charged, memory_order_relaxed);
  return charged & ~FE_BUDGET_APART;
}

static inline size_t fe_budget_limit(const fe_budget_t *budget) {
  return atomic_load_explicit(&((fe_budget_t *)budget)->limit, memory_order_relaxed);
}

/* The first one, from this one upwards, that has no room for so much now; NULL: all have. */
static inline fe_budget_t *fe_budget_without_room(fe_budget_t *budget, size_t bytes) {
  for (; budget != NULL; budget = budget->parent) {
    size_t limit = fe_budget_limit(budget);
    if (bytes > limit || fe_budget_charged(budget) > limit - bytes) break;
  }
  return budget;
}

/* The last one. */
static inline fe_budget_t *fe_budget_last_without_room(fe_budget_t *budget, size_t bytes) {
  fe_budget_t *last = NULL;
  while ((budget = fe_budget_without_room(budget, bytes)) != NULL) {
    last = budget;
    budget = budget->parent;
  }
  return last;
}

/* Whether `above` is the budget or above it. */
static inline bool fe_budget_is_under(const fe_budget_t *budget, const fe_budget_t *above) {
  while (budget != NULL && budget != above) budget = budget->parent;
  return budget != NULL;
}

/* Whether anything limits what is charged. */
static inline bool fe_budget_is_limited(const fe_budget_t *budget) {
  while (budget != NULL && fe_budget_limit(budget) == SIZE_MAX) budget = budget->parent;
  return budget != NULL;
}

/* Whether more is charged than a limit allows, which was lowered since. */
static inline bool fe_budget_is_passed(const fe_budget_t *budget) {
  while (budget != NULL && fe_budget_charged(budget) <= fe_budget_limit(budget)) {
    budget = budget->parent;
  }
  return budget != NULL;
}

#endif /* FERROC_CORE_HEAP_BUDGET_H */
