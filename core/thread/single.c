/* The registry where there are no threads: one heap, made at the first allocation that finds memory
 * in the process's arenas. Stands in for registry.c where FE_FREESTANDING is defined. */
#include "core/thread/registry.h"

#include "core/heap/roll.h"

fe_heap_t *fe_registry_slot = &fe_heap_empty;

FE_COLD fe_heap_t *fe_registry_attach(void) {
  if (fe_registry_slot != &fe_heap_empty) return fe_registry_slot;
  fe_heap_plan_t plan = {.granule = FE_GRANULE_SIZE, .is_permanent = true, .is_thread_heap = true};
  fe_heap_t *heap = fe_heap_new(&plan);
  if (heap == NULL) return NULL;
  fe_roll_enter(heap);
  fe_registry_slot = heap;
  return heap;
}

void fe_registry_collect_idle(void) {}

void fe_registry_mind_forks(void) {}
