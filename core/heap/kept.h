/* What a heap keeps for a moment of the units that it does not need, so that what comes and goes
 * leaves the arenas alone: the runs of large blocks (large_bins.h), and a few units of shards; and
 * the stock of blocks in mixed shards (stock.h).
 *
 * They go back when they were of no use for a tick, and whenever the heap is gone through for
 * what it keeps. In between, what waits for shards is there before other units are asked for, and
 * so are runs for large blocks of their lengths.
 *
 * All is for whoever is inside of the heap's gate, but for the tick. */
#ifndef FERROC_CORE_HEAP_KEPT_H
#define FERROC_CORE_HEAP_KEPT_H

#include "core/arena/arena.h"

struct fe_heap;

/* One unit stays, and one more for so many shards that the heap has; or as many as were given up
 * and taken again since the last tick, up to so many. */
#define FE_KEPT_UNITS_SHARE 8
#define FE_KEPT_UNITS_MAX 32

/* What lies in a unit that stays. */
typedef struct fe_kept_unit {
  struct fe_kept_unit *next;
  fe_arena_t *arena;
} fe_kept_unit_t;

typedef struct fe_kept {
  fe_kept_unit_t *first;
  _Atomic(size_t) unit_count; /* of single ones; written inside, read by all, relaxed */
  uint32_t since_ms;          /* the last tick */
  /* Single ones that were given up since then; written inside, read by all, relaxed. */
  _Atomic(uint32_t) given_count;
  uint32_t again_count; /* of these, those that were taken again */
  bool was_used;        /* one of them, since then */
} fe_kept_t;

/* Takes a unit for a shard, of those that stayed or from the arenas; whether there was one. */
bool fe_kept_take_unit(struct fe_heap *heap, fe_run_t *run);

/* The unit of a shard that has left the census: it stays, or goes back. */
void fe_kept_give_unit(struct fe_heap *heap, const fe_run_t *run);

/* Gives all units that stayed back to the arenas, runs for large blocks too. */
void fe_kept_give_all(struct fe_heap *heap);

/* Looks at the clock, and gives back what was of no use for a tick. Holder, outside. */
void fe_kept_tick(struct fe_heap *heap);

#endif /* FERROC_CORE_HEAP_KEPT_H */
