/* Workloads of one thread: blocks of mixed sizes, many small ones of random lifetime, a full cache,
 * a large set that is freed at random, arrays and strings that grow, a server's buffers, large
 * blocks that come and go.
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

static void shuffle(void **blocks, size_t count, random_source_t *source) {
  for (size_t i = count - 1; i > 0; i--) {
    size_t j = random_below(source, (uint32_t)i + 1);
    void *block = blocks[i];
    blocks[i] = blocks[j];
    blocks[j] = block;
  }
}

/* A large set is made, and half of it freed in random order; what is made then has other sizes and
 * finds the gaps, or does not. At last all is freed in random order. */
uint64_t run_random_frees(double scale) {
  enum { BLOCK_COUNT = 400000 };
  static void *blocks[BLOCK_COUNT];
  random_source_t source = {0x2545F4914F6CDD1Du};
  uint64_t sum = 0;
  for (size_t round = scaled(4, scale); round > 0; round--) {
    for (size_t i = 0; i < BLOCK_COUNT; i++) {
      blocks[i] = make_block(16 + random_below(&source, 112));
    }
    shuffle(blocks, BLOCK_COUNT, &source);
    for (size_t i = 0; i < BLOCK_COUNT / 2; i++) {
      sum += drop_block(blocks[i]);
    }
    for (size_t i = 0; i < BLOCK_COUNT / 2; i++) {
      blocks[i] = make_block(32 + random_below(&source, 224));
    }
    shuffle(blocks, BLOCK_COUNT, &source);
    for (size_t i = 0; i < BLOCK_COUNT; i++) {
      sum += drop_block(blocks[i]);
    }
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

typedef struct string {
  char *text;
  size_t length, capacity;
} string_t;

static void append_text(string_t *string, const char *text, size_t length) {
  if (string->length + length > string->capacity) {
    string->capacity = string->length + length + string->length / 8;
    string->text = need_realloc(string->text, string->capacity);
  }
  memcpy(string->text + string->length, text, length);
  string->length += length;
}

/* 100 answers are written side by side, a few words at a time, each up to a length of its own
 * between 100 bytes and 30 KiB; they grow by an eighth. One that is done goes, and another begins.
 */
uint64_t run_growing_strings(double scale) {
  enum { STRING_COUNT = 100 };
  static const char words[] =
      "a few words of some text, which is as good as any other for this end";
  static string_t strings[STRING_COUNT];
  static size_t wanted[STRING_COUNT];
  random_source_t source = {0xD1342543DE82EF95u};
  uint64_t sum = 0;
  for (size_t step = scaled(12000000, scale); step > 0; step--) {
    size_t i = random_below(&source, STRING_COUNT);
    append_text(&strings[i], words, 4 + random_below(&source, sizeof words - 4));
    if (strings[i].length >= wanted[i]) {
      sum += strings[i].length * 31 + (unsigned char)strings[i].text[strings[i].length - 1];
      bench_free(strings[i].text);
      strings[i] = (string_t){NULL, 0, 0};
      wanted[i] = random_below(&source, 4) ? 100 + random_below(&source, 4000)
                                           : 4100 + random_below(&source, 26 * 1024);
    }
  }
  for (size_t i = 0; i < STRING_COUNT; i++) {
    sum += strings[i].length;
    bench_free(strings[i].text);
    strings[i] = (string_t){NULL, 0, 0};
  }
  return sum;
}

enum { PAGE_BYTES = 4096 };

/* Its head is written, and each page, as by a request that comes in. */
static void *make_buffer(random_source_t *source) {
  enum { HEAD_BYTES = 512 };
  size_t size = 1024 + random_below(source, 29 * 1024);
  unsigned char *buffer = make_block(size);
  memset(buffer + sizeof size, (int)(size & 0x7F), HEAD_BYTES - sizeof size);
  for (size_t at = PAGE_BYTES; at < size - 1; at += PAGE_BYTES) {
    buffer[at] = (unsigned char)at;
  }
  return buffer;
}

/* A server's buffers of 1 to 30 KiB, one for each open connection. Their number goes up and down
 * between 50 and 1,000; in between, connections close in any order, and new ones take their place.
 */
uint64_t run_buffers(double scale) {
  enum { LEAST = 50, MOST = 1000, STEPS_PER_TIDE = 2000 };
  static void *buffers[MOST];
  random_source_t source = {0xAF251AF3B0F025B5u};
  uint64_t sum = 0;
  size_t count = 0;
  for (size_t tide = scaled(800, scale); tide > 0; tide--) {
    size_t wanted = tide % 2 ? MOST - random_below(&source, MOST / 2) : LEAST;
    for (size_t step = 0; step < STEPS_PER_TIDE; step++) {
      size_t i = count < wanted ? count++ : random_below(&source, (uint32_t)count);
      sum += buffers[i] ? drop_block(buffers[i]) : 0;
      if (count > wanted) {
        buffers[i] = buffers[--count];
        buffers[count] = NULL;
      } else {
        buffers[i] = make_buffer(&source);
      }
    }
  }
  while (count > 0) {
    sum += drop_block(buffers[--count]);
    buffers[count] = NULL;
  }
  return sum;
}

/* Images or messages of 5 to 25 MiB, eight alive, every page written once. */
uint64_t run_large_blocks(double scale) {
  enum { LIVE_COUNT = 8, MIB = 1 << 20 };
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
