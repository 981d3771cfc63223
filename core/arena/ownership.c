/* The table of owned slabs, and the regions that do not consist of whole slabs. */
#include "core/arena/ownership.h"

#ifndef FE_FREESTANDING
#include "core/arena/window.h"
#endif

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

/* Slots that were ever in use, from the front on; only grows, relaxed. */
static _Atomic(unsigned) region_count;

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
    unsigned count = atomic_load_explicit(&region_count, memory_order_relaxed);
    while (count <= i &&
           !atomic_compare_exchange_weak_explicit(&region_count, &count, i + 1,
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
  unsigned count = atomic_load_explicit(&region_count, memory_order_relaxed);
  for (unsigned i = 0; i < count; i++) {
    uintptr_t version;
    bounds_t bounds;
    if (!read_region(&regions[i], &version, &bounds)) continue;
    if (start < bounds.end && bounds.start < end) return true;
  }
  return false;
}

static bool is_in_region(const void *ptr) {
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

bool fe_ownership_is_single(const void *ptr) { return is_in_region(ptr); }

bool fe_ownership_in_other_place(const void *ptr) { return is_in_region(ptr); }

#else

fe_ownership_table_t fe_ownership;
_Atomic(bool) fe_ownership_has_other_places;

/* What a table says of slabs. */
typedef enum mark { OWNED, SINGLE } mark_t;

/* The bytes with the bits of the slabs of a window; NULL where there is none. */
static _Atomic(uint8_t) *bytes_of(mark_t mark, uintptr_t number) {
  fe_ownership_table_t *table = number == 0 ? &fe_ownership : fe_window_find(number);
  if (table == NULL) return NULL;
  return mark == OWNED ? table->owned : table->single;
}

static bool has_mark(mark_t mark, uintptr_t slab) {
  _Atomic(uint8_t) *bytes = bytes_of(mark, slab / FE_OWNERSHIP_SLABS);
  if (bytes == NULL) return false;
  uint8_t byte = atomic_load_explicit(&bytes[slab % FE_OWNERSHIP_SLABS >> 3], memory_order_relaxed);
  return (byte >> (slab & 7)) & 1;
}

/* The bits of slabs of one window, counted from its first one. */
static void mark_in_window(_Atomic(uint8_t) *bytes, size_t first, size_t end, bool is_set) {
  for (size_t slab = first; slab < end; slab++) {
    uint8_t bit = (uint8_t)(1u << (slab & 7));
    if (is_set) {
      atomic_fetch_or_explicit(&bytes[slab >> 3], bit, memory_order_relaxed);
    } else {
      atomic_fetch_and_explicit(&bytes[slab >> 3], (uint8_t)~bit, memory_order_relaxed);
    }
  }
}

/* Sets or clears the bits of the slabs that lie wholly between start and end. */
static void mark_slabs(mark_t mark, uintptr_t start, uintptr_t end, bool is_set) {
  uintptr_t slab = (start >> FE_SLAB_SHIFT) + ((start & (FE_SLAB_SIZE - 1)) != 0);
  while (slab < end >> FE_SLAB_SHIFT) {
    size_t first = slab % FE_OWNERSHIP_SLABS;
    size_t count = FE_OWNERSHIP_SLABS - first;
    if (count > (end >> FE_SLAB_SHIFT) - slab) count = (end >> FE_SLAB_SHIFT) - slab;
    _Atomic(uint8_t) *bytes = bytes_of(mark, slab / FE_OWNERSHIP_SLABS);
    if (bytes != NULL) mark_in_window(bytes, first, first + count, is_set);
    slab += count;
  }
}

bool fe_ownership_overlaps(const char *start, size_t size) {
  uintptr_t first = (uintptr_t)start;
  uintptr_t last = first + size - 1;
  for (uintptr_t slab = first >> FE_SLAB_SHIFT; slab <= last >> FE_SLAB_SHIFT; slab++) {
    if (has_mark(OWNED, slab)) return true;
  }
  return overlaps_region(first, first + size);
}

static bool is_whole(uintptr_t start, uintptr_t end) {
  return ((start | end) & (FE_SLAB_SIZE - 1)) == 0;
}

/* Whether there is a table for all slabs from start to end; windows that were missing are made. */
static bool have_tables(uintptr_t start, uintptr_t end) {
  uintptr_t first = (start >> FE_SLAB_SHIFT) / FE_OWNERSHIP_SLABS;
  uintptr_t last = ((end - 1) >> FE_SLAB_SHIFT) / FE_OWNERSHIP_SLABS;
  for (uintptr_t number = first; number <= last; number++) {
    if (number != 0 && !fe_window_make(number)) return false;
  }
  return true;
}

static bool is_in_table(uintptr_t end) { return (end - 1) >> FE_SLAB_SHIFT < FE_OWNERSHIP_SLABS; }

bool fe_ownership_set(const char *start, size_t size) {
  uintptr_t first = (uintptr_t)start;
  uintptr_t end = first + size;
  if (!is_in_table(end) || !is_whole(first, end)) {
    if (!have_tables(first, end)) return false;
    if (!is_whole(first, end) && !note_region(first, end)) return false;
    atomic_store_explicit(&fe_ownership_has_other_places, true, memory_order_relaxed);
  }
  mark_slabs(OWNED, first, end, true);
  return true;
}

void fe_ownership_clear(const char *start, size_t size) {
  uintptr_t first = (uintptr_t)start;
  mark_slabs(OWNED, first, first + size, false);
  if (!is_whole(first, first + size)) forget_region(first);
}

void fe_ownership_set_single(const char *start, size_t size, bool is_single) {
  mark_slabs(SINGLE, (uintptr_t)start, (uintptr_t)start + size, is_single);
}

bool fe_ownership_is_single(const void *ptr) {
  return has_mark(SINGLE, (uintptr_t)ptr >> FE_SLAB_SHIFT);
}

bool fe_ownership_in_other_place(const void *ptr) {
  return has_mark(OWNED, (uintptr_t)ptr >> FE_SLAB_SHIFT) || is_in_region(ptr);
}

void fe_ownership_stay_small(const fe_base_t *base) {
  /* With 32 bits they are smaller than any page. */
  if (base->advise_huge == NULL || sizeof fe_ownership <= FE_UNIT_SIZE) return;
  uintptr_t start = fe_align_up((uintptr_t)&fe_ownership, FE_UNIT_SIZE);
  base->advise_huge(base, (void *)start, sizeof fe_ownership - FE_UNIT_SIZE, false);
}

#endif
