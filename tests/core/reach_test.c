/* How far those reach who give memory back: fe_trim, a thread at work on its slow ways, and the
 * thread of background_purge while the program sleeps. To what others freed in heaps that sleep,
 * whatever it lay in, to arenas of the program's own, and to addresses.
 */
#include "tests/core/patience.h"
#include "tests/core/scenes.h"

#define PEAK (64 * MIB)

static void set_option(const char *name, const char *value) { require(fe_option_set(name, value)); }

/* -- What others freed in heaps that sleep -- */

/* Nurseries, shards of mixed sizes, and large blocks. A single block is freed without a look at
 * anything else. */
static const load_t untold[] = {{3 * UNIT_BYTES, 1}, {0, 60}, {0, 3000}, {3 * UNIT_BYTES, 8}};
static const keeper_t sleepers[] = {A_HOLDER, NOBODY};

static size_t kept_for_good(void) {
  return scene.keeper == NOBODY ? 1 : 1 + class_count(scene.load);
}

static void work(void) {
  for (size_t i = 0; i < 20; i++) fe_free(fe_malloc(3 * UNIT_BYTES));
  usleep(1000);
}

static void sleep_on(void) { usleep(1000); }

/* So long that the thread of background_purge, which has nothing to do, sleeps by then, and must be
 * woken. */
static void let_all_sleep(void) { usleep(600000); }

static void comes_back_while(void (*time_passes)(void)) {
  for (size_t i = 0; i < sizeof sleepers / sizeof sleepers[0]; i++) {
    for (size_t j = 0; j < sizeof untold / sizeof untold[0]; j++) {
      pthread_t holder = begin_scene(sleepers[i], &untold[j]);
      if (j == 0 && time_passes == sleep_on) let_all_sleep();
      free_blocks(0, 1);
      while (kept_units() > kept_for_good()) time_passes();
      end_scene(holder);
    }
  }
}

static void it_comes_back_while_another_thread_works(void **state) {
  (void)state;
  comes_back_while(work);
}

/* Addresses that wait to go back for long, too, do not keep it. */
static void it_comes_back_while_all_sleep(void **state) {
  (void)state;
  set_option("unmap_delay_ms", "600000");
  fe_free(fe_malloc(2 * SLAB_BYTES));
  set_option("background_purge", "1");
  comes_back_while(sleep_on);
  set_option("background_purge", "0");
  set_option("unmap_delay_ms", "10000");
}

/* -- Arenas of the program's own -- */

enum { BLOCKS = PEAK / 1000 };
static void *blocks[BLOCKS];

static void make_peak(fe_heap_t *heap) {
  for (size_t i = 0; i < BLOCKS; i++) {
    blocks[i] = fe_heap_alloc(heap, 1000);
    require(blocks[i] != NULL);
    memset(blocks[i], 1, 1000);
  }
}

static void free_peak(fe_heap_t *heap) {
  for (size_t i = 0; i < BLOCKS; i++) fe_heap_free(heap, blocks[i]);
}

typedef struct own {
  fe_arenas_t *arenas;
  fe_context_t *context; /* NULL: the heap is the thread's */
  fe_heap_t *heap;
} own_t;

static own_t begin_own(bool is_thread_heap) {
  own_t own = {.arenas = fe_arenas_create(&fe_base_mmap, NULL, 0)};
  assert_non_null(own.arenas);
  own.context = is_thread_heap ? NULL : fe_context_create(own.arenas);
  own.heap = is_thread_heap ? fe_arenas_thread_heap(own.arenas) : new_heap(own.context);
  assert_non_null(own.heap);
  return own;
}

static void end_own(own_t *own) {
  if (own->context != NULL) fe_heap_destroy(own->heap);
  assert_true(fe_context_destroy(own->context) && fe_arenas_destroy(own->arenas));
}

static size_t committed_bytes(const own_t *own) {
  return arenas_stats_of(own->arenas).committed_bytes;
}

static void a_trim_sees_arenas_of_the_program(void **state) {
  (void)state;
  set_option("purge_delay_ms", "60000");
  for (int is_thread_heap = 0; is_thread_heap < 2; is_thread_heap++) {
    own_t own = begin_own(is_thread_heap);
    make_peak(own.heap);
    free_peak(own.heap);
    size_t before = committed_bytes(&own);
    assert_true(before >= PEAK);
    size_t given = fe_trim();
    assert_true(committed_bytes(&own) < PEAK / 8);
    assert_true(given >= before - committed_bytes(&own));
    end_own(&own);
  }
  set_option("purge_delay_ms", "50");
}

static void the_thread_of_background_purge_sees_them(void **state) {
  (void)state;
  fe_trim();
  set_option("background_purge", "1");
  for (int is_thread_heap = 0; is_thread_heap < 2; is_thread_heap++) {
    own_t own = begin_own(is_thread_heap);
    make_peak(own.heap);
    let_all_sleep();
    free_peak(own.heap);
    while (committed_bytes(&own) >= PEAK / 8) sleep_on();
    end_own(&own);
  }
  set_option("background_purge", "0");
}

/* -- Addresses -- */

static void addresses_go_back_while_all_sleep(void **state) {
  (void)state;
  if (SLAB_BYTES < MIB) skip(); /* slabs that are smaller stay */
  set_option("unmap_delay_ms", "300");
  set_option("background_purge", "1");
  for (int round = 0; round < 2; round++) {
    make_peak(fe_thread_heap());
    free_peak(fe_thread_heap());
    while (arenas_stats_of(NULL).reserved_bytes >= PEAK / 2) sleep_on();
  }
  set_option("background_purge", "0");
  set_option("unmap_delay_ms", "10000");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that_ends(it_comes_back_while_another_thread_works),
      test_that_ends(it_comes_back_while_all_sleep),
      test_that_ends(a_trim_sees_arenas_of_the_program),
      test_that_ends(the_thread_of_background_purge_sees_them),
      test_that_ends(addresses_go_back_while_all_sleep),
  };
  return cmocka_run_group_tests_name("reach", tests, NULL, NULL);
}
