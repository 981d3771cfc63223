/* Words with a bit for each unit of a slab: bit n set says that unit n is free. The bits are the
 * whole state, so there is nothing that could be mistaken for an older state that looks the same
 * (no ABA): whoever clears a set bit by a successful compare-and-swap owns that unit. */
#ifndef FERROC_CORE_ARENA_BITMAP_H
#define FERROC_CORE_ARENA_BITMAP_H

#include <stdatomic.h>

#include "core/base/config.h"

#define FE_BITMAP_ALL ((fe_units_t)((fe_units_t)-1 >> (sizeof(fe_units_t) * 8 - FE_UNITS_PER_SLAB)))

/* `count` bits (1 to all) from bit `first` on. */
static inline fe_units_t fe_bitmap_mask(unsigned first, unsigned count) {
  return (fe_units_t)(FE_BITMAP_ALL >> (FE_UNITS_PER_SLAB - count)) << first;
}

static inline unsigned fe_bitmap_first(fe_units_t word) { return fe_lowest_bit(word); }

/* Where a processor has no instruction for it, the compiler's own way is a call of its library,
 * which is not there everywhere. So: the counts of pairs of bits, of fours, of bytes, and their
 * sum. */
static inline unsigned fe_bitmap_count(fe_units_t word) {
  uint64_t counts = word;
  counts -= counts >> 1 & 0x5555555555555555;
  counts = (counts & 0x3333333333333333) + (counts >> 2 & 0x3333333333333333);
  counts = (counts + (counts >> 4)) & 0x0f0f0f0f0f0f0f0f;
  return (unsigned)(counts * 0x0101010101010101 >> 56);
}

/* The set bits from the first one on that lie side by side. There is at least one. */
static inline fe_units_t fe_bitmap_first_run(fe_units_t word) {
  fe_units_t lowest = word & -word;
  return word & ~(word + lowest);
}

/* The lowest bit at which `count` set bits (1 to all) begin, or -1. */
static inline int fe_bitmap_find_run(fe_units_t word, unsigned count) {
  unsigned length = 1;
  while (length < count && word != 0) {
    unsigned step = length < count - length ? length : count - length;
    word &= word >> step;
    length += step;
  }
  return word == 0 ? -1 : (int)fe_bitmap_first(word);
}

/* For whoever looks for set bits. Acquire: pairs with the take that cleared those he misses; see
 * passing.h. */
static inline fe_units_t fe_bitmap_look(const _Atomic(fe_units_t) *word) {
  return atomic_load_explicit((_Atomic(fe_units_t) *)word, memory_order_acquire);
}

/* The same for whoever has raised a word of room.h, or has just set bits himself. */
static inline fe_units_t fe_bitmap_look_again(const _Atomic(fe_units_t) *word) {
  return atomic_load_explicit((_Atomic(fe_units_t) *)word, memory_order_seq_cst);
}

/* Clears the bits of `mask` if all of them are set; whether it did. Acquire: what the one who set
 * them last wrote into these units happened before. Release: for whoever misses them. */
static inline bool fe_bitmap_take(_Atomic(fe_units_t) *word, fe_units_t mask) {
  fe_units_t seen = fe_bitmap_look(word);
  while ((seen & mask) == mask) {
    if (atomic_compare_exchange_weak_explicit(word, &seen, seen & ~mask, memory_order_acq_rel,
                                              memory_order_acquire)) {
      return true;
    }
  }
  return false;
}

/* Sets the bits of `mask`, which the caller owns. Release: pairs with the next take. Sequentially
 * consistent: see room.h. */
static inline void fe_bitmap_give(_Atomic(fe_units_t) *word, fe_units_t mask) {
  atomic_fetch_or_explicit(word, mask, memory_order_seq_cst);
}

#endif /* FERROC_CORE_ARENA_BITMAP_H */
