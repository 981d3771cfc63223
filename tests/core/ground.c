/* See ground.h. */
#include "tests/core/ground.h"

ground_t ground;

bool make_heap(void) {
  fe_heap_options_t options = {.context = ground.context};
  ground.heap = fe_heap_create(&options);
  return ground.heap != NULL;
}

void make_ground(void) {
  ground.arenas = fe_arenas_create(&ground.checking.base, NULL, 0);
  require(ground.arenas != NULL);
  ground.context = fe_context_create(ground.arenas);
  require(ground.context != NULL);
  require(make_heap());
}

void end_ground(void) {
  fe_heap_destroy(ground.heap);
  require(fe_context_destroy(ground.context));
  require(fe_arenas_destroy(ground.arenas));
}

const size_t sizes[SIZE_COUNT] = {1,
                                  24,
                                  100,
                                  1000,
                                  MEDIUM_MAX,
                                  MEDIUM_MAX + 1,
                                  3 * UNIT_BYTES,
                                  SLAB_BYTES / 2,
                                  SLAB_BYTES,
                                  2 * SLAB_BYTES + 1};

/* The first bytes of a block, all of them; behind, each page and the last byte. */
enum { MARKED_WHOLE = 5000 };

void mark(char *block, size_t size, uint64_t seed) {
  pattern_fill(block, size < MARKED_WHOLE ? size : MARKED_WHOLE, seed);
  for (size_t i = MARKED_WHOLE; i < size; i += 4096) {
    block[i] = (char)(seed + i / 4096);
  }
  if (size > MARKED_WHOLE) {
    block[size - 1] = (char)seed;
  }
}

bool is_marked(const char *block, size_t size, uint64_t seed) {
  bool is_right = size <= MARKED_WHOLE || block[size - 1] == (char)seed;
  for (size_t i = MARKED_WHOLE; i + 1 < size; i += 4096) {
    is_right = is_right && block[i] == (char)(seed + i / 4096);
  }
  return is_right && pattern_holds(block, size < MARKED_WHOLE ? size : MARKED_WHOLE, seed);
}

size_t page_size_at(size_t i) {
  static const size_t page_sizes[] = {4096, 16384, 65536, (size_t)2 << 20};
  bool is_possible = i < sizeof(page_sizes) / sizeof(page_sizes[0]) && page_sizes[i] <= SLAB_BYTES;
  return is_possible ? page_sizes[i] : 0;
}

bool use_all_sizes(fe_heap_t *heap) {
  char *blocks[SIZE_COUNT];
  bool is_complete = true;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    blocks[i] = fe_heap_alloc(heap, sizes[i]);
    if (blocks[i] == NULL) {
      require(errno == ENOMEM);
      is_complete = false;
      continue;
    }
    mark(blocks[i], sizes[i], i);
  }
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    require(blocks[i] == NULL || is_marked(blocks[i], sizes[i], i));
    fe_heap_free(heap, blocks[i]);
  }
  return is_complete;
}
