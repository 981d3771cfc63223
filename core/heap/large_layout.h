/* Where a large block lies in its run of units, and what it counts for: as near to its header as
 * may be or, in builds with guard pages, as near to the run's end. For the files of large blocks.
 */
#ifndef FERROC_CORE_HEAP_LARGE_LAYOUT_H
#define FERROC_CORE_HEAP_LARGE_LAYOUT_H

#include "core/heap/counting.h"
#include "core/heap/heap.h"

#if !(FE_IS_HARDENED && FE_SHARD_SHIFT >= 16)

/* The colours of large blocks, so that equal places of several of them do not share cache sets. */
#define FE_LARGE_COLOUR_COUNT 32

/* The units that a block needs at most: the header in front of it, and what its alignment may skip.
 * A run begins at a unit; a block that begins at a unit too has its header in the unit before. */
static inline size_t fe_large_units(size_t size, size_t alignment) {
  size_t before = fe_align_up(FE_SHARD_BLOCKS_START, alignment);
  return (before + size + FE_UNIT_SIZE - 1) >> FE_SHARD_SHIFT;
}

/* What a block of a size counts for: pages of 4 KiB (of a sixteenth of a unit), at most an eighth
 * more. */
static inline size_t fe_large_counted_size(size_t size) {
  return fe_align_up(size, FE_UNIT_SIZE / 16);
}

/* Where the block begins in its run. */
static inline char *fe_large_place(const fe_run_t *run, size_t needed_units, size_t size,
                                   size_t alignment, unsigned colour) {
  char *first = run->start + FE_SHARD_BLOCKS_START;
  if (alignment > 16) return (char *)fe_align_up((uintptr_t)first, alignment);
  size_t steps = (needed_units * FE_UNIT_SIZE - FE_SHARD_BLOCKS_START - size) / FE_CACHE_LINE;
  if (steps >= FE_LARGE_COLOUR_COUNT) steps = FE_LARGE_COLOUR_COUNT - 1;
  return first + colour % (steps + 1) * FE_CACHE_LINE;
}

#else

/* The header's page and a guard; the block, up to the end of a page; a guard. */

static inline size_t fe_large_units(size_t size, size_t alignment) {
  size_t pages = 5 * FE_GUARD_SIZE; /* two more than that: see place_block */
  return (pages + alignment + size + FE_UNIT_SIZE - 1) >> FE_SHARD_SHIFT;
}

static inline size_t fe_large_counted_size(size_t size) { return fe_align_up(size, 16); }

/* The last place that the guard behind it allows, unless that is where a header and its guard are:
 * then page by page before it. */
static inline char *fe_large_place(const fe_run_t *run, size_t needed_units, size_t size,
                                   size_t alignment, unsigned colour) {
  (void)colour;
  uintptr_t end = (uintptr_t)run->start + needed_units * FE_UNIT_SIZE - FE_GUARD_SIZE;
  uintptr_t block = (end - size) & ~(uintptr_t)((alignment > 16 ? alignment : 16) - 1);
  size_t step = alignment > FE_GUARD_SIZE ? alignment : FE_GUARD_SIZE;
  while (((block - 1) & (FE_UNIT_SIZE - 1)) < 2 * FE_GUARD_SIZE) block -= step;
  return (char *)block;
}

#endif

static inline char *fe_large_block(const fe_shard_t *shard) {
  return (char *)shard + shard->start * (size_t)16;
}

static inline void fe_large_set_block(fe_shard_t *shard, const char *block) {
  shard->start = (uint16_t)((size_t)(block - (char *)shard) / 16);
}

/* The bytes of the run from `offset` on that may be touched. */
static inline size_t fe_large_room(const fe_shard_t *shard, size_t offset) {
  size_t unit_count = shard->arena == NULL ? shard->open_count : shard->unit_count;
  return unit_count * FE_UNIT_SIZE - offset;
}

/* The bytes of the block, if so many are counted. */
static inline size_t fe_large_block_size(const fe_shard_t *shard, size_t counted) {
  size_t room = fe_large_room(shard, (size_t)(fe_large_block(shard) - shard->run_start));
  return counted < room ? counted : room;
}

/* Of these, what nobody asked for. */
static inline size_t fe_large_slack(const fe_shard_t *shard, size_t size) {
  return shard->block_size - (size - FE_TRACK_TRAILER);
}

#if FE_IS_TRACKED

/* The block of a new shard lies at `block`. */
static inline void fe_large_guard(fe_heap_t *heap, fe_shard_t *shard, char *block) {
  shard->check.large_offset = (size_t)(block - (char *)shard);
  if (FE_GUARD_SIZE == 0) return;
  uintptr_t end = fe_align_up((uintptr_t)block + shard->block_size, FE_GUARD_SIZE);
  fe_shard_guard(shard, heap->context->arenas->base, (char *)end);
}

#else

static inline void fe_large_guard(fe_heap_t *heap, fe_shard_t *shard, char *block) {
  (void)heap;
  (void)shard;
  (void)block;
}

#endif

#endif /* FERROC_CORE_HEAP_LARGE_LAYOUT_H */
