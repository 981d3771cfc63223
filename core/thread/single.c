/* The registry where there are no threads: one heap, made at the first allocation that finds memory
 * in the process's arenas, and one on each arenas of the program's that is asked for. Stands in for
 * registry.c where FE_FREESTANDING is defined. */
#include "core/thread/registry.h"

#include "core/heap/roll.h"

fe_heap_t *fe_registry_slot = &fe_heap_empty;

fe_heap_t *fe_registry_take(fe_arenas_t *arenas) {
  fe_heap_plan_t plan = {
      .granule = FE_GRANULE_SIZE, .is_permanent = true, .is_thread_heap = true, .arenas = arenas};
  fe_heap_t *heap = fe_heap_new(&plan);
  if (heap == NULL) return NULL;
  fe_roll_enter(heap);
  return heap;
}

FE_COLD fe_heap_t *fe_registry_attach(void) {
  if (fe_registry_slot != &fe_heap_empty) return fe_registry_slot;
  fe_heap_t *heap = fe_registry_take(&fe_arenas_default);
  if (heap != NULL) fe_registry_slot = heap;
  return heap;
}

void fe_registry_end_idle(fe_arenas_t *arenas) { (void)arenas; }

void fe_registry_before_end(fe_heap_t *heap) { (void)heap; }

bool fe_registry_collect_idle(unsigned patience_ms) {
  (void)patience_ms;
  return true;
}

void fe_registry_end(void) {}

void fe_registry_mind_forks(void) {}
