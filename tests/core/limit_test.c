/* The memory limit of a heap: never passed, no earlier than needed, room again after frees, lifted
 * by 0.
 */
#include "tests/core/support.h"

static const size_t sizes[] = {1, 24, 48, 100, 1024, 5000, 30000, 100000, 1000000, 5000000};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]), MOST_BLOCKS = 20000 };

static void *blocks[MOST_BLOCKS];

/* Fills the heap with blocks of one size until it refuses; how many it gave. */
static size_t fill_up(fe_heap_t *heap, size_t size) {
  for (size_t count = 0; count < MOST_BLOCKS; count++) {
    errno = 0;
    blocks[count] = fe_heap_alloc(heap, size);
    if (blocks[count] == NULL) {
      assert_int_equal(errno, ENOMEM);
      return count;
    }
    assert_true(fe_heap_used_bytes(heap) <= fe_heap_limit(heap));
  }
  fail_msg("no limit for blocks of %zu bytes", size);
  return 0;
}

/* What one block of this size counts. */
static size_t counted(fe_heap_t *heap, size_t size) {
  size_t before = fe_heap_used_bytes(heap);
  void *block = fe_heap_alloc(heap, size);
  assert_non_null(block);
  size_t bytes = fe_heap_used_bytes(heap) - before;
  fe_heap_free(heap, block);
  return bytes;
}

/* As many blocks as the limit has room for, and no more; large ones may differ a little in what
 * they count, as would sizes between those of the classes. */
static void what_fits_is_given(void **state) {
  (void)state;
  for (size_t granule = 8; granule <= 16; granule += 8) {
    for (size_t i = 0; i < SIZE_COUNT; i++) {
      fe_heap_options_t options = {.granule = granule};
      fe_heap_t *heap = fe_heap_create(&options);
      assert_non_null(heap);
      size_t block_bytes = counted(heap, sizes[i]);
      size_t fitting = sizes[i] > 100000 ? 7 : 300;
      size_t limit = block_bytes * fitting + block_bytes / 2;
      fe_heap_set_limit(heap, limit);
      assert_int_equal(fe_heap_limit(heap), limit);
      size_t given = fill_up(heap, sizes[i]);
      assert_true(sizes[i] > 32 * KIB || given == fitting);
      assert_true(fe_heap_used_bytes(heap) <= limit);
      assert_true(fe_heap_used_bytes(heap) + sizes[i] + sizes[i] / 8 + 16 > limit);
      fe_heap_destroy(heap);
    }
  }
}

static void frees_make_room_again(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    fe_heap_t *heap = fe_heap_create(NULL);
    assert_non_null(heap);
    fe_heap_set_limit(heap, counted(heap, sizes[i]) * 10);
    for (int round = 0; round < 5; round++) {
      assert_int_equal(fill_up(heap, sizes[i]), 10);
      fe_heap_free(heap, blocks[3]);
      blocks[3] = fe_heap_alloc(heap, sizes[i]);
      assert_non_null(blocks[3]);
      assert_null(fe_heap_alloc(heap, sizes[i]));
      for (size_t j = 0; j < 10; j++) {
        fe_heap_free(heap, blocks[j]);
      }
    }
    fe_heap_destroy(heap);
  }
}

static void free_ten_blocks(void *argument) {
  void **ten = argument;
  for (size_t i = 0; i < 10; i++) {
    fe_free(ten[i]);
  }
}

/* After a collect the frees of others count; the owner need not free anything itself. */
static void frees_by_another_thread_make_room_again(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    fe_heap_t *heap = fe_heap_create(NULL);
    assert_non_null(heap);
    fe_heap_set_limit(heap, counted(heap, sizes[i]) * 10);
    for (int round = 0; round < 3; round++) {
      assert_int_equal(fill_up(heap, sizes[i]), 10);
      run_in_thread(free_ten_blocks, blocks);
      fe_heap_collect(heap, false);
    }
    fe_heap_destroy(heap);
  }
}

static void every_function_keeps_to_the_limit(void **state) {
  (void)state;
  fe_heap_options_t options = {.memory_limit = 200000};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  void *block = fe_heap_alloc(heap, 100000);
  assert_non_null(block);
  pattern_fill(block, 100000, 1);
  errno = 0;
  assert_null(fe_heap_calloc(heap, 2, 60000));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fe_heap_aligned_alloc(heap, 4096, 120000));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fe_heap_realloc(heap, NULL, 120000));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fe_heap_realloc(heap, block, 250000));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fe_heap_resize(heap, NULL, 0, 120000));
  assert_int_equal(errno, ENOMEM);
  errno = 0;
  assert_null(fe_heap_resize(heap, block, 100000, 250000));
  assert_int_equal(errno, ENOMEM);
  assert_true(pattern_holds(block, 100000, 1));
  fe_heap_destroy(heap);
}

static void zero_lifts_the_limit(void **state) {
  (void)state;
  fe_heap_options_t options = {.memory_limit = 1000};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  assert_null(fe_heap_alloc(heap, 2000));
  fe_heap_set_limit(heap, 0);
  assert_int_equal(fe_heap_limit(heap), 0);
  assert_non_null(fe_heap_alloc(heap, 2000));
  assert_non_null(fe_heap_alloc(heap, 20 * MIB));
  for (int i = 0; i < 1000; i++) {
    assert_non_null(fe_heap_alloc(heap, 100));
  }
  fe_heap_destroy(heap);
}

/* Set below what is in use: nothing is given until enough came back, however it is asked for. */
static void a_limit_below_use_refuses_until_enough_is_freed(void **state) {
  (void)state;
  fe_collect(true); /* while much free memory waits to go back, frees take another way */
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  for (size_t i = 0; i < 1000; i++) {
    blocks[i] = fe_heap_alloc(heap, 100);
    assert_non_null(blocks[i]);
  }
  size_t each = fe_heap_used_bytes(heap) / 1000;
  fe_heap_set_limit(heap, each * 500);
  for (size_t i = 0; i < 500; i++) {
    assert_null(fe_heap_alloc(heap, 1));
    fe_heap_free(heap, blocks[999 - i]);
    assert_null(fe_heap_alloc(heap, 100)); /* not even the block that was just freed */
  }
  fe_heap_free(heap, blocks[0]);
  assert_non_null(fe_heap_alloc(heap, 100));
  assert_null(fe_heap_alloc(heap, 100));
  fe_heap_destroy(heap);
}

/* What was freed after the limit fell below what is in use does not make room either. */
static void a_lowered_limit_holds_for_blocks_freed_since(void **state) {
  (void)state;
  static void *many[3000];
  for (int way = 0; way < 2; way++) {
    fe_heap_t *heap = fe_heap_create(NULL);
    assert_non_null(heap);
    for (size_t i = 0; i < 3000; i++) {
      many[i] = way == 0 ? fe_heap_alloc(heap, 48) : fe_heap_resize(heap, NULL, 0, 48);
      assert_non_null(many[i]);
    }
    size_t limit = fe_heap_used_bytes(heap) / 2;
    fe_heap_set_limit(heap, limit);
    for (size_t i = 100; i < 3000; i++) {
      if (way == 0) {
        fe_heap_free(heap, many[i]);
      } else {
        fe_heap_resize(heap, many[i], 48, 0);
      }
    }
    size_t given = 0;
    while (given < 3000) {
      void *block = way == 0 ? fe_heap_alloc(heap, 48) : fe_heap_resize(heap, NULL, 0, 48);
      if (block == NULL) break;
      given++;
      assert_true(fe_heap_used_bytes(heap) <= limit);
    }
    assert_int_equal(given, 1500 - 100);
    fe_heap_set_limit(heap, 0);
    for (size_t i = 0; i < 3000; i++) assert_non_null(fe_heap_alloc(heap, 48));
    fe_heap_destroy(heap);
  }
}

/* Any mixture of sizes and functions: used_bytes never passes the limit, and a refusal means that
 * there really was not enough room. */
static void a_random_mixture_never_passes_the_limit(void **state) {
  (void)state;
  enum { SLOTS = 400 };
  static size_t slot_sizes[SLOTS];
  memset(blocks, 0, sizeof(blocks));
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  random_source_t source = {11};
  const size_t limit = 500000;
  fe_heap_set_limit(heap, limit);
  size_t refusals = 0;
  for (int step = 0; step < 30000; step++) {
    size_t i = random_below(&source, SLOTS);
    size_t size = 1 + random_size(&source, 60000);
    size_t before = fe_heap_used_bytes(heap);
    errno = 0;
    void *block =
        fe_heap_resize(heap, blocks[i], slot_sizes[i], random_below(&source, 3) == 0 ? 0 : size);
    assert_true(fe_heap_used_bytes(heap) <= limit);
    if (block == NULL && errno == ENOMEM) {
      refusals++;
      assert_int_equal(fe_heap_used_bytes(heap), before);
      assert_true(before + size + size / 8 + 16 > limit);
    } else {
      blocks[i] = block;
      slot_sizes[i] = block == NULL ? 0 : size;
    }
  }
  assert_true(refusals > 0);
  fe_heap_destroy(heap);
}

/* A program at its limit asks again and again; that must not take memory, nor time that grows. */
static void refusals_take_no_memory(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    fe_heap_t *heap = fe_heap_create(NULL);
    assert_non_null(heap);
    fe_heap_set_limit(heap, counted(heap, sizes[i]) * 10);
    assert_int_equal(fill_up(heap, sizes[i]), 10);
    size_t mapped = mapped_bytes();
    size_t resident = resident_bytes();
    for (int round = 0; round < 5000; round++) {
      assert_null(fe_heap_alloc(heap, sizes[i]));
      assert_null(fe_heap_resize(heap, NULL, 0, sizes[i]));
      assert_null(fe_heap_aligned_alloc(heap, 64, sizes[i]));
    }
    assert_true(mapped_bytes() <= mapped + 4 * MIB);
    assert_true(resident_bytes() <= resident + 4 * MIB);
    fe_heap_destroy(heap);
  }
}

static void the_thread_heap_can_be_limited(void **state) {
  (void)state;
  fe_heap_t *heap = fe_thread_heap();
  assert_non_null(heap);
  fe_heap_set_limit(heap, fe_heap_used_bytes(heap) + 100000);
  errno = 0;
  assert_null(fe_malloc(200000));
  assert_int_equal(errno, ENOMEM);
  void *untouched = &untouched;
  assert_int_equal(fe_posix_memalign(&untouched, 64, 200000), ENOMEM);
  assert_ptr_equal(untouched, &untouched);
  void *block = fe_malloc(1000);
  assert_non_null(block);
  fe_heap_set_limit(heap, 0);
  fe_free(block);
  block = fe_malloc(200000);
  assert_non_null(block);
  fe_free(block);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(what_fits_is_given),
      test_that(frees_make_room_again),
      test_that(frees_by_another_thread_make_room_again),
      test_that(every_function_keeps_to_the_limit),
      test_that(zero_lifts_the_limit),
      test_that(a_limit_below_use_refuses_until_enough_is_freed),
      test_that(a_lowered_limit_holds_for_blocks_freed_since),
      test_that(a_random_mixture_never_passes_the_limit),
      test_that(refusals_take_no_memory),
      test_that(the_thread_heap_can_be_limited),
  };
  return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
