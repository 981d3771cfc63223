/* The runs of freed large blocks, which wait for a moment for the next blocks of as many units: in
 * a list for each number of units, where they are found without a search, and without a word that
 * other heaps use. They stay shards, in the state VACANT, and charged for, as if their blocks were
 * live; the figures do without them.
 *
 * They go back to the arenas when they are more than a few units or a share of what is live, when
 * the heap needs units that they are not, when a limit needs their charge, and as kept.h has it.
 *
 * All is for whoever is inside of the heap's gate. */
#ifndef FERROC_CORE_HEAP_LARGE_BINS_H
#define FERROC_CORE_HEAP_LARGE_BINS_H

#include "core/slab/shard.h"

struct fe_heap;

/* So many units may wait in any case: one run of the longest that can, or several. */
#define FE_LARGE_BINS_UNITS_MAX (2 * FE_LARGE_UNITS_MAX + 4)
/* And this share of the units of live large blocks. */
#define FE_LARGE_BINS_SHARE 16
/* When a run is asked for that is not there, those of other lengths stay, which may be asked for in
 * turns with it: up to such a share of the units of live large blocks, but for a quarter to a half
 * of the units that may wait in any case. */
#define FE_LARGE_BINS_SHARE_KEPT 4
/* A run that is longer by such a share, rounded to whole units, does as well: else sizes on both
 * sides of a step would need two runs by turns. */
#define FE_LARGE_BINS_LONGER 8

typedef struct fe_large_bins {
  _Atomic(size_t) unit_count; /* in all lists; written inside, read by all, relaxed */
  /* So many may wait; 0: to be counted anew. Whoever lowers a limit goes through the heaps under it
   * and sets 0. */
  size_t unit_limit;
  uint64_t has_run;                      /* a bit for each list that is not empty */
  fe_shard_t *first[FE_LARGE_UNITS_MAX]; /* of one unit, of two, ... */
} fe_large_bins_t;

/* Gives all runs back to the arenas. */
void fe_large_bins_empty(struct fe_heap *heap);

/* Gives back those that have not been of use since the last call. */
void fe_large_bins_give_aged(struct fe_heap *heap);

/* A run is to be taken from the arenas: gives those that wait back, if they are many. */
void fe_large_bins_before_run(struct fe_heap *heap);

#endif /* FERROC_CORE_HEAP_LARGE_BINS_H */
