/* Slabs with huge pages; see huge.c for when they give them up. */
#ifndef FERROC_CORE_ARENA_HUGE_H
#define FERROC_CORE_ARENA_HUGE_H

#include "core/arena/arena.h"
#include "core/base/settings.h"

#define FE_HUGE_PAGE_SIZE ((size_t)2 << 20)

static inline bool fe_slab_is_huge(const fe_slab_t *slab) {
  return atomic_load_explicit(&((fe_slab_t *)slab)->is_huge, memory_order_relaxed);
}

/* Whether all memory that is taken shall have huge pages, whatever for. */
static inline bool fe_huge_is_rule(void) {
  return fe_setting(FE_SETTING_HUGE_PAGES) == FE_HUGE_PAGES_ALWAYS;
}

/* New addresses have no huge pages unless these are the rule: small heaps would have them, too. */
static inline void fe_huge_begin_small(const fe_base_t *base, void *start, size_t size) {
  if (base->advise_huge == NULL || fe_huge_is_rule()) return;
  base->advise_huge(base, start, size, false);
}

/* Says whether a slab shall have huge pages. Any thread. */
void fe_arena_set_huge(fe_arena_t *arena, unsigned index, bool is_wanted);

/* In what pages the memory of a slab goes back by itself; `idle`: what was free since the last
 * tick, or is clean. The slab may give its huge pages up for it. */
size_t fe_huge_page_size_at(fe_arena_t *arena, unsigned index, fe_units_t idle);

/* Before a slab of which not all is free is purged on request: what its huge pages lose, the kernel
 * would fill again. */
void fe_huge_before_purge(fe_arena_t *arena, unsigned index);

/* Before the purge of each tick: slabs give their huge pages up if too much is idle in all. */
void fe_huge_tick(fe_arenas_t *arenas);

#endif /* FERROC_CORE_ARENA_HUGE_H */
