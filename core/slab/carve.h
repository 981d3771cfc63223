/* Making a list of blocks that were never used: in the order of their addresses or, in hardened
 * builds, in one that nobody can foretell. */
#ifndef FERROC_CORE_SLAB_CARVE_H
#define FERROC_CORE_SLAB_CARVE_H

#include "core/slab/block.h"
#include "core/slab/trailer.h"

#if !FE_IS_TRACKED

/* Links `count` blocks that lie side by side, and `rest` behind them. Returns the first one. */
static inline fe_block_t *fe_carve(char *first, size_t size, size_t count, fe_block_t *rest) {
  char *last = first + (count - 1) * size;
  for (char *block = first; block < last; block += size) {
    ((fe_block_t *)block)->next = (fe_block_t *)(block + size);
  }
  ((fe_block_t *)last)->next = rest;
  return (fe_block_t *)first;
}

#else

/* With a trailer of 16 bytes, a block has 24 or more, and a step is at most 4 KiB or one block. */
#define FE_CARVE_MAX 256

static inline uint32_t fe_carve_random(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(*state >> 33);
}

/* A random order (Fisher and Yates, as Durstenfeld has it); without hardening the natural one. */
static inline void fe_carve_order(uint16_t *order, size_t count, const char *first) {
  uint64_t state = (uintptr_t)first ^ fe_track_secret();
  for (size_t i = 0; i < count; i++) order[i] = (uint16_t)i;
  for (size_t i = count; FE_IS_HARDENED && i-- > 1;) {
    size_t other = fe_carve_random(&state) % (i + 1);
    uint16_t kept = order[i];
    order[i] = order[other];
    order[other] = kept;
  }
}

static inline fe_block_t *fe_carve(char *first, size_t size, size_t count, fe_block_t *rest) {
  uint16_t order[FE_CARVE_MAX];
  assert(count <= FE_CARVE_MAX);
  fe_carve_order(order, count, first);
  for (size_t i = count; i-- > 0;) {
    fe_block_t *block = (fe_block_t *)(first + order[i] * size);
    fe_trailer_t *trailer = fe_trailer_at(block, size);
    fe_track_set_word(&trailer->check, 0);
    fe_block_set_next(block, rest);
    rest = block;
  }
  return rest;
}

#endif

#endif /* FERROC_CORE_SLAB_CARVE_H */
