/* Memory that is free goes back to the system: by itself while the program works on, at once by
 * fe_trim, in whole pages of the base. */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/core/support.h"

#define PEAK (1024 * MIB)
#define LITTLE (40 * MIB)

enum { BLOCKS_MAX = 4000000 };
static void *blocks[BLOCKS_MAX];
static size_t block_count;

/* Sizes as programs ask for them, up to 16 KiB, and now and then a large or a huge block. */
static size_t some_size(random_source_t *source) {
  size_t dice = random_below(source, 10000);
  if (dice < 8500) return 16 + random_below(source, 113);
  if (dice < 9850) return 128 + random_below(source, 900);
  if (dice < 9990) return 1024 + random_below(source, 15 * KIB);
  if (dice < 9999) return 30 * KIB + random_below(source, MIB);
  return 5 * MIB + random_below(source, 20 * MIB);
}

static void make_peak(void *seed) {
  random_source_t source = {*(const uint64_t *)seed};
  size_t bytes = 0;
  while (bytes < PEAK) {
    size_t size = some_size(&source);
    require(block_count < BLOCKS_MAX);
    blocks[block_count] = fe_malloc(size);
    require(blocks[block_count] != NULL);
    memset(blocks[block_count++], 1, size);
    bytes += size;
  }
}

static void free_peak(void *seed) {
  random_source_t source = {*(const uint64_t *)seed};
  shuffle(blocks, block_count, &source);
  for (size_t i = 0; i < block_count; i++) {
    fe_free(blocks[i]);
  }
  block_count = 0;
}

/* A millisecond's worth of what programs do: a few hundred blocks come and go. */
static void work_lightly(random_source_t *source) {
  static void *window[200];
  for (size_t i = 0; i < 300; i++) {
    void **slot = &window[random_below(source, 200)];
    fe_free(*slot);
    *slot = fe_malloc(16 + random_below(source, 2000));
    require(*slot != NULL);
    *(char *)*slot = 1;
  }
  for (size_t i = 0; i < 200; i++) {
    fe_free(window[i]);
    window[i] = NULL;
  }
  usleep(1000);
}

/* The wait is bounded so that the test ends; a second is more than it takes. */
static void assert_light_work_brings_memory_down(void) {
  random_source_t source = {77};
  enum { STEPS_MAX = 10000 };
  int steps = 0;
  while (resident_bytes() >= LITTLE && steps < STEPS_MAX) {
    work_lightly(&source);
    steps++;
  }
  print_message("          light work of %d ms\n", steps);
  if (steps == STEPS_MAX) fail_msg("resident memory is still %zu bytes", resident_bytes());
}

/* Builds that check give back much of it earlier. */
static bool cannot_see_memory(void) { return HAS_SANITIZER_MEMORY || IS_CHECKED; }

static void light_work_brings_memory_down_after_a_peak(void **state) {
  (void)state;
  if (cannot_see_memory()) skip();
  /* Whoever has worked before the peak finds all that he needs on the short ways after it. */
  random_source_t source = {76};
  for (int i = 0; i < 50; i++) {
    work_lightly(&source);
  }
  uint64_t seed = 1;
  make_peak(&seed);
  assert_true(resident_bytes() >= PEAK);
  free_peak(&seed);
  assert_light_work_brings_memory_down();
}

/* The heap of the thread is nobody's when the blocks are freed. */
static void also_what_an_ended_thread_had(void **state) {
  (void)state;
  if (cannot_see_memory()) skip();
  uint64_t seed = 2;
  run_in_thread(make_peak, &seed);
  assert_true(resident_bytes() >= PEAK);
  free_peak(&seed);
  assert_light_work_brings_memory_down();
}

static void also_what_an_ended_thread_freed(void **state) {
  (void)state;
  if (cannot_see_memory()) skip();
  uint64_t seed = 3;
  make_peak(&seed);
  run_in_thread(free_peak, &seed);
  assert_light_work_brings_memory_down();
}

/* Of each ten units seven are free after a peak, evenly: no huge page is idle as a whole, and no
 * slab for the most part. */
static void little_is_kept_for_the_sake_of_huge_pages(void **state) {
  (void)state;
  if (cannot_see_memory()) skip();
  enum { COUNT = 256 * 1024, SIZE = 1024 };
  size_t before = resident_bytes();
  size_t live = 0;
  for (size_t i = 0; i < COUNT; i++) {
    blocks[i] = fe_malloc(SIZE);
    require(blocks[i] != NULL);
    memset(blocks[i], 1, SIZE);
  }
  for (size_t i = 0; i < COUNT; i++) {
    if ((uintptr_t)blocks[i] / UNIT_BYTES % 10 < 3) {
      blocks[live / SIZE] = blocks[i];
      live += SIZE;
    } else {
      fe_free(blocks[i]);
    }
  }
  random_source_t source = {78};
  size_t bound = before + live + live / 4 + 8 * MIB;
  for (int steps = 0; steps < 10000 && resident_bytes() > bound; steps++) work_lightly(&source);
  if (resident_bytes() > bound) fail_msg("resident memory is still %zu bytes", resident_bytes());
  for (size_t i = 0; i < live / SIZE; i++) fe_free(blocks[i]);
}

static void assert_trim_brings_memory_down(void) {
  size_t before = resident_bytes();
  size_t returned = fe_trim();
  size_t after = resident_bytes();
  if (after >= LITTLE) fail_msg("resident memory is %zu bytes after the trim", after);
  if (returned + LITTLE < before - after) {
    fail_msg("%zu bytes went back, fe_trim says %zu", before - after, returned);
  }
}

static void a_trim_brings_memory_down_at_once(void **state) {
  (void)state;
  if (cannot_see_memory()) skip();
  uint64_t seed = 4;
  make_peak(&seed);
  free_peak(&seed);
  assert_trim_brings_memory_down();
}

static void also_what_another_thread_had_and_freed(void **state) {
  (void)state;
  if (cannot_see_memory()) skip();
  uint64_t seed = 5;
  run_in_thread(make_peak, &seed);
  run_in_thread(free_peak, &seed);
  assert_trim_brings_memory_down();
}

static void trim(void *returned) { *(size_t *)returned = fe_trim(); }

static void a_thread_without_a_heap_may_trim(void **state) {
  (void)state;
  assert_true(fe_option_set("purge_delay_ms", "60000"));
  fe_trim();
  fe_free(memset(fe_malloc(10 * MIB), 1, 10 * MIB));
  size_t returned = 0;
  run_in_thread(trim, &returned);
  assert_true(returned >= 10 * MIB);
  assert_true(fe_option_set("purge_delay_ms", "50"));
}

static void a_second_trim_has_nothing_to_return(void **state) {
  (void)state;
  assert_true(fe_option_set("purge_delay_ms", "60000"));
  fe_free(memset(fe_malloc(10 * MIB), 1, 10 * MIB));
  assert_true(fe_trim() >= 10 * MIB);
  assert_int_equal(fe_trim(), 0);
  assert_true(fe_option_set("purge_delay_ms", "50"));
}

static void live_blocks_stay_when_others_are_trimmed(void **state) {
  (void)state;
  static void *live[3000];
  static size_t sizes[3000];
  random_source_t source = {6};
  for (size_t i = 0; i < 3000; i++) {
    sizes[i] = random_size(&source, i % 100 == 0 ? 3 * MIB : 20000);
    live[i] = fe_malloc(sizes[i]);
    assert_non_null(live[i]);
    pattern_fill(live[i], sizes[i], i);
  }
  for (size_t i = 0; i < 3000; i += 2) {
    fe_free(live[i]);
  }
  fe_trim();
  for (size_t i = 1; i < 3000; i += 2) {
    assert_true(pattern_holds(live[i], sizes[i], i));
    fe_free(live[i]);
  }
}

/* -- What a base is asked for -- */

#define PAGE (4 * UNIT_BYTES)
static size_t decommitted_bytes;

static bool decommit_whole_pages(const fe_base_t *base, void *start, size_t size) {
  require((uintptr_t)start % PAGE == 0 && size % PAGE == 0);
  decommitted_bytes += size;
  return fe_base_mmap.decommit(base, start, size);
}

static void memory_goes_back_in_whole_pages_of_the_base(void **state) {
  (void)state;
  fe_base_t base = fe_base_mmap;
  base.page_size = PAGE;
  base.decommit = decommit_whole_pages;
  fe_arenas_t *arenas = fe_arenas_create(&base, NULL, 0);
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_options_t options = {.context = context};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  random_source_t source = {7};
  for (int round = 0; round < 20; round++) {
    for (block_count = 0; block_count < 400; block_count++) {
      size_t size = random_size(&source, MIB);
      blocks[block_count] = fe_heap_alloc(heap, size);
      assert_non_null(blocks[block_count]);
      memset(blocks[block_count], 1, size);
    }
    shuffle(blocks, block_count, &source);
    for (size_t i = 0; i < block_count; i++) {
      fe_heap_free(heap, blocks[i]);
      if (i % 100 == 50) fe_heap_collect(heap, true);
    }
  }
  block_count = 0;
  assert_true(decommitted_bytes > 0);
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
}

/* -- Names -- */

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

static bool kernel_names_mappings(void) {
  void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  bool does = prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, page, 4096, "test") == 0;
  munmap(page, 4096);
  return does;
}

static bool has_name(const void *block) {
  FILE *maps = fopen("/proc/self/maps", "r");
  require(maps != NULL);
  char line[512];
  bool is_named = false;
  while (fgets(line, sizeof line, maps) != NULL) {
    unsigned long start, end;
    if (sscanf(line, "%lx-%lx", &start, &end) != 2) continue;
    if ((uintptr_t)block < start || (uintptr_t)block >= end) continue;
    is_named = strstr(line, "[anon:ferroc]") != NULL;
  }
  fclose(maps);
  return is_named;
}

static void mappings_have_a_name_on_request(void **state) {
  (void)state;
  if (!kernel_names_mappings()) {
    print_message("          this kernel gives mappings no names (CONFIG_ANON_VMA_NAME)\n");
    skip();
  }
  for (int verbose = 0; verbose < 2; verbose++) {
    assert_int_equal(fe_option_set("verbose", verbose ? "1" : "0"), 0);
    fe_arenas_t *arenas = fe_arenas_create(&fe_base_mmap, NULL, 0);
    assert_non_null(arenas);
    static const size_t sizes[] = {100, 100000, 10 * MIB, 300 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      void *block = fe_heap_alloc(fe_arenas_thread_heap(arenas), sizes[i]);
      assert_non_null(block);
      assert_true(has_name(block) == verbose);
      fe_free(block);
    }
    assert_true(fe_arenas_destroy(arenas));
  }
  assert_int_equal(fe_option_set("verbose", "0"), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(light_work_brings_memory_down_after_a_peak),
      test_that(also_what_an_ended_thread_had),
      test_that(also_what_an_ended_thread_freed),
      test_that(little_is_kept_for_the_sake_of_huge_pages),
      test_that(a_trim_brings_memory_down_at_once),
      test_that(also_what_another_thread_had_and_freed),
      test_that(a_thread_without_a_heap_may_trim),
      test_that(a_second_trim_has_nothing_to_return),
      test_that(live_blocks_stay_when_others_are_trimmed),
      test_that(memory_goes_back_in_whole_pages_of_the_base),
      test_that(mappings_have_a_name_on_request),
  };
  return cmocka_run_group_tests_name("give_back", tests, NULL, NULL);
}
