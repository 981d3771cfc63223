/* The fuzzer's entry: each input is a little program over heaps, contexts, arenas and blocks. A
 * byte says what is done next (see `steps` below), the bytes behind it with what. After it,
 * everything is given back, and must have come back.
 *
 * Heaps that live for good are made once and used by all inputs; each input leaves them empty.
 *
 * FUZZ_TRACE in the environment: each step is told on stderr. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/lanes.h"
#include "tests/fuzz/operations.h"

typedef struct step {
  const char *name;
  void (*take)(world_t *world);
  unsigned weight;
} step_t;

static const step_t steps[] = {
    {"allocate", step_allocate, 12},
    {"fill", step_fill, 4},
    {"impossible", step_impossible, 1},
    {"free", step_free, 8},
    {"free many", step_free_many, 2},
    {"reallocate", step_reallocate, 5},
    {"resize", step_resize, 5},
    {"check block", step_check_block, 1},
    {"create heap", step_create_heap, 4},
    {"destroy heap", step_destroy_heap, 2},
    {"hand over", step_hand_over, 2},
    {"take over", step_take_over, 2},
    {"set limit", step_set_limit, 3},
    {"collect", step_collect, 2},
    {"check all", step_check, 1},
    {"create context", step_create_context, 2},
    {"create place", step_create_place, 2},
    {"trouble", step_trouble, 2},
    {"change lane", step_lane, 2},
    {"misuse", step_misuse, 1},
};

/* The step that a byte stands for. */
static const step_t *choose_step(input_t *input) {
  unsigned total = 0;
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) total += steps[i].weight;
  unsigned left = input_below(input, total);
  const step_t *step = steps;
  while (left >= step->weight) left -= step++->weight;
  return step;
}

static void take_step(void *argument) {
  world_t *world = argument;
  const step_t *step = choose_step(world->input);
  if (world->is_traced) fprintf(stderr, "lane %d: %s\n", world->lane, step->name);
  step->take(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static world_t world;
  input_t input = {.at = data, .end = data + size};
  world_begin(&world, &input);
  world.is_traced = getenv("FUZZ_TRACE") != NULL;
  while (!input_is_over(&input)) lane_run(world.lane, take_step, &world);
  world_end(&world);
  return 0;
}
