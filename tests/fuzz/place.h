/* Places: arenas that do not get all they ask for. Either regions of the program's, which fill up,
 * or a base whose functions refuse when the input says so. It checks on its side what the core
 * promises to a base: that memory is touched only while it is committed (all other pages are closed
 * to reads and writes), that whole pages are committed once, that chunks go back as they came. */
#ifndef FERROC_TESTS_FUZZ_PLACE_H
#define FERROC_TESTS_FUZZ_PLACE_H

#include "core/base/config.h"
#include "core/ferroc.h"
#include "tests/fuzz/input.h"

enum { PLACE_CHUNKS = 24, PLACE_REGIONS = 3 };

typedef struct place_chunk {
  char *start; /* NULL: none */
  size_t size;
  bool is_committed[16 * FE_UNITS_PER_SLAB];
} place_chunk_t;

typedef struct place_region {
  unsigned char *start; /* NULL: none */
  size_t size;
} place_region_t;

typedef struct place {
  fe_arenas_t *arenas; /* NULL: none */
  bool has_base;       /* else it has regions alone */
  fe_base_t base;
  size_t slabs_left; /* that the base will hand out */
  unsigned calls_until_refusal;
  unsigned refusals_left;
  size_t refusal_count; /* so far */
  place_chunk_t chunks[PLACE_CHUNKS];
  place_region_t regions[PLACE_REGIONS];
  char *room; /* where the regions lie */
} place_t;

/* Makes arenas there, as the input says; arenas is NULL if there was no memory for them. */
void place_create(place_t *place, unsigned number, input_t *input);

/* Hands in another region, if there is one left. */
void place_add_region(place_t *place, input_t *input);

/* The base refuses the n-th call from now on, and some after it. */
void place_refuse_soon(place_t *place, input_t *input);

/* Ends the arenas, which nobody uses any more, and checks that all has gone back. */
void place_destroy(place_t *place);

/* How often fe_warn was called; see warnings.c. */
extern size_t warning_count;

#endif /* FERROC_TESTS_FUZZ_PLACE_H */
