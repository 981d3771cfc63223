/* Memory is used up by what others keep for nobody, or by what is free and cannot be had as it is:
 * whatever is to be made of it, the first request gets it.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/core/figures.h"
#include "tests/core/ground.h"

/* -- A heap that keeps a region ------------------------------------------------------------------
 */

/* Not so many units that they come back by the frees alone. */
enum { FEW_UNITS = 16, MOST = 4000 };

typedef struct scene {
  fe_arenas_t *arenas;
  void *region;
  void *blocks[MOST];
  size_t count;
} scene_t;

static scene_t scene;

static void begin_region(size_t units) {
  scene.region = aligned_alloc(SLAB_BYTES, (units * UNIT_BYTES + SLAB_BYTES - 1) & -SLAB_BYTES);
  require(scene.region != NULL);
  scene.arenas = fe_arenas_create(&fe_base_static, scene.region, units * UNIT_BYTES);
  require(scene.arenas != NULL);
}

static void end_region(void) {
  require(fe_arenas_destroy(scene.arenas));
  free(scene.region);
}

static fe_heap_t *heap_on_region(fe_context_t **context) {
  *context = fe_context_create(scene.arenas);
  require(*context != NULL);
  return new_heap(*context);
}

static void end_heap(fe_heap_t *heap, fe_context_t *context) {
  fe_heap_destroy(heap);
  require(fe_context_destroy(context));
}

static void use_up(fe_heap_t *heap, size_t size) {
  scene.count = 0;
  for (void *block; (block = fe_heap_alloc(heap, size)) != NULL;) {
    require(scene.count < MOST);
    scene.blocks[scene.count++] = block;
  }
  require(scene.count > 0);
}

/* As another thread does: the heap is none of this one's, as far as this is known. */
static void free_all(void) {
  for (size_t i = 0; i < scene.count; i++) fe_free(scene.blocks[i]);
}

/* -- Heaps and contexts -------------------------------------------------------------------------
 */

static bool can_make_a_heap(fe_context_t *context) {
  fe_heap_options_t options = {.context = context};
  fe_heap_t *heap = fe_heap_create(&options);
  fe_heap_destroy(heap);
  return heap != NULL;
}

static bool can_make_a_context(fe_context_t *context) {
  (void)context;
  fe_context_t *other = fe_context_create(scene.arenas);
  return other != NULL && fe_context_destroy(other);
}

static void note_thread_heap(void *heap) {
  *(fe_heap_t **)heap = fe_arenas_thread_heap(scene.arenas);
}

static bool can_make_a_thread_heap(fe_context_t *context) {
  (void)context;
  fe_heap_t *heap;
  run_in_thread(note_thread_heap, &heap);
  return heap != NULL;
}

/* All of the region is in a heap in which nothing lives. */
static void is_made_of_what_another_keeps(bool (*can_make)(fe_context_t *)) {
  begin_region(FEW_UNITS);
  fe_context_t *context = fe_context_create(scene.arenas);
  assert_non_null(context);
  fe_context_t *keeping;
  fe_heap_t *keeper = heap_on_region(&keeping);
  use_up(keeper, UNIT_BYTES / 8);
  assert_false(can_make(context));
  free_all();
  assert_true(can_make(context));
  end_heap(keeper, keeping);
  assert_true(fe_context_destroy(context));
  end_region();
}

static void a_heap_is_made_of_what_another_keeps(void **state) {
  (void)state;
  is_made_of_what_another_keeps(can_make_a_heap);
}

static void a_context_is_made_of_what_a_heap_keeps(void **state) {
  (void)state;
  is_made_of_what_another_keeps(can_make_a_context);
}

static void a_heap_of_a_thread_is_made_of_what_another_keeps(void **state) {
  (void)state;
  is_made_of_what_another_keeps(can_make_a_thread_heap);
}

/* -- A thread's first block ----------------------------------------------------------------------
 */

enum { KEEPERS = 60 };

static pthread_barrier_t steps;

static void *ask_for_the_first_time(void *argument) {
  pthread_barrier_wait(&steps); /* it is there */
  pthread_barrier_wait(&steps); /* memory is used up */
  void *block = fe_malloc(100);
  require(block != NULL);
  fe_free(block);
  return argument;
}

static void use_up_process(size_t size) {
  void *last = NULL;
  for (void **block; (block = fe_malloc(size)) != NULL; last = block) *block = last;
}

/* The thread that asks is there already, since its stack is memory, too. */
static void ask_when_memory_is_used_up(void *argument) {
  (void)argument;
  static void *blocks[KEEPERS][FEW_UNITS * 4];
  for (size_t i = 0; i < KEEPERS; i++) {
    fe_heap_t *keeper = new_heap(NULL);
    for (size_t j = 0; j < FEW_UNITS * 4; j++) {
      blocks[i][j] = fe_heap_alloc(keeper, UNIT_BYTES / 8);
      require(blocks[i][j] != NULL);
    }
    fe_heap_hand_over(keeper);
  }
  pthread_t thread;
  require(pthread_barrier_init(&steps, NULL, 2) == 0);
  require(pthread_create(&thread, NULL, ask_for_the_first_time, NULL) == 0);
  pthread_barrier_wait(&steps);
  struct rlimit limit = {mapped_bytes(), RLIM_INFINITY};
  require(setrlimit(RLIMIT_AS, &limit) == 0);
  use_up_process(UNIT_BYTES - 512);
  use_up_process(MEDIUM_MAX / 8);
  for (size_t i = 0; i < KEEPERS; i++) {
    for (size_t j = 0; j < FEW_UNITS * 4; j++) fe_free(blocks[i][j]);
  }
  pthread_barrier_wait(&steps);
  require(pthread_join(thread, NULL) == 0);
}

static void the_first_block_of_a_thread_is_made_of_what_others_keep(void **state) {
  (void)state;
#ifdef __SANITIZE_THREAD__
  skip(); /* needs memory itself, and knows no threads in the child of a program with threads */
#endif
  assert_child_succeeds(ask_when_memory_is_used_up, NULL);
}

/* -- Neighbours ----------------------------------------------------------------------------------
 */

static void *by_realloc(fe_heap_t *heap, void *block, size_t size, size_t new_size) {
  (void)size;
  return fe_heap_realloc(heap, block, new_size);
}

static void *by_resize(fe_heap_t *heap, void *block, size_t size, size_t new_size) {
  return fe_heap_resize(heap, block, size, new_size);
}

/* There is no room for the block twice, and a heap keeps what lies behind it. */
static void grow_over_neighbours(size_t size_there,
                                 void *(*resize)(fe_heap_t *, void *, size_t, size_t)) {
  begin_region(12 * FEW_UNITS);
  fe_context_t *context, *keeping;
  fe_heap_t *heap = heap_on_region(&context);
  fe_heap_t *keeper = heap_on_region(&keeping);
  size_t size = 8 * FEW_UNITS * UNIT_BYTES;
  char *block = fe_heap_alloc(heap, size);
  assert_non_null(block);
  pattern_fill(block, size, 1);
  use_up(keeper, size_there);
  free_all();
  fe_heap_hand_over(keeper);
  block = resize(heap, block, size, 10 * FEW_UNITS * UNIT_BYTES);
  if (block == NULL) fail_msg("does not grow to where blocks of %zu bytes were", size_there);
  assert_true(pattern_holds(block, size, 1));
  assert_true(fe_heap_take_over(keeper));
  end_heap(keeper, keeping);
  end_heap(heap, context);
  end_region();
}

static void a_block_grows_into_what_its_neighbours_kept(void **state) {
  (void)state;
  if (IS_CHECKED) skip(); /* blocks always move, so both must have room */
  static const size_t sizes_there[] = {UNIT_BYTES / 8, 2 * UNIT_BYTES, 3 * FEW_UNITS * UNIT_BYTES};
  for (size_t i = 0; i < sizeof sizes_there / sizeof *sizes_there; i++) {
    grow_over_neighbours(sizes_there[i], by_realloc);
    grow_over_neighbours(sizes_there[i], by_resize);
  }
}

/* -- Free memory of which something else is to be made -------------------------------------------
 */

static void set_delays(const char *purge_ms, const char *unmap_ms) {
  require(fe_option_set("purge_delay_ms", purge_ms));
  require(fe_option_set("unmap_delay_ms", unmap_ms));
}

/* Every second block is free, and a larger one needs memory at another place. */
static void free_memory_goes_back_to_a_base_that_has_no_more(void **state) {
  (void)state;
  set_delays("1000000", "1000000");
  checking_base_init(&ground.checking, 4096);
  make_ground();
  const size_t size = 12 * UNIT_BYTES;
  ground.checking.committed_max = ground.checking.committed_bytes + 40 * size;
  use_up(ground.heap, size);
  for (size_t i = 0; i < scene.count; i += 2) fe_heap_free(ground.heap, scene.blocks[i]);
  size_t decommits = ground.checking.decommit_count;
  void *block = fe_heap_alloc(ground.heap, 10 * size);
  assert_non_null(block);
  assert_true(ground.checking.decommit_count > decommits);
  memset(block, 1, 10 * size);
  end_ground();
  checking_base_end(&ground.checking);
  set_delays("50", "10000");
}

/* The addresses are all there, in chunks of which none has room for the block. */
static void ask_for_free_addresses(void *argument) {
  (void)argument;
  set_delays("1000000", "1000000");
  enum { MORE = 600 };
  struct rlimit limit = {mapped_bytes() + MORE * MIB, RLIM_INFINITY};
  require(setrlimit(RLIMIT_AS, &limit) == 0);
  use_up(fe_thread_heap(), 3 * MIB);
  free_all();
  void *block = fe_malloc(MORE * 2 / 3 * MIB);
  require(block != NULL);
  fe_free(block);
}

static void free_addresses_make_room_for_a_large_block(void **state) {
  (void)state;
  /* Slabs of a few pages are not unmapped one by one; a sanitizer takes addresses of its own. */
  if (SLAB_BYTES < MIB || HAS_SANITIZER_MEMORY) skip();
  assert_child_succeeds(ask_for_free_addresses, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_heap_is_made_of_what_another_keeps),
      test_that(a_context_is_made_of_what_a_heap_keeps),
      test_that(a_heap_of_a_thread_is_made_of_what_another_keeps),
      test_that(the_first_block_of_a_thread_is_made_of_what_others_keep),
      test_that(a_block_grows_into_what_its_neighbours_kept),
      test_that(free_memory_goes_back_to_a_base_that_has_no_more),
      test_that(free_addresses_make_room_for_a_large_block),
  };
  return cmocka_run_group_tests_name("made_room_memory", tests, NULL, NULL);
}
