/* Finding a thread's heap on arenas of the program's own, and the end of such arenas; see held.h.
 */
#include "core/thread/held.h"

#include <errno.h>
#include <string.h>

#include "core/heap/roll.h"

FE_THREAD_LOCAL fe_heap_t *fe_held_first;

#define FE_RECENT_COUNT 4

typedef struct recent {
  const fe_arenas_t *arenas; /* NULL: none */
  fe_heap_t *heap;
} recent_t;

static FE_THREAD_LOCAL recent_t recents[FE_RECENT_COUNT]; /* the one that was put in last first */

static fe_heap_t *find_recent(const fe_arenas_t *arenas) {
  for (unsigned i = 0; i < FE_RECENT_COUNT; i++) {
    if (FE_LIKELY(recents[i].arenas == arenas)) return recents[i].heap;
  }
  return NULL;
}

static void put_recent(fe_heap_t *heap) {
  memmove(&recents[1], &recents[0], sizeof recents - sizeof recents[0]);
  recents[0] = (recent_t){.arenas = heap->context->arenas, .heap = heap};
}

static fe_heap_t *find_listed(const fe_arenas_t *arenas) {
  fe_heap_t *heap = fe_held_first;
  while (heap != NULL && heap->context->arenas != arenas) {
    heap = fe_heap_thread_part(heap)->held_next;
  }
  return heap;
}

static void forget_recents(void) { memset(recents, 0, sizeof recents); }

static void forget(const fe_heap_t *heap) {
  fe_heap_t **link = &fe_held_first;
  while (*link != heap) link = &fe_heap_thread_part(*link)->held_next;
  *link = fe_heap_thread_part(heap)->held_next;
  forget_recents();
}

fe_heap_t *fe_held_on(const fe_arenas_t *arenas) {
  if (arenas != &fe_arenas_default) return find_listed(arenas);
  return fe_registry_heap() != &fe_heap_empty ? fe_registry_heap() : NULL;
}

fe_heap_t *fe_held_forget_all(void) {
  fe_heap_t *first = fe_held_first;
  fe_held_first = NULL;
  forget_recents();
  return first;
}

void fe_held_collect(void) {
  if (fe_registry_heap() != &fe_heap_empty) fe_heap_collect(fe_registry_heap(), false);
  fe_heap_t *heap = fe_held_first;
  for (; heap != NULL; heap = fe_heap_thread_part(heap)->held_next) fe_heap_collect(heap, false);
}

/* -- What the program calls -- */

static fe_heap_t *take(fe_arenas_t *arenas) {
  fe_heap_t *heap = fe_registry_take(arenas);
  if (heap == NULL) return NULL;
  fe_heap_thread_part(heap)->held_next = fe_held_first;
  fe_held_first = heap;
  return heap;
}

static FE_COLD fe_heap_t *find_or_take(fe_arenas_t *arenas) {
  bool is_own = arenas != NULL && arenas != &fe_arenas_default;
  fe_heap_t *heap = is_own ? find_listed(arenas) : fe_registry_attach();
  if (heap == NULL && is_own) heap = take(arenas);
  if (heap == NULL) {
    errno = ENOMEM;
  } else if (is_own) {
    put_recent(heap);
  }
  return heap;
}

fe_heap_t *fe_arenas_thread_heap(fe_arenas_t *arenas) {
  fe_heap_t *heap = find_recent(arenas);
  return FE_LIKELY(heap != NULL) ? heap : find_or_take(arenas);
}

/* Ends the calling thread's heap on the arenas, if nothing else keeps these and nothing lives in
 * it. */
static void end_last(fe_arenas_t *arenas, fe_heap_t *heap) {
  if (!fe_roll_lock()) return;
  fe_heap_collect(heap, false);
  uint32_t gate = fe_gate_enter(&heap->gate);
  bool is_last = fe_arenas_used_units(arenas) == 1 && !heap->is_visited;
  if (is_last && fe_heap_is_empty(heap)) {
    forget(heap);
    fe_registry_before_end(heap);
    fe_roll_remove(heap);
    fe_heap_note_end(heap);
    fe_heap_end(heap);
  } else {
    fe_gate_leave(&heap->gate, gate);
  }
  fe_roll_unlock();
}

bool fe_arenas_destroy(fe_arenas_t *arenas) {
  if (arenas == NULL) return true;
  fe_heap_t *heap = find_listed(arenas);
  if (arenas != &fe_arenas_default) fe_registry_end_idle(arenas);
  if (heap != NULL) end_last(arenas, heap);
  return fe_arenas_end(arenas);
}
