/* The nursery: blocks of all small classes side by side in the heap's first unit, so that a heap
 * with few blocks touches few pages. Freed blocks wait in a list for each class. */
#include "core/heap/heap.h"

static size_t granule_of(const void *ptr) { return ((uintptr_t)ptr & (FE_UNIT_SIZE - 1)) / 8; }

static uintptr_t starts_at(const fe_nursery_t *nursery, size_t word) {
  return atomic_load_explicit(&((fe_nursery_t *)nursery)->starts[word], memory_order_relaxed);
}

/* Marks the place where a block starts or will start. Others read the word meanwhile, but only its
 * user writes it. */
static void mark_start(fe_nursery_t *nursery, const char *place) {
  if (place == nursery->end) return;
  size_t granule = granule_of(place);
  size_t word = granule / FE_NURSERY_WORD_BITS;
  uintptr_t bits = starts_at(nursery, word) | (uintptr_t)1 << (granule % FE_NURSERY_WORD_BITS);
  atomic_store_explicit(&nursery->starts[word], bits, memory_order_relaxed);
}

static void *carve(fe_heap_t *heap, size_t size) {
  fe_nursery_t *nursery = &heap->nursery;
  if ((size_t)(nursery->end - nursery->bump) < size) return NULL;
  if (!fe_heap_may_hand_out(heap, size)) return NULL;
  char *block = nursery->bump;
  nursery->bump += size;
  heap->held_bytes += size;
  mark_start(nursery, block);
  mark_start(nursery, nursery->bump);
  return block;
}

void *fe_nursery_alloc(fe_heap_t *heap, unsigned class_index) {
  fe_nursery_t *nursery = &heap->nursery;
  if (class_index >= FE_NURSERY_CLASSES) return NULL;
  size_t size = fe_class_size(class_index);
  fe_block_t *block = nursery->free[class_index];
  if (block != NULL) {
    if (heap->is_tight && !fe_heap_may_hand_out(heap, size)) return NULL;
    nursery->free[class_index] = block->next;
  } else {
    if (nursery->alloc_count[class_index] == FE_NURSERY_BUSY_COUNT) return NULL;
    block = carve(heap, size);
    if (block == NULL) return NULL;
  }
  if (nursery->alloc_count[class_index] < FE_NURSERY_BUSY_COUNT) {
    nursery->alloc_count[class_index]++;
  }
  nursery->used_bytes += size;
  return block;
}

size_t fe_nursery_block_size(const fe_heap_t *heap, const void *ptr) {
  const fe_nursery_t *nursery = &heap->nursery;
  size_t start = granule_of(ptr);
  size_t word = (start + 1) / FE_NURSERY_WORD_BITS;
  if (word == FE_NURSERY_WORDS) return 8; /* the last granule of the unit */
  uintptr_t bits = starts_at(nursery, word) & (UINTPTR_MAX << ((start + 1) % FE_NURSERY_WORD_BITS));
  while (bits == 0 && ++word < FE_NURSERY_WORDS) bits = starts_at(nursery, word);
  size_t end =
      bits == 0 ? FE_NURSERY_GRANULES : word * FE_NURSERY_WORD_BITS + (size_t)__builtin_ctzll(bits);
  return (end - start) * 8;
}

void fe_nursery_free(fe_heap_t *heap, void *ptr) {
  fe_nursery_t *nursery = &heap->nursery;
  size_t size = fe_nursery_block_size(heap, ptr);
  unsigned class_index = fe_class_of(size, 8);
  fe_block_t *block = ptr;
  block->next = nursery->free[class_index];
  nursery->free[class_index] = block;
  nursery->used_bytes -= size;
}
