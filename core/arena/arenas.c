/* Arenas as a collection: made on a base, extended by chunks and by regions of the program's, and
 * ended. */
#include <errno.h>
#include <string.h>

#include "core/arena/arena.h"
#include "core/arena/bitmap.h"
#include "core/arena/counting.h"
#include "core/arena/huge.h"
#include "core/base/settings.h"

/* The first arena is small for the sake of programs under a limit of address space. */
#define FE_FIRST_ARENA_BYTES ((size_t)64 << 20)
#define FE_ARENA_BYTES ((size_t)256 << 20)

fe_arenas_t fe_arenas_default = {.base = &fe_base_default};

/* The units at the start of an arena that hold what is noted about it, behind `extra` bytes, and a
 * guard page. */
static size_t header_units_for(size_t unit_count, size_t extra) {
  size_t slab_count = (unit_count + FE_UNITS_PER_SLAB - 1) / FE_UNITS_PER_SLAB;
  size_t bytes = extra + sizeof(fe_arena_t) + slab_count * sizeof(fe_slab_t) + FE_GUARD_SIZE;
  return (bytes + FE_UNIT_SIZE - 1) >> FE_SHARD_SHIFT;
}

fe_units_t fe_arena_usable_units(const fe_arena_t *arena, unsigned slab) {
  size_t first = (size_t)slab * FE_UNITS_PER_SLAB;
  fe_units_t units = FE_BITMAP_ALL;
  if (arena->header_units >= first + FE_UNITS_PER_SLAB) return 0;
  if (arena->header_units > first) {
    units &= ~fe_bitmap_mask(0, (unsigned)(arena->header_units - first));
  }
  if (arena->unit_count < first + FE_UNITS_PER_SLAB) {
    units &= fe_bitmap_mask(0, (unsigned)(arena->unit_count - first));
  }
  return units;
}

/* Appends the arena to the list. */
static void publish_arena(fe_arenas_t *arenas, fe_arena_t *arena) {
  _Atomic(fe_arena_t *) *link = &arenas->first;
  fe_arena_t *last = NULL;
  /* Release: whoever finds the arena sees its figures. Acquire: its own next is there. */
  while (!atomic_compare_exchange_strong_explicit(link, &last, arena, memory_order_acq_rel,
                                                  memory_order_acquire)) {
    link = &last->next;
    last = NULL;
  }
}

/* Memory that is to become an arena. */
typedef struct site {
  char *start;
  size_t unit_count;
  bool is_lent;
} site_t;

/* The slabs that there are at first: all, or of a base that reserves those with the header. */
static size_t accessible_slabs(const fe_base_t *base, const site_t *site, size_t extra) {
  bool is_reserved = !site->is_lent && fe_base_reserves(base);
  size_t units = is_reserved ? header_units_for(site->unit_count, extra) : site->unit_count;
  return (units + FE_UNITS_PER_SLAB - 1) / FE_UNITS_PER_SLAB;
}

/* The last page before the first unit that is handed out. Memory of the program's is left alone. */
static void guard_header(fe_arena_t *arena) {
  char *end = arena->start + arena->header_units * FE_UNIT_SIZE;
  size_t size = arena->is_lent ? 0 : FE_GUARD_SIZE;
  fe_guard_set(&arena->guard, arena->arenas->base, end - size, size);
}

/* Notes in the memory itself, behind `extra` bytes, that it is an arena of `arenas`. */
static void make_arena(fe_arenas_t *arenas, const site_t *site, size_t extra) {
  fe_arena_t *arena = (fe_arena_t *)(site->start + extra);
  arena->arenas = arenas;
  atomic_store_explicit(&arena->next, NULL, memory_order_relaxed);
  arena->start = site->start;
  arena->unit_count = site->unit_count;
  arena->slab_count = (unsigned)((site->unit_count + FE_UNITS_PER_SLAB - 1) / FE_UNITS_PER_SLAB);
  arena->header_units = (unsigned)header_units_for(site->unit_count, extra);
  arena->is_lent = site->is_lent;
  for (unsigned i = 0; i < FE_ROOM_COUNT; i++) {
    atomic_store_explicit(&arena->room[i], 0, memory_order_relaxed);
  }
  size_t accessible_count = accessible_slabs(arenas->base, site, extra);
  ptrdiff_t dirty_count = 0;
  for (unsigned i = 0; i < arena->slab_count; i++) {
    fe_slab_t *slab = &arena->slab[i];
    bool is_there = i < accessible_count;
    fe_units_t usable = fe_arena_usable_units(arena, i);
    fe_units_t dirty = site->is_lent ? usable : 0;
    atomic_store_explicit(&slab->free, is_there ? usable : 0, memory_order_relaxed);
    atomic_store_explicit(&slab->dirty, dirty, memory_order_relaxed);
    atomic_store_explicit(&slab->aged, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->heads, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->idle, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->taken_units, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->given_units, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->unused_since_ms, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->is_huge, false, memory_order_relaxed);
    atomic_store_explicit(&slab->noted, (uint8_t)fe_bitmap_count(dirty), memory_order_relaxed);
    atomic_store_explicit(&slab->presence, is_there ? FE_SLAB_PRESENT : FE_SLAB_RESERVED,
                          memory_order_relaxed);
    dirty_count += fe_bitmap_count(dirty);
  }
  atomic_fetch_add_explicit(&arenas->dirty_unit_count, dirty_count, memory_order_relaxed);
  atomic_fetch_add_explicit(&arenas->lent_unit_count, dirty_count, memory_order_relaxed);
  fe_arenas_count_reserve(arenas, arena->unit_count, arena->header_units + (size_t)dirty_count);
  guard_header(arena);
  publish_arena(arenas, arena);
}

/* What a function of the base gave; its name is for the message. */
static char *check_chunk(const fe_base_t *base, const char *function, char *chunk, size_t size) {
  if (chunk == NULL) return NULL;
  uintptr_t start = (uintptr_t)chunk;
  bool is_aligned = (start & (FE_SLAB_SIZE - 1)) == 0;
  if (is_aligned && size <= UINTPTR_MAX - start) return chunk;
  fe_warn("the base's %s gave %p; a chunk must begin at a multiple of %zu KiB", function,
          (void *)chunk, FE_SLAB_SIZE >> 10);
  fe_chunk_release(base, chunk, size);
  return NULL;
}

char *fe_chunk_allocate(const fe_base_t *base, size_t size) {
  if (base->allocate == NULL) return NULL;
  return check_chunk(base, "allocate", base->allocate(base, size, FE_SLAB_SIZE), size);
}

char *fe_chunk_reserve(const fe_base_t *base, size_t size) {
  if (!fe_base_reserves(base)) return fe_chunk_allocate(base, size);
  return check_chunk(base, "reserve", base->reserve(base, size, FE_SLAB_SIZE), size);
}

void fe_chunk_release(const fe_base_t *base, char *chunk, size_t size) {
  if (base->release != NULL) base->release(base, chunk, size);
}

bool fe_chunk_commit(const fe_base_t *base, char *start, size_t size) {
  if (base->commit == NULL) return true;
  uintptr_t first = (uintptr_t)start & ~(uintptr_t)(base->page_size - 1);
  uintptr_t end = fe_align_up((uintptr_t)start + size, base->page_size);
  return base->commit(base, (void *)first, end - first);
}

static bool commit_header(const fe_base_t *base, const site_t *site, size_t extra) {
  size_t header_units = header_units_for(site->unit_count, extra);
  return fe_chunk_commit(base, site->start, header_units * FE_UNIT_SIZE);
}

static void release(const fe_base_t *base, const site_t *site) {
  fe_chunk_release(base, site->start, site->unit_count * FE_UNIT_SIZE);
}

/* A chunk of the base of at least `slab_min` slabs, of `slab_wish` if it can be. */
static bool allocate_site(const fe_base_t *base, size_t slab_min, size_t slab_wish, site_t *site) {
  size_t count = slab_wish > slab_min ? slab_wish : slab_min;
  for (;; count = count / 2 > slab_min ? count / 2 : slab_min) {
    site->start = fe_chunk_reserve(base, count * FE_SLAB_SIZE);
    if (site->start != NULL || count == slab_min) break;
  }
  site->unit_count = count * FE_UNITS_PER_SLAB;
  site->is_lent = false;
  return site->start != NULL;
}

/* Makes the chunk's first slabs accessible, notes that they are ferroc's, and puts memory behind
 * its header. If that cannot be, nothing is noted. */
static bool open_site(const fe_base_t *base, const site_t *site, size_t extra) {
  size_t size = accessible_slabs(base, site, extra) * FE_SLAB_SIZE;
  if (fe_base_reserves(base) && !base->protect(base, site->start, size, true)) return false;
  if (!fe_ownership_set(site->start, size)) return false;
  if (commit_header(base, site, extra)) return true;
  fe_ownership_clear(site->start, size);
  return false;
}

/* -- Spare chunks: a slab's size is more than the number of slabs in a chunk -- */

#define FE_SPARE_SLABS_MAX (FE_SLAB_SIZE - 1)

static bool take_spare(fe_arenas_t *arenas, site_t *site) {
  if (arenas->base->release != NULL) return false;
  for (unsigned i = 0; i < FE_SPARE_CHUNKS_MAX; i++) {
    uintptr_t spare = atomic_exchange_explicit(&arenas->spare[i], 0, memory_order_relaxed);
    if (spare == 0) continue;
    size_t slab_count = spare & FE_SPARE_SLABS_MAX;
    *site = (site_t){.start = (char *)(spare - slab_count),
                     .unit_count = slab_count * FE_UNITS_PER_SLAB};
    return true;
  }
  return false;
}

static void keep_spare(fe_arenas_t *arenas, const site_t *site) {
  size_t slab_count = site->unit_count / FE_UNITS_PER_SLAB;
  if (slab_count > FE_SPARE_SLABS_MAX) slab_count = FE_SPARE_SLABS_MAX;
  for (unsigned i = 0; i < FE_SPARE_CHUNKS_MAX; i++) {
    uintptr_t none = 0;
    if (atomic_compare_exchange_strong_explicit(&arenas->spare[i], &none,
                                                (uintptr_t)site->start + slab_count,
                                                memory_order_relaxed, memory_order_relaxed)) {
      return;
    }
  }
}

/* The chunk cannot be used now. */
static void put_away(fe_arenas_t *arenas, const site_t *site) {
  if (arenas->base->release != NULL) {
    release(arenas->base, site);
  } else {
    keep_spare(arenas, site);
  }
}

/* How many slabs an arena must have for `free_count` of them in a row to be wholly free: the first
 * ones hold the header. */
static size_t slabs_for(size_t free_count) {
  size_t count = free_count + 1;
  size_t header_units = header_units_for(count * FE_UNITS_PER_SLAB, 0);
  size_t header_slabs = (header_units + FE_UNITS_PER_SLAB - 1) / FE_UNITS_PER_SLAB;
  /* A header of so many slabs may itself need one more for what it notes about them. */
  return header_slabs == 1 ? count : free_count + header_slabs + 1;
}

bool fe_arenas_add_chunk(fe_arenas_t *arenas, size_t slab_min) {
  bool is_first = fe_arenas_first(arenas) == NULL;
  size_t wish = (is_first ? FE_FIRST_ARENA_BYTES : FE_ARENA_BYTES) >> FE_SLAB_SHIFT;
  size_t least = slabs_for(slab_min);
  site_t site;
  /* While there is no memory for a spare chunk, more addresses are no help. */
  if (!take_spare(arenas, &site) && !allocate_site(arenas->base, least, wish, &site)) return false;
  if (!open_site(arenas->base, &site, 0)) {
    put_away(arenas, &site);
    return false;
  }
  if (is_first) fe_ownership_stay_small(arenas->base);
  fe_huge_begin_small(arenas->base, site.start, site.unit_count * FE_UNIT_SIZE);
  fe_arenas_count_chunk(arenas);
  make_arena(arenas, &site, 0);
  if (fe_setting(FE_SETTING_VERBOSE) != 0) {
    fe_note("a chunk of %zu MiB at %p", site.unit_count * FE_UNIT_SIZE >> 20, (void *)site.start);
  }
  return true;
}

/* Whether a region lies where a program's memory can; says so if not. */
static bool is_place(const char *function, const void *memory, size_t size) {
  uintptr_t start = (uintptr_t)memory;
  uintptr_t last = UINTPTR_MAX - FE_UNIT_SIZE; /* it can be rounded up */
  bool is_inside = start < last && size < last - start && fe_is_address(start + size);
  if (memory != NULL && is_inside) return true;
  fe_warn(memory == NULL ? "%s: the region must not be NULL"
                         : "%s: the region must end within the addresses that a program has",
          function);
  errno = EINVAL;
  return false;
}

/* The whole units of a region; there may be none. */
static site_t site_of_region(void *memory, size_t size) {
  uintptr_t first = fe_align_up((uintptr_t)memory, FE_UNIT_SIZE);
  uintptr_t end = ((uintptr_t)memory + size) & ~(uintptr_t)(FE_UNIT_SIZE - 1);
  size_t unit_count = first < end ? (end - first) >> FE_SHARD_SHIFT : 0;
  return (site_t){.start = (char *)first, .unit_count = unit_count, .is_lent = true};
}

/* Whether a region can become an arena, of which `extra` bytes are needed for something else; it is
 * noted as ferroc's then. Says what is wrong if it cannot. */
static bool claim_region(const char *function, const site_t *site, size_t extra) {
  if (site->unit_count <= header_units_for(site->unit_count, extra)) {
    fe_warn(
        "%s: the region is too small: after its start is rounded up to %zu KiB, it must hold "
        "%zu KiB or more",
        function, FE_UNIT_SIZE >> 10, (header_units_for(1, extra) + 1) * (FE_UNIT_SIZE >> 10));
    errno = EINVAL;
    return false;
  }
  size_t size = site->unit_count * FE_UNIT_SIZE;
  if (fe_ownership_overlaps(site->start, size)) {
    fe_warn("%s: the region is in use already, or a part of it is", function);
    errno = EINVAL;
    return false;
  }
  if (!fe_ownership_set(site->start, size)) {
    fe_warn("%s: at most %d regions can be managed at a time, with memory to note them in",
            function, FE_REGIONS_MAX);
    errno = ENOMEM;
    return false;
  }
  return true;
}

bool fe_arenas_manage(fe_arenas_t *arenas, void *memory, size_t size) {
  if (arenas == NULL) arenas = &fe_arenas_default;
  if (!is_place("fe_arenas_manage", memory, size)) return false;
  site_t site = site_of_region(memory, size);
  if (!claim_region("fe_arenas_manage", &site, 0)) return false;
  make_arena(arenas, &site, 0);
  return true;
}

static const char *what_is_wrong(const fe_base_t *base, const void *memory) {
  if (base == NULL)
    return "the base is NULL; it must be fe_base_mmap, fe_base_static or a table of functions";
  if (!fe_is_power_of_two(base->page_size)) return "the base's page_size must be a power of two";
  if (base->page_size > FE_SLAB_SIZE) return "the base's page_size must not be above the slab size";
  if (base->allocate == NULL && memory == NULL) {
    return "the base allocates nothing, so a first region must be handed in";
  }
  return NULL;
}

/* The arenas lie at the start of their first arena, which comes behind them. */
#define FE_ARENAS_BYTES fe_align_up(sizeof(fe_arenas_t), FE_CACHE_LINE)

static bool first_site(const fe_base_t *base, site_t *site) {
  if (!allocate_site(base, 2, FE_FIRST_ARENA_BYTES >> FE_SLAB_SHIFT, site)) return false;
  if (open_site(base, site, FE_ARENAS_BYTES)) return true;
  release(base, site);
  return false;
}

fe_arenas_t *fe_arenas_create(const fe_base_t *base, void *memory, size_t size) {
  const char *wrong = what_is_wrong(base, memory);
  if (wrong != NULL) {
    fe_warn("fe_arenas_create: %s", wrong);
    errno = EINVAL;
    return NULL;
  }
  site_t site;
  if (memory != NULL) {
    if (!is_place("fe_arenas_create", memory, size)) return NULL;
    site = site_of_region(memory, size);
    if (!claim_region("fe_arenas_create", &site, FE_ARENAS_BYTES)) return NULL;
  } else if (!first_site(base, &site)) {
    errno = ENOMEM;
    return NULL;
  }
  fe_arenas_t *arenas = (fe_arenas_t *)site.start;
  memset(arenas, 0, sizeof *arenas);
  arenas->base = base;
  if (!site.is_lent) fe_arenas_count_chunk(arenas);
  make_arena(arenas, &site, FE_ARENAS_BYTES);
  return arenas;
}

fe_arena_t *fe_arenas_find(fe_arenas_t *arenas, const void *ptr) {
  fe_arena_t *arena = fe_arenas_first(arenas);
  for (; arena != NULL; arena = fe_arena_next(arena)) {
    uintptr_t offset = (uintptr_t)ptr - (uintptr_t)arena->start;
    if (offset >= arena->unit_count * FE_UNIT_SIZE) continue;
    if (!fe_slab_is_absent(&arena->slab[offset >> FE_SLAB_SHIFT])) return arena;
  }
  return NULL;
}

static size_t used_units(const fe_arena_t *arena) {
  size_t count = 0;
  for (unsigned i = 0; i < arena->slab_count; i++) {
    fe_units_t free = atomic_load_explicit(&arena->slab[i].free, memory_order_acquire);
    if (fe_slab_is_absent(&arena->slab[i])) continue;
    count += fe_bitmap_count(fe_arena_usable_units(arena, i) & ~free);
  }
  return count;
}

size_t fe_arenas_used_units(fe_arenas_t *arenas) {
  size_t count = 0;
  fe_arena_t *arena = fe_arenas_first(arenas);
  for (; arena != NULL; arena = fe_arena_next(arena)) count += used_units(arena);
  return count;
}

size_t fe_arenas_units_taken(fe_arenas_t *arenas) {
  size_t count = fe_figure_get(&arenas->figures.open_units_taken);
  fe_arena_t *arena = fe_arenas_first(arenas);
  for (; arena != NULL; arena = fe_arena_next(arena)) {
    for (unsigned i = 0; i < arena->slab_count; i++) {
      count += fe_figure_get(&arena->slab[i].taken_units);
    }
  }
  return count;
}

/* Acquire: what was given back can be found. */
size_t fe_arenas_units_given(fe_arenas_t *arenas) {
  size_t count = atomic_load_explicit(&arenas->figures.open_units_given, memory_order_acquire);
  fe_arena_t *arena = fe_arenas_first(arenas);
  for (; arena != NULL; arena = fe_arena_next(arena)) {
    for (unsigned i = 0; i < arena->slab_count; i++) {
      count += atomic_load_explicit(&arena->slab[i].given_units, memory_order_acquire);
    }
  }
  return count;
}

/* Releases what is there of an arena of which slabs are absent: at their addresses there may be
 * something of others. The first slab, which holds what says so, goes last. */
static void release_present(const fe_base_t *base, fe_arena_t *arena) {
  for (unsigned i = arena->slab_count; i-- > 0;) {
    if (fe_slab_presence(&arena->slab[i]) == FE_SLAB_ABSENT) continue;
    char *start = fe_unit_address(arena, i, 0);
    fe_track_open(start, FE_SLAB_SIZE);
    fe_ownership_clear(start, FE_SLAB_SIZE);
    base->unmap(base, start, FE_SLAB_SIZE);
  }
}

static bool has_absent_slabs(const fe_arena_t *arena) {
  for (unsigned i = 0; i < arena->slab_count; i++) {
    if (fe_slab_presence(&arena->slab[i]) == FE_SLAB_ABSENT) return true;
  }
  return false;
}

static void end_arena(const fe_base_t *base, fe_arena_t *arena) {
  site_t site = {.start = arena->start, .unit_count = arena->unit_count};
  bool is_lent = arena->is_lent;
  fe_guard_lift(&arena->guard);
  if (has_absent_slabs(arena)) {
    release_present(base, arena);
    return;
  }
  fe_track_open(site.start, site.unit_count * FE_UNIT_SIZE);
  fe_ownership_clear(site.start, site.unit_count * FE_UNIT_SIZE);
  if (!is_lent) release(base, &site);
}

bool fe_arenas_end(fe_arenas_t *arenas) {
  if (arenas == &fe_arenas_default || fe_arenas_used_units(arenas) > 0) {
    fe_warn(
        "fe_arenas_destroy: contexts or heaps still stand on the arenas, or they are the "
        "process's own");
    errno = EBUSY;
    return false;
  }
  const fe_base_t *base = arenas->base;
  fe_arena_t *first = fe_arenas_first(arenas);
  fe_arena_t *arena = fe_arena_next(first); /* the arenas themselves lie in the first one */
  while (arena != NULL) {
    fe_arena_t *next = fe_arena_next(arena);
    end_arena(base, arena);
    arena = next;
  }
  end_arena(base, first);
  return true;
}
