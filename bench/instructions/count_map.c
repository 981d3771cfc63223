/* count-map OPERATION COUNT: one operation of the process's malloc (glibc's, or that of a preloaded
 * library), COUNT times within counted_loop, and the CPU time that a turn took, which others on a
 * busy machine have no part in.
 *
 *   malloc-SIZE-LIVE, calloc-SIZE-LIVE, aligned64-SIZE-LIVE, aligned4096-SIZE-LIVE
 *       a turn replaces one of LIVE blocks, chosen pseudo-randomly, by one of about SIZE bytes
 *   nothing-SIZE-LIVE
 *       the same turn without its free and its allocation: the loop's own part
 *   eighth-LIMIT-LIVE, double-LIMIT-LIVE
 *       a turn makes a block of 16 bytes, reallocates it by an eighth more, or to twice its size,
 *       until it has LIMIT bytes, and frees it; LIVE blocks grow side by side, and COUNT is in all
 *
 * "About" is up to 3 per cent less or more, so that a size that happens to be the best or the worst
 * of an allocator's classes does not stand for all its neighbours.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <time.h>

#include "bench/core/workload.h"
#include "bench/instructions/counted.h"

typedef enum kind {
  KIND_MALLOC,
  KIND_CALLOC,
  KIND_ALIGNED_64,
  KIND_ALIGNED_4096,
  KIND_NOTHING,
  KIND_EIGHTH,
  KIND_DOUBLE,
} kind_t;

static const char *const kind_names[] = {"malloc",  "calloc", "aligned64", "aligned4096",
                                         "nothing", "eighth", "double"};

enum { KIND_COUNT = sizeof kind_names / sizeof *kind_names, FIRST_BYTES = 16 };

typedef struct operation {
  kind_t kind;
  size_t size_bytes; /* of a block in the middle, or where growth ends */
  size_t live_count;
} operation_t;

/* The live blocks of one operation. What is replaced next depends on the source alone. */
typedef struct live_blocks {
  random_source_t source;
  unsigned char **blocks;
  uint32_t count;
  uint32_t least_bytes, range_bytes;
} live_blocks_t;

static void *checked(void *block) {
  if (!block) {
    fprintf(stderr, "count-map: no memory\n");
    exit(1);
  }
  return block;
}

static inline void *allocate(kind_t kind, size_t bytes) {
  switch (kind) {
    case KIND_CALLOC:
      return calloc(1, bytes);
    case KIND_ALIGNED_64:
      return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    case KIND_ALIGNED_4096:
      return aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095);
    default:
      return malloc(bytes);
  }
}

/* With a kind that is known when this is compiled, each loop is only what it does. */
__attribute__((always_inline)) static inline uint64_t replace(live_blocks_t *live, kind_t kind,
                                                              size_t count) {
  uint64_t sum = 0;
  for (; count > 0; count--) {
    unsigned char **slot = &live->blocks[random_below(&live->source, live->count)];
    size_t bytes = live->least_bytes + random_below(&live->source, live->range_bytes);
    sum += bytes;
    if (kind != KIND_NOTHING) {
      free(*slot);
      *slot = checked(allocate(kind, bytes));
    }
    **slot = (unsigned char)bytes;
  }
  return sum;
}

__attribute__((always_inline)) static inline uint64_t grow(live_blocks_t *live, size_t limit_bytes,
                                                           bool is_doubled, size_t count) {
  uint64_t sum = 0;
  for (size_t rounds = count / live->count; rounds > 0; rounds--) {
    size_t bytes = FIRST_BYTES;
    for (size_t i = 0; i < live->count; i++) {
      live->blocks[i] = checked(malloc(bytes));
    }
    while (bytes < limit_bytes) {
      size_t wanted = is_doubled ? 2 * bytes : bytes + bytes / 8;
      bytes = wanted < limit_bytes ? wanted : limit_bytes;
      for (size_t i = 0; i < live->count; i++) {
        live->blocks[i] = checked(realloc(live->blocks[i], bytes));
        live->blocks[i][bytes - 1] = (unsigned char)rounds;
      }
    }
    for (size_t i = 0; i < live->count; i++) {
      sum += bytes + live->blocks[i][bytes - 1];
      free(live->blocks[i]);
    }
  }
  return sum;
}

static uint64_t run(const operation_t *operation, live_blocks_t *live, size_t count) {
  switch (operation->kind) {
    case KIND_MALLOC:
      return replace(live, KIND_MALLOC, count);
    case KIND_CALLOC:
      return replace(live, KIND_CALLOC, count);
    case KIND_ALIGNED_64:
      return replace(live, KIND_ALIGNED_64, count);
    case KIND_ALIGNED_4096:
      return replace(live, KIND_ALIGNED_4096, count);
    case KIND_NOTHING:
      return replace(live, KIND_NOTHING, count);
    case KIND_EIGHTH:
      return grow(live, operation->size_bytes, false, count);
    case KIND_DOUBLE:
      return grow(live, operation->size_bytes, true, count);
  }
  return 0;
}

COUNTED static uint64_t counted_loop(const operation_t *operation, live_blocks_t *live,
                                     size_t count) {
  return run(operation, live, count);
}

/* Makes the live blocks and replaces each several times, so that the loop begins with a heap that
 * has been in use for a while. */
static live_blocks_t warm_up(const operation_t *operation) {
  uint32_t size = (uint32_t)operation->size_bytes;
  live_blocks_t live = {
      .source = {88172645463325252u},
      .blocks = checked(calloc(operation->live_count, sizeof *live.blocks)),
      .count = (uint32_t)operation->live_count,
      .least_bytes = size - size / 32,
      .range_bytes = 2 * (size / 32) + 1,
  };
  if (operation->kind == KIND_EIGHTH || operation->kind == KIND_DOUBLE) {
    run(operation, &live, 20 * operation->live_count);
    return live;
  }
  for (size_t i = 0; i < operation->live_count; i++) {
    live.blocks[i] = checked(allocate(operation->kind, size));
  }
  run(operation, &live, 1000 + 5 * operation->live_count);
  return live;
}

static bool read_operation(const char *text, operation_t *operation) {
  for (size_t i = 0; i < KIND_COUNT; i++) {
    size_t length = strlen(kind_names[i]);
    if (strncmp(text, kind_names[i], length) == 0 && text[length] == '-') {
      char end;
      operation->kind = (kind_t)i;
      int numbers = sscanf(text + length + 1, "%zu-%zu%c", &operation->size_bytes,
                           &operation->live_count, &end);
      return numbers == 2 && operation->size_bytes >= FIRST_BYTES &&
             operation->size_bytes <= (1u << 30) && operation->live_count >= 1 &&
             operation->live_count <= (1u << 24);
    }
  }
  return false;
}

static double cpu_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(int argc, char **argv) {
  operation_t operation;
  long count = argc == 3 ? atol(argv[2]) : 0;
  if (count < 1 || !read_operation(argv[1], &operation)) {
    fprintf(stderr, "usage: %s KIND-SIZE-LIVE COUNT\nkinds:", argv[0]);
    for (size_t i = 0; i < KIND_COUNT; i++) {
      fprintf(stderr, " %s", kind_names[i]);
    }
    fprintf(stderr, "\n");
    return 2;
  }
  live_blocks_t live = warm_up(&operation);
  double start_ns = cpu_ns();
  uint64_t sum = counted_loop(&operation, &live, (size_t)count);
  double ns = cpu_ns() - start_ns;
  printf("checksum %s %016" PRIx64 "\n", argv[1], sum);
  printf("figure ns_per_turn %.2f\n", ns / (double)count);
  return 0;
}
