/* Mixed shards: units in which blocks of all larger classes lie side by side, for classes that have
 * few blocks. A shard for each of 47 classes that hold one block or two would touch several times
 * the memory that the blocks need, and more with each block that comes and goes, since every class
 * keeps what it once needed most. A class that has FE_MIXED_BLOCKS_MAX blocks in mixed shards goes
 * on in shards of its own, unless only a few of its blocks fit into one: such a shard would become
 * full, and not full, and empty, all the time.
 *
 * The unit is counted in granules of 64 bytes. Neighbouring free granules are one space again:
 * there is a bit for each granule and no list. That takes a search, so what the holder frees waits
 * as it is, in a bin for its class, where the next one to ask for that class finds it. Taking from
 * bins and putting into them are quick ways: they touch nothing but the bins. What the bins have no
 * room for waits in the stock (stock.h). When there is no room for a block, or the bins hold all
 * that there is, both are emptied.
 *
 * To other threads a mixed shard is like a nursery: asleep, until one of them frees a block. */
#ifndef FERROC_CORE_HEAP_MIXED_H
#define FERROC_CORE_HEAP_MIXED_H

#include "core/heap/size_class.h"
#include "core/slab/shard.h"

struct fe_heap;

#define FE_MIXED_GRANULE 64
#define FE_MIXED_GRANULES (FE_UNIT_SIZE / FE_MIXED_GRANULE)
#define FE_MIXED_WORD_BITS (sizeof(uintptr_t) * 8)
#define FE_MIXED_WORDS (FE_MIXED_GRANULES / FE_MIXED_WORD_BITS)

/* From the first class that is above 512 bytes on, all sizes are multiples of the granule. */
#define FE_MIXED_FROM 512
#define FE_MIXED_FIRST_CLASS 32
#define FE_MIXED_CLASSES (FE_CLASS_COUNT - FE_MIXED_FIRST_CLASS)
#define FE_MIXED_BLOCKS_MAX 48

#define FE_MIXED_ALWAYS_ABOVE (FE_UNIT_SIZE / 16)

/* A heap's mixed shards; of whoever is inside. */
typedef struct fe_mixed_list {
  fe_shard_t *first, *last;
  _Atomic(uint32_t) shard_count; /* read by all, relaxed */
  bool is_kept; /* what all waits in bins stays there: it went back often of late (spare.c) */
} fe_mixed_list_t;

/* The bins hold at most so many blocks, each of which may be all that keeps a unit, and at most a
 * unit's bytes and such a share of all. When there is no room for something else, they are emptied
 * if more than that share waits. */
#define FE_BINS_BLOCKS_MAX 32
#define FE_BINS_SHARE 16

static inline uint32_t fe_mixed_shard_count(const fe_mixed_list_t *list) {
  return atomic_load_explicit(&((fe_mixed_list_t *)list)->shard_count, memory_order_relaxed);
}

/* Of the holder, who is inside or on a quick way, but for what is atomic. */
typedef struct fe_bins {
  /* Bins with so many bytes are to be emptied; 0: nothing may be put there. Written inside, read by
   * the holder, relaxed: who has not seen it yet puts a block more there. */
  _Atomic(size_t) limit;
  _Atomic(size_t) bytes;                   /* written by the holder, read by all, relaxed */
  _Atomic(size_t) count;                   /* the same */
  fe_block_t *first[FE_MIXED_CLASSES + 1]; /* of each class; the last one stays empty */
  /* Shards by the classes that they have room for, none to all, and a bit for each such list that
   * is not empty. Inside. */
  fe_shard_t *room_first[FE_MIXED_CLASSES + 1];
  uint64_t has_room;
  uint32_t block_count[FE_MIXED_CLASSES]; /* live ones and those in bins, of each class; inside */
  const void *zero_block;                 /* see fe_mixed_is_zero; the holder's */
} fe_bins_t;

/* In each group of so many granules at most one block begins, as all are longer. */
#define FE_MIXED_LENGTH_GRANULES (FE_MIXED_FROM / FE_MIXED_GRANULE)

/* What a mixed shard has behind its header. */
typedef struct fe_mixed {
  uint32_t used_granules;
  uint32_t free_from;   /* no granule before it is free */
  uint32_t longest_max; /* no run of free granules is longer */
  uint32_t zero_from;   /* from this granule on all is zero, and was in no block yet */
  /* Those of the heap's that have as much room. */
  fe_shard_t *room_next, *room_prev;
  unsigned room;
  /* A bit for each granule that is in a block or can be in none; owner. */
  uintptr_t used[FE_MIXED_WORDS];
  /* For each group, the granules of the block that begins there. Written by the owner; whoever
   * holds the block may read what was written before it was handed out. Relaxed. */
  _Atomic(uint16_t) length[FE_MIXED_GRANULES / FE_MIXED_LENGTH_GRANULES];
} fe_mixed_t;

static inline fe_mixed_t *fe_mixed_of(const fe_shard_t *shard) { return (fe_mixed_t *)(shard + 1); }

static inline size_t fe_mixed_granule_of(const fe_shard_t *shard, const void *ptr) {
  return (size_t)((const char *)ptr - (const char *)shard) / FE_MIXED_GRANULE;
}

/* The granules of the block that begins at one; any thread that holds the block. */
static inline size_t fe_mixed_length(const fe_shard_t *shard, size_t first) {
  return atomic_load_explicit(&fe_mixed_of(shard)->length[first / FE_MIXED_LENGTH_GRANULES],
                              memory_order_relaxed);
}

static inline size_t fe_mixed_block_size(const fe_shard_t *shard, const void *ptr) {
  return fe_mixed_length(shard, fe_mixed_granule_of(shard, ptr)) * FE_MIXED_GRANULE;
}

/* A block of the class, or NULL: the class is none for mixed shards or has too many blocks, or
 * there is no room. requested: for the heap's figures. */
void *fe_mixed_alloc(struct fe_heap *heap, unsigned class_index, size_t requested);

/* Whether a block that the holder has allocated since fe_mixed_forget_zero is all zeros, since its
 * memory was in no block before; false: perhaps. Holder. */
bool fe_mixed_is_zero(const struct fe_heap *heap, const void *block);
void fe_mixed_forget_zero(struct fe_heap *heap);

/* Frees a block: into its class's bin or, inside, by fe_mixed_free. Holder, outside. */
void fe_bins_put(struct fe_heap *heap, fe_shard_t *shard, void *ptr);

/* Frees a block of the holder's that its bin did not take. */
void fe_mixed_free(struct fe_heap *heap, fe_shard_t *shard, void *ptr);

/* Frees a block that others freed. */
void fe_mixed_take_in(struct fe_heap *heap, fe_shard_t *shard, void *ptr);

/* Frees a list of blocks of a class that waited; how many. Inside. */
size_t fe_mixed_free_list(struct fe_heap *heap, fe_block_t *first, unsigned class_index);

/* Frees what waits in bins and in the stock. Inside, as the holder or where there is none. */
void fe_bins_empty(struct fe_heap *heap);

/* Sets the limit of the bins anew. */
void fe_bins_settle(struct fe_heap *heap);
/* The same, and empties them if they have more. As fe_bins_empty. */
void fe_bins_settle_below(struct fe_heap *heap);

/* Counts anew what is in the bins, after a quick way was cut off. */
void fe_bins_mend(struct fe_heap *heap);

/* Whether the block has room for so many bytes where it is, and not for many more. Holder,
 * outside. */
bool fe_mixed_resize(struct fe_heap *heap, fe_shard_t *shard, void *ptr, size_t size);

/* The first block from a place on, which is moved behind it; NULL: there is none. The first place
 * is 0. Owner. */
const void *fe_mixed_next(const fe_shard_t *shard, size_t *place, size_t *size);

/* Gives up the shards without a block. Owner. */
void fe_mixed_collect(struct fe_heap *heap);

#endif /* FERROC_CORE_HEAP_MIXED_H */
