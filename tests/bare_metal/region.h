/* The fixed region that a test program on bare metal has. */
#ifndef FERROC_TESTS_BARE_METAL_REGION_H
#define FERROC_TESTS_BARE_METAL_REGION_H

#include <stdbool.h>
#include <stddef.h>

/* How much of the machine's region was handed in: all of it, or what the build says. */
size_t region_bytes(void);

/* Whether ferroc gave a block before it was. */
extern bool had_memory_before_the_region;

#endif /* FERROC_TESTS_BARE_METAL_REGION_H */
