/* A block while it is free: it holds the link to the next one of its list. What lies in a shard's
 * free blocks is read and written by these functions alone, for it may be closed or encoded. */
#ifndef FERROC_CORE_SLAB_BLOCK_H
#define FERROC_CORE_SLAB_BLOCK_H

#include "core/track/track.h"

struct fe_block {
  fe_block_t *next;
};

static inline fe_block_t *fe_block_next(const fe_block_t *block) {
  return fe_track_get_link(&block->next);
}

static inline void fe_block_set_next(fe_block_t *block, fe_block_t *next) {
  fe_track_set_link(&block->next, next);
}

#endif /* FERROC_CORE_SLAB_BLOCK_H */
