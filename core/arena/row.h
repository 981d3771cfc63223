/* Rows: units of an arena that lie side by side, counted from its start on, so that a row may begin
 * and end inside of slabs. They are taken together or not at all. For the files that take units and
 * give them back. */
#ifndef FERROC_CORE_ARENA_ROW_H
#define FERROC_CORE_ARENA_ROW_H

#include "core/arena/passing.h"

typedef struct fe_row {
  fe_arena_t *arena;
  size_t first;
  size_t count;
} fe_row_t;

/* REFUSED: they were free, and the base had no memory for them. */
typedef enum fe_outcome { FE_TAKEN, FE_REFUSED, FE_NOT_FREE } fe_outcome_t;

/* Whether units can be taken and not be kept. */
static inline bool fe_may_refuse(const fe_arenas_t *arenas) { return arenas->base->commit != NULL; }

/* Notes that the caller's units, `count` of them, are in use now, and sees to it that there is
 * memory behind them. On success run tells whether all of them are zero; on failure the units are
 * given back. */
bool fe_mark_taken(fe_arena_t *arena, unsigned index, fe_units_t mask, unsigned count,
                   bool *is_zero);

/* Takes the units, which seem to be free. free_count: how many of them lie before the first slab
 * that has not got its part free; all, if they were taken or refused. */
fe_outcome_t fe_row_take(fe_look_t *look, const fe_row_t *row, size_t *free_count, fe_run_t *run);

/* Makes the caller's units free. */
void fe_row_give(const fe_row_t *row);

#endif /* FERROC_CORE_ARENA_ROW_H */
