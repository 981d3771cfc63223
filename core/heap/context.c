/* Contexts that several heaps share. */
#include "core/heap/context.h"

#include <errno.h>

#include "core/heap/heap.h"

fe_context_t *fe_context_create(fe_arenas_t *arenas) {
  if (arenas == NULL) arenas = &fe_arenas_default;
  fe_context_t context = {.arenas = arenas};
  fe_run_t run;
  if (!fe_heap_take_first_unit(&context, &run)) {
    errno = ENOMEM;
    return NULL;
  }
  fe_shared_context_t *shared = (fe_shared_context_t *)run.start;
  *shared = (fe_shared_context_t){.context = context, .home = run.arena};
  return &shared->context;
}

bool fe_context_destroy(fe_context_t *context) {
  if (context == NULL) return true;
  fe_shared_context_t *shared = fe_shared_context(context);
  if (shared->heap_count > 0) {
    fe_warn("fe_context_destroy: %zu heaps still stand on the context; destroy them first",
            shared->heap_count);
    errno = EBUSY;
    return false;
  }
  fe_run_t run = {.arena = shared->home, .start = (char *)context, .unit_count = 1};
  fe_arenas_give(context->arenas, &run);
  return true;
}
