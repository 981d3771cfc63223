/* Mixed shards: units in which blocks of all larger classes lie side by side, for classes that have
 * few blocks. A shard for each of 47 classes that hold one block or two would touch several times
 * the memory that the blocks need, and more with each block that comes and goes, since every class
 * keeps what it once needed most. A class that has FE_MIXED_BLOCKS_MAX blocks in mixed shards goes
 * on in shards of its own, which are faster.
 *
 * The unit is counted in granules of 64 bytes. Neighbouring free granules are one space again:
 * there is a bit for each granule and no list.
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
#define FE_MIXED_FIRST_CLASS 32
#define FE_MIXED_CLASSES (FE_CLASS_COUNT - FE_MIXED_FIRST_CLASS)
#define FE_MIXED_BLOCKS_MAX 48

/* So many units a heap has for mixed shards, so that the search for room stays short. */
#define FE_MIXED_SHARDS_MAX 32

/* A heap's mixed shards; its user's. */
typedef struct fe_mixed_list {
  fe_shard_t *first; /* the one made first; searched from there */
  fe_shard_t *last;
  uint8_t shard_count;
  uint8_t block_count[FE_MIXED_CLASSES]; /* live ones, for each class */
} fe_mixed_list_t;

/* A block of the class, or NULL: the class is none for mixed shards or has too many blocks, or
 * there is no room. requested: for the heap's figures. */
void *fe_mixed_alloc(struct fe_heap *heap, unsigned class_index, size_t requested);

void fe_mixed_free(struct fe_heap *heap, fe_shard_t *shard, void *ptr);

/* The size of the block at ptr; any thread that holds it. */
size_t fe_mixed_block_size(const fe_shard_t *shard, const void *ptr);

/* The first block from a place on, which is moved behind it; NULL: there is none. The first place
 * is 0. Owner. */
const void *fe_mixed_next(const fe_shard_t *shard, size_t *place, size_t *size);

/* Gives up the shards without a block. Owner. */
void fe_mixed_collect(struct fe_heap *heap);

#endif /* FERROC_CORE_HEAP_MIXED_H */
