/* What every workload of the core group is made of: a name, a function, repeatable random numbers
 * and blocks that know what was written into them.
 */
#ifndef FERROC_BENCH_CORE_WORKLOAD_H
#define FERROC_BENCH_CORE_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

/* Runs at the given scale (1: a full run). Returns a checksum that depends on the workload and the
 * scale only. */
typedef uint64_t workload_run_t(double scale);

workload_run_t run_mixed_sizes, run_small_lifetimes, run_full_cache, run_growing_arrays,
    run_large_blocks, run_random_frees, run_growing_strings, run_buffers;
workload_run_t run_producer_consumer, run_threads_come_and_go, run_server_threads,
    run_large_threads;

/* count times scale, at least 1. */
size_t scaled(size_t count, double scale);

/* xorshift64*: a state of 8 bytes, not 0. */
typedef struct random_source {
  uint64_t state;
} random_source_t;

static inline uint32_t random_below(random_source_t *source, uint32_t limit) {
  uint64_t x = source->state;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  source->state = x;
  return (uint32_t)(((x * 2685821657736338717u) >> 32) * limit >> 32);
}

/* A size as programs ask for them: mostly 16 to 128 bytes, some to 1 KiB, a few to 16 KiB. */
size_t random_size(random_source_t *source);

/* A block of at least 16 bytes that holds its size; its first and last byte are written. Ends the
 * program if there is no memory. */
void *make_block(size_t size);

/* Frees the block and returns a number made of what it held. */
uint64_t drop_block(void *block);

/* As malloc and realloc, but end the program with a message if there is no memory. */
void *need_malloc(size_t size);
void *need_realloc(void *block, size_t size);

#endif /* FERROC_BENCH_CORE_WORKLOAD_H */
