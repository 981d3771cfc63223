/* Shards: runs of units with their header in front, and blocks behind it.
 *
 * The header lies in the first unit of the run, so that a block finds it by clearing the low bits
 * of its address: two instructions, and no table to keep for memory that nobody uses. Blocks begin
 * at byte 112 (48 modulo 64) plus a colour, a multiple of 64: see core/README.md for what that
 * does to caches.
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
  fe_block_t *free; /* free blocks, the one freed last first; owner */
  /* Blocks handed out, in two counts that only mean something together: calls that look up the
   * owner of a block count in `used`, calls that trust their caller (fe_heap_resize) count in
   * `used_unchecked`. Both are 1 lower while the shard waits in a queue behind the current one. A
   * count that falls below 0 sends a free on the cold path: the last one of a shard that waits,
   * but none of the current one's. Written by the owner, read by all, relaxed: in a shard that
   * others may not free into without a look at its owner, `used_unchecked` is never above 0. */
  _Atomic(int32_t) used;
  _Atomic(int32_t) used_unchecked;
  /* The heap, if frees of its own may go the short way; NULL in a shard that is full, large, a
   * nursery, or has pointers into blocks. Written by the owner, read by all, relaxed: only the
   * owner ever finds its own heap there. */
  _Atomic(struct fe_heap *) owner;
  size_t block_size;   /* constant but for a large block, then the owner's */
  fe_shard_t *next;    /* queue of the class, or list of full or large ones; owner */
  fe_shard_t *prev;    /* owner */
  uint16_t capacity;   /* blocks that were put on a list so far; owner */
  uint16_t reserved;   /* blocks that there is room for; constant */
  uint16_t start;      /* offset of the first block; large: in steps of 16 bytes; constant */
  uint8_t class_index; /* constant */
  uint8_t kind;        /* fe_shard_kind_t; constant */
  bool is_full;        /* on the heap's list of full shards, not in a queue; owner */
  bool is_zero;        /* large: the block was all zeros when it was taken; owner */
  /* Some pointers that were handed out point into their blocks. Set by the owner before the first
   * of them is handed out; whoever got one sees it. Relaxed. */
  atomic_bool has_interior;
  /* The counts are 1 lower, each. Written by the owner, read by all, relaxed. */
  atomic_bool is_waiting;
  /* Blocks: the live ones (low 16 bits) and those carved (high ones) as the heap's figures have
   * them; mixed: bytes in blocks; large: bytes that nobody asked for. Written by the owner, read by
   * all, relaxed. */
  _Atomic(uint32_t) published;

  /* -- the line of others -- */
  /* The head of the list of blocks that others freed, or-ed with an fe_remote_state_t. All threads;
   * see remote.h. */
  alignas(FE_CACHE_LINE) _Atomic(uintptr_t) remote;
  fe_shard_t *woken_next; /* whoever put the shard into WAKING, then the owner */
  fe_inbox_t *inbox;      /* the heap's; constant until the shard has left the census */
  fe_arena_t *arena;      /* NULL: a chunk of its own; constant */
  union {
    char *run_start;       /* large: the first unit, which may lie before the header; constant */
    fe_block_t *held_back; /* blocks: free ones that the heap's limit keeps from `free`; owner */
  };
  uint32_t unit_count; /* of the run; owner */
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

/* The value of a count that only the caller writes. */
static inline int32_t fe_count_get(const _Atomic(int32_t) *count) {
  return atomic_load_explicit((_Atomic(int32_t) *)count, memory_order_relaxed);
}

static inline void fe_count_set(_Atomic(int32_t) *count, int32_t value) {
  atomic_store_explicit(count, value, memory_order_relaxed);
}

/* The same as a relaxed load, and a relaxed store of what was loaded and a bit more, in the single
 * instructions that x86-64 has for them; compilers make three of each. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
static inline bool fe_count_is_above_0(const _Atomic(int32_t) *count) {
  bool is_above;
  __asm__ volatile("cmpl $0, %1" : "=@ccg"(is_above) : "m"(*count));
  return is_above;
}

static inline void fe_count_add(_Atomic(int32_t) *count, int32_t by) {
  __asm__ volatile("addl %1, %0" : "+m"(*count) : "ri"(by) : "cc");
}

/* Counts down; whether that led below 0. */
static inline bool fe_count_down(_Atomic(int32_t) *count) {
  bool is_below;
  __asm__ volatile("subl $1, %0" : "+m"(*count), "=@ccs"(is_below) : : "cc");
  return is_below;
}
#else
static inline bool fe_count_is_above_0(const _Atomic(int32_t) *count) {
  return fe_count_get(count) > 0;
}

static inline void fe_count_add(_Atomic(int32_t) *count, int32_t by) {
  fe_count_set(count, fe_count_get(count) + by);
}

static inline bool fe_count_down(_Atomic(int32_t) *count) {
  fe_count_add(count, -1);
  return fe_count_get(count) < 0;
}
#endif

/* All blocks that are handed out, less 2 while the shard waits in a queue. Right for the owner. */
static inline int32_t fe_shard_used(const fe_shard_t *shard) {
  return fe_count_get(&shard->used) + fe_count_get(&shard->used_unchecked);
}

/* All blocks that are handed out. Right for the owner; what others see, while it moves counts, can
 * be any number. */
static inline int32_t fe_shard_live_count(const fe_shard_t *shard) {
  bool is_waiting = atomic_load_explicit(&((fe_shard_t *)shard)->is_waiting, memory_order_relaxed);
  return fe_shard_used(shard) + (is_waiting ? 2 : 0);
}

static inline bool fe_shard_has_interior(const fe_shard_t *shard) {
  return atomic_load_explicit(&((fe_shard_t *)shard)->has_interior, memory_order_relaxed);
}

static inline void fe_shard_push(fe_shard_t *shard, fe_block_t *block) {
  fe_block_set_next(block, shard->free);
  shard->free = block;
}

static inline void fe_shard_hold_back(fe_shard_t *shard, fe_block_t *block) {
  fe_block_set_next(block, shard->held_back);
  shard->held_back = block;
}

/* Writes the header of a shard over a run of units, with the header in unit `header` of it. The
 * caller owns the run; owner and state are set by whoever makes use of the shard. */
fe_shard_t *fe_shard_init(const fe_run_t *run, size_t header, fe_inbox_t *inbox,
                          fe_shard_kind_t kind);

/* Makes it a shard for blocks of one size, the first one `colour` times 64 bytes further back if
 * that costs no block (or few). */
void fe_shard_init_blocks(fe_shard_t *shard, size_t block_size, unsigned class_index,
                          unsigned colour);

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
