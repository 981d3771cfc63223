/* What arenas count: each function is called by the one step that it is named after. Any thread may
 * be at any step, so all are atomic additions, relaxed: figures order nothing. One does, the units
 * that were given back: see passing.h. */
#ifndef FERROC_CORE_ARENA_COUNTING_H
#define FERROC_CORE_ARENA_COUNTING_H

#include "core/arena/arena.h"

static inline void fe_figure_add_shared(_Atomic(size_t) *figure, size_t by) {
  atomic_fetch_add_explicit(figure, by, memory_order_relaxed);
}

static inline size_t fe_figure_get(const _Atomic(size_t) *figure) {
  return atomic_load_explicit((_Atomic(size_t) *)figure, memory_order_relaxed);
}

/* Adds to a level, and to its peak if it is above that now. */
static inline void fe_level_raise(_Atomic(size_t) *level, _Atomic(size_t) *peak, size_t by) {
  size_t now = atomic_fetch_add_explicit(level, by, memory_order_relaxed) + by;
  size_t seen = fe_figure_get(peak);
  while (seen < now && !atomic_compare_exchange_weak_explicit(
                           peak, &seen, now, memory_order_relaxed, memory_order_relaxed)) {
  }
}

static inline void fe_level_lower(_Atomic(size_t) *level, size_t by) {
  atomic_fetch_sub_explicit(level, by, memory_order_relaxed);
}

/* Addresses are reserved, and the first `committed_units` of them may be touched. */
static inline void fe_arenas_count_reserve(fe_arenas_t *arenas, size_t units,
                                           size_t committed_units) {
  fe_arenas_figures_t *figures = &arenas->figures;
  fe_level_raise(&figures->reserved_units, &figures->peak_reserved_units, units);
  fe_level_raise(&figures->committed_units, &figures->peak_committed_units, committed_units);
}

/* Addresses that are reserved no more; `dirty_units` of them had memory. */
static inline void fe_arenas_count_unmap(fe_arenas_t *arenas, size_t units, size_t dirty_units) {
  fe_level_lower(&arenas->figures.reserved_units, units);
  fe_level_lower(&arenas->figures.committed_units, dirty_units);
}

static inline void fe_arenas_count_chunk(fe_arenas_t *arenas) {
  fe_figure_add_shared(&arenas->figures.chunks_mapped, 1);
}

/* Units of slabs were clean and are not any more, whether they are kept or not. */
static inline void fe_arenas_count_commit(fe_arenas_t *arenas, size_t units) {
  fe_arenas_figures_t *figures = &arenas->figures;
  fe_level_raise(&figures->committed_units, &figures->peak_committed_units, units);
}

/* Units of slabs, of which the first is in this one, are taken, and kept. */
static inline void fe_slab_count_take(fe_slab_t *slab, size_t units) {
  fe_figure_add_shared(&slab->taken_units, units);
}

/* After they can be taken again. */
static inline void fe_slab_count_give(fe_slab_t *slab, size_t units) {
  atomic_fetch_add_explicit(&slab->given_units, units, memory_order_release);
}

/* More units of chunks that are a single run each may be touched, or fewer. */
static inline void fe_arenas_count_open(fe_arenas_t *arenas, size_t units) {
  fe_arenas_figures_t *figures = &arenas->figures;
  fe_figure_add_shared(&figures->open_units_taken, units);
  fe_figure_add_shared(&figures->open_units, units);
  fe_level_raise(&figures->committed_units, &figures->peak_committed_units, units);
}

static inline void fe_arenas_count_shut(fe_arenas_t *arenas, size_t units) {
  atomic_fetch_add_explicit(&arenas->figures.open_units_given, units, memory_order_release);
  fe_level_lower(&arenas->figures.open_units, units);
  fe_level_lower(&arenas->figures.committed_units, units);
}

/* The memory of some of its units went back, and the addresses stay. */
static inline void fe_arenas_count_close(fe_arenas_t *arenas, size_t units) {
  fe_figure_add_shared(&arenas->figures.decommitted_units, units);
  fe_arenas_count_shut(arenas, units);
}

/* A block gets a chunk of its own. */
static inline void fe_arenas_count_take_chunk(fe_arenas_t *arenas, size_t units) {
  fe_arenas_count_chunk(arenas);
  fe_arenas_count_reserve(arenas, units, 0);
  fe_arenas_count_open(arenas, units);
}

static inline void fe_arenas_count_grow_chunk(fe_arenas_t *arenas, size_t more_units) {
  fe_arenas_count_reserve(arenas, more_units, 0);
}

static inline void fe_arenas_count_give_chunk(fe_arenas_t *arenas, size_t units,
                                              size_t open_units) {
  fe_figure_add_shared(&arenas->figures.chunks_released, 1);
  fe_level_lower(&arenas->figures.reserved_units, units);
  fe_arenas_count_shut(arenas, open_units);
}

static inline void fe_arenas_count_purge(fe_arenas_t *arenas) {
  fe_figure_add_shared(&arenas->figures.purges, 1);
}

static inline void fe_arenas_count_decommit(fe_arenas_t *arenas, size_t units) {
  fe_figure_add_shared(&arenas->figures.decommitted_units, units);
  fe_level_lower(&arenas->figures.committed_units, units);
}

#endif /* FERROC_CORE_ARENA_COUNTING_H */
