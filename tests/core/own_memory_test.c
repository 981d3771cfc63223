/* Heaps on memory of the program's own: how they are made, what they share, what happens when the
 * memory is full, and that nothing but that memory is ever touched.
 */
#include "tests/core/support.h"

#include <sys/resource.h>

/* 1 MiB with the default shape. It need not be aligned: what does not make whole shards is left. */
#define REGION_BYTES (16 * UNIT_BYTES)
static char region[REGION_BYTES];

static bool is_inside(const void *block, size_t size) {
  const char *start = block;
  return start >= region && start + size <= region + REGION_BYTES;
}

/* -- The whole way, from a static array to a block and back ------------------------------------ */

static void a_heap_lives_in_a_static_array(void **state) {
  (void)state;
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, region, sizeof(region));
  assert_non_null(arenas);
  fe_context_t *context = fe_context_create(arenas);
  assert_non_null(context);
  fe_heap_options_t options = {.context = context, .name = "sensors"};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);

  char *text = fe_heap_alloc(heap, 100);
  assert_non_null(text);
  assert_true(is_inside(text, 100));
  strcpy(text, "in the array");
  text = fe_heap_realloc(heap, text, 1000);
  assert_non_null(text);
  assert_true(is_inside(text, 1000));
  assert_string_equal(text, "in the array");
  fe_heap_free(heap, text);

  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
  assert_false(fe_owns(region + REGION_BYTES / 2));
}

/* What the tests below stand on. */
typedef struct ground {
  fe_arenas_t *arenas;
  fe_context_t *context;
  fe_heap_t *heap;
} ground_t;

static fe_heap_t *heap_on(fe_context_t *context) {
  fe_heap_options_t options = {.context = context};
  return fe_heap_create(&options);
}

static void make_ground(ground_t *ground, void *memory, size_t size) {
  ground->arenas = fe_arenas_create(&fe_base_static, memory, size);
  require(ground->arenas != NULL);
  ground->context = fe_context_create(ground->arenas);
  require(ground->context != NULL);
  ground->heap = heap_on(ground->context);
  require(ground->heap != NULL);
}

static void end_ground(ground_t *ground) {
  fe_heap_destroy(ground->heap);
  require(fe_context_destroy(ground->context));
  require(fe_arenas_destroy(ground->arenas));
}

/* -- Filling it up -----------------------------------------------------------------------------
 */

enum { MOST_BLOCKS = 100000 };
static char *blocks[MOST_BLOCKS];

/* Takes blocks of one size until there are no more; how many. */
static size_t fill_up(fe_heap_t *heap, size_t size) {
  size_t count = 0;
  for (;; count++) {
    require(count < MOST_BLOCKS);
    errno = 0;
    blocks[count] = fe_heap_alloc(heap, size);
    if (blocks[count] == NULL) {
      require(errno == ENOMEM);
      return count;
    }
    require(is_inside(blocks[count], size));
    pattern_fill(blocks[count], size, count);
  }
}

static void check_and_free_all(fe_heap_t *heap, size_t size, size_t count) {
  for (size_t i = 0; i < count; i++) {
    require(pattern_holds(blocks[i], size, i));
    fe_heap_free(heap, blocks[i]);
  }
}

/* From a block for each granule to one that takes most of the region. */
static const size_t sizes[] = {16,
                               100,
                               1000,
                               MEDIUM_MAX / 3,
                               MEDIUM_MAX,
                               MEDIUM_MAX + 1,
                               2 * UNIT_BYTES,
                               5 * UNIT_BYTES,
                               11 * UNIT_BYTES};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

static void a_full_region_gives_null_and_goes_on_after_a_free(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    size_t size = sizes[i];
    ground_t ground;
    make_ground(&ground, region, sizeof(region));
    size_t count = fill_up(ground.heap, size);
    assert_true(count > 0);
    size_t last = count - 1;
    assert_true(pattern_holds(blocks[last], size, last));
    fe_heap_free(ground.heap, blocks[last]);
    blocks[last] = fe_heap_alloc(ground.heap, size);
    assert_non_null(blocks[last]);
    pattern_fill(blocks[last], size, last);
    assert_null(fe_heap_alloc(ground.heap, size));
    check_and_free_all(ground.heap, size, count);
    /* Shards differ a little in where their first block lies. */
    size_t again = fill_up(ground.heap, size);
    if (again + count / 50 < count) {
      fail_msg("%zu blocks of %zu bytes at first, then %zu", count, size, again);
    }
    check_and_free_all(ground.heap, size, again);
    end_ground(&ground);
  }
}

/* Whichever block it is that was freed. */
static void every_freed_block_can_be_taken_again(void **state) {
  (void)state;
  for (size_t size = 16; size <= MEDIUM_MAX; size += 1 + size / 9) {
    ground_t ground;
    make_ground(&ground, region, sizeof(region));
    size_t count = fill_up(ground.heap, size);
    for (size_t i = 0; i < count; i++) {
      fe_heap_free(ground.heap, blocks[i]);
      blocks[i] = fe_heap_alloc(ground.heap, size);
      if (blocks[i] == NULL) {
        fail_msg("block %zu of %zu, of %zu bytes, cannot be taken again", i, count, size);
      }
    }
    end_ground(&ground);
  }
}

/* What is free again is free for every size, whatever the heap kept for the size before. */
static void freed_memory_serves_any_other_size(void **state) {
  (void)state;
  ground_t ground;
  make_ground(&ground, region, sizeof(region));
  size_t largest = 10 * UNIT_BYTES;
  for (size_t size = 16; size <= MEDIUM_MAX; size += size / 4) {
    size_t count = fill_up(ground.heap, size);
    assert_true(count > 0);
    check_and_free_all(ground.heap, size, count);
    void *block = fe_heap_alloc(ground.heap, largest);
    if (block == NULL) {
      fail_msg("after blocks of %zu bytes there is no room for one of %zu", size, largest);
    }
    fe_heap_free(ground.heap, block);
    block = fe_heap_aligned_alloc(ground.heap, UNIT_BYTES, largest);
    assert_non_null(block);
    assert_true(aligned_to(block, UNIT_BYTES));
    fe_heap_free(ground.heap, block);
  }
  end_ground(&ground);
}

/* Nearly all of the region as one block: less than a whole slab, but more than half of one. */
static void one_block_may_take_most_of_the_region(void **state) {
  (void)state;
  ground_t ground;
  make_ground(&ground, region, sizeof(region));
  size_t size = 11 * UNIT_BYTES;
  for (int round = 0; round < 10; round++) {
    char *block = fe_heap_calloc(ground.heap, 1, size);
    assert_non_null(block);
    assert_true(is_inside(block, size));
    assert_true(all_zero(block, size));
    pattern_fill(block, size, 1);
    assert_null(fe_heap_alloc(ground.heap, size));
    assert_true(pattern_holds(block, size, 1));
    fe_heap_free(ground.heap, block);
  }
  end_ground(&ground);
}

/* The array held something before, and so does memory that was freed. */
static void calloc_clears_what_lay_there(void **state) {
  (void)state;
  memset(region, 0xa5, sizeof(region));
  ground_t ground;
  make_ground(&ground, region, sizeof(region));
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < SIZE_COUNT; i++) {
      char *block = fe_heap_calloc(ground.heap, 1, sizes[i]);
      assert_non_null(block);
      assert_true(all_zero(block, sizes[i]));
      memset(block, 0xa5, sizes[i]);
      fe_heap_free(ground.heap, block);
    }
  }
  end_ground(&ground);
}

/* -- Large blocks in a region of several slabs --------------------------------------------------
 */

/* As many as units side by side have room for, wherever slabs begin in the region: of each block
 * not more is lost than a unit. */
static void large_blocks_fill_a_region(void **state) {
  (void)state;
  if (IS_CHECKED) skip();
  enum { SLABS = 12 };
  static char slabs[SLABS * ((size_t)1 << FE_SLAB_SHIFT)];
  static const size_t offsets[] = {0, UNIT_BYTES, 5 * UNIT_BYTES / 2};
  for (size_t i = 0; i < 3; i++) {
    for (size_t size = SLAB_BYTES / 8; size <= 3 * SLAB_BYTES; size += SLAB_BYTES / 8) {
      ground_t ground;
      make_ground(&ground, slabs + offsets[i], sizeof slabs - offsets[i]);
      fe_arenas_stats_t stats = {.struct_size = sizeof stats};
      require(fe_arenas_stats(ground.arenas, &stats));
      size_t free_units = stats.longest_free_run_bytes / UNIT_BYTES;
      size_t wanted = free_units / (size / UNIT_BYTES + 1);
      for (int round = 0; round < 2; round++) {
        size_t count = 0;
        while ((blocks[count] = fe_heap_alloc(ground.heap, size)) != NULL) {
          pattern_fill(blocks[count], 1000, count);
          blocks[count][size - 1] = (char)count;
          count++;
        }
        if (count < wanted) fail_msg("%zu of %zu blocks of %zu bytes", count, wanted, size);
        for (size_t j = 0; j < count; j++) {
          assert_true(pattern_holds(blocks[j], 1000, j) && blocks[j][size - 1] == (char)j);
          fe_heap_free(ground.heap, blocks[j]);
        }
      }
      end_ground(&ground);
    }
  }
}

/* -- Several heaps ----------------------------------------------------------------------------- */

static void heaps_on_a_context_keep_apart(void **state) {
  (void)state;
  ground_t ground;
  make_ground(&ground, region, sizeof(region));
  fe_heap_t *other = heap_on(ground.context);
  assert_non_null(other);
  char *of_one[50];
  char *of_other[50];
  for (size_t i = 0; i < 50; i++) {
    of_one[i] = fe_heap_alloc(ground.heap, 10 + i);
    of_other[i] = fe_heap_alloc(other, 10 + i);
    assert_non_null(of_one[i]);
    assert_non_null(of_other[i]);
    pattern_fill(of_one[i], 10 + i, i);
    pattern_fill(of_other[i], 10 + i, 100 + i);
  }
  for (size_t i = 0; i < 50; i++) {
    assert_true(fe_heap_contains(ground.heap, of_one[i]));
    assert_false(fe_heap_contains(ground.heap, of_other[i]));
    assert_true(pattern_holds(of_other[i], 10 + i, 100 + i));
  }
  fe_heap_destroy(other);
  for (size_t i = 0; i < 50; i++) {
    assert_true(pattern_holds(of_one[i], 10 + i, i));
  }
  end_ground(&ground);
}

/* One heap fills the region. What it gives up, the other one finds. */
static void what_one_heap_gives_up_serves_the_next(void **state) {
  (void)state;
  ground_t ground;
  make_ground(&ground, region, sizeof(region));
  fe_heap_t *other = heap_on(ground.context);
  assert_non_null(other);
  size_t size = MEDIUM_MAX;
  size_t count = fill_up(ground.heap, size);
  assert_null(fe_heap_alloc(other, size));
  check_and_free_all(ground.heap, size, count);
  fe_heap_collect(ground.heap, false);
  assert_int_equal(fill_up(other, size), count);
  assert_null(fe_heap_alloc(ground.heap, size));
  fe_heap_destroy(other);
  assert_true(fill_up(ground.heap, size) > count); /* the other heap's own shard, too */
  end_ground(&ground);
}

/* A destroyed heap leaves all that it had: a thousand of them do in the place of one. */
static void heaps_come_and_go(void **state) {
  (void)state;
  ground_t ground;
  make_ground(&ground, region, sizeof(region));
  for (size_t round = 0; round < 1000; round++) {
    fe_heap_t *heap = heap_on(ground.context);
    assert_non_null(heap);
    assert_non_null(fe_heap_alloc(heap, 1 + round % 2000));
    assert_non_null(fe_heap_alloc(heap, 5 * UNIT_BYTES));
    fe_heap_destroy(heap);
  }
  end_ground(&ground);
}

static void a_full_region_has_no_room_for_a_heap(void **state) {
  (void)state;
  ground_t ground;
  make_ground(&ground, region, sizeof(region));
  size_t count = fill_up(ground.heap, MEDIUM_MAX);
  errno = 0;
  assert_null(heap_on(ground.context));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fe_context_create(ground.arenas));
  assert_int_equal(errno, ENOMEM);
  check_and_free_all(ground.heap, MEDIUM_MAX, count);
  fe_heap_t *heap = heap_on(ground.context);
  assert_non_null(heap);
  fe_heap_destroy(heap);
  end_ground(&ground);
}

/* -- Nothing else ------------------------------------------------------------------------------ */

static bool holds_only(const char *bytes, size_t count, char value) {
  size_t i = 0;
  while (i < count && bytes[i] == value) i++;
  return i == count;
}

static void the_bytes_around_a_region_stay_as_they_are(void **state) {
  (void)state;
  static const size_t offsets[] = {0, 1, 8, 100, 4095, UNIT_BYTES - 1, UNIT_BYTES};
  static const size_t ends[] = {0, 1, 77, 4096, UNIT_BYTES + 1};
  for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
    for (size_t j = 0; j < sizeof(ends) / sizeof(ends[0]); j++) {
      memset(region, 0x3c, sizeof(region));
      size_t size = REGION_BYTES - offsets[i] - ends[j];
      char *start = region + offsets[i];
      ground_t ground;
      make_ground(&ground, start, size);
      size_t count = fill_up(ground.heap, MEDIUM_MAX / 2);
      for (size_t k = 0; k < count; k++) {
        assert_true(blocks[k] >= start && blocks[k] + MEDIUM_MAX / 2 <= start + size);
      }
      end_ground(&ground);
      assert_true(holds_only(region, offsets[i], 0x3c));
      assert_true(holds_only(start + size, ends[j], 0x3c));
    }
  }
}

static void use_everything(void) {
  ground_t ground;
  make_ground(&ground, region, sizeof(region));
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    size_t count = fill_up(ground.heap, sizes[i]);
    check_and_free_all(ground.heap, sizes[i], count);
    fe_heap_free(ground.heap, fe_heap_aligned_alloc(ground.heap, UNIT_BYTES, sizes[i]));
  }
  fe_heap_t *other = heap_on(ground.context);
  require(other != NULL);
  fe_free(fe_heap_alloc(other, 100));
  fe_heap_set_limit(other, 10000);
  require(fe_heap_alloc(other, 20000) == NULL);
  fe_heap_collect(other, true);
  fe_heap_hand_over(other);
  require(fe_heap_take_over(other));
  fe_heap_destroy(other);
  end_ground(&ground);
}

/* No address space is left for anything but what the process has already. */
static void use_everything_without_mappings(void *argument) {
  (void)argument;
  size_t mapped = mapped_bytes();
  struct rlimit limit = {mapped, mapped};
  require(setrlimit(RLIMIT_AS, &limit) == 0);
  use_everything();
  require(mapped_bytes() == mapped);
}

static void nothing_is_asked_of_the_system(void **state) {
  (void)state;
  if (HAS_SANITIZER_MEMORY) {
    skip();
  }
  assert_child_succeeds(use_everything_without_mappings, NULL);
}

/* The region's memory is the program's: it is never given back to the system. */
static void the_arrays_memory_stays_when_it_is_free(void **state) {
  (void)state;
  if (IS_CHECKED) skip();
  ground_t ground;
  make_ground(&ground, region, sizeof(region));
  char *block = fe_heap_alloc(ground.heap, 5 * UNIT_BYTES);
  assert_non_null(block);
  memset(block, 0x77, 5 * UNIT_BYTES);
  fe_heap_free(ground.heap, block);
  fe_heap_collect(ground.heap, true);
  assert_int_equal(block[4 * UNIT_BYTES], 0x77);
  end_ground(&ground);
}

/* After their end the memory is free for new ones, and for anything else. */
static void arenas_can_be_made_again_on_the_same_memory(void **state) {
  (void)state;
  for (int round = 0; round < 300; round++) {
    ground_t ground;
    make_ground(&ground, region, sizeof(region));
    assert_non_null(fe_heap_alloc(ground.heap, 3 * UNIT_BYTES));
    end_ground(&ground);
    memset(region, round, sizeof(region));
  }
}

/* -- By chance ----------------------------------------------------------------------------------
 */

/* Any sizes in any order, with a region that is full most of the time. */
static void a_random_walk_in_a_full_region(void **state) {
  (void)state;
  enum { SLOTS = 300 };
  static size_t slot_sizes[SLOTS];
  memset(blocks, 0, sizeof(blocks));
  ground_t ground;
  make_ground(&ground, region, sizeof(region));
  random_source_t source = {random_seed()};
  size_t refusals = 0;
  for (size_t step = 0; step < 60000; step++) {
    size_t i = random_below(&source, SLOTS);
    if (blocks[i] != NULL) {
      assert_true(pattern_holds(blocks[i], slot_sizes[i], i));
      fe_heap_free(ground.heap, blocks[i]);
    }
    slot_sizes[i] = 1 + random_size(&source, 4 * UNIT_BYTES);
    blocks[i] = random_below(&source, 4) == 0
                    ? fe_heap_aligned_alloc(ground.heap, (size_t)8 << random_below(&source, 8),
                                            slot_sizes[i])
                    : fe_heap_alloc(ground.heap, slot_sizes[i]);
    if (blocks[i] == NULL) {
      refusals++;
      continue;
    }
    assert_true(is_inside(blocks[i], slot_sizes[i]));
    pattern_fill(blocks[i], slot_sizes[i], i);
  }
  assert_true(refusals > 0);
  end_ground(&ground);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_heap_lives_in_a_static_array),
      test_that(a_full_region_gives_null_and_goes_on_after_a_free),
      test_that(every_freed_block_can_be_taken_again),
      test_that(freed_memory_serves_any_other_size),
      test_that(one_block_may_take_most_of_the_region),
      test_that(calloc_clears_what_lay_there),
      test_that(large_blocks_fill_a_region),
      test_that(heaps_on_a_context_keep_apart),
      test_that(what_one_heap_gives_up_serves_the_next),
      test_that(heaps_come_and_go),
      test_that(a_full_region_has_no_room_for_a_heap),
      test_that(the_bytes_around_a_region_stay_as_they_are),
      test_that(nothing_is_asked_of_the_system),
      test_that(the_arrays_memory_stays_when_it_is_free),
      test_that(arenas_can_be_made_again_on_the_same_memory),
      test_that(a_random_walk_in_a_full_region),
  };
  return cmocka_run_group_tests_name("own_memory", tests, NULL, NULL);
}
