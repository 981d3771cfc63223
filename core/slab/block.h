/* A block while it is free: it holds the link to the next one of its list. */
#ifndef FERROC_CORE_SLAB_BLOCK_H
#define FERROC_CORE_SLAB_BLOCK_H

typedef struct fe_block fe_block_t;

struct fe_block {
  fe_block_t *next;
};

#endif /* FERROC_CORE_SLAB_BLOCK_H */
