/* Workloads of one thread: blocks of mixed sizes, many small ones of random lifetime, a full cache,
 * arrays that grow, large blocks that come and go.
 */
#include <string.h>

#include "bench/core/allocator.h"
#include "bench/core/workload.h"

/* A window of live blocks; each step replaces a random one. */
static uint64_t replace_at_random(void **window, size_t live_count, size_t steps,
                                  size_t (*size_of)(random_source_t *)) {
  random_source_t source = {88172645463325252u};
  uint64_t sum = 0;
  for (size_t i = 0; i < live_count; i++) {
    window[i] = make_block(size_of(&source));
  }
  for (size_t i = 0; i < steps; i++) {
    void **slot = &window[random_below(&source, (uint32_t)live_count)];
    sum += drop_block(*slot);
    *slot = make_block(size_of(&source));
  }
  for (size_t i = 0; i < live_count; i++) {
    sum += drop_block(window[i]);
  }
  return sum;
}

uint64_t run_mixed_sizes(double scale) {
  enum { LIVE_COUNT = 20000 };
  static void *window[LIVE_COUNT];
  return replace_at_random(window, LIVE_COUNT, scaled(12000000, scale), random_size);
}

static size_t small_size(random_source_t *source) { return 16 + random_below(source, 64); }

/* 600,000 live objects: what counts is how close together they lie. */
uint64_t run_small_lifetimes(double scale) {
  enum { LIVE_COUNT = 600000 };
  static void *window[LIVE_COUNT];
  return replace_at_random(window, LIVE_COUNT, scaled(3500000, scale), small_size);
}

/* A cache of objects of one size that is full: each step drops some at random, and makes as many.
 * So there is never more than a handful of free blocks, anywhere among all the others. */
uint64_t run_full_cache(double scale) {
  enum { LIVE_COUNT = 100000, BATCH = 64, SIZE = 64 };
  static void *cache[LIVE_COUNT];
  random_source_t source = {2862933555777941757u};
  uint64_t sum = 0;
  for (size_t i = 0; i < LIVE_COUNT; i++) {
    cache[i] = make_block(SIZE);
  }
  for (size_t step = scaled(100000, scale); step > 0; step--) {
    size_t dropped[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
      do {
        dropped[i] = random_below(&source, LIVE_COUNT);
      } while (cache[dropped[i]] == NULL);
      sum += drop_block(cache[dropped[i]]);
      cache[dropped[i]] = NULL;
    }
    for (size_t i = 0; i < BATCH; i++) {
      cache[dropped[i]] = make_block(SIZE);
    }
  }
  for (size_t i = 0; i < LIVE_COUNT; i++) {
    sum += drop_block(cache[i]);
  }
  return sum;
}

typedef struct array {
  uint32_t *items;
  size_t count, capacity;
} array_t;

static void append(array_t *array, uint32_t item) {
  if (array->count == array->capacity) {
    array->capacity = array->capacity ? array->capacity + array->capacity / 2 + 1 : 4;
    array->items = need_realloc(array->items, array->capacity * sizeof(uint32_t));
  }
  array->items[array->count++] = item;
}

/* 200 arrays of very different lengths grow side by side, by half each time; then they start again.
 */
uint64_t run_growing_arrays(double scale) {
  enum { ARRAY_COUNT = 200 };
  static array_t arrays[ARRAY_COUNT];
  random_source_t source = {0x9E3779B97F4A7C15u};
  uint64_t sum = 0;
  for (size_t round = scaled(24, scale); round > 0; round--) {
    for (size_t i = 0; i < 3000000; i++) {
      uint32_t below = 1 + random_below(&source, ARRAY_COUNT);
      append(&arrays[random_below(&source, below)], (uint32_t)i);
    }
    for (size_t i = 0; i < ARRAY_COUNT; i++) {
      sum += arrays[i].count * (i + 1) + arrays[i].items[arrays[i].count / 2];
      bench_free(arrays[i].items);
    }
    memset(arrays, 0, sizeof arrays);
  }
  return sum;
}

/* Images or messages of 5 to 25 MiB, eight alive, every page written once. */
uint64_t run_large_blocks(double scale) {
  enum { LIVE_COUNT = 8, PAGE_BYTES = 4096, MIB = 1 << 20 };
  static unsigned char *window[LIVE_COUNT];
  random_source_t source = {1442695040888963407u};
  uint64_t sum = 0;
  for (size_t i = scaled(600, scale); i > 0; i--) {
    unsigned char **slot = &window[random_below(&source, LIVE_COUNT)];
    bench_free(*slot);
    size_t size = 5 * MIB + random_below(&source, 20 * MIB);
    *slot = need_malloc(size);
    for (size_t at = 0; at < size; at += PAGE_BYTES) {
      (*slot)[at] = (unsigned char)i;
    }
    sum += size + (*slot)[size / 2 / PAGE_BYTES * PAGE_BYTES];
  }
  for (size_t i = 0; i < LIVE_COUNT; i++) {
    bench_free(window[i]);
    window[i] = NULL;
  }
  return sum;
}
