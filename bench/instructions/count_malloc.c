/* count-malloc and count-ferroc: an allocation and its free through a shared library. Built once
 * for the process's malloc and once for fe_malloc from libferroc.so.
 */
#include "bench/core/allocator.h"
#include "bench/instructions/counted.h"

COUNTED static void counted_loop(size_t count) {
  for (; count > 0; count--) {
    bench_free(bench_malloc(BLOCK_BYTES));
  }
}

static void warm_up(void) {
  void *blocks[WARM_COUNT];
  for (size_t i = 0; i < WARM_COUNT; i++) {
    blocks[i] = bench_malloc(BLOCK_BYTES);
  }
  for (size_t i = LIVE_COUNT; i < WARM_COUNT; i++) {
    bench_free(blocks[i]);
  }
}

int main(int argc, char **argv) {
  size_t count = read_count(argc, argv, "pair");
  warm_up();
  counted_loop(count);
  return 0;
}
