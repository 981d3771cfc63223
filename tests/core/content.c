/* The part of support.h that needs no operating system: the tests on bare metal use it too. */
#include "tests/core/support.h"

void require_failed(const char *file, int line, const char *condition) {
  fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
  fflush(stderr);
  abort();
}

/* -- Content ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t value) {
  value ^= value >> 30;
  value *= UINT64_C(0xbf58476d1ce4e5b9);
  value ^= value >> 27;
  value *= UINT64_C(0x94d049bb133111eb);
  return value ^ (value >> 31);
}

static uint64_t pattern_word(uint64_t mixed_seed, size_t index) {
  return mixed_seed + index * UINT64_C(0x9e3779b97f4a7c15);
}

void pattern_fill(void *block, size_t size, uint64_t seed) {
  uint64_t mixed_seed = mix(seed);
  uint64_t *words = block;
  size_t word_count = size / sizeof(uint64_t);
  for (size_t i = 0; i < word_count; i++) {
    words[i] = pattern_word(mixed_seed, i);
  }
  size_t tail = size % sizeof(uint64_t);
  uint64_t last = pattern_word(mixed_seed, word_count);
  if (tail > 0) {
    memcpy(words + word_count, &last, tail);
  }
}

size_t pattern_check(const void *block, size_t size, uint64_t seed) {
  uint64_t mixed_seed = mix(seed);
  const uint64_t *words = block;
  size_t word_count = size / sizeof(uint64_t);
  for (size_t i = 0; i < word_count; i++) {
    if (words[i] != pattern_word(mixed_seed, i)) {
      return i * sizeof(uint64_t);
    }
  }
  size_t tail = size % sizeof(uint64_t);
  uint64_t last = pattern_word(mixed_seed, word_count);
  bool tail_holds = tail == 0 || memcmp(words + word_count, &last, tail) == 0;
  return tail_holds ? size : word_count * sizeof(uint64_t);
}

bool pattern_holds(const void *block, size_t size, uint64_t seed) {
  return pattern_check(block, size, seed) == size;
}

bool all_zero(const void *block, size_t size) {
  const unsigned char *bytes = block;
  size_t head = size < 64 ? size : 64;
  for (size_t i = 0; i < head; i++) {
    if (bytes[i] != 0) return false;
  }
  return memcmp(bytes, bytes + head, size - head) == 0;
}

bool aligned_to(const void *block, size_t alignment) {
  return ((uintptr_t)block & (alignment - 1)) == 0;
}

static int compare_extents(const void *left, const void *right) {
  const extent_t *a = left;
  const extent_t *b = right;
  return (a->start > b->start) - (a->start < b->start);
}

void assert_disjoint(extent_t *extents, size_t count) {
  qsort(extents, count, sizeof(extents[0]), compare_extents);
  for (size_t i = 0; i + 1 < count; i++) {
    assert_true(extents[i].start < extents[i + 1].start);
    assert_true(extents[i].start + extents[i].size <= extents[i + 1].start);
  }
}

/* -- Random numbers --------------------------------------------------------------------------- */

uint64_t random_next(random_source_t *source) {
  source->state += UINT64_C(0x9e3779b97f4a7c15);
  return mix(source->state);
}

size_t random_below(random_source_t *source, size_t bound) {
  return (size_t)(random_next(source) % bound);
}

size_t random_size(random_source_t *source, size_t limit) {
  int bits = 0;
  while ((limit >> bits) > 1) {
    bits++;
  }
  size_t scale = (size_t)2 << random_below(source, (size_t)bits + 1);
  size_t size = random_below(source, scale);
  return size <= limit ? size : limit;
}

void shuffle(void **pointers, size_t count, random_source_t *source) {
  for (size_t i = count; i > 1; i--) {
    size_t other = random_below(source, i);
    void *kept = pointers[i - 1];
    pointers[i - 1] = pointers[other];
    pointers[other] = kept;
  }
}

/* -- Around every test ------------------------------------------------------------------------ */

static size_t used_bytes_before;

static size_t thread_used_bytes(void) {
  fe_collect(false);
  fe_heap_t *heap = fe_thread_heap();
  require(heap != NULL);
  return fe_heap_used_bytes(heap);
}

int remember_used_bytes(void **state) {
  (void)state;
  used_bytes_before = thread_used_bytes();
  return 0;
}

int check_used_bytes(void **state) {
  (void)state;
  size_t now = thread_used_bytes();
  if (now != used_bytes_before) {
    print_error("the thread's heap held %zu bytes before the test, and holds %zu after it\n",
                used_bytes_before, now);
    return -1;
  }
  return 0;
}
