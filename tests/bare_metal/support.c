/* The part of tests/core/support.h that asks the operating system, where there is none; and the
 * start of every test program. */
#include "tests/core/support.h"

#include "tests/bare_metal/machine/machine.h"
#include "tests/bare_metal/region.h"

int main(void);

#ifndef FERROC_TESTS_REGION_BYTES
#define FERROC_TESTS_REGION_BYTES (size_t)(machine_region_end - machine_region)
#endif

size_t region_bytes(void) { return FERROC_TESTS_REGION_BYTES; }

bool had_memory_before_the_region;

int machine_main(void) {
  fe_set_message_function(machine_write);
  had_memory_before_the_region = fe_malloc(1) != NULL;
  require(fe_arenas_manage(NULL, machine_region, region_bytes()));
  return main();
}

/* The same walk each time. */
uint64_t random_seed(void) { return UINT64_C(0x5eed); }

/* The region is all that there is: memory that is lost instead of used again is missing soon, and
 * the test that counts on it gets none. */
bool is_emulated(void) { return false; }

size_t slowness(void) { return 1; }

size_t rounds_of(size_t usual) { return usual; }

size_t resident_bytes(void) { return region_bytes(); }

size_t mapped_bytes(void) { return region_bytes(); }

/* A body that returns needs no process of its own: what is said meanwhile is caught. Tests of
 * others are left out; see BUILD. */

static child_result_t *caught;

static void catch_message(const char *line, size_t length) {
  size_t used = strlen(caught->errors);
  require(length < sizeof(caught->errors) - used);
  memcpy(caught->errors + used, line, length);
  caught->errors[used + length] = '\0';
}

void run_in_child(child_result_t *result, void (*body)(void *argument), void *argument) {
  result->status = 0;
  result->errors[0] = '\0';
  caught = result;
  fe_set_message_function(catch_message);
  body(argument);
  fe_set_message_function(machine_write);
}

void assert_child_succeeds(void (*body)(void *argument), void *argument) { body(argument); }

void run_in_thread(void (*body)(void *argument), void *argument) {
  (void)body;
  (void)argument;
  fail_msg("%s", "there are no threads here");
}
