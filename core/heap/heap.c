/* Making, ending and measuring heaps. */
#include "core/heap/heap.h"

#include <errno.h>
#include <string.h>

#include "core/slab/remote.h"

#define EMPTY &fe_shard_empty

fe_heap_t fe_heap_empty = {
    .table = {[0 ... FE_TINY_MAX] = EMPTY},
    .current = {[0 ... FE_CLASS_COUNT - 1] = EMPTY},
};

/* The heap lies behind the header of its nursery's shard. */
#define FE_HEAP_OFFSET (2 * FE_CACHE_LINE)

static_assert(FE_HEAP_OFFSET >= FE_SHARD_BLOCKS_START, "the heap lies behind the shard's header");
static_assert(FE_HEAP_OFFSET + sizeof(fe_heap_t) < FE_UNIT_SIZE / 8, "most of a nursery is blocks");

static fe_shard_t *nursery_shard(const fe_heap_t *heap) {
  return (fe_shard_t *)((char *)heap - FE_HEAP_OFFSET);
}

fe_heap_t *fe_heap_new(fe_arenas_t *arenas, size_t granule, bool is_thread_heap) {
  fe_context_t context = {.arenas = arenas};
  fe_run_t run;
  if (!fe_context_take(&context, 1, &run)) return NULL;
  fe_heap_t *heap = (fe_heap_t *)(run.start + FE_HEAP_OFFSET);
  if (!run.is_zero) memset(heap, 0, sizeof *heap);
  for (size_t size = 0; size <= FE_TINY_MAX; size++) heap->table[size] = EMPTY;
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) heap->current[i] = EMPTY;
  heap->granule = granule;
  heap->limit = SIZE_MAX;
  heap->is_thread_heap = is_thread_heap;
  heap->context = context;
  heap->shard_count = 1;
  heap->nursery.bump = (char *)fe_align_up((uintptr_t)(heap + 1), FE_GRANULE_SIZE);
  heap->nursery.end = run.start + FE_UNIT_SIZE;
  fe_shard_init(&run, 0, &heap->inbox, FE_SHARD_NURSERY);
  return heap;
}

fe_heap_t *fe_heap_create(const fe_heap_options_t *options) {
  static const fe_heap_options_t defaults;
  if (options == NULL) options = &defaults;
  size_t granule = options->granule == 0 ? FE_GRANULE_SIZE : options->granule;
  if (granule != 8 && granule != 16) {
    fe_warn("fe_heap_create: the granule is %zu; 8 and 16 (or 0, for %zu) are allowed", granule,
            FE_GRANULE_SIZE);
    errno = EINVAL;
    return NULL;
  }
  fe_heap_t *heap = fe_heap_new(&fe_arenas_default, granule, false);
  if (heap == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  fe_heap_set_limit(heap, options->memory_limit);
  return heap;
}

static void give_list(fe_context_t *context, fe_shard_t *shard) {
  while (shard != NULL) {
    fe_shard_t *next = shard->next;
    fe_run_t run = fe_shard_run(shard);
    fe_context_give(context, &run);
    shard = next;
  }
}

void fe_heap_destroy(fe_heap_t *heap) {
  if (heap == NULL) return;
  if (heap->is_thread_heap) fe_fail("fe_heap_destroy: a thread's heap cannot be destroyed");
  fe_context_t context = heap->context;
  if (heap->shard_count > 1) {
    for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
      if (heap->current[i] != EMPTY) give_list(&context, heap->current[i]);
    }
    give_list(&context, heap->full);
  }
  give_list(&context, heap->large);
  give_list(&context, nursery_shard(heap)); /* the heap is gone with it */
}

bool fe_heap_contains(const fe_heap_t *heap, const void *ptr) {
  return ptr != NULL && fe_owns_address(ptr) && fe_shard_of(ptr)->inbox == &heap->inbox;
}

/* The live blocks of a shard in a queue. */
static size_t live_count(const fe_shard_t *shard, bool is_current) {
  return (size_t)(fe_shard_used(shard) + (is_current ? 0 : 2));
}

size_t fe_heap_used_bytes(fe_heap_t *heap) {
  fe_heap_drain(heap);
  size_t bytes = heap->nursery.used_bytes +
                 atomic_load_explicit(&heap->shared_large_bytes, memory_order_relaxed);
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) {
    if (heap->current[i] == EMPTY) continue;
    for (fe_shard_t *shard = heap->current[i]; shard != NULL; shard = shard->next) {
      fe_heap_take_remote(heap, shard);
      bytes += live_count(shard, shard == heap->current[i]) * shard->block_size;
    }
  }
  for (const fe_shard_t *shard = heap->full; shard != NULL; shard = shard->next) {
    bytes += (size_t)shard->used * shard->block_size;
  }
  for (const fe_shard_t *shard = heap->large; shard != NULL; shard = shard->next) {
    bytes += shard->block_size;
  }
  return bytes;
}

/* Takes in blocks that others freed in the shards of one class, and gives up those that are empty.
 */
static void collect_class(fe_heap_t *heap, unsigned class_index) {
  fe_shard_t *shard = heap->current[class_index];
  if (shard == EMPTY) return;
  for (fe_shard_t *next; shard != NULL; shard = next) {
    next = shard->next;
    fe_heap_take_remote(heap, shard);
    if (live_count(shard, shard == heap->current[class_index]) == 0) {
      fe_heap_give_up_shard(heap, shard);
    }
  }
}

void fe_heap_collect(fe_heap_t *heap, bool force) {
  fe_heap_drain(heap);
  for (unsigned i = 0; i < FE_CLASS_COUNT; i++) collect_class(heap, i);
  if (force) fe_arenas_purge(heap->context.arenas);
}
