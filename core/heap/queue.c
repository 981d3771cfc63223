/* The shards of each class: a queue of those with free blocks, whose first is the current one, and
 * one list of the full ones of all classes. */
#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/slab/census.h"
#include "core/slab/remote.h"

#define EMPTY &fe_shard_empty

/* Moves both counts, see shard.h for why: down when it begins to wait. */
static void shift_counts(fe_shard_t *shard, int by) {
  if (shard == EMPTY) return;
  fe_count_add(&shard->used, by);
  fe_count_add(&shard->used_unchecked, by);
  atomic_store_explicit(&shard->is_waiting, by < 0, memory_order_relaxed);
}

static void settle_counts(fe_heap_t *heap, fe_shard_t *shard);

/* Makes the sizes of a class come from this shard, which waits in the queue. */
static void set_current(fe_heap_t *heap, unsigned class_index, fe_shard_t *shard) {
  shift_counts(heap->current[class_index], -1);
  shift_counts(shard, +1);
  heap->current[class_index] = shard;
  if (heap->watch.is_on && shard != EMPTY) settle_counts(heap, shard);
  if (class_index >= FE_TINY_CLASSES) return;
  size_t size = fe_class_size(class_index);
  for (size_t i = size - heap->granule + 1; i <= size; i++) heap->table[i] = shard;
}

/* Counts all blocks where the heap's own frees will count them. With pointers into blocks around,
 * while the heap watches, or while it is over its limit, no free may go a short way: the owner is
 * not shown, and the other count stays far below 0. For a shard that does not wait. */
static void settle_counts(fe_heap_t *heap, fe_shard_t *shard) {
  enum { FAR_BELOW_0 = -(1 << 30) };
  int32_t live = fe_shard_used(shard);
  bool is_watched = heap->watch.is_on && shard == heap->current[shard->class_index];
  bool is_closed = is_watched || heap->is_over_limit || fe_shard_has_interior(shard);
  int32_t unchecked = is_closed ? FAR_BELOW_0 : heap->is_unchecked ? live : 0;
  fe_count_set(&shard->used_unchecked, unchecked);
  fe_count_set(&shard->used, live - unchecked);
  fe_shard_set_owner(shard, is_closed ? NULL : heap);
}

void fe_heap_resettle(fe_heap_t *heap) {
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
    fe_shard_t *first = heap->current[i];
    if (first == EMPTY) continue;
    settle_counts(heap, first);
    for (fe_shard_t *shard = first->next; shard != NULL; shard = shard->next) {
      shift_counts(shard, +1);
      settle_counts(heap, shard);
      shift_counts(shard, -1);
    }
  }
}

void fe_heap_mark_interior(fe_heap_t *heap, fe_shard_t *shard) {
  atomic_store_explicit(&shard->has_interior, true, memory_order_relaxed);
  settle_counts(heap, shard);
}

void fe_heap_list_shard(fe_heap_t *heap, fe_shard_t *shard) {
  fe_shard_t *first = heap->current[shard->class_index];
  shard->is_full = false;
  settle_counts(heap, shard);
  shift_counts(shard, -1);
  shard->next = NULL;
  if (first == EMPTY) {
    shard->prev = shard;
    set_current(heap, shard->class_index, shard);
  } else {
    shard->prev = first->prev;
    shard->prev->next = shard;
    first->prev = shard;
  }
}

static void unlist_shard(fe_heap_t *heap, fe_shard_t *shard) {
  fe_shard_t *first = heap->current[shard->class_index];
  if (shard == first) {
    if (shard->next != NULL) shard->next->prev = shard->prev;
    set_current(heap, shard->class_index, shard->next != NULL ? shard->next : EMPTY);
  } else {
    fe_shard_t *behind = shard->next != NULL ? shard->next : first;
    behind->prev = shard->prev;
    shard->prev->next = shard->next;
  }
  shift_counts(shard, +1);
}

void fe_heap_shelve_shard(fe_heap_t *heap, fe_shard_t *shard) {
  unlist_shard(heap, shard);
  shard->is_full = true;
  /* Frees of the heap's own must notice, whichever way they come. */
  fe_shard_set_owner(shard, NULL);
  fe_count_set(&shard->used, fe_shard_used(shard));
  fe_count_set(&shard->used_unchecked, 0);
  shard->prev = NULL;
  shard->next = heap->full;
  if (heap->full != NULL) heap->full->prev = shard;
  heap->full = shard;
  fe_count_shelve(heap, shard);
}

void fe_heap_unshelve_shard(fe_heap_t *heap, fe_shard_t *shard) {
  if (shard->prev != NULL) shard->prev->next = shard->next;
  if (shard->next != NULL) shard->next->prev = shard->prev;
  if (heap->full == shard) heap->full = shard->next;
  fe_heap_list_shard(heap, shard);
  fe_count_unshelve(heap, shard);
}

void fe_heap_give_up_shard(fe_heap_t *heap, fe_shard_t *shard) {
  /* Whoever is about to put the shard into the inbox still needs its header. */
  if (fe_shard_remote_state(shard) == FE_REMOTE_WAKING) return;
  unlist_shard(heap, shard);
  heap->held_bytes -= shard->capacity * shard->block_size;
  heap->shard_count--;
  fe_heap_after_give_up(heap);
  fe_count_shard_given(heap, shard);
  fe_run_t run = fe_shard_run(shard);
  if (fe_census_leave(shard)) fe_context_give_unit(heap->context, &run);
}

void fe_heap_take_in(fe_heap_t *heap, fe_shard_t *shard, fe_block_t *block) {
  int32_t count = 0;
  while (block != NULL) {
    fe_block_t *next = fe_block_next(block);
    fe_heap_put_back(heap, shard, block);
    count++;
    block = next;
  }
  if (heap->is_unchecked && !shard->is_full) {
    fe_count_add(&shard->used_unchecked, -count);
  } else {
    fe_count_add(&shard->used, -count);
  }
  fe_count_taken_in(heap, shard, (size_t)count);
}

bool fe_heap_take_remote(fe_heap_t *heap, fe_shard_t *shard) {
  fe_block_t *block = fe_remote_take(shard);
  if (block == NULL) return false;
  fe_heap_take_in(heap, shard, block);
  return true;
}
