/* The stock: freed blocks of mixed shards that its holder's bins (mixed.h) have no room for. Where
 * many blocks come and go, as the buffers of a server do, few of those that are freed fit into so
 * few bins; all others would be put together with their neighbours, and be cut out again.
 *
 * The stock may hold much more than the bins, since nothing of it stays: it is for whoever is
 * inside of the heap's gate, so that others get it back while the holder sleeps (reclaim.c), and
 * all goes back at each tick of kept.h, and when there is no room for something else. Where a limit
 * is near there is no stock. */
#ifndef FERROC_CORE_HEAP_STOCK_H
#define FERROC_CORE_HEAP_STOCK_H

#include "core/heap/mixed.h"

/* It holds so many blocks, and such a share of all that is in mixed shards. */
#define FE_STOCK_BLOCKS_MAX 384
#define FE_STOCK_SHARE 3

/* Written inside. */
typedef struct fe_stock {
  _Atomic(size_t) bytes; /* read by all, relaxed */
  _Atomic(size_t) count; /* the same */
  /* Of each class; the last one stays empty. Outside, the holder looks, relaxed, whether there is
   * one: whoever empties the stock meanwhile may not be seen yet, and is seen inside. */
  _Atomic(fe_block_t *) first[FE_MIXED_CLASSES + 1];
  size_t most_bytes; /* that were in mixed shards since the last tick; inside */
  bool was_used;     /* since then; inside */
} fe_stock_t;

static inline bool fe_stock_has(const fe_stock_t *stock, unsigned index) {
  return atomic_load_explicit(&((fe_stock_t *)stock)->first[index], memory_order_relaxed) != NULL;
}

/* A block of the class of so many bytes, or of the one above; NULL: there is none. Holder,
 * outside. */
void *fe_stock_take(struct fe_heap *heap, size_t size);

/* Frees a block into the stock, if it may wait there; whether it does. Holder, outside. */
bool fe_stock_put(struct fe_heap *heap, fe_shard_t *shard, void *ptr);

/* The shortest block of the class or of any above; NULL: there is none. Inside. */
void *fe_stock_take_larger(struct fe_heap *heap, unsigned class_index);

/* Frees what waits there. Inside. */
void fe_stock_empty(struct fe_heap *heap);

/* The same at a tick: if the stock was of use since the last one, half of it stays. */
void fe_stock_tick(struct fe_heap *heap);

#endif /* FERROC_CORE_HEAP_STOCK_H */
