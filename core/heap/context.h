/* The context of a heap: what it takes its runs of units from. All heaps share the arenas' free
 * units, so that an empty shard of one heap serves the next, whichever thread that is on. */
#ifndef FERROC_CORE_HEAP_CONTEXT_H
#define FERROC_CORE_HEAP_CONTEXT_H

#include "core/arena/arena.h"

typedef struct fe_context {
  fe_arenas_t *arenas;  /* constant */
  fe_arena_hint_t hint; /* where the last run came from; the heap's user */
} fe_context_t;

static inline bool fe_context_take(fe_context_t *context, size_t unit_count, fe_run_t *run) {
  return fe_arenas_take(context->arenas, &context->hint, unit_count, run);
}

static inline void fe_context_give(fe_context_t *context, const fe_run_t *run) {
  fe_arenas_give(context->arenas, run);
}

#endif /* FERROC_CORE_HEAP_CONTEXT_H */
