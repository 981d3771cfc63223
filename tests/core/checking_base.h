/* A base for tests: a table of functions that counts its calls, fails when it is told to, and
 * checks what it is asked for. Memory that was not committed cannot be touched. */
#ifndef FERROC_TESTS_CHECKING_BASE_H
#define FERROC_TESTS_CHECKING_BASE_H

#include <pthread.h>

#include "tests/core/support.h"

enum { CHUNKS_MAX = 400 };

typedef struct checked_chunk {
  char *start; /* NULL: none */
  size_t size;
  unsigned char *is_committed; /* of each page */
  unsigned char *is_reserved;  /* the same: not accessible yet */
} checked_chunk_t;

typedef struct checking_base {
  fe_base_t base; /* its functions may be set to NULL before it is used */
  pthread_mutex_t mutex;
  checked_chunk_t chunks[CHUNKS_MAX];
  size_t allocate_count; /* calls, whether they failed or not; those of reserve count, too */
  size_t release_count;
  size_t commit_count;
  size_t decommit_count;
  size_t grow_count;
  size_t chunk_count;     /* there are now */
  size_t chunk_bytes;     /* in chunks now */
  size_t committed_bytes; /* in pages that can be touched now */
  size_t bytes_max;       /* allocate gives no more than so many at a time; SIZE_MAX at first */
  size_t committed_max;   /* commit gives no more than so many at a time; SIZE_MAX at first */
  size_t failing_call;    /* the n-th call that may fail does (1: the next); 0: none does */
  bool fails_for_good;    /* and so do all after it */
} checking_base_t;

/* It allocates, releases, commits and decommits, and memory is not zeroed: it is full of a byte
 * that is not 0. */
void checking_base_init(checking_base_t *checking, size_t page_size);

/* The functions that a base seldom has are there as well: grow, protect, reserve and advise_huge.
 */
void checking_base_add_rare(checking_base_t *checking);

/* Releases the chunks of a base whose release is NULL. */
void checking_base_release_all(checking_base_t *checking);

/* Requires that all chunks were released. */
void checking_base_end(checking_base_t *checking);

#endif /* FERROC_TESTS_CHECKING_BASE_H */
