/* The reference: what is known of heaps and live blocks without looking into ferroc, and what
 * follows from it for each call: which result must come, and which may.
 *
 * Sizes are counted by rules of its own (reference_full_size), so that a wrong class is noticed. */
#ifndef FERROC_TESTS_FUZZ_REFERENCE_H
#define FERROC_TESTS_FUZZ_REFERENCE_H

#include "core/base/config.h"
#include "core/ferroc.h"
#include "tests/fuzz/place.h"

enum { HEAPS = 8, PERMANENT_HEAPS = 2, CONTEXTS = 4, PLACES = 3, BLOCKS = 400 };

/* What a heap number may be besides: the heaps of threads, taken together. */
enum { NO_HEAP = -1 };

typedef struct heap_entry {
  fe_heap_t *heap; /* NULL: none */
  size_t granule;
  size_t limit; /* 0: none */
  int parent;   /* or NO_HEAP */
  int context;  /* or -1: its own */
  int child_count;
  bool is_permanent;
  bool is_handed_over;
  char name[FE_NAME_MAX + 1];
  /* What its live blocks can hold, together; and what they may take beyond that, since a block that
   * is aligned may begin behind its start. */
  size_t used;
  size_t slack;
  /* More than the heap can ever have charged a budget for: grows with each allocation. */
  size_t charge_bound;
  /* When the limit was set: what the heap was using, or what heaps under it had paid for, which
   * they may go on using. */
  size_t paid_before;
  /* What on_error was told, in all. */
  size_t error_count;
  fe_error_t last_error;
  size_t last_error_bytes;
} heap_entry_t;

typedef struct block_entry {
  unsigned char *block; /* NULL: none */
  size_t size;
  size_t usable;
  size_t slack;
  uint64_t seed;
  int heap; /* or NO_HEAP: of a thread */
} block_entry_t;

typedef struct context_entry {
  fe_context_t *context; /* NULL: none */
  int place;             /* or -1: the process's arenas */
  int heap_count;
} context_entry_t;

typedef struct world {
  input_t *input;
  int lane;
  heap_entry_t heaps[HEAPS]; /* the first ones are permanent, and outlive the world */
  block_entry_t blocks[BLOCKS];
  context_entry_t contexts[CONTEXTS];
  place_t places[PLACES];
  uint64_t next_seed;
  bool frees_before_end;
  bool is_traced;
} world_t;

/* An allocation, or a resize, that is about to be tried. */
typedef struct attempt {
  int heap; /* or NO_HEAP */
  size_t size;
  size_t alignment;
  bool is_possible;    /* the size is one that can be served */
  bool may_meet_limit; /* the limits do not allow for it */
  size_t errors_before;
  size_t refusals_before;
  size_t warnings_before;
} attempt_t;

/* What a block of this size takes in a heap with this granule, at most. */
size_t reference_full_size(size_t size, size_t granule);

/* Sets errno to 0. */
attempt_t reference_begin(world_t *world, int heap, size_t size, size_t alignment);

/* The attempt gave nothing: checks that it may have, and that everybody was told. */
void reference_check_failure(world_t *world, const attempt_t *attempt);

/* The attempt gave this block: checks it, and enters it, filled with a new pattern. */
void reference_add(world_t *world, const attempt_t *attempt, int slot, void *block);

/* The block at `slot` is of its new size, and perhaps elsewhere and in the attempt's heap. */
void reference_change(world_t *world, const attempt_t *attempt, int slot, void *block);

/* Checks a block's content, and everything that can be asked about it. */
void reference_check_block(const world_t *world, int slot);

/* The block is about to be freed: checks it, and takes it out. Returns its address. */
void *reference_remove(world_t *world, int slot);

/* Takes out all blocks of a heap that was destroyed. */
void reference_remove_all(world_t *world, int heap);

/* Checks what can be asked about a heap that is not handed over. */
void reference_check_heap(world_t *world, int heap);

/* The heap and all those under it, together. */
size_t reference_used_under(const world_t *world, int heap);
size_t reference_charge_bound_under(const world_t *world, int heap);

/* The place that a heap stands on; NULL: the process's arenas. */
place_t *reference_place(world_t *world, int heap);

size_t reference_granule(const world_t *world, int heap);

#endif /* FERROC_TESTS_FUZZ_REFERENCE_H */
