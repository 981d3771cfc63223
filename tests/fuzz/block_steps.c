/* Steps that allocate, free and change blocks. */
#include <errno.h>
#include <string.h>

#include "tests/fuzz/check.h"
#include "tests/fuzz/operations.h"

static fe_heap_t *heap_or_null(world_t *world, int heap) {
  return heap == NO_HEAP ? NULL : world->heaps[heap].heap;
}

/* A slot without a block, or -1. */
static int choose_empty(world_t *world) {
  int first = (int)(input_byte(world->input) * BLOCKS / 256);
  for (int i = 0; i < BLOCKS; i++) {
    int slot = (first + i) % BLOCKS;
    if (world->blocks[slot].block == NULL) return slot;
  }
  return -1;
}

/* A slot with a block, or -1. */
static int choose_block(world_t *world) {
  int first = (int)(input_byte(world->input) * BLOCKS / 256);
  for (int i = 0; i < BLOCKS; i++) {
    int slot = (first + i) % BLOCKS;
    if (world->blocks[slot].block != NULL) return slot;
  }
  return -1;
}

static void check_zero(const unsigned char *block, size_t size) {
  for (size_t i = 0; i < size; i += i < 8192 || i + 256 > size ? 1 : 509) {
    check(block[i] == 0, "byte %zu of %zu is not zero", i, size);
  }
}

static void *allocate_zeroed(fe_heap_t *heap, size_t size) {
  size_t count = size % 3 == 0 ? 3 : 1;
  unsigned char *block =
      heap == NULL ? fe_calloc(count, size / count) : fe_heap_calloc(heap, count, size / count);
  if (block != NULL) check_zero(block, size);
  return block;
}

static void *allocate_aligned(fe_heap_t *heap, size_t size, size_t alignment) {
  if (heap != NULL) return fe_heap_aligned_alloc(heap, alignment, size);
  if (alignment < sizeof(void *)) return fe_aligned_alloc(alignment, size);
  void *block = NULL;
  int error = fe_posix_memalign(&block, alignment, size);
  check((error == 0) == (block != NULL), "fe_posix_memalign returned %d", error);
  check(errno == 0, "fe_posix_memalign set errno");
  errno = error;
  return block;
}

enum { ORDINARY, ZEROED, ALIGNED, BY_RESIZE, BY_REALLOC, WAYS };

static void *allocate(fe_heap_t *heap, unsigned way, size_t size, size_t alignment) {
  switch (way) {
    case ZEROED:
      return allocate_zeroed(heap, size);
    case ALIGNED:
      return allocate_aligned(heap, size, alignment);
    case BY_RESIZE:
      return fe_heap_resize(heap, NULL, alignment, size);
    case BY_REALLOC:
      return heap == NULL ? fe_realloc(NULL, size) : fe_heap_realloc(heap, NULL, size);
    default:
      return heap == NULL ? fe_malloc(size) : fe_heap_alloc(heap, size);
  }
}

static void allocate_at(world_t *world, int slot, int heap, unsigned way, size_t size,
                        size_t alignment) {
  if (way == BY_RESIZE && size == 0) size = 1;
  attempt_t attempt = reference_begin(world, heap, size, way == ALIGNED ? alignment : 1);
  void *block = allocate(heap_or_null(world, heap), way, size, alignment);
  if (block == NULL) {
    reference_check_failure(world, &attempt);
  } else {
    reference_add(world, &attempt, slot, block);
  }
}

void step_allocate(world_t *world) {
  int slot = choose_empty(world);
  if (slot < 0) return;
  int heap = choose_heap(world);
  unsigned way = input_below(world->input, WAYS);
  size_t alignment = way == ALIGNED ? input_alignment(world->input) : 1;
  allocate_at(world, slot, heap, way, input_size(world->input), alignment);
}

void step_fill(world_t *world) {
  int heap = choose_heap(world);
  unsigned way = input_flag(world->input) ? BY_RESIZE : ORDINARY;
  size_t size = input_size(world->input);
  unsigned count = input_byte(world->input); /* enough to make a class leave the nursery */
  if (size > 512) count %= 64;
  if (size > FE_UNIT_SIZE) count %= 8;
  for (unsigned i = 0; i < count; i++) {
    int slot = choose_empty(world);
    if (slot < 0) return;
    allocate_at(world, slot, heap, way, size, 1);
  }
}

void step_impossible(world_t *world) {
  int heap = choose_heap(world);
  unsigned way = input_below(world->input, WAYS);
  size_t size = input_impossible_size(world->input);
  size_t alignment = way == ALIGNED ? input_alignment(world->input) : 1;
  attempt_t attempt = reference_begin(world, heap, size, alignment);
  void *block;
  if (way == BY_REALLOC) {
    int slot = choose_block(world);
    block = slot < 0 ? NULL : world->blocks[slot].block;
    if (block == NULL) return;
    fe_heap_t *chosen = heap_or_null(world, heap);
    check((chosen == NULL ? fe_realloc(block, size) : fe_heap_realloc(chosen, block, size)) == NULL,
          "a block grew to %zu bytes", size);
    reference_check_block(world, slot);
  } else {
    block = allocate(heap_or_null(world, heap), way, size, alignment);
    check(block == NULL, "%zu bytes were handed out", size);
  }
  reference_check_failure(world, &attempt);
}

/* The ways to free: any block by fe_free or by any heap, and what trusts its caller only with the
 * right heap. */
static void free_at(world_t *world, int slot, int heap, unsigned way) {
  block_entry_t entry = world->blocks[slot];
  bool may_trust =
      entry.size > 0 && (entry.heap == NO_HEAP || !world->heaps[entry.heap].is_handed_over);
  void *block = reference_remove(world, slot);
  size_t warnings = warning_count;
  if (way == 0 && may_trust) {
    void *result = fe_heap_resize(heap_or_null(world, entry.heap), block, entry.size, 0);
    check(result == NULL, "a free by fe_heap_resize returned %p", result);
  } else if (way == 1 && heap != NO_HEAP) {
    fe_heap_free(world->heaps[heap].heap, block);
  } else if (way == 2 && heap != NO_HEAP) {
    void *result = fe_heap_realloc(world->heaps[heap].heap, block, 0);
    check(result == NULL, "a free by fe_heap_realloc returned %p", result);
  } else {
    fe_free(block);
  }
  check(warning_count == warnings, "a message about a free");
}

void step_free(world_t *world) {
  int slot = choose_block(world);
  if (slot < 0) return;
  unsigned way = input_below(world->input, 4);
  free_at(world, slot, way == 1 || way == 2 ? choose_heap(world) : NO_HEAP, way);
}

void step_free_many(world_t *world) {
  unsigned way = input_below(world->input, 4);
  int heap = way == 1 || way == 2 ? choose_heap(world) : NO_HEAP;
  unsigned step = 1 + input_below(world->input, 4);
  for (unsigned slot = input_below(world->input, 8); slot < BLOCKS; slot += step) {
    if (world->blocks[slot].block != NULL) free_at(world, (int)slot, heap, way);
  }
}

/* The heap whose block it is after it came back from fe_realloc in `heap`: among threads a block
 * may stay with the thread that it came from, which is all one here. */
void step_reallocate(world_t *world) {
  int slot = choose_block(world);
  if (slot < 0) return;
  int heap = choose_heap(world);
  block_entry_t *entry = &world->blocks[slot];
  /* A block of a heap that is handed over may be freed, not asked for its size by others. */
  if (entry->heap != NO_HEAP && world->heaps[entry->heap].is_handed_over) return;
  size_t size = input_size(world->input);
  if (size == 0) size = 1;
  attempt_t attempt = reference_begin(world, heap, size, 1);
  void *block = heap == NO_HEAP ? fe_realloc(entry->block, size)
                                : fe_heap_realloc(world->heaps[heap].heap, entry->block, size);
  if (block != NULL) {
    check(block != entry->block || heap == entry->heap, "a block of another heap stayed there");
    reference_change(world, &attempt, slot, block);
  } else {
    reference_check_failure(world, &attempt);
    reference_check_block(world, slot);
  }
}

/* A shrink may find no smaller block, and tells on_error so, but must not fail. */
static void check_resize_failure(world_t *world, const attempt_t *attempt, size_t old_size) {
  check(attempt->size > old_size, "a resize from %zu to %zu bytes failed", old_size, attempt->size);
  reference_check_failure(world, attempt);
}

void step_resize(world_t *world) {
  int slot = choose_block(world);
  if (slot < 0) return;
  block_entry_t *entry = &world->blocks[slot];
  if (entry->size == 0) return;
  if (entry->heap != NO_HEAP && world->heaps[entry->heap].is_handed_over) return;
  size_t size = input_flag(world->input) ? input_size(world->input)
                                         : entry->size + input_below(world->input, 17) - 8;
  if (size == 0 || size > (size_t)1 << 40) size = 1;
  attempt_t attempt = reference_begin(world, entry->heap, size, 1);
  void *block = fe_heap_resize(heap_or_null(world, entry->heap), entry->block, entry->size, size);
  if (block == NULL) {
    check_resize_failure(world, &attempt, entry->size);
    reference_check_block(world, slot);
  } else {
    reference_change(world, &attempt, slot, block);
  }
}

void step_check_block(world_t *world) {
  int slot = choose_block(world);
  if (slot >= 0) reference_check_block(world, slot);
}
