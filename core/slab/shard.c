/* Making shards out of runs of units, and blocks out of shards. */
#include "core/slab/shard.h"

#include <string.h>

#include "core/slab/carve.h"
#include "core/slab/remote.h"

fe_shard_t fe_shard_empty;

/* How many bytes of a unit colours may cost where a block is smaller than that: 1/64. */
#define FE_COLOUR_STEP 64
#define FE_COLOUR_COUNT (FE_UNIT_SIZE / 64 / FE_COLOUR_STEP) /* 16 */

#if FE_IS_TRACKED

static void begin_checks(fe_shard_t *shard, const fe_run_t *run) {
  fe_track_prepare();
  shard->check = (fe_shard_check_t){.seal = fe_shard_seal(shard)};
  if (shard->kind == FE_SHARD_NURSERY) return; /* its heap uses it as it likes */
  char *behind = (char *)(shard + 1);
  fe_track_close(behind, (size_t)(run->start + run->unit_count * FE_UNIT_SIZE - behind));
}

void fe_shard_end_checks(fe_shard_t *shard) {
  shard->check.seal = 0;
  fe_guard_lift(&shard->check.before);
  fe_guard_lift(&shard->check.behind);
}

void fe_shard_guard(fe_shard_t *shard, const fe_base_t *base, char *end) {
  if (shard->arena != NULL && shard->arena->is_lent) return;
  char *run_end = (char *)fe_align_up((uintptr_t)end, FE_UNIT_SIZE);
  fe_guard_set(&shard->check.before, base, (char *)shard + FE_GUARD_SIZE, FE_GUARD_SIZE);
  fe_guard_set(&shard->check.behind, base, end, (size_t)(run_end - end));
}

#else

static void begin_checks(fe_shard_t *shard, const fe_run_t *run) {
  (void)shard;
  (void)run;
}

void fe_shard_end_checks(fe_shard_t *shard) { (void)shard; }

#endif

fe_shard_t *fe_shard_init(const fe_run_t *run, size_t header, fe_inbox_t *inbox,
                          fe_shard_kind_t kind) {
  fe_shard_t *shard = (fe_shard_t *)(run->start + header * FE_UNIT_SIZE);
  shard->free = NULL;
  fe_shard_set_used(shard, 0);
  fe_shard_set_owner(shard, FE_NO_OWNER);
  shard->next = NULL;
  shard->prev = NULL;
  shard->capacity = 0;
  shard->reserved = 0;
  shard->class_index = 0;
  shard->kind = (uint8_t)kind;
  fe_shard_set_state(shard, FE_SHARD_CURRENT);
  shard->is_zero = run->is_zero;
  atomic_store_explicit(&shard->has_interior, false, memory_order_relaxed);
  atomic_store_explicit(&shard->published, 0, memory_order_relaxed);
  atomic_store_explicit(&shard->remote, FE_REMOTE_ASLEEP, memory_order_relaxed);
  shard->woken_next = NULL;
  shard->inbox = inbox;
  shard->arena = run->arena;
  shard->run_start = run->start; /* for blocks: fe_shard_init_blocks */
  shard->unit_count = (uint32_t)run->unit_count;
  shard->open_count = (uint32_t)run->open_count;
  begin_checks(shard, run);
  return shard;
}

/* The first block lies `offset` bytes behind the first place that is aligned so. */
static void init_blocks(fe_shard_t *shard, size_t block_size, unsigned class_index,
                        size_t alignment, size_t offset) {
  size_t start = fe_align_up(FE_SHARD_ROOM_START, alignment) + offset;
  shard->kept = NULL;
  shard->block_size = block_size;
  shard->class_index = (uint8_t)class_index;
  shard->start = (uint16_t)start;
  shard->reserved = (uint16_t)((FE_SHARD_ROOM_END - start) / block_size);
  fe_shard_guard(shard, shard->arena->arenas->base, (char *)shard + FE_SHARD_ROOM_END);
}

/* The largest power of two that divides all multiples of a size, up to `max`. */
static size_t alignment_of(size_t block_size, size_t max) {
  size_t alignment = block_size & -block_size;
  return alignment < max ? alignment : max;
}

void fe_shard_init_aligned_blocks(fe_shard_t *shard, size_t block_size, unsigned class_index) {
  init_blocks(shard, block_size, class_index, alignment_of(block_size, FE_SHARD_ALIGNMENT_MAX), 0);
}

void fe_shard_init_blocks(fe_shard_t *shard, size_t block_size, unsigned class_index,
                          unsigned colour) {
  size_t alignment = alignment_of(block_size, FE_CACHE_LINE);
  size_t room = FE_SHARD_ROOM_END - fe_align_up(FE_SHARD_ROOM_START, alignment);
  size_t offset = (colour % FE_COLOUR_COUNT) * FE_COLOUR_STEP;
  if (block_size > FE_COLOUR_COUNT * FE_COLOUR_STEP) {
    size_t spare_steps = (room % block_size) / FE_COLOUR_STEP + 1;
    offset = (colour % spare_steps) * FE_COLOUR_STEP;
  }
  init_blocks(shard, block_size, class_index, alignment, offset);
}

size_t fe_shard_extend(fe_shard_t *shard, size_t bytes) {
  size_t size = shard->block_size;
  size_t count = bytes / size > 0 ? bytes / size : 1;
  size_t left = (size_t)(shard->reserved - shard->capacity);
  if (count > left) count = left;
  if (count == 0) return 0;
  char *first = (char *)shard + shard->start + shard->capacity * size;
  shard->free = fe_carve(first, size, count, shard->free);
  shard->capacity = (uint16_t)(shard->capacity + count);
  return count;
}

fe_block_t *fe_shard_block_start(const fe_shard_t *shard, const void *ptr) {
  if (shard->kind != FE_SHARD_BLOCKS) return (fe_block_t *)ptr;
  size_t offset = (size_t)((const char *)ptr - (const char *)shard) - shard->start;
  return (fe_block_t *)((char *)ptr - offset % shard->block_size);
}

fe_run_t fe_shard_run(const fe_shard_t *shard) {
  char *start = shard->kind == FE_SHARD_LARGE ? shard->run_start : (char *)shard;
  return (fe_run_t){.arena = shard->arena,
                    .start = start,
                    .unit_count = shard->unit_count,
                    .open_count = shard->open_count};
}
