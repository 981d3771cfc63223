/* Addresses that nobody uses go back to the system, and come again: by themselves after a while, at
 * once by fe_trim, and never those of others. */
#include "tests/core/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define PEAK (400 * MIB)
#define BLOCK (MIB / 2)

/* Slabs that are smaller stay. */
static bool has_small_slabs(void) { return SLAB_BYTES < MIB; }

static void set_delays(const char *purge_ms, const char *unmap_ms) {
  require(fe_option_set("purge_delay_ms", purge_ms));
  require(fe_option_set("unmap_delay_ms", unmap_ms));
}

static void set_usual_delays(void) { set_delays("50", "10000"); }

static size_t reserved_bytes(fe_arenas_t *arenas) {
  fe_arenas_stats_t stats = {.struct_size = sizeof stats};
  require(fe_arenas_stats(arenas, &stats));
  require(stats.taken_bytes <= stats.reserved_bytes);
  require(stats.free_slab_count <= stats.slab_count);
  require(stats.longest_free_run_bytes <= stats.reserved_bytes);
  return stats.reserved_bytes;
}

static size_t arena_count(fe_arenas_t *arenas) {
  fe_arenas_stats_t stats = {.struct_size = sizeof stats};
  require(fe_arenas_stats(arenas, &stats));
  return stats.arena_count;
}

/* Returns how many there are. */
static size_t fill(fe_heap_t *heap, char **blocks, size_t bytes) {
  size_t count = bytes / BLOCK;
  for (size_t i = 0; i < count; i++) {
    blocks[i] = fe_heap_alloc(heap, BLOCK);
    require(blocks[i] != NULL);
    pattern_fill(blocks[i], 100, i);
    blocks[i][BLOCK - 1] = (char)i;
  }
  return count;
}

static void empty(fe_heap_t *heap, char **blocks, size_t count) {
  for (size_t i = 0; i < count; i++) {
    require(pattern_holds(blocks[i], 100, i) && blocks[i][BLOCK - 1] == (char)i);
    fe_heap_free(heap, blocks[i]);
  }
}

static char *blocks[PEAK / BLOCK];

/* -- The process's own arenas -- */

static void addresses_go_back_at_a_trim_and_come_again(void **state) {
  (void)state;
  if (has_small_slabs()) skip();
  fe_heap_t *heap = fe_thread_heap();
  for (int round = 0; round < 3; round++) {
    size_t count = fill(heap, blocks, PEAK);
    size_t mapped = mapped_bytes();
    size_t reserved = reserved_bytes(NULL);
    assert_true(reserved >= PEAK);
    empty(heap, blocks, count);
    fe_trim();
    assert_true(reserved_bytes(NULL) <= reserved - PEAK * 9 / 10);
    if (!HAS_SANITIZER_MEMORY) assert_true(mapped_bytes() <= mapped - PEAK * 9 / 10);
  }
}

static void live_blocks_stay_where_they_are(void **state) {
  (void)state;
  if (has_small_slabs()) skip();
  fe_heap_t *heap = fe_thread_heap();
  size_t count = fill(heap, blocks, PEAK);
  char *kept[4] = {blocks[0], blocks[count / 3], blocks[count / 2], blocks[count - 1]};
  for (size_t i = 0; i < 4; i++) memset(kept[i], (int)i + 1, BLOCK);
  for (size_t i = 0; i < count; i++) {
    if (i != 0 && i != count / 3 && i != count / 2 && i != count - 1) fe_free(blocks[i]);
  }
  fe_trim();
  assert_true(reserved_bytes(NULL) < PEAK / 2);
  for (size_t i = 0; i < 4; i++) {
    assert_true(fe_owns(kept[i]) && fe_owns(kept[i] + BLOCK - 1));
    for (size_t j = 0; j < BLOCK; j += 100) assert_int_equal(kept[i][j], i + 1);
    fe_free(kept[i]);
  }
}

static void addresses_that_went_back_are_not_ferrocs(void **state) {
  (void)state;
  if (has_small_slabs()) skip();
  char *block = fe_malloc(100 * MIB);
  assert_true(fe_owns(block + 50 * MIB));
  fe_free(block);
  fe_trim();
  assert_false(fe_owns(block + 50 * MIB));
  char *again = fe_malloc(100 * MIB);
  assert_true(fe_owns(again + 50 * MIB));
  fe_free(again);
}

/* The kernel puts a chunk of its own where addresses went back, if there is room. */
static void a_block_that_lies_there_later_is_its_heaps(void **state) {
  (void)state;
  if (has_small_slabs()) skip();
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  empty(heap, blocks, fill(heap, blocks, PEAK));
  fe_heap_collect(heap, false);
  fe_trim();
  for (size_t size = 130 * MIB; size < 250 * MIB; size += 20 * MIB) {
    char *block = fe_heap_alloc(heap, size);
    assert_non_null(block);
    assert_true(fe_heap_contains(heap, block));
    assert_false(fe_heap_contains(fe_thread_heap(), block));
    fe_heap_free(heap, block);
  }
  fe_heap_destroy(heap);
}

static void ignore_text(void *user_data, const char *text, size_t length) {
  (void)user_data;
  (void)text;
  (void)length;
}

static void figures_do_not_look_at_what_is_not_there(void **state) {
  (void)state;
  fe_heap_t *heap = fe_thread_heap();
  empty(heap, blocks, fill(heap, blocks, PEAK));
  fe_trim();
  fe_heap_stats_t stats = {.struct_size = sizeof stats};
  assert_true(fe_stats(NULL, &stats));
  fe_heap_map_write(NULL, ignore_text, NULL);
}

static void light_work(int steps) {
  for (int i = 0; i < steps; i++) {
    fe_free(fe_malloc(50000));
    usleep(1000);
  }
}

static void addresses_go_back_by_themselves(void **state) {
  (void)state;
  if (has_small_slabs() || IS_CHECKED) skip();
  fe_heap_t *heap = fe_thread_heap();
  fe_trim();
  size_t before = reserved_bytes(NULL);
  empty(heap, blocks, fill(heap, blocks, PEAK));
  light_work(400);
  assert_true(reserved_bytes(NULL) >= PEAK);
  assert_true(fe_option_set("unmap_delay_ms", "100"));
  int rounds = 0;
  while (reserved_bytes(NULL) > before + 40 * MIB && rounds < 200) {
    light_work(50);
    rounds++;
  }
  set_usual_delays();
  assert_true(rounds < 200);
}

/* A program under a limit of address space can use for something else what ferroc had at a peak. */
static void use_for_something_else(void *argument) {
  (void)argument;
  fe_heap_t *heap = fe_thread_heap();
  fill(heap, blocks, BLOCK);
  struct rlimit limit = {mapped_bytes() + PEAK + 100 * MIB, RLIM_INFINITY};
  empty(heap, blocks, 1);
  require(setrlimit(RLIMIT_AS, &limit) == 0);
  empty(heap, blocks, fill(heap, blocks, PEAK - 64 * MIB));
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  require(mmap(NULL, PEAK - 64 * MIB, PROT_READ, flags, -1, 0) == MAP_FAILED);
  fe_trim();
  void *other = mmap(NULL, PEAK - 64 * MIB, PROT_READ, flags, -1, 0);
  require(other != MAP_FAILED);
  require(fe_malloc(PEAK - 64 * MIB) == NULL);
  munmap(other, PEAK - 64 * MIB);
  empty(heap, blocks, fill(heap, blocks, PEAK - 64 * MIB));
}

static void a_limit_of_addresses_has_room_after_a_peak(void **state) {
  (void)state;
  if (has_small_slabs() || HAS_SANITIZER_MEMORY) skip();
  assert_child_succeeds(use_for_something_else, NULL);
}

/* -- Bases of the program's -- */

enum { TAKEN_MOST = 80 };

typedef struct counting_base {
  fe_base_t base;
  _Atomic(size_t) unmap_count, map_count;
  atomic_bool refuses_to_unmap, refuses_to_map;
  /* Somebody else takes the first addresses that go back. */
  _Atomic(size_t) taken_max, taken_count;
  void *taken[TAKEN_MOST];
} counting_base_t;

static counting_base_t counting;

static bool count_unmap(const fe_base_t *base, void *start, size_t size) {
  (void)base;
  require(size == SLAB_BYTES && aligned_to(start, SLAB_BYTES));
  atomic_fetch_add(&counting.unmap_count, 1);
  if (atomic_load(&counting.refuses_to_unmap)) return false;
  if (counting.taken_count < counting.taken_max) counting.taken[counting.taken_count++] = start;
  return fe_base_mmap.unmap(base, start, size);
}

static bool count_map(const fe_base_t *base, void *start, size_t size) {
  require(size == SLAB_BYTES && aligned_to(start, SLAB_BYTES));
  atomic_fetch_add(&counting.map_count, 1);
  for (size_t i = 0; i < counting.taken_count; i++) {
    if (counting.taken[i] == start) return false;
  }
  return !atomic_load(&counting.refuses_to_map) && fe_base_mmap.map(base, start, size);
}

static bool commit_nothing(const fe_base_t *base, void *start, size_t size) {
  (void)base;
  (void)start;
  (void)size;
  return true;
}

static fe_arenas_t *arenas;
static fe_context_t *context;

static fe_heap_t *make_heap(void) {
  arenas = fe_arenas_create(&counting.base, NULL, 0);
  require(arenas != NULL);
  context = fe_context_create(arenas);
  fe_heap_options_t options = {.context = context};
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  return heap;
}

static void end_heap(fe_heap_t *heap) {
  fe_heap_destroy(heap);
  require(fe_context_destroy(context));
  require(fe_arenas_destroy(arenas));
}

static void init_counting(void) {
  memset(&counting, 0, sizeof counting);
  counting.base = fe_base_mmap;
  counting.base.unmap = count_unmap;
  counting.base.map = count_map;
}

/* Everything goes back at once, at each block that is freed. */
static void fill_and_empty(fe_heap_t *heap, size_t bytes) {
  empty(heap, blocks, fill(heap, blocks, bytes));
  fe_heap_collect(heap, true);
  for (int i = 0; i < 3; i++) fe_heap_free(heap, fe_heap_alloc(heap, BLOCK));
}

enum { WITHOUT_UNMAP = 1, WITHOUT_MAP = 2, WITHOUT_DECOMMIT = 4, WITHOUT_RELEASE = 8 };
enum { WITH_COMMIT = 16, ALL_TABLES = 32 };

static void leave_out(int functions) {
  if (functions & WITHOUT_UNMAP) counting.base.unmap = NULL;
  if (functions & WITHOUT_MAP) counting.base.map = NULL;
  if (functions & WITHOUT_DECOMMIT) counting.base.decommit = NULL;
  if (functions & WITHOUT_RELEASE) counting.base.release = NULL;
  if (functions & WITH_COMMIT) counting.base.commit = commit_nothing;
}

static void a_base_may_lack_any_of_the_functions(void **state) {
  (void)state;
  set_delays("0", "0");
  for (int functions = 0; functions < ALL_TABLES; functions++) {
    init_counting();
    leave_out(functions);
    fe_heap_t *heap = make_heap();
    for (int round = 0; round < 3; round++) fill_and_empty(heap, 24 * MIB);
    bool keeps = (functions & (WITHOUT_UNMAP | WITHOUT_MAP)) != 0 || has_small_slabs();
    assert_int_equal(counting.unmap_count == 0, keeps);
    if (!keeps) assert_true(counting.map_count > 0);
    end_heap(heap);
  }
  set_usual_delays();
}

static void a_base_may_refuse_to_unmap(void **state) {
  (void)state;
  if (has_small_slabs()) skip();
  set_delays("0", "0");
  init_counting();
  counting.refuses_to_unmap = true;
  fe_heap_t *heap = make_heap();
  for (int round = 0; round < 3; round++) fill_and_empty(heap, 100 * MIB);
  assert_true(counting.unmap_count > 0);
  assert_int_equal(counting.map_count, 0);
  size_t count = fill(heap, blocks, 100 * MIB);
  for (size_t i = 0; i < count; i++) assert_true(fe_owns(blocks[i]));
  empty(heap, blocks, count);
  counting.refuses_to_unmap = false;
  end_heap(heap);
  set_usual_delays();
}

static void other_addresses_serve_when_these_are_not_to_be_had(void **state) {
  (void)state;
  if (has_small_slabs()) skip();
  set_delays("0", "0");
  init_counting();
  counting.refuses_to_map = true;
  fe_heap_t *heap = make_heap();
  for (int round = 0; round < 3; round++) fill_and_empty(heap, 100 * MIB);
  assert_true(counting.map_count > 0);
  end_heap(heap);
  set_usual_delays();
}

/* Those that others have do not keep ferroc from finding the rest, peak after peak. */
static void addresses_that_others_took_cost_no_chunk_at_each_peak(void **state) {
  (void)state;
  if (has_small_slabs()) skip();
  set_delays("0", "0");
  init_counting();
  counting.taken_max = TAKEN_MOST;
  fe_heap_t *heap = make_heap();
  size_t chunk_count = 0;
  for (int round = 0; round < 16; round++) {
    fill_and_empty(heap, PEAK);
    if (round == 5) chunk_count = arena_count(arenas);
  }
  assert_int_equal(counting.taken_count, TAKEN_MOST);
  /* After a while they are tried once more. */
  assert_true(arena_count(arenas) <= chunk_count + 2);
  end_heap(heap);
  set_usual_delays();
}

/* What another part of the program has mapped there by then stays, also when the arenas end. */
static void what_others_have_there_by_then_stays(void **state) {
  (void)state;
  if (has_small_slabs() || !fe_base_mmap.map) skip();
  set_delays("0", "0");
  init_counting();
  fe_heap_t *heap = make_heap();
  char *block = fe_heap_alloc(heap, 20 * SLAB_BYTES);
  assert_non_null(block);
  char *hole = block + 10 * SLAB_BYTES - ((uintptr_t)block & (SLAB_BYTES - 1));
  fe_heap_free(heap, block);
  fe_heap_collect(heap, true);
  for (int i = 0; i < 3; i++) fe_heap_free(heap, fe_heap_alloc(heap, BLOCK));
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  char *other = mmap(hole, SLAB_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
  assert_ptr_equal(other, hole);
  memset(other, 0x3c, SLAB_BYTES);
  assert_false(fe_owns(other));
  fill_and_empty(heap, 200 * MIB);
  block = fe_heap_alloc(heap, 20 * SLAB_BYTES);
  assert_non_null(block);
  memset(block, 1, 20 * SLAB_BYTES);
  fe_heap_free(heap, block);
  assert_false(fe_owns(other));
  end_heap(heap);
  for (size_t i = 0; i < SLAB_BYTES; i++) assert_int_equal(other[i], 0x3c);
  munmap(other, SLAB_BYTES);
  set_usual_delays();
}

/* -- Threads -- */

enum { THREADS = 3, ROUNDS = 60 };

static void *come_and_go(void *argument) {
  random_source_t source = {(uint64_t)(uintptr_t)argument};
  fe_heap_options_t options = {.context = fe_context_create(arenas)};
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  for (int round = 0; round < ROUNDS; round++) {
    char *some[20];
    size_t some_sizes[20];
    for (size_t i = 0; i < 20; i++) {
      some_sizes[i] = 1 + random_size(&source, i % 5 == 0 ? 3 * SLAB_BYTES : BLOCK);
      some[i] = fe_heap_alloc(heap, some_sizes[i]);
      require(some[i] != NULL && fe_owns(some[i]));
      some[i][0] = some[i][some_sizes[i] - 1] = (char)i;
    }
    for (size_t i = 0; i < 20; i++) {
      require(some[i][0] == (char)i && some[i][some_sizes[i] - 1] == (char)i);
      fe_heap_free(heap, some[i]);
    }
    fe_heap_collect(heap, true);
  }
  fe_heap_destroy(heap);
  require(fe_context_destroy(options.context));
  return NULL;
}

static void threads_may_unmap_and_map_at_the_same_time(void **state) {
  (void)state;
  set_delays("0", "0");
  init_counting();
  fe_heap_t *heap = make_heap();
  pthread_t threads[THREADS];
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, (void *)(i + 1)), 0);
  }
  for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_int_equal(counting.map_count > 0, !has_small_slabs());
  end_heap(heap);
  set_usual_delays();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(addresses_go_back_at_a_trim_and_come_again),
      test_that(live_blocks_stay_where_they_are),
      test_that(addresses_that_went_back_are_not_ferrocs),
      test_that(a_block_that_lies_there_later_is_its_heaps),
      test_that(figures_do_not_look_at_what_is_not_there),
      test_that(addresses_go_back_by_themselves),
      test_that(a_limit_of_addresses_has_room_after_a_peak),
      test_that(a_base_may_lack_any_of_the_functions),
      test_that(a_base_may_refuse_to_unmap),
      test_that(other_addresses_serve_when_these_are_not_to_be_had),
      test_that(addresses_that_others_took_cost_no_chunk_at_each_peak),
      test_that(what_others_have_there_by_then_stays),
      test_that(threads_may_unmap_and_map_at_the_same_time),
  };
  return cmocka_run_group_tests_name("absent", tests, NULL, NULL);
}
