/* Allocators for tests that lie on top of those that Python has, and check every call.
 *
 * They know all live blocks that went through them, so that a block which appears, moves or goes
 * without their knowledge is counted, and so is each that is not ferroc's.
 */
#ifndef FERROC_TESTS_PYTHON_CHECKING_ALLOCATOR_H
#define FERROC_TESTS_PYTHON_CHECKING_ALLOCATOR_H

#include <stddef.h>

typedef struct domain_counts {
  size_t allocations;     /* blocks handed out by malloc, calloc and realloc */
  size_t frees;           /* blocks given back */
  size_t not_ours;        /* handed out, and not ferroc's */
  size_t badly_made;      /* not aligned to 16, live already, or not cleared by calloc */
  size_t unknown_foreign; /* came back though never handed out here, and not ferroc's */
  size_t unknown_ours;    /* the same, and ferroc's */
} domain_counts_t;

/* Wraps all three domains. Before Python is initialised, or under the GIL. */
void checking_allocators_install(void);

/* The counts of a domain: 0 raw, 1 mem, 2 obj. */
domain_counts_t checking_allocators_counts(int domain);

/* Counts what pymalloc asks of the system for its arenas from now on. */
void count_pymalloc_arenas(void);
size_t pymalloc_arenas(void);

#endif /* FERROC_TESTS_PYTHON_CHECKING_ALLOCATOR_H */
