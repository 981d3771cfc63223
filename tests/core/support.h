/* What the tests of the core share: content patterns, disjoint blocks, repeatable random numbers,
 * the process's own memory figures, bodies run in a child process, and a check around every test
 * that it gave all its memory back.
 */
#ifndef FERROC_TESTS_SUPPORT_H
#define FERROC_TESTS_SUPPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka.h needs the standard headers above before it. */
#include <cmocka.h>

#include "core/ferroc.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

/* The shape of memory that the library is built with: -DFE_SLAB_SHIFT and so on, for the library
 * and the tests alike, with the defaults of core/base/config.h. */
#ifndef FE_SLAB_SHIFT
#define FE_SLAB_SHIFT 22
#endif
#ifndef FE_SHARD_SHIFT
#define FE_SHARD_SHIFT 16
#endif
#ifndef FE_GRANULE_SHIFT
#define FE_GRANULE_SHIFT 4
#endif
#define SLAB_BYTES ((size_t)1 << FE_SLAB_SHIFT)
#define UNIT_BYTES ((size_t)1 << FE_SHARD_SHIFT)
#define GRANULE ((size_t)1 << FE_GRANULE_SHIFT)
#define UNITS_PER_SLAB (SLAB_BYTES / UNIT_BYTES)
#define MEDIUM_MAX (UNIT_BYTES * 15 / 32) /* the largest blocks that share a shard */

/* Builds of the library that check (core/track/track.h) add a trailer to each block, always move a
 * block whose size changes, and let nobody look into free memory. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ADDRESS_SANITIZER
#endif
#if defined(FE_HARDENED) || defined(FE_TRACK_VALGRIND) || defined(HAS_ADDRESS_SANITIZER)
#define IS_CHECKED true
#define TRAILER ((size_t)16)
#else
#define IS_CHECKED false
#define TRAILER ((size_t)0)
#endif

/* A power of two, so big that no machine has memory for it: 2^48 bytes, or 2^30 on one of 32 bits.
 */
#define BEYOND_MEMORY ((size_t)1 << (sizeof(size_t) > 4 ? 48 : 31))

/* For threads and child processes, where cmocka's assertions (a longjmp) must not be used. */
#define require(condition)                            \
  do {                                                \
    if (!(condition)) {                               \
      require_failed(__FILE__, __LINE__, #condition); \
    }                                                 \
  } while (0)
_Noreturn void require_failed(const char *file, int line, const char *condition);

/* -- Content: every byte of a block depends on the seed and on its place ---------------------- */

void pattern_fill(void *block, size_t size, uint64_t seed);
/* The offset of the first byte that is not as pattern_fill left it; size if all are. */
size_t pattern_check(const void *block, size_t size, uint64_t seed);
bool pattern_holds(const void *block, size_t size, uint64_t seed);
bool all_zero(const void *block, size_t size);
bool aligned_to(const void *block, size_t alignment);

typedef struct extent {
  const char *start;
  size_t size;
} extent_t;

/* Sorts the extents and asserts that no two share a byte, and that none starts where another does.
 */
void assert_disjoint(extent_t *extents, size_t count);

/* -- Random numbers that can be repeated ------------------------------------------------------ */

typedef struct random_source {
  uint64_t state;
} random_source_t;

uint64_t random_next(random_source_t *source);
/* 0 .. bound - 1 */
size_t random_below(random_source_t *source, size_t bound);
/* A size up to limit, each power of two about as likely as the next. */
size_t random_size(random_source_t *source, size_t limit);
/* FERROC_TEST_SEED, or one that differs from run to run; printed, so that a failure can be
 * repeated. */
uint64_t random_seed(void);
void shuffle(void **pointers, size_t count, random_source_t *source);

/* -- The process --------------------------------------------------------------------------------
 */

/* How many times as long each step takes as elsewhere: FERROC_TEST_SLOWNESS, or 1, and under
 * Valgrind 10. */
size_t slowness(void);
static inline bool is_slow(void) { return slowness() > 1; }

/* So many rounds, where each is quick; else fewer, but at least one. */
size_t rounds_of(size_t usual);

/* Whether qemu-user runs the program (tools/foreign). */
bool is_emulated(void);

/* A sanitizer's own memory grows with the number of threads that ever were, and so does an
 * emulator's, which also limits no addresses. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER_MEMORY true
#else
#define HAS_SANITIZER_MEMORY is_emulated()
#endif

size_t resident_bytes(void);
size_t mapped_bytes(void);

typedef struct child_result {
  int status;        /* as waitpid gives it */
  char errors[4096]; /* what the child wrote to stderr, the first of it */
} child_result_t;

/* Runs body in a forked child, which ends with status 0 when body returns. */
void run_in_child(child_result_t *result, void (*body)(void *argument), void *argument);
/* Asserts that body returned in a child of its own, and prints what the child said if not. */
void assert_child_succeeds(void (*body)(void *argument), void *argument);

/* Asserts that body returned in a child of its own, which wrote one line to stderr that begins with
 * "ferroc: " and contains each of the texts, up to a NULL. */
void assert_child_says(void (*body)(void *argument), void *argument, ...);

/* Runs body in a thread of its own and waits for its end. */
void run_in_thread(void (*body)(void *argument), void *argument);

/* -- Around every test --------------------------------------------------------------------------
 */

/* Fails the test when the thread's heap holds more, or less, than before it. */
int remember_used_bytes(void **state);
int check_used_bytes(void **state);
#define test_that(function) \
  cmocka_unit_test_setup_teardown(function, remember_used_bytes, check_used_bytes)

#endif /* FERROC_TESTS_SUPPORT_H */
