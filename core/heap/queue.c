/* The shards of each class: a queue of those with free blocks, whose first is the current one, and
 * one list of the full ones of all classes. */
#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/slab/census.h"
#include "core/slab/remote.h"

#define EMPTY &fe_shard_empty

/* Lets frees of the heap's own go the short way into the shard, or not: with pointers into blocks
 * around, while the heap watches, or its account wants to know, none may. */
static void show_owner(fe_heap_t *heap, fe_shard_t *shard) {
  bool is_current = fe_shard_is_current(shard);
  fe_account_state_t state = fe_account_state(&heap->account);
  bool is_open = is_current ? state != FE_ACCOUNT_TIGHT : state == FE_ACCOUNT_OPEN;
  bool is_closed = !is_open || (heap->watch.is_on && is_current) || fe_shard_has_interior(shard);
  fe_shard_set_owner(shard, is_closed ? FE_NO_OWNER : heap);
}

/* Makes the sizes of a class come from this shard, or, EMPTY, from none. */
static void set_current(fe_heap_t *heap, unsigned class_index, fe_shard_t *shard) {
  fe_heap_set_place(&heap->current[class_index], shard);
  if (shard != EMPTY) {
    fe_shard_set_state(shard,
                       fe_heap_is_eager(heap, class_index) ? FE_SHARD_EAGER : FE_SHARD_CURRENT);
    if (heap->watch.is_on) show_owner(heap, shard);
  }
  if (class_index >= FE_TINY_CLASSES) return;
  size_t size = fe_class_size(class_index);
  for (size_t i = size - heap->granule + 1; i <= size; i++) {
    fe_heap_set_place(&heap->table[i], shard);
  }
}

void fe_heap_resettle(fe_heap_t *heap) {
  fe_bins_settle(heap);
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
    if (fe_heap_current(heap, i) == EMPTY) continue;
    for (fe_shard_t *shard = fe_heap_current(heap, i); shard != NULL; shard = shard->next) {
      show_owner(heap, shard);
    }
  }
}

void fe_heap_mark_interior(fe_heap_t *heap, fe_shard_t *shard) {
  atomic_store_explicit(&shard->has_interior, true, memory_order_relaxed);
  show_owner(heap, shard);
}

void fe_heap_list_shard(fe_heap_t *heap, fe_shard_t *shard) {
  fe_shard_t *first = fe_heap_current(heap, shard->class_index);
  fe_shard_set_state(shard, FE_SHARD_WAITING);
  if (!fe_account_is_tight(&heap->account)) fe_remote_list(shard);
  show_owner(heap, shard);
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
  fe_shard_t *first = fe_heap_current(heap, shard->class_index);
  if (shard == first) {
    if (shard->next != NULL) shard->next->prev = shard->prev;
    set_current(heap, shard->class_index, shard->next != NULL ? shard->next : EMPTY);
  } else {
    fe_shard_t *behind = shard->next != NULL ? shard->next : first;
    behind->prev = shard->prev;
    shard->prev->next = shard->next;
  }
}

void fe_heap_prefer_shard(fe_heap_t *heap, fe_shard_t *shard) {
  fe_shard_t *before = fe_heap_current(heap, shard->class_index);
  if (shard == before) return;
  unlist_shard(heap, shard);
  shard->next = before;
  shard->prev = before->prev;
  before->prev = shard;
  set_current(heap, shard->class_index, shard);
  fe_shard_set_state(before, FE_SHARD_WAITING);
  show_owner(heap, before);
  show_owner(heap, shard);
  if (fe_shard_used(before) == 0) fe_heap_give_up_shard(heap, before);
}

void fe_heap_shelve_shard(fe_heap_t *heap, fe_shard_t *shard) {
  unlist_shard(heap, shard);
  fe_shard_set_state(shard, FE_SHARD_FULL);
  fe_shard_set_owner(shard, FE_NO_OWNER);
  shard->prev = NULL;
  shard->next = heap->full;
  if (heap->full != NULL) heap->full->prev = shard;
  heap->full = shard;
  fe_count_shelve(heap, shard);
}

static void unlink_full(fe_heap_t *heap, fe_shard_t *shard) {
  if (shard->prev != NULL) shard->prev->next = shard->next;
  if (shard->next != NULL) shard->next->prev = shard->prev;
  if (heap->full == shard) heap->full = shard->next;
}

void fe_heap_unshelve_shard(fe_heap_t *heap, fe_shard_t *shard) {
  unlink_full(heap, shard);
  fe_heap_list_shard(heap, shard);
  fe_count_unshelve(heap, shard);
}

/* The shard is in no list any more. */
static void give_up(fe_heap_t *heap, fe_shard_t *shard) {
  heap->account.held_bytes -= shard->capacity * shard->block_size;
  fe_heap_add_shard_count(heap, (size_t)-1);
  fe_account_after_give_up(heap);
  fe_count_shard_given(heap, shard);
  fe_run_t run = fe_shard_run(shard);
  if (fe_census_leave(shard)) fe_kept_give_unit(heap, &run);
}

void fe_heap_give_up_shard(fe_heap_t *heap, fe_shard_t *shard) {
  /* Whoever is about to put the shard into the inbox still needs its header. */
  if (fe_shard_remote_state(shard) == FE_REMOTE_WAKING) return;
  unlist_shard(heap, shard);
  give_up(heap, shard);
}

void fe_heap_give_up_full_shard(fe_heap_t *heap, fe_shard_t *shard) {
  unlink_full(heap, shard);
  fe_count_unshelve(heap, shard);
  give_up(heap, shard);
}

void fe_heap_take_in(fe_heap_t *heap, fe_shard_t *shard, fe_block_t *block) {
  uint32_t count = 0;
  while (block != NULL) {
    fe_block_t *next = fe_block_next(block);
    fe_heap_put_back(heap, shard, block);
    count++;
    block = next;
  }
  fe_shard_set_used(shard, fe_shard_used(shard) - count);
  fe_heap_refund(heap, count * shard->block_size);
  fe_count_taken_in(heap, shard, count);
}

bool fe_heap_take_remote(fe_heap_t *heap, fe_shard_t *shard) {
  fe_block_t *block = fe_remote_take(shard);
  if (block == NULL) return false;
  fe_heap_take_in(heap, shard, block);
  return true;
}
