/* Words of 64 bits, one for each slab: bit n set says that unit n is free. The bits are the whole
 * state, so there is nothing that could be mistaken for an older state that looks the same (no
 * ABA): whoever clears a set bit by a successful compare-and-swap owns that unit. */
#ifndef FERROC_CORE_ARENA_BITMAP_H
#define FERROC_CORE_ARENA_BITMAP_H

#include <stdatomic.h>

#include "core/base/config.h"

#define FE_BITMAP_ALL UINT64_MAX

/* `count` bits (1 to 64) from bit `first` on. */
static inline uint64_t fe_bitmap_mask(unsigned first, unsigned count) {
  return (FE_BITMAP_ALL >> (64 - count)) << first;
}

/* The lowest bit at which `count` set bits (1 to 64) begin, or -1. */
static inline int fe_bitmap_find_run(uint64_t word, unsigned count) {
  unsigned length = 1;
  while (length < count && word != 0) {
    unsigned step = length < count - length ? length : count - length;
    word &= word >> step;
    length += step;
  }
  return word == 0 ? -1 : __builtin_ctzll(word);
}

/* Clears the bits of `mask` if all of them are set; whether it did. Acquire: what the one who set
 * them last wrote into these units happened before. */
static inline bool fe_bitmap_take(_Atomic(uint64_t) *word, uint64_t mask) {
  uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
  while ((seen & mask) == mask) {
    if (atomic_compare_exchange_weak_explicit(word, &seen, seen & ~mask, memory_order_acquire,
                                              memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

/* Sets the bits of `mask`, which the caller owns. Release: pairs with the next take. */
static inline void fe_bitmap_give(_Atomic(uint64_t) *word, uint64_t mask) {
  atomic_fetch_or_explicit(word, mask, memory_order_release);
}

#endif /* FERROC_CORE_ARENA_BITMAP_H */
