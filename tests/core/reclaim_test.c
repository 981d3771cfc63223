/* What others freed comes back while the heap's holder sleeps, whatever it was in, and whoever it
 * is that holds the heap or held it last. What is live stays as it is.
 */
#include "tests/core/scenes.h"

/* -- What comes back -----------------------------------------------------------------------------
 */

static void trim(void) { fe_trim(); }
static void collect(void) { fe_collect(true); }

/* A heap that somebody holds keeps a shard for each size; others keep themselves, if that. */
static void all_comes_back_by(void (*get_back)(void)) {
  for (unsigned keeper = 0; keeper < KEEPER_COUNT; keeper++) {
    for (size_t i = 0; i < LOAD_COUNT; i++) {
      fe_collect(true);
      size_t heap_count = sum_of(NULL).heap_count;
      pthread_t holder = begin_scene(keeper, &loads[i]);
      free_blocks(0, 1);
      get_back();
      if (keeper == AN_ENDED_THREAD) {
        assert_int_equal(sum_of(NULL).heap_count, heap_count);
      } else {
        assert_kept_at_most(keeper == NOBODY ? 1 : 1 + class_count(&loads[i]));
      }
      end_scene(holder);
    }
  }
}

static void all_that_others_freed_comes_back_by_fe_trim(void **state) {
  (void)state;
  all_comes_back_by(trim);
}

static void all_that_others_freed_comes_back_by_a_forced_collect(void **state) {
  (void)state;
  all_comes_back_by(collect);
}

/* What is live is where it was, and what is around it can be used. */
static void what_is_live_stays(void **state) {
  (void)state;
  for (unsigned keeper = 0; keeper < KEEPER_COUNT; keeper++) {
    for (size_t i = 0; i < LOAD_COUNT; i++) {
      pthread_t holder = begin_scene(keeper, &loads[i]);
      for (size_t j = 1; j < 7; j++) {
        free_blocks(j, 7);
        fe_trim();
      }
      if (keeper == AN_ENDED_THREAD) free_blocks(0, 7);
      end_scene(holder);
    }
  }
}

/* Nobody asks for it: those who free the last blocks of many shards see to it. */
static void many_empty_shards_come_back_by_the_frees_alone(void **state) {
  (void)state;
  static const load_t many[] = {{48, 20000}, {1000, 20000}, {MEDIUM_MAX - 100, 600}};
  enum { LEFT_UNITS = 16 + 2 };
  for (unsigned keeper = 0; keeper < KEEPER_COUNT; keeper++) {
    for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
      if (many[i].size * many[i].count / UNIT_BYTES < 4 * LEFT_UNITS) continue;
      pthread_t holder = begin_scene(keeper, &many[i]);
      size_t before = kept_units();
      free_blocks(0, 1);
      /* In builds with small shards the last look comes when an eighth is left. */
      if (keeper != AN_ENDED_THREAD) assert_kept_at_most(LEFT_UNITS + before / 8);
      end_scene(holder);
    }
  }
}

static void free_all(void *count) {
  for (size_t i = 0; i < *(size_t *)count; i++) fe_free(scene.blocks[i]);
}

/* A look goes through all shards, so few must do for many: one for each eighth of them. */
static void few_looks_do_for_many_empty_shards(void **state) {
  (void)state;
  size_t count = 3000; /* two in each unit */
  fe_heap_t *heap = new_heap(NULL);
  for (size_t i = 0; i < count; i++) {
    scene.blocks[i] = fe_heap_alloc(heap, MEDIUM_MAX - 100);
    assert_non_null(scene.blocks[i]);
  }
  size_t looks = peek(heap).drains;
  run_in_thread(free_all, &count);
  looks = peek(heap).drains - looks;
  memset(scene.blocks, 0, count * sizeof *scene.blocks);
  assert_in_range(looks, 1, count / 2 / 32);
  fe_heap_destroy(heap);
}

/* -- Shards on their way ------------------------------------------------------------------------
 */

static void free_range(void *argument) {
  const size_t *range = argument; /* first, step */
  free_blocks(range[0], range[1]);
}

/* A full shard of which others have told is in the inbox; the holder then frees in it itself, and
 * it waits in its queue. The rest is freed by others, while the holder sleeps. */
static void a_waiting_shard_that_is_in_the_inbox_comes_back(void **state) {
  (void)state;
  static const load_t load = {1000, 1280};
  scene.keeper = A_HOLDER;
  scene.load = &load;
  begin_heap();
  fill();
  for (size_t i = 0; i < load.count; i += 16) {
    run_in_thread(free_range, (size_t[]){i, load.count});
    fe_heap_free(scene.heap, scene.blocks[i + 1]);
    scene.blocks[i] = scene.blocks[i + 1] = NULL;
  }
  for (size_t i = 0; i < load.count; i++) {
    if (scene.blocks[i] != NULL) run_in_thread(free_range, (size_t[]){i, load.count});
  }
  fe_trim();
  /* Besides, what the holder freed in mixed shards waits in bins: in units of 64 KiB little of it.
   */
  assert_kept_at_most(1 + 1 + (UNIT_BYTES < 64 * KIB ? load.count / 16 : 1));
  fe_heap_destroy(scene.heap);
}

/* What a visit makes the heap pay for less is paid for again at the next slow call, without a limit
 * in the way: also if something else was freed in the meantime. */
static void a_visit_is_no_limit(void **state) {
  (void)state;
  fe_heap_t *heap = new_heap(NULL);
  void *blocks[10];
  fe_heap_free(heap, fe_heap_alloc(heap, 64));
  for (size_t i = 0; i < 10; i++) {
    blocks[i] = fe_heap_alloc(heap, MEDIUM_MAX / 4);
    assert_non_null(blocks[i]);
  }
  for (size_t i = 0; i < 9; i++) {
    fe_trim();
    fe_heap_free(heap, blocks[i]);
    fe_heap_free(heap, fe_heap_alloc(heap, 200 + i));
  }
  assert_int_equal(stats_of(heap).tight_phases, 0);
  fe_heap_destroy(heap);
}

/* -- A request that finds no memory --------------------------------------------------------------
 */

static void *use_up(void *argument) {
  fe_context_t *context = argument;
  scene.heap = new_heap(context);
  size_t count = 0;
  while (count < MOST) {
    scene.blocks[count] = fe_heap_alloc(scene.heap, scene.load->size);
    if (scene.blocks[count] == NULL) break;
    pattern_fill(scene.blocks[count], scene.load->size, count);
    count++;
  }
  require(count > 0 && count < MOST);
  pthread_barrier_wait(&scene.steps);
  pthread_barrier_wait(&scene.steps);
  fe_heap_destroy(scene.heap);
  return (void *)count;
}

/* Memory of a region that another heap used up, and whose holder waits, is to be had. */
static void a_request_that_finds_no_memory_gets_what_others_keep(void **state) {
  (void)state;
  const size_t region_bytes = 4 * SLAB_BYTES;
  for (size_t i = 0; i < LOAD_COUNT; i++) {
    if (loads[i].size < region_bytes / MOST * 2) continue;
    void *region = aligned_alloc(SLAB_BYTES, region_bytes);
    assert_non_null(region);
    fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, region, region_bytes);
    assert_non_null(arenas);
    fe_context_t *own = fe_context_create(arenas);
    fe_context_t *context = fe_context_create(arenas);
    fe_heap_t *heap = new_heap(own);
    scene.load = &loads[i];
    pthread_t holder;
    assert_int_equal(pthread_barrier_init(&scene.steps, NULL, 2), 0);
    assert_int_equal(pthread_create(&holder, NULL, use_up, context), 0);
    pthread_barrier_wait(&scene.steps);
    while (fe_heap_alloc(heap, 3 * UNIT_BYTES) != NULL) continue;
    for (size_t j = 0; j < MOST && scene.blocks[j] != NULL; j++) fe_free(scene.blocks[j]);
    void *block = fe_heap_alloc(heap, 3 * UNIT_BYTES);
    if (block == NULL) fail_msg("no memory behind blocks of %zu bytes", loads[i].size);
    pthread_barrier_wait(&scene.steps);
    assert_int_equal(pthread_join(holder, NULL), 0);
    fe_heap_destroy(heap);
    memset(scene.blocks, 0, sizeof scene.blocks);
    assert_true(fe_context_destroy(own) && fe_context_destroy(context));
    assert_true(fe_arenas_destroy(arenas));
    free(region);
  }
}

static void free_it(void *block) { fe_free(block); }

/* A heap keeps its last shard of blocks of many sizes when that becomes empty for the third time in
 * a second, for whoever frees and allocates in turns; a trim takes it all the same. */
static void the_last_mixed_shard_comes_back(void **state) {
  (void)state;
  /* Else no block shares a shard with those of other sizes, or all have room beside the heap. */
  if (IS_CHECKED || UNIT_BYTES < 64 * KIB) skip();
  fe_heap_t *heap = new_heap(NULL);
  for (int i = 0; i < 8; i++) {
    void *block = fe_heap_alloc(heap, MEDIUM_MAX / 10);
    assert_non_null(block);
    assert_int_equal(peek(heap).mixed_shard_count, 1);
    run_in_thread(free_it, block);
    fe_trim();
    assert_int_equal(peek(heap).mixed_shard_count, 0);
  }
  fe_heap_destroy(heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(all_that_others_freed_comes_back_by_fe_trim),
      test_that(all_that_others_freed_comes_back_by_a_forced_collect),
      test_that(what_is_live_stays),
      test_that(many_empty_shards_come_back_by_the_frees_alone),
      test_that(few_looks_do_for_many_empty_shards),
      test_that(a_waiting_shard_that_is_in_the_inbox_comes_back),
      test_that(a_visit_is_no_limit),
      test_that(a_request_that_finds_no_memory_gets_what_others_keep),
      test_that(the_last_mixed_shard_comes_back),
  };
  return cmocka_run_group_tests_name("reclaim", tests, NULL, NULL);
}
