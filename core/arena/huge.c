/* Huge pages: which slabs have them, and when they give them up.
 *
 * A huge page that loses a part is split for good, so while its slab is well used, what is idle in
 * it waits until all of it is. That must not strand memory, so a slab has ordinary pages from then
 * on
 *
 * - when three quarters of it were idle from one tick to the next: else the last few blocks of a
 *   heap that was large would hold 2 MiB each;
 * - when so much is idle for FE_HUGE_PATIENCE_TICKS that it comes to more than a quarter of all
 * that is in use, in whatever slabs it lies. The emptiest ones give up, as few as bring it below
 * that.
 *
 * A quarter in all, and not a share of each slab: programs whose heaps have holes everywhere (after
 * a collection of garbage, say) keep their huge pages as long as the holes are few or are filled
 * again. With the default delay the time is half a second to a second; a busy heap collects its
 * garbage more often than that. */
#include "core/arena/huge.h"

#include "core/arena/bitmap.h"

/* The idle part of what is in use: a quarter. */
#define FE_HUGE_WASTE_DIVISOR 4

void fe_arena_set_huge(fe_arena_t *arena, unsigned index, bool is_wanted) {
  const fe_base_t *base = arena->arenas->base;
  if (base->advise_huge == NULL || FE_SLAB_SIZE < FE_HUGE_PAGE_SIZE || arena->is_lent) return;
  atomic_store_explicit(&arena->slab[index].is_huge, is_wanted, memory_order_relaxed);
  base->advise_huge(base, fe_unit_address(arena, index, 0), FE_SLAB_SIZE, is_wanted);
}

size_t fe_huge_page_size_at(fe_arena_t *arena, unsigned index, fe_units_t idle) {
  size_t page_size = arena->arenas->base->page_size;
  if (!fe_slab_is_huge(&arena->slab[index])) return page_size;
  bool is_sparse = fe_bitmap_count(idle) >= FE_UNITS_PER_SLAB * 3 / 4;
  if (fe_huge_is_rule() || !is_sparse) return FE_HUGE_PAGE_SIZE;
  fe_arena_set_huge(arena, index, false);
  return page_size;
}

void fe_huge_before_purge(fe_arena_t *arena, unsigned index) {
  if (fe_slab_is_huge(&arena->slab[index]) && !fe_huge_is_rule())
    fe_arena_set_huge(arena, index, false);
}

/* -- What has been idle for long -- */

/* How many idle units there are in slabs with 1, 2, ... of them. */
typedef struct idle_count {
  size_t in_slabs_with[FE_UNITS_PER_SLAB + 1];
  size_t in_all;
} idle_count_t;

static void for_each_huge_slab(fe_arenas_t *arenas, void (*visit)(fe_arena_t *, unsigned, void *),
                               void *argument) {
  for (fe_arena_t *arena = fe_arenas_first(arenas); arena != NULL; arena = fe_arena_next(arena)) {
    for (unsigned i = 0; i < arena->slab_count; i++) {
      if (fe_slab_is_huge(&arena->slab[i])) visit(arena, i, argument);
    }
  }
}

/* Those that were free and dirty at the tick before, and have not been taken since. */
static fe_units_t idle_units(const fe_slab_t *slab) {
  fe_slab_t *word_of = (fe_slab_t *)slab;
  return atomic_load_explicit(&word_of->free, memory_order_relaxed) &
         atomic_load_explicit(&word_of->dirty, memory_order_relaxed) &
         atomic_load_explicit(&word_of->aged, memory_order_relaxed);
}

static void begin_period(fe_arena_t *arena, unsigned index, void *unused) {
  (void)unused;
  fe_slab_t *slab = &arena->slab[index];
  atomic_store_explicit(&slab->idle, idle_units(slab), memory_order_relaxed);
}

static void continue_period(fe_arena_t *arena, unsigned index, void *unused) {
  (void)unused;
  fe_slab_t *slab = &arena->slab[index];
  atomic_fetch_and_explicit(&slab->idle, idle_units(slab), memory_order_relaxed);
}

static unsigned long_idle(const fe_slab_t *slab) {
  return fe_bitmap_count(atomic_load_explicit(&((fe_slab_t *)slab)->idle, memory_order_relaxed));
}

static void count_idle(fe_arena_t *arena, unsigned index, void *argument) {
  idle_count_t *count = argument;
  unsigned idle = long_idle(&arena->slab[index]);
  count->in_slabs_with[idle] += idle;
  count->in_all += idle;
}

static void give_up_if_emptier(fe_arena_t *arena, unsigned index, void *least) {
  if (long_idle(&arena->slab[index]) >= *(unsigned *)least) fe_arena_set_huge(arena, index, false);
}

static size_t free_dirty_units(const fe_arena_t *arena) {
  size_t count = 0;
  for (unsigned i = 0; i < arena->slab_count; i++) {
    fe_units_t dirty =
        atomic_load_explicit(&((fe_arena_t *)arena)->slab[i].dirty, memory_order_relaxed);
    count += fe_bitmap_count(dirty & fe_bitmap_look(&arena->slab[i].free));
  }
  return count;
}

static size_t used_units(fe_arenas_t *arenas) {
  size_t committed = atomic_load_explicit(&arenas->figures.committed_units, memory_order_relaxed);
  size_t free = 0;
  fe_arena_t *arena = fe_arenas_first(arenas);
  for (; arena != NULL; arena = fe_arena_next(arena)) free += free_dirty_units(arena);
  return free > committed ? 0 : committed - free;
}

static void give_up_emptiest(fe_arenas_t *arenas) {
  idle_count_t count = {.in_all = 0};
  for_each_huge_slab(arenas, count_idle, &count);
  size_t allowed = used_units(arenas) / FE_HUGE_WASTE_DIVISOR;
  size_t left = count.in_all;
  unsigned least = FE_UNITS_PER_SLAB + 1;
  while (left > allowed) left -= count.in_slabs_with[--least];
  if (least <= FE_UNITS_PER_SLAB) for_each_huge_slab(arenas, give_up_if_emptier, &least);
}

void fe_huge_tick(fe_arenas_t *arenas) {
  if (arenas->base->advise_huge == NULL || fe_huge_is_rule()) return;
  uint32_t tick = atomic_fetch_add_explicit(&arenas->huge_tick_count, 1, memory_order_relaxed);
  for_each_huge_slab(arenas, continue_period, NULL);
  if (tick % FE_HUGE_PATIENCE_TICKS != 0) return;
  give_up_emptiest(arenas);
  for_each_huge_slab(arenas, begin_period, NULL);
}
