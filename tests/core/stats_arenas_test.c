/* fe_arenas_stats: what the figures of the memory below heaps say. */
#include "tests/core/figures.h"

#include <unistd.h>

/* -- Memory of one's own, where every unit is known -- */

/* Aligned by hand: Valgrind loads a program without minding what it asks for. */
enum { REGION_BYTES = 2 * 1024 * 1024, REGION_ALIGNMENT = 64 * 1024 };
static char memory[REGION_BYTES + REGION_ALIGNMENT];
static char *region_in_memory(void) {
  return memory + (-(uintptr_t)memory & (REGION_ALIGNMENT - 1));
}

static void arenas_count_units(void **state) {
  (void)state;
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, region_in_memory(), REGION_BYTES);
  assert_non_null(arenas);
  fe_arenas_stats_t empty = arenas_stats_of(arenas);
  assert_int_equal(empty.reserved_bytes, REGION_BYTES);
  assert_int_equal(empty.committed_bytes, REGION_BYTES);
  assert_int_equal(empty.taken_bytes, 0);
  assert_int_equal(empty.purgeable_bytes, 0); /* what was handed in does not go back */
  assert_int_equal(empty.arena_count, 1);
  assert_int_equal(empty.free_slab_count, empty.slab_count);
  assert_true(empty.longest_free_run_bytes < REGION_BYTES);
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_t *heap = new_heap(context);
  require(fe_heap_alloc(heap, 200 * KIB) != NULL);
  fe_arenas_stats_t used = arenas_stats_of(arenas);
  assert_true(used.taken_bytes > 200 * KIB && used.taken_bytes < 500 * KIB);
  assert_true(used.units_taken > empty.units_taken);
  assert_int_equal(used.units_given_back, 0);
  assert_true(used.longest_free_run_bytes <= empty.longest_free_run_bytes - used.taken_bytes);
  assert_int_equal(sum_of(arenas).heap_count, 1);
  assert_int_equal(sum_of(arenas).used_bytes, fe_heap_used_bytes(heap));
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  fe_arenas_stats_t after = arenas_stats_of(arenas);
  assert_int_equal(after.taken_bytes, 0);
  assert_int_equal(after.units_taken, after.units_given_back);
  assert_true(fe_arenas_destroy(arenas));
}

/* A base that counts what it is asked for. */
static size_t allocated_bytes, released_bytes, decommitted_bytes, allocate_count;

static void *count_allocate(const fe_base_t *base, size_t size, size_t alignment) {
  (void)base;
  void *chunk = fe_base_mmap.allocate(&fe_base_mmap, size, alignment);
  if (chunk != NULL) allocated_bytes += size, allocate_count++;
  return chunk;
}

static void count_release(const fe_base_t *base, void *chunk, size_t size) {
  (void)base;
  released_bytes += size;
  fe_base_mmap.release(&fe_base_mmap, chunk, size);
}

static bool count_decommit(const fe_base_t *base, void *start, size_t size) {
  (void)base;
  decommitted_bytes += size;
  return fe_base_mmap.decommit(&fe_base_mmap, start, size);
}

static const fe_base_t counting_base = {.allocate = count_allocate,
                                        .release = count_release,
                                        .decommit = count_decommit,
                                        .is_zeroed = true,
                                        .page_size = 4096};

static void arenas_count_what_their_base_does(void **state) {
  (void)state;
  fe_arenas_t *arenas = fe_arenas_create(&counting_base, NULL, 0);
  assert_non_null(arenas);
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_t *heap = new_heap(context);
  void *block = fe_heap_alloc(heap, 3 * MIB);
  void *huge = fe_heap_alloc(heap, 200 * MIB); /* a chunk of its own */
  assert_non_null(block);
  assert_non_null(huge);
  fe_arenas_stats_t stats = arenas_stats_of(arenas);
  assert_int_equal(stats.chunks_mapped, allocate_count);
  assert_int_equal(stats.reserved_bytes, allocated_bytes);
  assert_true(stats.taken_bytes > 203 * MIB);
  assert_true(stats.committed_bytes >= stats.taken_bytes);
  fe_heap_free(heap, huge);
  fe_heap_free(heap, block);
  stats = arenas_stats_of(arenas);
  assert_int_equal(stats.reserved_bytes, allocated_bytes - released_bytes);
  assert_int_equal(stats.peak_reserved_bytes, allocated_bytes);
  size_t purgeable = stats.purgeable_bytes;
  size_t decommitted_before = decommitted_bytes;
  fe_heap_collect(heap, true);
  stats = arenas_stats_of(arenas);
  /* A hardened build empties large blocks by decommitting them, before their units are free. */
  if (!IS_CHECKED) assert_int_equal(stats.decommitted_bytes, decommitted_bytes);
  assert_int_equal(decommitted_bytes - decommitted_before, purgeable);
  assert_int_equal(stats.purgeable_bytes, 0);
  assert_true(stats.purges >= 1);
  assert_true(stats.committed_bytes < 3 * MIB);
  assert_true(stats.peak_committed_bytes > 203 * MIB);
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
}

/* Slow calls, over some time, that take and give no units: the large block's run waits for it. */
static void *work_lightly(fe_heap_t *heap, void *block) {
  enum { TURNS = 30, CALLS = 100 };
  for (size_t turn = 0; turn < TURNS; turn++) {
    usleep(3000);
    for (size_t i = 0; i < CALLS; i++) {
      fe_heap_free(heap, block);
      block = fe_heap_alloc(heap, 3 * UNIT_BYTES / 2);
      require(block != NULL);
    }
  }
  return block;
}

/* Whoever comes by looks for memory to give back as long as some waits, and no longer. */
static void purges_end_when_all_has_gone_back(void **state) {
  (void)state;
  if (IS_CHECKED) skip(); /* there each free gives units back */
  require(fe_option_set("purge_delay_ms", "1"));
  fe_arenas_t *arenas = fe_arenas_create(&counting_base, NULL, 0);
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_t *heap = new_heap(context);
  fe_heap_free(heap, fe_heap_alloc(heap, 3 * MIB));
  void *block = work_lightly(heap, NULL);
  fe_arenas_stats_t stats = arenas_stats_of(arenas);
  assert_true(stats.purges > 0);
  assert_int_equal(stats.purgeable_bytes, 0);
  work_lightly(heap, block);
  assert_int_equal(arenas_stats_of(arenas).purges, stats.purges);
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
  require(fe_option_set("purge_delay_ms", "50"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(arenas_count_units),
      test_that(arenas_count_what_their_base_does),
      test_that(purges_end_when_all_has_gone_back),
  };
  return cmocka_run_group_tests_name("stats_arenas", tests, NULL, NULL);
}
