/* What the tests of bases stand on: a checking base, and arenas, a context and a heap on it. */
#ifndef FERROC_TESTS_GROUND_H
#define FERROC_TESTS_GROUND_H

#include "tests/core/checking_base.h"

typedef struct ground {
  checking_base_t checking;
  fe_arenas_t *arenas;
  fe_context_t *context;
  fe_heap_t *heap;
} ground_t;

extern ground_t ground;

bool make_heap(void);

/* On the base as it is set up now. */
void make_ground(void);
void end_ground(void);

/* Sizes of all kinds of blocks. */
enum { SIZE_COUNT = 10 };
extern const size_t sizes[SIZE_COUNT];

/* Blocks of all sizes, written and checked, in the given order; whether all were there. */
bool use_all_sizes(fe_heap_t *heap);

/* Marks each page of a block, its first bytes and its last. */
void mark(char *block, size_t size, uint64_t seed);
bool is_marked(const char *block, size_t size, uint64_t seed);

/* Page sizes that a slab can have; 0 behind the last one. */
size_t page_size_at(size_t i);

#endif /* FERROC_TESTS_GROUND_H */
