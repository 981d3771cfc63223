/* Shards: runs of units with their header in front, and blocks behind it.
 *
 * The header lies in the first unit of the run, so that a block finds it by clearing the low bits
 * of its address: two instructions, and no table to keep for memory that nobody uses. Blocks begin
 * at byte 112, or where the next cache line does if a power of two above 16 divides their size,
 * so that none of 32 or 64 bytes lies in two lines; plus a colour, a multiple of 64. See
 * core/README.md for what that does to caches.
 *
 * Two cache lines: the first is the owner's alone, but for `owner`, which others compare with
 * their own heap. The second is for everybody. "Owner" is the one thread that uses the heap at
 * that time; the heap's own hand-over makes each owner see what the one before did. */
#ifndef FERROC_CORE_SLAB_SHARD_H
#define FERROC_CORE_SLAB_SHARD_H

#include <stdatomic.h>

#include "core/arena/arena.h"
#include "core/slab/block.h"
#include "core/slab/trailer.h"

typedef struct fe_shard fe_shard_t;
struct fe_heap;

/* What other threads may write to in a heap; its first member. */
typedef struct fe_inbox {
  /* Shards that were full and have blocks again, linked by woken_next. Others push by
   * compare-and-swap, the owner takes all at once: no ABA, since nobody pops a single one. */
  _Atomic(fe_shard_t *) woken;
} fe_inbox_t;

typedef enum fe_shard_kind {
  FE_SHARD_BLOCKS,  /* blocks of one class in one unit */
  FE_SHARD_LARGE,   /* one block, in a run of units, in slabs, or in a chunk of its own */
  FE_SHARD_NURSERY, /* the first unit of a heap, with blocks of many classes */
  FE_SHARD_MIXED,   /* blocks of several larger classes in one unit */
} fe_shard_kind_t;

/* Where a shard stands in its heap. */
typedef enum fe_shard_state {
  FE_SHARD_CURRENT, /* what the sizes of its class come from */
  FE_SHARD_EAGER,   /* the same, and its heap is to be told when it is empty (heap/spare.c) */
  FE_SHARD_WAITING, /* in the queue behind the current one; without blocks it is given back */
  FE_SHARD_FULL,    /* without a free block, on the heap's list of these */
  FE_SHARD_VACANT,  /* large: its run waits for the next block (heap/large_bins.h) */
} fe_shard_state_t;

#if FE_IS_TRACKED
/* What a free is checked by. */
typedef struct fe_shard_check {
  uintptr_t seal;            /* right in shards that are in use; see fe_shard_is_sealed */
  size_t large_offset;       /* from the shard to its large block; constant */
  fe_guard_t before, behind; /* around the blocks */
} fe_shard_check_t;
#else
typedef struct fe_shard_check {
} fe_shard_check_t;
#endif

struct fe_shard {
  /* -- the owner's line -- */
  union {
    fe_block_t *free;         /* free blocks, the one freed last first; owner */
    fe_shard_t *waiting_next; /* large: the next one that waits (heap/large_bins.h); owner */
  };
  /* Blocks handed out and not back in the owner's lists. Written by the owner, relaxed but for the
   * count down, which is a release: see remote.h for who relies on it. Read by all. */
  _Atomic(uint32_t) used;
  /* fe_shard_state_t, of mixed ones FULL, of large ones with a block and of nurseries CURRENT;
   * written by the owner, read by all, relaxed. */
  _Atomic(uint8_t) state;
  /* The heap, if frees of its own may go the short way; else FE_NO_OWNER: in a shard that is full,
   * large, mixed, a nursery, or has pointers into blocks. Written by the owner, read by all,
   * relaxed: only the owner ever finds its own heap there. */
  _Atomic(struct fe_heap *) owner;
  size_t block_size; /* constant but for a large block, then the owner's */
  fe_shard_t *next;  /* queue of the class, or list of full or large ones; owner */
  fe_shard_t *prev;  /* owner */
  union {
    uint16_t capacity; /* blocks that were put on a list so far; owner */
    bool is_aged;      /* large, while it waits: it did so at the last tick; owner */
  };
  uint16_t reserved;   /* blocks that there is room for; constant */
  uint16_t start;      /* offset of the first block; large: in steps of 16 bytes; owner */
  uint8_t class_index; /* constant */
  uint8_t kind;        /* fe_shard_kind_t; constant */
  bool is_zero;        /* large: the block was all zeros when it was taken; owner */
  /* Some pointers that were handed out point into their blocks. Set by the owner before the first
   * of them is handed out; whoever got one sees it. Relaxed. */
  atomic_bool has_interior;
  /* Blocks: the live ones (low 16 bits) and those carved (high ones) as the heap's figures have
   * them; mixed: bytes in blocks; large: bytes that nobody asked for. Written by the owner, read by
   * all, relaxed. */
  _Atomic(uint32_t) published;

  /* -- the line of others -- */
  /* The list of blocks that others freed, their number, and an fe_remote_state_t. All threads; see
   * remote.h. */
  alignas(FE_CACHE_LINE) _Atomic(uintptr_t) remote;
  fe_shard_t *woken_next; /* whoever put the shard into WAKING, then the owner */
  fe_inbox_t *inbox;      /* the heap's; constant until the shard has left the census */
  fe_arena_t *arena;      /* NULL: a chunk of its own; constant */
  union {
    char *run_start;  /* large: the first unit, which may lie before the header; constant */
    fe_block_t *kept; /* blocks: free ones that no quick way shall find (heap/account.h); owner */
  };
  uint32_t unit_count; /* of the run; owner */
  uint32_t open_count; /* of the run; see fe_run_t; owner */
  fe_shard_check_t check;
};

/* The bytes before the first block, and where room for blocks begins and ends. */
#define FE_SHARD_BLOCKS_START ((size_t)112 + 2 * FE_CACHE_LINE * FE_IS_TRACKED)
#define FE_SHARD_ROOM_START (FE_SHARD_BLOCKS_START + 2 * FE_GUARD_SIZE)
#define FE_SHARD_ROOM_END (FE_UNIT_SIZE - FE_GUARD_SIZE)

static_assert(offsetof(struct fe_shard, published) < FE_CACHE_LINE, "one line for the owner");
static_assert(offsetof(struct fe_shard, check) + sizeof(fe_shard_check_t) <= FE_SHARD_BLOCKS_START,
              "blocks start behind the header");
static_assert(FE_SHARD_BLOCKS_START % 64 == 48, "the start that CPython's collector likes");

/* What `owner` is where no free may go the short way: no heap lies there, and NULL, which callers
 * may have for one, does not either. */
#define FE_NO_OWNER ((struct fe_heap *)1)

/* A shard without blocks and without room: what a class without shards points to. */
extern fe_shard_t fe_shard_empty;

/* The shard of a block. The `- 1` is for blocks aligned to a unit and more: their header is in
 * the unit before. */
static inline fe_shard_t *fe_shard_of(const void *block) {
  return (fe_shard_t *)(((uintptr_t)block - 1) & ~(uintptr_t)(FE_UNIT_SIZE - 1));
}

static inline struct fe_heap *fe_shard_owner(const fe_shard_t *shard) {
  return atomic_load_explicit(&((fe_shard_t *)shard)->owner, memory_order_relaxed);
}

/* Whether that is the owner; in one instruction where compilers make two of it. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
static inline bool fe_shard_is_owned_by(const fe_shard_t *shard, const struct fe_heap *heap) {
  bool is_owned;
  __asm__ volatile("cmpq %2, %1" : "=@cce"(is_owned) : "m"(shard->owner), "r"(heap));
  return is_owned;
}
#else
static inline bool fe_shard_is_owned_by(const fe_shard_t *shard, const struct fe_heap *heap) {
  return fe_shard_owner(shard) == heap;
}
#endif

static inline void fe_shard_set_owner(fe_shard_t *shard, struct fe_heap *owner) {
  atomic_store_explicit(&shard->owner, owner, memory_order_relaxed);
}

#if FE_IS_TRACKED

/* What the header of a shard that is in use has in check.seal. Nothing else that lies at the start
 * of a unit has it there. */
static inline uintptr_t fe_shard_seal(const fe_shard_t *shard) {
  return fe_trailer_mix(shard, FE_UNIT_SIZE);
}

static inline bool fe_shard_is_sealed(const fe_shard_t *shard) {
  return fe_track_get_word(&shard->check.seal) == fe_shard_seal(shard);
}

/* Sets guard pages of the base between the header and the blocks, and from `end` to the end of its
 * unit. */
void fe_shard_guard(fe_shard_t *shard, const fe_base_t *base, char *end);

#else

static inline void fe_shard_guard(fe_shard_t *shard, const fe_base_t *base, const char *end) {
  (void)shard;
  (void)base;
  (void)end;
}

#endif

static inline fe_shard_state_t fe_shard_state(const fe_shard_t *shard) {
  return (fe_shard_state_t)atomic_load_explicit(&((fe_shard_t *)shard)->state,
                                                memory_order_relaxed);
}

static inline bool fe_shard_is_current(const fe_shard_t *shard) {
  return fe_shard_state(shard) <= FE_SHARD_EAGER;
}

static inline void fe_shard_set_state(fe_shard_t *shard, fe_shard_state_t state) {
  atomic_store_explicit(&shard->state, (uint8_t)state, memory_order_relaxed);
}

/* -- The count of blocks that are handed out -- */

static inline uint32_t fe_shard_used(const fe_shard_t *shard) {
  return atomic_load_explicit(&((fe_shard_t *)shard)->used, memory_order_relaxed);
}

static inline void fe_shard_set_used(fe_shard_t *shard, uint32_t used) {
  atomic_store_explicit(&shard->used, used, memory_order_relaxed);
}

/* The same as a relaxed load of the state and a comparison, and as a load, and a store of what was
 * loaded and one more or less, in the single instructions that x86-64 has for them, where every
 * store is a release; compilers make three of each. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
static inline bool fe_shard_is_quiet(const fe_shard_t *shard) {
  bool is_quiet;
  __asm__ volatile("cmpb %2, %1" : "=@ccz"(is_quiet) : "m"(shard->state), "i"(FE_SHARD_CURRENT));
  return is_quiet;
}

static inline void fe_shard_count_up(fe_shard_t *shard) {
  __asm__ volatile("addl $1, %0" : "+m"(shard->used) : : "cc", "memory");
}

/* Whether that was the last one. */
static inline bool fe_shard_count_down(fe_shard_t *shard) {
  bool is_zero;
  __asm__ volatile("subl $1, %0" : "+m"(shard->used), "=@ccz"(is_zero) : : "memory");
  return is_zero;
}
#else
static inline bool fe_shard_is_quiet(const fe_shard_t *shard) {
  return fe_shard_state(shard) == FE_SHARD_CURRENT;
}

static inline void fe_shard_count_up(fe_shard_t *shard) {
  fe_shard_set_used(shard, fe_shard_used(shard) + 1);
}

static inline bool fe_shard_count_down(fe_shard_t *shard) {
  uint32_t used = fe_shard_used(shard) - 1;
  atomic_store_explicit(&shard->used, used, memory_order_release);
  return used == 0;
}
#endif

static inline bool fe_shard_has_interior(const fe_shard_t *shard) {
  return atomic_load_explicit(&((fe_shard_t *)shard)->has_interior, memory_order_relaxed);
}

static inline void fe_shard_push(fe_shard_t *shard, fe_block_t *block) {
  fe_block_set_next(block, shard->free);
  shard->free = block;
}

static inline void fe_shard_keep(fe_shard_t *shard, fe_block_t *block) {
  fe_block_set_next(block, shard->kept);
  shard->kept = block;
}

/* Writes the header of a shard over a run of units, with the header in unit `header` of it. The
 * caller owns the run; owner and state are set by whoever makes use of the shard. */
fe_shard_t *fe_shard_init(const fe_run_t *run, size_t header, fe_inbox_t *inbox,
                          fe_shard_kind_t kind);

/* Makes it a shard for blocks of one size, the first one `colour` times 64 bytes further back if
 * that costs no block (or few). */
void fe_shard_init_blocks(fe_shard_t *shard, size_t block_size, unsigned class_index,
                          unsigned colour);

/* The same with each block at a multiple of all powers of two that divide its size, up to
 * FE_SHARD_ALIGNMENT_MAX. */
void fe_shard_init_aligned_blocks(fe_shard_t *shard, size_t block_size, unsigned class_index);

#define FE_SHARD_ALIGNMENT_MAX (FE_UNIT_SIZE / 16)

/* Whether each block lies at a multiple of an alignment up to that, of which the size is one. One
 * without room has no block that does not. */
static inline bool fe_shard_is_aligned(const fe_shard_t *shard, size_t alignment) {
  return (shard->start & (alignment - 1)) == 0;
}

/* Puts more blocks that were never used on the free list: as many as fit into `bytes`, at least
 * one. Returns how many; 0: there is no room left. Owner. */
size_t fe_shard_extend(fe_shard_t *shard, size_t bytes);

/* The first byte of the block that ptr points into; any thread that holds the block. */
fe_block_t *fe_shard_block_start(const fe_shard_t *shard, const void *ptr);

/* The run of the shard, to be given back to its arenas. Owner. */
fe_run_t fe_shard_run(const fe_shard_t *shard);

/* The shard ends: it is none any more for the checks, and has no guard pages. Owner. */
void fe_shard_end_checks(fe_shard_t *shard);

#endif /* FERROC_CORE_SLAB_SHARD_H */
