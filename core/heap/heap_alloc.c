/* Allocation when the current shard has no block left: the ways to get one, the cheapest first. */
#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/heap/heap_inline.h"
#include "core/heap/stock.h"
#include "core/slab/census.h"
#include "core/slab/remote.h"

/* Free lists grow by about a page, so that pages nobody needs stay untouched. */
#define FE_EXTEND_BYTES 4096

/* A heap that holds so much asks for huge pages from then on. Earlier costs memory: with 16 MiB,
 * Python programs took 4 % more. */
#define FE_HUGE_FROM_BYTES ((size_t)32 << 20)

/* Carves new blocks out of a shard; whether it could. */
static bool extend(fe_heap_t *heap, fe_shard_t *shard) {
  if (shard->capacity == shard->reserved) return false;
  size_t step = FE_EXTEND_BYTES > shard->block_size ? FE_EXTEND_BYTES : shard->block_size;
  if (!fe_heap_may_carve(heap, step)) {
    step = shard->block_size;
    if (!fe_heap_may_hand_out(heap, step)) return false;
  }
  heap->account.held_bytes += fe_shard_extend(shard, step) * shard->block_size;
  fe_count_extend(heap, shard);
  return true;
}

static bool release_kept(fe_heap_t *heap, fe_shard_t *shard) {
  fe_block_t *block = shard->kept;
  if (block == NULL || !fe_heap_may_hand_out(heap, shard->block_size)) return false;
  shard->kept = fe_block_next(block);
  fe_shard_push(shard, block);
  return true;
}

/* Whether the current shard has a free block, or has one now. */
static bool refill(fe_heap_t *heap, fe_shard_t *shard) {
  if (shard->free != NULL || (fe_heap_take_remote(heap, shard) && shard->free != NULL)) return true;
  return release_kept(heap, shard) || extend(heap, shard);
}

/* Whether it could not be refilled since the limit forbids to hand one out. Else it is full, and
 * leaves the queue, unless others freed something by now. */
static bool is_limited(fe_heap_t *heap, fe_shard_t *shard) {
  if (shard->kept != NULL || shard->capacity < shard->reserved) return true;
  if (fe_remote_sleep(shard)) fe_heap_shelve_shard(heap, shard);
  return false;
}

/* A current shard with a free block, made out of the queue; EMPTY if no shard of it has one, or
 * the limit forbids to hand one out: then the class still has a current shard. */
static fe_shard_t *refill_current(fe_heap_t *heap, unsigned class_index) {
  for (;;) {
    fe_shard_t *shard = fe_heap_current(heap, class_index);
    if (shard == &fe_shard_empty || refill(heap, shard)) return shard;
    if (is_limited(heap, shard)) return &fe_shard_empty;
  }
}

static fe_shard_t *add_shard(fe_heap_t *heap, unsigned class_index, bool is_aligned) {
  size_t block_size = fe_class_size(class_index);
  /* What is refused shall not cost a shard. */
  if (!fe_heap_may_hand_out(heap, block_size)) return &fe_shard_empty;
  fe_heap_refund(heap, block_size);
  heap->context->hint.wants_huge = heap->account.held_bytes >= FE_HUGE_FROM_BYTES;
  fe_run_t run;
  if (!fe_kept_take_unit(heap, &run)) return &fe_shard_empty;
  fe_shard_t *shard = fe_shard_init(&run, 0, &heap->inbox, FE_SHARD_BLOCKS);
  if (is_aligned) {
    fe_shard_init_aligned_blocks(shard, block_size, class_index);
  } else {
    fe_shard_init_blocks(shard, block_size, class_index, heap->colour++);
  }
  fe_heap_list_shard(heap, shard);
  fe_heap_add_shard_count(heap, 1);
  fe_count_shard_taken(heap, shard);
  fe_census_enter(shard);
  if (is_aligned) fe_heap_prefer_shard(heap, shard);
  return refill_current(heap, class_index);
}

static void *pop_counted(fe_shard_t *shard) {
  fe_block_t *block = fe_shard_pop(shard);
  if (block != NULL) fe_shard_count_up(shard);
  return block;
}

/* Where blocks of several classes lie side by side. In builds that check they do not. */
static void *alloc_side_by_side(fe_heap_t *heap, unsigned class_index, size_t size) {
  if (FE_IS_TRACKED) return NULL;
  void *block = fe_nursery_alloc(heap, class_index, size);
  return block != NULL ? block : fe_mixed_alloc(heap, class_index, size);
}

static void *alloc_inside(fe_heap_t *heap, size_t size) {
  if (size > FE_MEDIUM_MAX) return fe_large_alloc(heap, size, heap->granule);
  unsigned class_index = fe_class_of(size, heap->granule);
  fe_count_refill(heap, class_index, size);
  fe_shard_t *shard = refill_current(heap, class_index);
  if (shard == &fe_shard_empty) {
    void *block = alloc_side_by_side(heap, class_index, size);
    if (block != NULL) return block;
    if (fe_heap_current(heap, class_index) == &fe_shard_empty)
      shard = add_shard(heap, class_index, false);
  }
  void *block = pop_counted(shard);
  if (FE_LIKELY(block != NULL) || FE_IS_TRACKED) return block;
  size_t refused_bytes = heap->account.refused_bytes;
  block = fe_nursery_alloc_freed(heap, class_index, size);
  /* What it charged in vain is not why there is no block. */
  if (block == NULL && refused_bytes > 0) heap->account.refused_bytes = refused_bytes;
  return block;
}

/* A block of a shard, not of the nursery: those are not aligned to more than the granule. */
static fe_block_t *alloc_in_shard(fe_heap_t *heap, size_t size) {
  unsigned class_index = fe_class_of(size, heap->granule);
  fe_shard_t *shard = refill_current(heap, class_index);
  if (fe_heap_current(heap, class_index) == &fe_shard_empty) {
    shard = add_shard(heap, class_index, false);
  }
  return pop_counted(shard);
}

/* The first shard in a class's queue whose blocks are aligned so; NULL: there is none. */
static fe_shard_t *find_aligned(fe_heap_t *heap, unsigned class_index, size_t alignment) {
  fe_shard_t *shard = fe_heap_current(heap, class_index);
  if (shard == &fe_shard_empty) return NULL;
  while (shard != NULL && !fe_shard_is_aligned(shard, alignment)) shard = shard->next;
  return shard;
}

/* With an alignment up to FE_SHARD_ALIGNMENT_MAX, of which the size is a multiple, and so the size
 * of its class: where the steps between classes are larger, these are multiples of it. */
static fe_block_t *alloc_in_aligned_shard(fe_heap_t *heap, size_t size, size_t alignment) {
  unsigned class_index = fe_class_of(size, heap->granule);
  for (;;) {
    fe_shard_t *shard = find_aligned(heap, class_index, alignment);
    if (shard == NULL) return pop_counted(add_shard(heap, class_index, true));
    fe_heap_prefer_shard(heap, shard);
    if (refill(heap, shard)) return pop_counted(shard);
    if (is_limited(heap, shard)) return NULL;
  }
}

/* With an alignment above the granule, and a size of at least 1. */
static void *alloc_aligned(fe_heap_t *heap, size_t size, size_t alignment) {
  if (size > PTRDIFF_MAX || alignment > PTRDIFF_MAX) return NULL;
  /* Blocks start at multiples of 16, and so does every second size of a granule of 8. */
  if (alignment == 16 && size <= FE_MEDIUM_MAX) {
    return alloc_in_shard(heap, (size + 15) & ~(size_t)15);
  }
  if (alignment <= FE_SHARD_ALIGNMENT_MAX && fe_align_up(size, alignment) <= FE_MEDIUM_MAX) {
    return alloc_in_aligned_shard(heap, fe_align_up(size, alignment), alignment);
  }
  size_t padded = size + alignment - 16;
  if (padded > FE_MEDIUM_MAX || alignment > FE_MEDIUM_MAX) {
    return fe_large_alloc(heap, size, alignment);
  }
  fe_block_t *block = alloc_in_shard(heap, fe_align_up(padded, 16));
  char *aligned = (char *)fe_align_up((uintptr_t)block, alignment);
  if (aligned != (char *)block) fe_heap_mark_interior(heap, fe_shard_of(block));
  return aligned;
}

/* -- Going inside, and what comes after a failure -- */

typedef struct request {
  size_t size; /* with a trailer, in builds that check */
  size_t alignment;
  /* After a failure: so much was to be charged when a limit forbade it; 0: there is no memory. */
  size_t refused_bytes;
} request_t;

static void *alloc_once(fe_heap_t *heap, request_t *request) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  heap->account.refused_bytes = 0;
  fe_heap_settle(heap);
  if (fe_inbox_has_some(&heap->inbox)) fe_heap_drain(heap);
  void *block = request->alignment <= heap->granule
                    ? alloc_inside(heap, request->size)
                    : alloc_aligned(heap, request->size, request->alignment);
  request->refused_bytes = heap->account.refused_bytes;
  fe_gate_leave(&heap->gate, gate);
  return block;
}

/* What nobody uses is to be had before anything is refused. */
static FE_COLD void *alloc_after_failure(fe_heap_t *heap, request_t *request) {
  enum { TURNS_MAX = 3 }; /* others may take what was made room for */
  void *block = NULL;
  bool has_room = request->size <= PTRDIFF_MAX;
  for (int turn = 0; has_room && block == NULL && turn < TURNS_MAX; turn++) {
    size_t given = fe_arenas_units_given(heap->context->arenas);
    has_room = request->refused_bytes > 0
                   ? fe_heap_make_room_in_budget(heap, request->refused_bytes, true)
                   : fe_heap_make_room(heap, given);
    /* In any case: others may have freed something since the last try. */
    block = alloc_once(heap, request);
  }
  return block;
}

/* The allocation failed: says so to whoever wants to know. Returns NULL. */
static FE_COLD void *report_failure(fe_heap_t *heap, const request_t *request, size_t bytes) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  fe_count(heap, FE_HEAP_FAILURE, 1);
  if (request->refused_bytes > 0) fe_count(heap, FE_HEAP_LIMIT_REFUSAL, 1);
  fe_gate_leave(&heap->gate, gate);
  if (!heap->has_annex) return NULL;
  const fe_heap_annex_t *annex = fe_heap_annex(heap);
  fe_error_t error = request->refused_bytes > 0 ? FE_ERROR_LIMIT : FE_ERROR_NO_MEMORY;
  if (annex->on_error != NULL) annex->on_error(heap, error, bytes, annex->user_data);
  return NULL;
}

static void *alloc(fe_heap_t *heap, request_t request, size_t bytes) {
  void *block = alloc_once(heap, &request);
  if (FE_UNLIKELY(block == NULL)) block = alloc_after_failure(heap, &request);
  if (FE_LIKELY(block != NULL)) return fe_checked_alloc(block, bytes);
  return report_failure(heap, &request, bytes);
}

FE_COLD void *fe_heap_alloc_inside(fe_heap_t *heap, size_t size) {
  void *block = fe_stock_take(heap, size);
  if (block != NULL) return block;
  fe_heap_pulse_before_alloc(heap, size);
  return alloc(heap, (request_t){.size = fe_checked_size(size)}, size);
}

/* By the short ways, or NULL. */
static void *alloc_outside(fe_heap_t *heap, size_t size) {
  void *block = fe_heap_alloc_quickly(heap, size);
  return block != NULL ? block : fe_heap_alloc_medium(heap, size);
}

FE_COLD void *fe_heap_alloc_if_possible(fe_heap_t *heap, size_t size) {
  void *block = alloc_outside(heap, size);
  if (block != NULL) return block;
  request_t request = {.size = fe_checked_size(size)};
  return fe_checked_alloc(alloc_once(heap, &request), size);
}

void *fe_heap_alloc_aligned(fe_heap_t *heap, size_t size, size_t alignment) {
  if (alignment <= heap->granule) {
    void *block = alloc_outside(heap, size);
    return block != NULL ? block : fe_heap_alloc_inside(heap, size);
  }
  size_t wanted = fe_checked_size(size == 0 ? 1 : size);
  return alloc(heap, (request_t){.size = wanted, .alignment = alignment}, size);
}
