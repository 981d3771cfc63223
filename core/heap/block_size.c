/* What a block can hold, and whether a resize may leave it where it is. */
#include "core/heap/checked.h"
#include "core/heap/heap.h"

size_t fe_block_usable_size(const void *ptr) {
  if (FE_IS_TRACKED) return fe_checked_requested(ptr);
  const fe_shard_t *shard = fe_shard_of(ptr);
  if (shard->kind == FE_SHARD_NURSERY) return fe_nursery_block_size(fe_heap_of(shard), ptr);
  if (shard->kind == FE_SHARD_MIXED) return fe_mixed_block_size(shard, ptr);
  if (!fe_shard_has_interior(shard)) return shard->block_size;
  return shard->block_size - (size_t)((const char *)ptr - (char *)fe_shard_block_start(shard, ptr));
}
