/* The workloads' common parts: see workload.h. */
#include "bench/core/workload.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/core/allocator.h"

size_t scaled(size_t count, double scale) {
  size_t result = (size_t)((double)count * scale);
  return result ? result : 1;
}

size_t random_size(random_source_t *source) {
  uint32_t dice = random_below(source, 1000);
  if (dice < 850) {
    return 16 + random_below(source, 113);
  }
  if (dice < 985) {
    return 128 + random_below(source, 897);
  }
  return 1024 + random_below(source, 15 * 1024);
}

static void *checked(void *block) {
  if (!block) {
    fprintf(stderr, "bench: no memory\n");
    exit(1);
  }
  return block;
}

void *need_malloc(size_t size) { return checked(bench_malloc(size)); }

void *need_realloc(void *block, size_t size) { return checked(bench_realloc(block, size)); }

void *make_block(size_t size) {
  size = size < 16 ? 16 : size;
  size_t *block = need_malloc(size);
  block[0] = size;
  ((unsigned char *)block)[size - 1] = (unsigned char)size;
  return block;
}

uint64_t drop_block(void *block) {
  size_t size = *(size_t *)block;
  uint64_t result = size * 31 + ((unsigned char *)block)[size - 1];
  bench_free(block);
  return result;
}
