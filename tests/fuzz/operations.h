/* What an input can do, a step each, and what surrounds an input. */
#ifndef FERROC_TESTS_FUZZ_OPERATIONS_H
#define FERROC_TESTS_FUZZ_OPERATIONS_H

#include "tests/fuzz/reference.h"

void world_begin(world_t *world, input_t *input);

/* Checks everything, gives everything back, and checks that it came back. */
void world_end(world_t *world);

/* -- block_steps.c -- */
void step_allocate(world_t *world);
void step_fill(world_t *world); /* several allocations of one size */
void step_impossible(world_t *world);
void step_free(world_t *world);
void step_free_many(world_t *world);
void step_reallocate(world_t *world);
void step_resize(world_t *world); /* fe_heap_resize */
void step_check_block(world_t *world);

/* -- heap_steps.c -- */
void step_create_heap(world_t *world);
void step_destroy_heap(world_t *world);
void step_hand_over(world_t *world);
void step_take_over(world_t *world);
void step_set_limit(world_t *world);
void step_collect(world_t *world);
void step_check(world_t *world);
void step_create_context(world_t *world);
void step_create_place(world_t *world);
void step_trouble(world_t *world); /* the base refuses soon, or gets a region more */
void step_lane(world_t *world);    /* another thread goes on, or ends */
void step_misuse(world_t *world);  /* bad arguments */

/* A heap that may be used now, or NO_HEAP for the thread's own. */
int choose_heap(world_t *world);

/* A heap that exists, or NO_HEAP. */
int choose_any_heap(world_t *world);

#endif /* FERROC_TESTS_FUZZ_OPERATIONS_H */
