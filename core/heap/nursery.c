/* The nursery: blocks of all small sizes side by side in the heap's first unit, so that a heap with
 * few blocks touches few pages. A block takes its size rounded up to the granule, no more. Freed
 * blocks wait in lists by class, from which smaller ones are cut before new memory is touched. */
#include "core/heap/counting.h"
#include "core/heap/heap.h"

static size_t granule_of(const void *ptr) { return ((uintptr_t)ptr & (FE_UNIT_SIZE - 1)) / 8; }

static uintptr_t starts_at(const fe_nursery_t *nursery, size_t word) {
  return atomic_load_explicit(fe_nursery_starts(nursery, word), memory_order_relaxed);
}

/* Marks the place where a block starts or will start. Others read the word meanwhile, but only its
 * user writes it. */
static void mark_start(fe_nursery_t *nursery, const char *place) {
  if (place == nursery->end) return;
  size_t granule = granule_of(place);
  size_t word = granule / FE_NURSERY_WORD_BITS;
  uintptr_t bits = starts_at(nursery, word) | (uintptr_t)1 << (granule % FE_NURSERY_WORD_BITS);
  atomic_store_explicit(fe_nursery_starts(nursery, word), bits, memory_order_relaxed);
}

/* -- Lists of free blocks: each holds blocks of its class's size and more, below the next one's --
 */

static unsigned list_for(const fe_heap_t *heap, size_t size) {
  unsigned class_index = fe_class_of(size, heap->granule);
  return fe_class_size(class_index) > size ? class_index - 1 : class_index;
}

static fe_block_t *block_at(fe_heap_t *heap, uint16_t granule) {
  return (fe_block_t *)(fe_heap_unit(heap) + granule * (size_t)8);
}

static void push(fe_heap_t *heap, void *ptr, size_t size) {
  fe_nursery_t *nursery = &heap->nursery;
  unsigned list = list_for(heap, size);
  uint16_t first = nursery->free[list];
  fe_block_t *block = ptr;
  block->next = first == 0 ? NULL : block_at(heap, first);
  nursery->free[list] = (uint16_t)granule_of(block);
  nursery->has_free |= (uint64_t)1 << list;
}

static fe_block_t *pop(fe_heap_t *heap, unsigned list) {
  fe_nursery_t *nursery = &heap->nursery;
  fe_block_t *block = block_at(heap, nursery->free[list]);
  nursery->free[list] = block->next == NULL ? 0 : (uint16_t)granule_of(block->next);
  if (block->next == NULL) nursery->has_free &= ~((uint64_t)1 << list);
  return block;
}

/* -- Blocks -- */

/* How many blocks of the list below its class's an allocation looks at. */
#define FE_NURSERY_LOOKS 8

/* Takes a block of at least `size` bytes out of a list that has smaller ones, too; NULL: none of
 * the first ones is that large. */
static fe_block_t *pop_fitting(fe_heap_t *heap, unsigned list, size_t size) {
  uint16_t first = heap->nursery.free[list];
  if (first == 0) return NULL;
  fe_block_t *before = NULL;
  fe_block_t *block = block_at(heap, first);
  for (int looks = 1; fe_nursery_block_size(heap, block) < size; looks++) {
    if (block->next == NULL || looks == FE_NURSERY_LOOKS) return NULL;
    before = block;
    block = block->next;
  }
  if (before == NULL) return pop(heap, list);
  before->next = block->next;
  return block;
}

/* A free block of at least `size` bytes, of the smallest class that has one, cut to size. */
static void *reuse(fe_heap_t *heap, unsigned class_index, size_t size) {
  unsigned list = list_for(heap, size);
  fe_block_t *block = list < class_index ? pop_fitting(heap, list, size) : NULL;
  if (block == NULL) {
    uint64_t lists = heap->nursery.has_free & (UINT64_MAX << class_index);
    if (lists == 0) return NULL;
    block = pop(heap, fe_lowest_bit(lists));
  }
  size_t left = fe_nursery_block_size(heap, block) - size;
  if (left > 0) {
    char *rest = (char *)block + size;
    mark_start(&heap->nursery, rest);
    push(heap, rest, left);
  }
  return block;
}

static void *carve(fe_heap_t *heap, size_t size) {
  fe_nursery_t *nursery = &heap->nursery;
  if ((size_t)(nursery->end - nursery->bump) < size) return NULL;
  char *block = nursery->bump;
  nursery->bump += size;
  heap->account.held_bytes += size;
  mark_start(nursery, block);
  mark_start(nursery, nursery->bump);
  return block;
}

/* A block that was freed, or, if that is allowed, of memory that was never used. What was carved
 * already is charged for, unless the account is tight. */
static void *take(fe_heap_t *heap, unsigned class_index, size_t requested, bool may_carve) {
  size_t size = requested == 0 ? heap->granule : fe_align_up(requested, heap->granule);
  bool is_tight = fe_account_is_tight(&heap->account);
  if (is_tight && !fe_heap_may_hand_out(heap, size)) return NULL;
  void *block = reuse(heap, class_index, size);
  if (block == NULL && may_carve) {
    if (!is_tight && !fe_heap_may_hand_out(heap, size)) return NULL;
    block = carve(heap, size);
  }
  if (block == NULL) {
    fe_heap_refund(heap, size);
  } else {
    fe_count_nursery_alloc(heap, size, requested);
  }
  return block;
}

void *fe_nursery_alloc(fe_heap_t *heap, unsigned class_index, size_t size) {
  if (class_index >= FE_NURSERY_CLASSES) return NULL;
  uint8_t *alloc_count = &heap->nursery.alloc_count[class_index];
  if (*alloc_count == FE_NURSERY_BUSY_COUNT) return NULL;
  void *block = take(heap, class_index, size, true);
  if (block != NULL) ++*alloc_count;
  return block;
}

void *fe_nursery_alloc_freed(fe_heap_t *heap, unsigned class_index, size_t size) {
  if (class_index >= FE_NURSERY_CLASSES || heap->nursery.has_free == 0) return NULL;
  return take(heap, class_index, size, false);
}

size_t fe_nursery_block_size(const fe_heap_t *heap, const void *ptr) {
  const fe_nursery_t *nursery = &heap->nursery;
  size_t start = granule_of(ptr);
  size_t word = (start + 1) / FE_NURSERY_WORD_BITS;
  if (word == FE_NURSERY_WORDS) return 8; /* the last granule of all */
  uintptr_t bits = starts_at(nursery, word) & (UINTPTR_MAX << ((start + 1) % FE_NURSERY_WORD_BITS));
  while (bits == 0 && ++word < FE_NURSERY_WORDS) bits = starts_at(nursery, word);
  size_t end = bits == 0 ? FE_NURSERY_GRANULES : word * FE_NURSERY_WORD_BITS + fe_lowest_bit(bits);
  return (end - start) * 8;
}

void fe_nursery_free(fe_heap_t *heap, void *ptr) {
  size_t size = fe_nursery_block_size(heap, ptr);
  fe_count_nursery_free(heap, size);
  fe_heap_refund(heap, size);
  push(heap, ptr, size);
}
