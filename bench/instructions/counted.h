/* What the counting programs share: main reads WHAT and COUNT, and the runner has callgrind count
 * within counted_loop only. It runs each program with COUNT and with twice COUNT; the difference
 * divided by COUNT is one turn of the loop: its calls, the loop's own instructions, and what an
 * allocator does now and then, spread over all turns.
 *
 * Before the loop the class of 48-byte blocks is warmed: a thousand blocks are made and all but two
 * are freed. So no turn meets a heap that has just begun, and no free empties a page, which some
 * allocators would then give back and take again in every turn.
 */
#ifndef FERROC_BENCH_INSTRUCTIONS_COUNTED_H
#define FERROC_BENCH_INSTRUCTIONS_COUNTED_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 48, WARM_COUNT = 1000, LIVE_COUNT = 2 };

#define COUNTED __attribute__((noinline, noclone))

/* The COUNT of the command line; the program ends with a usage line if that is not WHAT COUNT, with
 * WHAT among the allowed (a string of words separated by |). */
static inline size_t read_count(int argc, char **argv, const char *allowed) {
  long count = argc == 3 ? atol(argv[2]) : 0;
  if (count < 1 || !strstr(allowed, argv[1])) {
    fprintf(stderr, "usage: %s %s COUNT\n", argv[0], allowed);
    exit(2);
  }
  return (size_t)count;
}

#endif /* FERROC_BENCH_INSTRUCTIONS_COUNTED_H */
