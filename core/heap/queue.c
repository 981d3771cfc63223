/* The shards of each class: a queue of those with free blocks, whose first is the current one, and
 * one list of the full ones of all classes. */
#include "core/heap/heap.h"
#include "core/slab/remote.h"

#define EMPTY &fe_shard_empty

/* Moves both counts, see shard.h for why. */
static void shift_counts(fe_shard_t *shard, int by) {
  if (shard == EMPTY) return;
  shard->used += by;
  shard->used_unchecked += by;
}

/* Makes the sizes of a class come from this shard, which waits in the queue. */
static void set_current(fe_heap_t *heap, unsigned class_index, fe_shard_t *shard) {
  shift_counts(heap->current[class_index], -1);
  shift_counts(shard, +1);
  heap->current[class_index] = shard;
  if (class_index >= FE_TINY_CLASSES) return;
  size_t size = fe_class_size(class_index);
  for (size_t i = size - heap->granule + 1; i <= size; i++) heap->table[i] = shard;
}

/* Counts all blocks where the heap's own frees will count them. */
static void settle_counts(const fe_heap_t *heap, fe_shard_t *shard) {
  int32_t live = shard->used + shard->used_unchecked;
  shard->used = heap->is_unchecked ? 0 : live;
  shard->used_unchecked = heap->is_unchecked ? live : 0;
}

void fe_heap_list_shard(fe_heap_t *heap, fe_shard_t *shard) {
  unsigned class_index = shard->class_index;
  shard->is_full = false;
  settle_counts(heap, shard);
  shift_counts(shard, -1);
  fe_shard_set_owner(shard, fe_shard_has_interior(shard) ? NULL : heap);
  shard->next = NULL;
  if (heap->current[class_index] == EMPTY) {
    shard->prev = NULL;
    set_current(heap, class_index, shard);
  } else {
    shard->prev = heap->last[class_index];
    shard->prev->next = shard;
  }
  heap->last[class_index] = shard;
}

static void unlist_shard(fe_heap_t *heap, fe_shard_t *shard) {
  unsigned class_index = shard->class_index;
  if (heap->current[class_index] == shard) {
    set_current(heap, class_index, shard->next != NULL ? shard->next : EMPTY);
  }
  shift_counts(shard, +1);
  if (heap->last[class_index] == shard) heap->last[class_index] = shard->prev;
  if (shard->prev != NULL) shard->prev->next = shard->next;
  if (shard->next != NULL) shard->next->prev = shard->prev;
}

void fe_heap_shelve_shard(fe_heap_t *heap, fe_shard_t *shard) {
  unlist_shard(heap, shard);
  shard->is_full = true;
  /* Frees of the heap's own must notice, whichever way they come. */
  fe_shard_set_owner(shard, NULL);
  shard->used += shard->used_unchecked;
  shard->used_unchecked = 0;
  shard->prev = NULL;
  shard->next = heap->full;
  if (heap->full != NULL) heap->full->prev = shard;
  heap->full = shard;
}

void fe_heap_unshelve_shard(fe_heap_t *heap, fe_shard_t *shard) {
  if (shard->prev != NULL) shard->prev->next = shard->next;
  if (shard->next != NULL) shard->next->prev = shard->prev;
  if (heap->full == shard) heap->full = shard->next;
  fe_heap_list_shard(heap, shard);
}

void fe_heap_give_up_shard(fe_heap_t *heap, fe_shard_t *shard) {
  /* Whoever is about to put the shard into the inbox still needs its header. */
  if (fe_shard_remote_state(shard) == FE_REMOTE_WAKING) return;
  unlist_shard(heap, shard);
  heap->held_bytes -= shard->capacity * shard->block_size;
  heap->shard_count--;
  shard->inbox = NULL;
  fe_run_t run = fe_shard_run(shard);
  fe_context_give(&heap->context, &run);
}

bool fe_heap_take_remote(fe_heap_t *heap, fe_shard_t *shard) {
  fe_block_t *block = fe_remote_take(shard);
  if (block == NULL) return false;
  int32_t *count = heap->is_unchecked ? &shard->used_unchecked : &shard->used;
  while (block != NULL) {
    fe_block_t *next = block->next;
    fe_shard_push(shard, block);
    --*count;
    block = next;
  }
  return true;
}
