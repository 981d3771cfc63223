/* When a look for units that found none is repeated; see passing.h. */
#include "core/arena/passing.h"

/* Where many threads take and give without a pause, every look is disturbed by somebody. Whoever
 * finds nothing so often has lost the race for what there is each time. */
#define FE_LOOKS_MAX 16

/* How many passings of others there were during the look, apart from those that are lost. */
static size_t passings_seen(fe_look_t *look) {
  fe_passing_t *passing = &look->arenas->passing;
  size_t begun = atomic_load_explicit(&passing->begun, memory_order_relaxed);
  size_t lost = atomic_load_explicit(&passing->lost, memory_order_relaxed);
  size_t seen = begun - look->ended - look->own;
  if (seen >= lost) return seen - lost;
  /* One that counted as lost has ended after all. */
  atomic_store_explicit(&passing->lost, seen, memory_order_relaxed);
  return 0;
}

/* What is in passing since so long counts as lost. */
static void give_up_waiting(fe_passing_t *passing) {
  size_t ended = atomic_load_explicit(&passing->ended, memory_order_acquire);
  size_t begun = atomic_load_explicit(&passing->begun, memory_order_relaxed);
  atomic_store_explicit(&passing->lost, begun - ended, memory_order_relaxed);
}

/* Whether no units were given back while all were looked at. */
static bool is_complete(const fe_look_t *look) {
  return look->has_given && fe_arenas_units_given(look->arenas) == look->given;
}

FE_COLD bool fe_look_again(fe_look_t *look) {
  fe_arenas_t *arenas = look->arenas;
  bool is_all = is_complete(look);
  if (passings_seen(look) > 0) {
    if (!fe_wait(look->wait_count++)) {
      give_up_waiting(&arenas->passing);
      return false;
    }
  } else if (is_all || ++look->again_count == FE_LOOKS_MAX) {
    return false;
  }
  fe_look_t next = fe_look_at(arenas);
  fe_look_note_given(&next);
  next.wait_count = look->wait_count;
  next.again_count = look->again_count;
  *look = next;
  return true;
}
