/* Heaps: what callers allocate from. One thread at a time uses a heap; what others may touch is
 * the inbox alone. A heap lies in its own first unit, together with its nursery: the blocks of a
 * heap that is still small. */
#ifndef FERROC_CORE_HEAP_HEAP_H
#define FERROC_CORE_HEAP_HEAP_H

#include "core/ferroc.h"
#include "core/heap/context.h"
#include "core/heap/size_class.h"
#include "core/slab/shard.h"

/* The nursery serves blocks of up to 2 KiB, until it is used up or a class gets busy. */
#define FE_NURSERY_CLASSES 48
#define FE_NURSERY_GRANULES (FE_UNIT_SIZE / 8)
#define FE_NURSERY_WORDS (FE_NURSERY_GRANULES / 64)

/* After so many blocks of one class the class gets a shard of its own, which is faster. */
#define FE_NURSERY_BUSY_COUNT 255

typedef struct fe_nursery {
  char *bump; /* the first byte that was never handed out */
  char *end;
  size_t used_bytes;
  fe_block_t *free[FE_NURSERY_CLASSES];
  uint8_t alloc_count[FE_NURSERY_CLASSES]; /* stays at FE_NURSERY_BUSY_COUNT */
  /* A bit for each 8 bytes of the unit at which a block starts or, at `bump`, will start. Blocks
   * lie side by side, so that the distance to the next bit, or to the end, is a block's size.
   * Whoever holds a block may read: the two bits were there before the block was handed out.
   * Relaxed. */
  _Atomic(uint64_t) starts[FE_NURSERY_WORDS];
} fe_nursery_t;

struct fe_heap {
  /* -- touched by others -- */
  alignas(FE_CACHE_LINE) fe_inbox_t inbox;
  fe_heap_t *registry_next;      /* thread heaps: the one made before; constant */
  _Atomic(int) registry_is_used; /* thread heaps: whether a thread has it; see registry.h */

  /* -- the user's alone -- */
  /* The current shard for each size up to FE_TINY_MAX: the class of the size, or
   * fe_shard_empty. Entry 0 is always empty: a size of 0 takes the cold path. */
  alignas(FE_CACHE_LINE) fe_shard_t *table[FE_TINY_MAX + 1];
  /* For each class the queue of shards that have, or soon will have, a free block; the first is
   * the current one, and its `prev` is the last. fe_shard_empty: none. */
  fe_shard_t *current[FE_CLASS_COUNT];
  fe_shard_t *full;  /* shards without a free block */
  fe_shard_t *large; /* large and huge blocks, if the heap can be destroyed */
  size_t granule;    /* constant */
  size_t limit;      /* SIZE_MAX: none */
  size_t held_bytes; /* in blocks, live and free ones, without large blocks of thread heaps */
  /* Large blocks of thread heaps may be given back by anybody; relaxed, a figure only. */
  _Atomic(size_t) shared_large_bytes;
  size_t shard_count;
  bool is_tight;          /* see limit.c */
  size_t allowance_bytes; /* while tight: what may be handed out before the next count */
  bool is_unchecked;      /* fe_heap_resize was used: count in used_unchecked */
  bool is_thread_heap;    /* lives for good, and is handed on; constant */
  fe_context_t context;
  unsigned colour; /* of the next shard */
  fe_nursery_t nursery;
};

static_assert(offsetof(struct fe_heap, inbox) == 0, "an inbox is its heap");

/* What a thread without a heap has: no memory, so that every allocation takes the cold path. */
extern fe_heap_t fe_heap_empty;

static inline fe_heap_t *fe_heap_of(const fe_shard_t *shard) { return (fe_heap_t *)shard->inbox; }

/* A heap on arenas, as fe_heap_create; granule is 8 or 16. NULL: no memory. */
fe_heap_t *fe_heap_new(fe_arenas_t *arenas, size_t granule, bool is_thread_heap);

/* -- Cold paths -- */

/* Allocates when the short way did not do: any size, any heap but fe_heap_empty. NULL: no memory;
 * errno is left alone. is_unchecked: count the block in used_unchecked. */
void *fe_heap_alloc_slowly(fe_heap_t *heap, size_t size, bool is_unchecked);

/* As fe_heap_aligned_alloc, with an alignment that is right. */
void *fe_heap_alloc_aligned(fe_heap_t *heap, size_t size, size_t alignment);

/* Frees a block of this heap's own that cannot go the short way. */
void fe_heap_free_slowly(fe_heap_t *heap, fe_shard_t *shard, void *ptr);

/* A count of the shard fell below 0: gives the shard up if it is empty and not current. */
void fe_heap_shard_after_free(fe_heap_t *heap, fe_shard_t *shard);

/* Frees a block of somebody else's heap. Any thread. */
void fe_heap_free_remotely(fe_shard_t *shard, void *ptr);

/* Takes in the shards in the inbox, and what others freed in them. */
void fe_heap_drain(fe_heap_t *heap);

/* -- limit.c -- */

/* Whether `bytes` of blocks that no short way can reach yet may be handed out. Cheap while all the
 * blocks that the heap holds, live and free ones, are within its limit. */
bool fe_heap_may_hand_out(fe_heap_t *heap, size_t bytes);

/* While tight: moves a block that was held back to the shard's free list; whether it could. */
bool fe_heap_release_held_back(fe_heap_t *heap, fe_shard_t *shard);

/* All bytes in blocks, live and free ones. */
static inline size_t fe_heap_held_bytes(const fe_heap_t *heap) {
  return heap->held_bytes +
         atomic_load_explicit(&((fe_heap_t *)heap)->shared_large_bytes, memory_order_relaxed);
}

/* -- queue.c: which shards of a class a heap has, and which is the current one -- */

/* Adds a shard with free blocks to the queue of its class. */
void fe_heap_list_shard(fe_heap_t *heap, fe_shard_t *shard);

/* The current shard of its class is full and asleep: the next one becomes current. */
void fe_heap_shelve_shard(fe_heap_t *heap, fe_shard_t *shard);

/* A full shard has a free block again. */
void fe_heap_unshelve_shard(fe_heap_t *heap, fe_shard_t *shard);

/* A pointer into a block of a shard in a queue is about to be handed out. */
void fe_heap_mark_interior(fe_heap_t *heap, fe_shard_t *shard);

/* Gives the units of a shard in a queue back, unless somebody is about to wake it. It is empty. */
void fe_heap_give_up_shard(fe_heap_t *heap, fe_shard_t *shard);

/* Puts a list of blocks that others freed on the shard's free list. */
void fe_heap_take_in(fe_heap_t *heap, fe_shard_t *shard, fe_block_t *block);

/* Puts the blocks that others freed on the shard's free list; whether there were any. */
bool fe_heap_take_remote(fe_heap_t *heap, fe_shard_t *shard);

/* -- nursery.c, large.c -- */

void *fe_nursery_alloc(fe_heap_t *heap, unsigned class_index);
void fe_nursery_free(fe_heap_t *heap, void *ptr);
size_t fe_nursery_block_size(const fe_heap_t *heap, const void *ptr);

/* Blocks above FE_MEDIUM_MAX, or aligned so that no shard of blocks can hold them. */
void *fe_large_alloc(fe_heap_t *heap, size_t size, size_t alignment);
void fe_large_free(fe_heap_t *heap, fe_shard_t *shard);
bool fe_large_resize(fe_heap_t *heap, fe_shard_t *shard, void *ptr, size_t size);

/* The bytes that the block at ptr can hold; any thread that holds it. */
size_t fe_block_usable_size(const void *ptr);

#endif /* FERROC_CORE_HEAP_HEAP_H */
