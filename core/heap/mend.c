/* Putting a heap right whose thread a fork left behind.
 *
 * The fork had the heap's gate, so only a quick way can have been cut off: a block was taken from a
 * shard's list and not counted, or put on the list and still counted, or neither is to be seen yet.
 * (The child sees of each thread what it did up to some moment, and nothing of what it did later: a
 * page that the fork has protected is written to only after it.) Free lists are whole in each of
 * these cases. So the count becomes what the list leaves, unless it is less already: then the block
 * that is missing is in nobody's hands. */
#include "core/heap/heap.h"

static uint32_t length_of(const fe_block_t *block) {
  uint32_t length = 0;
  for (; block != NULL; block = fe_block_next(block)) length++;
  return length;
}

static void mend_shard(fe_shard_t *shard) {
  uint32_t used = shard->capacity - length_of(shard->free) - length_of(shard->kept);
  if (used < fe_shard_used(shard)) fe_shard_set_used(shard, used);
}

void fe_heap_mend(fe_heap_t *heap) {
  if (!heap->is_thread_heap || !fe_heap_thread_part(heap)->is_torn) return;
  fe_heap_thread_part(heap)->is_torn = false;
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
    if (fe_heap_current(heap, i) == &fe_shard_empty) continue;
    for (fe_shard_t *shard = fe_heap_current(heap, i); shard != NULL; shard = shard->next) {
      mend_shard(shard);
    }
  }
  fe_bins_mend(heap);
}
