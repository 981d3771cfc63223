/* Where the runs of large blocks lie: as low as there is room for them, so that what is free stays
 * together.
 */
#include "tests/core/large_runs.h"

enum { COUNT = 8 };

/* Of the first slab and of the last one a run is free; the heap was at the last one of late. */
static fe_heap_t *heap_with_gaps(fe_context_t *context, void *blocks[COUNT]) {
  fe_heap_t *heap = new_heap(context);
  for (size_t i = 0; i < COUNT; i++) blocks[i] = new_block(heap, units(LONGEST));
  fe_heap_free(heap, blocks[1]);
  fe_heap_free(heap, blocks[COUNT - 1]);
  fe_heap_collect(heap, false);
  return heap;
}

static void a_run_lies_as_low_as_it_can(bool is_clean) {
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_mmap, NULL, 0);
  require(arenas != NULL);
  fe_context_t *context = fe_context_create(arenas);
  void *blocks[COUNT];
  fe_heap_t *heap = heap_with_gaps(context, blocks);
  if (is_clean) fe_trim();
  char *block = new_block(heap, units(LONGEST));
  assert_true(block > (char *)blocks[0] && block < (char *)blocks[2]);
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
}

static void among_runs_that_were_in_use(void **state) {
  (void)state;
  a_run_lies_as_low_as_it_can(false);
}

static void among_runs_without_memory(void **state) {
  (void)state;
  a_run_lies_as_low_as_it_can(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(among_runs_that_were_in_use),
      test_that(among_runs_without_memory),
  };
  return cmocka_run_group_tests_name("run_places", tests, NULL, NULL);
}
