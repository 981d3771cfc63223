/* A context: what heaps take their runs of units from. Free units are the arenas', so that an empty
 * shard of one heap serves the next, whichever thread that is on; a context is the place where its
 * heaps look first. Each heap has one of its own, or shares one that fe_context_create made.
 *
 * Used by one thread at a time, but for what is said to be constant. */
#ifndef FERROC_CORE_HEAP_CONTEXT_H
#define FERROC_CORE_HEAP_CONTEXT_H

#include "core/arena/arena.h"

struct fe_context {
  fe_arenas_t *arenas;  /* constant */
  fe_arena_hint_t hint; /* where the last single unit came from */
};

/* One that fe_context_create made. */
typedef struct fe_shared_context {
  fe_context_t context;
  fe_arena_t *home; /* the arena that this lies in; constant */
  size_t heap_count;
} fe_shared_context_t;

static inline fe_shared_context_t *fe_shared_context(fe_context_t *context) {
  return (fe_shared_context_t *)context; /* its first member */
}

static inline bool fe_context_take(fe_context_t *context, size_t unit_count, fe_run_t *run) {
  return fe_arenas_take(context->arenas, &context->hint, unit_count, run);
}

static inline void fe_context_give(const fe_context_t *context, const fe_run_t *run) {
  fe_arenas_give(context->arenas, run);
}

#endif /* FERROC_CORE_HEAP_CONTEXT_H */
