/* The table of owned slabs, and the regions that do not consist of whole slabs. */
#include "core/arena/ownership.h"

/* What a slot is: the low bits of its version. */
typedef enum slot_state { FREE, CLAIMED, NOTED } slot_state_t;

#define FE_SLOT_STATES 4 /* a version counts them */

/* A slot of the table of regions. */
typedef struct fe_region {
  _Atomic(uintptr_t) version;
  /* Written by whoever claimed the slot, read by all: release and acquire, so that whoever sees
   * what is just being written sees that the version is another one. */
  _Atomic(uintptr_t) start;
  _Atomic(uintptr_t) end;
} fe_region_t;

static fe_region_t regions[FE_REGIONS_MAX];

_Atomic(unsigned) fe_ownership_region_count;

static slot_state_t state_of(uintptr_t version) { return (slot_state_t)(version % FE_SLOT_STATES); }

static bool claim_slot(fe_region_t *region, uintptr_t *version) {
  *version = atomic_load_explicit(&region->version, memory_order_relaxed);
  /* Acquire: what is written next comes after what the region before had there. */
  return state_of(*version) == FREE &&
         atomic_compare_exchange_strong_explicit(&region->version, version, *version + CLAIMED,
                                                 memory_order_acquire, memory_order_relaxed);
}

static bool note_region(uintptr_t start, uintptr_t end) {
  for (unsigned i = 0; i < FE_REGIONS_MAX; i++) {
    uintptr_t version;
    if (!claim_slot(&regions[i], &version)) continue;
    atomic_store_explicit(&regions[i].start, start, memory_order_release);
    atomic_store_explicit(&regions[i].end, end, memory_order_release);
    atomic_store_explicit(&regions[i].version, version + NOTED, memory_order_release);
    unsigned count = atomic_load_explicit(&fe_ownership_region_count, memory_order_relaxed);
    while (count <= i &&
           !atomic_compare_exchange_weak_explicit(&fe_ownership_region_count, &count, i + 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    return true;
  }
  return false;
}

typedef struct bounds {
  uintptr_t start, end;
} bounds_t;

/* Whether a region is noted in the slot, and stayed so while its bounds were read. */
static bool read_region(fe_region_t *region, uintptr_t *version, bounds_t *bounds) {
  *version = atomic_load_explicit(&region->version, memory_order_acquire);
  if (state_of(*version) != NOTED) return false;
  bounds->start = atomic_load_explicit(&region->start, memory_order_acquire);
  bounds->end = atomic_load_explicit(&region->end, memory_order_acquire);
  return atomic_load_explicit(&region->version, memory_order_relaxed) == *version;
}

/* The caller's region, in whose slot nobody else changes anything. */
static void forget_region(uintptr_t start) {
  for (unsigned i = 0; i < FE_REGIONS_MAX; i++) {
    uintptr_t version;
    bounds_t bounds;
    if (!read_region(&regions[i], &version, &bounds) || bounds.start != start) continue;
    /* Release: whoever claims the slot next comes after this. */
    atomic_store_explicit(&regions[i].version, version - NOTED + FE_SLOT_STATES,
                          memory_order_release);
    return;
  }
}

/* Whether a region has some of these addresses. */
static bool overlaps_region(uintptr_t start, uintptr_t end) {
  unsigned count = atomic_load_explicit(&fe_ownership_region_count, memory_order_relaxed);
  for (unsigned i = 0; i < count; i++) {
    uintptr_t version;
    bounds_t bounds;
    if (!read_region(&regions[i], &version, &bounds)) continue;
    if (start < bounds.end && bounds.start < end) return true;
  }
  return false;
}

bool fe_ownership_in_region(const void *ptr) {
  return overlaps_region((uintptr_t)ptr, (uintptr_t)ptr + 1);
}

#ifdef FE_FREESTANDING

bool fe_ownership_overlaps(const char *start, size_t size) {
  return overlaps_region((uintptr_t)start, (uintptr_t)start + size);
}

bool fe_ownership_set(const char *start, size_t size) {
  return note_region((uintptr_t)start, (uintptr_t)start + size);
}

void fe_ownership_clear(const char *start, size_t size) {
  (void)size;
  forget_region((uintptr_t)start);
}

void fe_ownership_set_single(const char *start, size_t size, bool is_single) {
  (void)start;
  (void)size;
  (void)is_single;
}

void fe_ownership_stay_small(const fe_base_t *base) { (void)base; }

#else

_Atomic(uint8_t) fe_ownership[FE_OWNERSHIP_BYTES];
_Atomic(uint8_t) fe_ownership_single[FE_OWNERSHIP_BYTES];

/* Sets or clears the bits of the slabs that lie wholly between start and end. */
static void mark_slabs(_Atomic(uint8_t) *table, uintptr_t start, uintptr_t end, bool is_set) {
  for (uintptr_t slab = fe_align_up(start, FE_SLAB_SIZE) >> FE_SLAB_SHIFT;
       (slab + 1) << FE_SLAB_SHIFT <= end; slab++) {
    uint8_t bit = (uint8_t)(1u << (slab & 7));
    if (is_set) {
      atomic_fetch_or_explicit(&table[slab >> 3], bit, memory_order_relaxed);
    } else {
      atomic_fetch_and_explicit(&table[slab >> 3], (uint8_t)~bit, memory_order_relaxed);
    }
  }
}

bool fe_ownership_overlaps(const char *start, size_t size) {
  uintptr_t first = (uintptr_t)start;
  uintptr_t last = first + size - 1;
  for (uintptr_t slab = first >> FE_SLAB_SHIFT; slab <= last >> FE_SLAB_SHIFT; slab++) {
    uint8_t byte = atomic_load_explicit(&fe_ownership[slab >> 3], memory_order_relaxed);
    if ((byte >> (slab & 7)) & 1) return true;
  }
  return overlaps_region(first, first + size);
}

static bool is_whole(uintptr_t start, uintptr_t end) {
  return ((start | end) & (FE_SLAB_SIZE - 1)) == 0;
}

bool fe_ownership_set(const char *start, size_t size) {
  uintptr_t first = (uintptr_t)start;
  if (!is_whole(first, first + size) && !note_region(first, first + size)) return false;
  mark_slabs(fe_ownership, first, first + size, true);
  return true;
}

void fe_ownership_clear(const char *start, size_t size) {
  uintptr_t first = (uintptr_t)start;
  mark_slabs(fe_ownership, first, first + size, false);
  if (!is_whole(first, first + size)) forget_region(first);
}

void fe_ownership_set_single(const char *start, size_t size, bool is_single) {
  mark_slabs(fe_ownership_single, (uintptr_t)start, (uintptr_t)start + size, is_single);
}

static void stay_small(const fe_base_t *base, _Atomic(uint8_t) *table) {
  uintptr_t start = fe_align_up((uintptr_t)table, FE_UNIT_SIZE);
  base->advise_huge(base, (void *)start, FE_OWNERSHIP_BYTES - FE_UNIT_SIZE, false);
}

void fe_ownership_stay_small(const fe_base_t *base) {
  if (base->advise_huge == NULL) return;
  stay_small(base, fe_ownership);
  stay_small(base, fe_ownership_single);
}

#endif
