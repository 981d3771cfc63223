/* The table of owned slabs, and the regions that do not consist of whole slabs. */
#include "core/arena/ownership.h"

/* A region from start to end. A slot is claimed by start (0: free) and valid while end is not 0. */
typedef struct fe_region {
  _Atomic(uintptr_t) start;
  _Atomic(uintptr_t) end;
} fe_region_t;

static fe_region_t regions[FE_REGIONS_MAX];

_Atomic(unsigned) fe_ownership_region_count;

static bool claim_slot(fe_region_t *region, uintptr_t start) {
  uintptr_t none = 0;
  return atomic_compare_exchange_strong_explicit(&region->start, &none, start, memory_order_acquire,
                                                 memory_order_relaxed);
}

static bool note_region(uintptr_t start, uintptr_t end) {
  for (unsigned i = 0; i < FE_REGIONS_MAX; i++) {
    if (!claim_slot(&regions[i], start)) continue;
    atomic_store_explicit(&regions[i].end, end, memory_order_release);
    unsigned count = atomic_load_explicit(&fe_ownership_region_count, memory_order_relaxed);
    while (count <= i &&
           !atomic_compare_exchange_weak_explicit(&fe_ownership_region_count, &count, i + 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    return true;
  }
  return false;
}

static void forget_region(uintptr_t start) {
  for (unsigned i = 0; i < FE_REGIONS_MAX; i++) {
    if (atomic_load_explicit(&regions[i].start, memory_order_relaxed) != start) continue;
    atomic_store_explicit(&regions[i].end, 0, memory_order_relaxed);
    /* Release: whoever claims the slot again does so after its end was cleared. */
    atomic_store_explicit(&regions[i].start, 0, memory_order_release);
    return;
  }
}

/* A slot may be given to another region in between: then its end has changed. */
static bool is_inside(fe_region_t *region, uintptr_t address) {
  uintptr_t end = atomic_load_explicit(&region->end, memory_order_acquire);
  if (address >= end) return false;
  uintptr_t start = atomic_load_explicit(&region->start, memory_order_acquire);
  return address >= start && atomic_load_explicit(&region->end, memory_order_relaxed) == end;
}

bool fe_ownership_in_region(const void *ptr) {
  unsigned count = atomic_load_explicit(&fe_ownership_region_count, memory_order_relaxed);
  for (unsigned i = 0; i < count; i++) {
    if (is_inside(&regions[i], (uintptr_t)ptr)) return true;
  }
  return false;
}

static bool overlaps_region(uintptr_t start, uintptr_t end) {
  unsigned count = atomic_load_explicit(&fe_ownership_region_count, memory_order_relaxed);
  for (unsigned i = 0; i < count; i++) {
    uintptr_t region_end = atomic_load_explicit(&regions[i].end, memory_order_acquire);
    uintptr_t region_start = atomic_load_explicit(&regions[i].start, memory_order_relaxed);
    if (start < region_end && region_start < end) return true;
  }
  return false;
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
