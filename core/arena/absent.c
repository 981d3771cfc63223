/* Giving back the addresses of slabs that nobody uses, and getting them again; see absent.h.
 *
 * Free memory has gone back long before (purge.c). This is for limits and accounts of addresses:
 * `ulimit -v`, and what the kernel lets a machine promise (vm.overcommit_memory=2). It costs some
 * microseconds for each slab and each time it comes back, so ten seconds are long enough to wait;
 * and in between the addresses may be taken by others, so they should not be shorter. */
#include "core/arena/absent.h"

#include "core/arena/bitmap.h"
#include "core/arena/counting.h"
#include "core/arena/dirty.h"
#include "core/arena/huge.h"
#include "core/arena/passing.h"
#include "core/arena/room.h"
#include "core/base/settings.h"

static bool can_unmap(const fe_arenas_t *arenas) {
  const fe_base_t *base = arenas->base;
  return base->unmap != NULL && base->map != NULL && FE_SLAB_SIZE >= FE_SLAB_OF_ITS_OWN_MIN;
}

static void set_presence(fe_arena_t *arena, unsigned index, fe_presence_t presence) {
  /* Release: pairs with the compare-and-swap of whoever restores the slab. Sequentially consistent:
   * see room.h. */
  atomic_store_explicit(&arena->slab[index].presence, presence, memory_order_seq_cst);
  if (presence >= FE_SLAB_RESERVED) fe_room_lower(arena, FE_ROOM_ABSENT, index);
}

/* -- Going -- */

/* The memory of the caller's slab is no more. */
static void forget_contents(fe_arena_t *arena, fe_slab_t *slab) {
  fe_arenas_t *arenas = arena->arenas;
  fe_units_t dirty = atomic_exchange_explicit(&slab->dirty, 0, memory_order_relaxed);
  unsigned count = fe_bitmap_count(dirty);
  fe_dirty_note(arena, (unsigned)(slab - arena->slab));
  atomic_store_explicit(&slab->aged, 0, memory_order_relaxed);
  atomic_store_explicit(&slab->is_huge, false, memory_order_relaxed);
  atomic_store_explicit(&slab->unused_since_ms, 0, memory_order_relaxed);
  fe_arenas_count_unmap(arenas, FE_UNITS_PER_SLAB, count);
}

/* The slab is the caller's; whether it is gone. */
static bool unmap_slab(fe_arena_t *arena, unsigned index) {
  const fe_base_t *base = arena->arenas->base;
  char *start = fe_unit_address(arena, index, 0);
  set_presence(arena, index, FE_SLAB_HELD);
  /* From the moment on at which it is gone, its place may be somebody else's. */
  fe_ownership_clear(start, FE_SLAB_SIZE);
  fe_track_open(start, FE_SLAB_SIZE);
  if (base->unmap(base, start, FE_SLAB_SIZE)) {
    forget_contents(arena, &arena->slab[index]);
    set_presence(arena, index, FE_SLAB_ABSENT);
    return true;
  }
  fe_track_close(start, FE_SLAB_SIZE);
  fe_ownership_set(start, FE_SLAB_SIZE);
  set_presence(arena, index, FE_SLAB_PRESENT);
  return false;
}

/* The caller has the slab when it was not there. */
static bool hold(fe_slab_t *slab, unsigned char presence) {
  /* Acquire: whatever made it so came before. */
  return atomic_compare_exchange_strong_explicit(&slab->presence, &presence, FE_SLAB_HELD,
                                                 memory_order_acquire, memory_order_relaxed);
}

/* Whether the slab was reserved still, and its addresses are gone. */
static bool unmap_reserved(fe_arena_t *arena, unsigned index) {
  const fe_base_t *base = arena->arenas->base;
  fe_slab_t *slab = &arena->slab[index];
  bool is_gone = false;
  fe_passing_begin(arena->arenas);
  if (hold(slab, FE_SLAB_RESERVED)) {
    is_gone = base->unmap(base, fe_unit_address(arena, index, 0), FE_SLAB_SIZE);
    if (is_gone) forget_contents(arena, slab);
    set_presence(arena, index, is_gone ? FE_SLAB_ABSENT : FE_SLAB_RESERVED);
  }
  fe_passing_end(arena->arenas);
  return is_gone;
}

static bool is_reserved(const fe_slab_t *slab) {
  return fe_slab_presence(slab) == FE_SLAB_RESERVED;
}

static bool is_unused(const fe_slab_t *slab) {
  return fe_bitmap_look(&slab->free) == FE_BITMAP_ALL || is_reserved(slab);
}

/* Whether it was, and is gone. */
static bool unmap_if_unused(fe_arena_t *arena, unsigned index) {
  fe_slab_t *slab = &arena->slab[index];
  if (is_reserved(slab)) return unmap_reserved(arena, index);
  if (!is_unused(slab)) return false;
  bool is_gone = false;
  fe_passing_begin(arena->arenas);
  if (fe_bitmap_take(&slab->free, FE_BITMAP_ALL)) {
    is_gone = unmap_slab(arena, index);
    if (!is_gone) fe_bitmap_give(&slab->free, FE_BITMAP_ALL);
    if (!is_gone) fe_room_after_give(arena, index, index);
  }
  fe_passing_end(arena->arenas);
  return is_gone;
}

/* How long a slab was seen unused and, if it can be, clean; 0 if it is not. */
static uint32_t unused_ms(fe_arena_t *arena, unsigned index, uint32_t now_ms) {
  fe_slab_t *slab = &arena->slab[index];
  bool is_clean = arena->arenas->base->decommit == NULL ||
                  atomic_load_explicit(&slab->dirty, memory_order_relaxed) == 0;
  uint32_t since = atomic_load_explicit(&slab->unused_since_ms, memory_order_relaxed);
  uint32_t next = !is_unused(slab) || !is_clean ? 0 : since != 0 ? since : (now_ms | 1);
  if (next != since) atomic_store_explicit(&slab->unused_since_ms, next, memory_order_relaxed);
  return next == 0 ? 0 : now_ms - next + 2;
}

void fe_absent_tick(fe_arenas_t *arenas, uint32_t now_ms) {
  if (!can_unmap(arenas)) return;
  size_t delay_ms = fe_setting(FE_SETTING_UNMAP_DELAY_MS);
  size_t unused_count = 0;
  for (fe_arena_t *arena = fe_arenas_first(arenas); arena != NULL; arena = fe_arena_next(arena)) {
    for (unsigned i = 0; !arena->is_lent && i < arena->slab_count; i++) {
      if (fe_slab_presence(&arena->slab[i]) == FE_SLAB_ABSENT) continue;
      uint32_t waited_ms = unused_ms(arena, i, now_ms);
      if (waited_ms > delay_ms) {
        unmap_if_unused(arena, i);
      } else if (waited_ms > 0 && delay_ms <= UINT32_MAX) {
        unused_count++;
      }
    }
  }
  atomic_store_explicit(&arenas->unused_slab_count, unused_count, memory_order_relaxed);
}

bool fe_absent_unmap_all(fe_arenas_t *arenas) {
  bool has_any = false;
  if (!can_unmap(arenas)) return false;
  for (fe_arena_t *arena = fe_arenas_first(arenas); arena != NULL; arena = fe_arena_next(arena)) {
    for (unsigned i = 0; !arena->is_lent && i < arena->slab_count; i++) {
      if (unmap_if_unused(arena, i)) has_any = true;
    }
  }
  return has_any;
}

/* -- Coming back -- */

/* After so many slabs whose addresses are not to be had, a new chunk is quicker. They are not tried
 * again for a while, so that the next call comes to others. */
#define FE_RESTORE_FAILURES_MAX 64
#define FE_RESTORE_AGAIN_MS 10000

static bool was_refused(const fe_slab_t *slab) {
  if (is_reserved(slab)) return false;
  uint32_t since_ms =
      atomic_load_explicit(&((fe_slab_t *)slab)->unused_since_ms, memory_order_relaxed);
  return since_ms != 0 && fe_clock_ms() - since_ms < FE_RESTORE_AGAIN_MS;
}

static bool map_slab(fe_arena_t *arena, char *start) {
  const fe_base_t *base = arena->arenas->base;
  if (!base->map(base, start, FE_SLAB_SIZE)) return false;
  fe_huge_begin_small(base, start, FE_SLAB_SIZE);
  fe_arenas_count_reserve(arena->arenas, FE_UNITS_PER_SLAB, 0);
  return true;
}

static void unmap_again(fe_arena_t *arena, char *start) {
  const fe_base_t *base = arena->arenas->base;
  base->unmap(base, start, FE_SLAB_SIZE);
  fe_arenas_count_unmap(arena->arenas, FE_UNITS_PER_SLAB, 0);
}

/* Whether the slab, which the caller holds, and which was reserved or absent, is there now. */
static bool open_slab(fe_arena_t *arena, unsigned index, fe_presence_t before) {
  const fe_base_t *base = arena->arenas->base;
  char *start = fe_unit_address(arena, index, 0);
  bool is_there = before == FE_SLAB_RESERVED ? base->protect(base, start, FE_SLAB_SIZE, true)
                                             : map_slab(arena, start);
  if (!is_there) return false;
  if (fe_ownership_set(start, FE_SLAB_SIZE)) {
    fe_track_close(start, FE_SLAB_SIZE);
    return true;
  }
  if (before == FE_SLAB_RESERVED) {
    base->protect(base, start, FE_SLAB_SIZE, false);
  } else {
    unmap_again(arena, start);
  }
  return false;
}

/* False: the addresses are not to be had. */
static bool restore_slab(fe_arena_t *arena, unsigned index) {
  fe_slab_t *slab = &arena->slab[index];
  fe_presence_t before = fe_slab_presence(slab);
  if (before < FE_SLAB_RESERVED || !hold(slab, (unsigned char)before)) return true;
  bool is_there = open_slab(arena, index, before);
  uint32_t refused_ms = is_there ? 0 : fe_clock_ms() | 1;
  atomic_store_explicit(&slab->unused_since_ms, refused_ms, memory_order_relaxed);
  set_presence(arena, index, is_there ? FE_SLAB_PRESENT : before);
  if (is_there) fe_bitmap_give(&slab->free, FE_BITMAP_ALL);
  if (is_there) fe_room_after_give(arena, index, index);
  return is_there;
}

/* 0: all of the slabs are there now. Else how many from the first one on are not to be had. */
static size_t restore_row(fe_arena_t *arena, size_t first, size_t count) {
  for (size_t i = count; i-- > 0;) {
    if (!restore_slab(arena, (unsigned)(first + i))) return i + 1;
  }
  return 0;
}

static bool is_absent_now(fe_arena_t *arena, unsigned slab, const void *unused) {
  (void)unused;
  return atomic_load_explicit(&arena->slab[slab].presence, memory_order_seq_cst) >=
         FE_SLAB_RESERVED;
}

/* The first slab that is absent. */
static unsigned first_absent(fe_arena_t *arena) {
  unsigned from = fe_room_first(arena, FE_ROOM_ABSENT);
  unsigned slab = from;
  while (slab < arena->slab_count && !fe_slab_is_absent(&arena->slab[slab])) slab++;
  fe_room_raise(arena, FE_ROOM_ABSENT, from, slab, is_absent_now, NULL);
  return slab;
}

static bool restore_in_arena(fe_arena_t *arena, size_t slab_count, unsigned *failures_left) {
  size_t absent = first_absent(arena);
  size_t first = absent < slab_count ? 0 : absent + 1 - slab_count;
  size_t absent_count = 0;
  for (size_t i = first; i < arena->slab_count; i++) {
    bool is_absent = fe_slab_is_absent(&arena->slab[i]);
    if (is_absent ? was_refused(&arena->slab[i]) : !is_unused(&arena->slab[i])) {
      first = i + 1;
      absent_count = 0;
      continue;
    }
    absent_count += is_absent;
    if (i + 1 - first < slab_count || absent_count == 0) continue;
    size_t unusable = restore_row(arena, i + 1 - slab_count, slab_count);
    if (unusable == 0) return true;
    if (--*failures_left == 0) return false;
    first = i + 1 - slab_count + unusable;
    absent_count = 0;
    i = first - 1;
  }
  return false;
}

bool fe_absent_restore(fe_arenas_t *arenas, size_t slab_count) {
  if (!can_unmap(arenas) && !fe_base_reserves(arenas->base)) return false;
  unsigned failures_left = FE_RESTORE_FAILURES_MAX;
  fe_arena_t *arena = fe_arenas_first(arenas);
  for (; arena != NULL && failures_left > 0; arena = fe_arena_next(arena)) {
    if (restore_in_arena(arena, slab_count, &failures_left)) return true;
  }
  return false;
}
