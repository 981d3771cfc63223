/* Heaps on a base of the program's own: a table of functions that allocates, releases, commits and
 * decommits. What they are called with, and what is wrong with a table.
 */
#include "tests/core/ground.h"

/* -- A simple base ----------------------------------------------------------------------------- */

/* The least that a base needs: where chunks come from. Here it is libc. */
static void *chunk_from_libc(const fe_base_t *base, size_t size, size_t alignment) {
  size_t *chunk_count = base->user_data;
  void *chunk = size > 64 * MIB ? NULL : aligned_alloc(alignment, size);
  *chunk_count += chunk != NULL;
  return chunk;
}

static void chunk_to_libc(const fe_base_t *base, void *chunk, size_t size) {
  (void)size;
  size_t *chunk_count = base->user_data;
  --*chunk_count;
  free(chunk);
}

static void a_base_can_be_as_simple_as_that(void **state) {
  (void)state;
  size_t chunk_count = 0;
  fe_base_t base = {.allocate = chunk_from_libc,
                    .release = chunk_to_libc,
                    .page_size = 4096,
                    .user_data = &chunk_count};
  fe_arenas_t *arenas = fe_arenas_create(&base, NULL, 0);
  assert_non_null(arenas);
  assert_int_equal(chunk_count, 1);
  fe_heap_options_t options = {.context = fe_context_create(arenas)};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  char *block = fe_heap_calloc(heap, 1, 1000);
  assert_non_null(block);
  assert_true(all_zero(block, 1000));
  assert_true(fe_owns(block));
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(options.context));
  assert_true(fe_arenas_destroy(arenas));
  assert_int_equal(chunk_count, 0);
  assert_false(fe_owns(block));
}

/* -- What the functions are called with: see checking_base.c for what is checked -----------------
 */

static void every_page_size_is_kept_to(void **state) {
  (void)state;
  for (size_t i = 0; page_size_at(i) != 0; i++) {
    checking_base_init(&ground.checking, page_size_at(i));
    make_ground();
    for (int round = 0; round < 3; round++) {
      assert_true(use_all_sizes(ground.heap));
      fe_heap_collect(ground.heap, true);
    }
    assert_true(ground.checking.commit_count > 0);
    assert_true(ground.checking.decommit_count > 0);
    end_ground();
    checking_base_end(&ground.checking);
  }
}

/* After a forced collect nothing has memory but the pages of what is in use. */
static void free_memory_is_decommitted(void **state) {
  (void)state;
  for (size_t i = 0; page_size_at(i) != 0; i++) {
    size_t page_size = page_size_at(i);
    checking_base_init(&ground.checking, page_size);
    make_ground();
    size_t before = ground.checking.committed_bytes;
    for (int round = 0; round < 3; round++) {
      assert_true(use_all_sizes(ground.heap));
      assert_true(ground.checking.committed_bytes > before);
      fe_heap_collect(ground.heap, true);
      /* A second chunk may have come, with a header of its own. */
      size_t header = UNIT_BYTES + 512 * 20;
      size_t spare = (ground.checking.chunk_count - 1) * (header + 2 * page_size);
      assert_true(ground.checking.committed_bytes <= before + spare);
    }
    end_ground();
    checking_base_end(&ground.checking);
  }
}

/* Blocks of any size come and go, memory is given back in between; whatever is in use must be
 * there, whole, and whatever is not must have come back to the base. */
static void memory_in_use_is_never_decommitted(void **state) {
  (void)state;
  enum { SLOTS = 120 };
  static char *blocks[SLOTS];
  static size_t block_sizes[SLOTS];
  random_source_t source = {random_seed()};
  for (size_t p = 0; page_size_at(p) != 0; p++) {
    checking_base_init(&ground.checking, page_size_at(p));
    make_ground();
    memset(blocks, 0, sizeof(blocks));
    for (size_t step = 0; step < 1500; step++) {
      size_t i = random_below(&source, SLOTS);
      if (blocks[i] != NULL) {
        assert_true(is_marked(blocks[i], block_sizes[i], i));
        fe_heap_free(ground.heap, blocks[i]);
      }
      block_sizes[i] = 1 + random_size(&source, step % 50 == 0 ? 3 * SLAB_BYTES : 4 * UNIT_BYTES);
      blocks[i] = fe_heap_calloc(ground.heap, 1, block_sizes[i]);
      assert_non_null(blocks[i]);
      assert_true(all_zero(blocks[i], block_sizes[i]));
      mark(blocks[i], block_sizes[i], i);
      if (step % 20 == 0) {
        fe_heap_collect(ground.heap, true);
      }
    }
    end_ground();
    checking_base_end(&ground.checking);
  }
}

static void everything_is_released_at_the_end(void **state) {
  (void)state;
  checking_base_init(&ground.checking, 4096);
  ground.checking.base.is_zeroed = true;
  make_ground();
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    assert_non_null(fe_heap_alloc(ground.heap, sizes[i]));
  }
  assert_non_null(fe_heap_alloc(ground.heap, 150 * MIB)); /* a chunk of its own */
  assert_true(ground.checking.chunk_count > 1);
  end_ground();
  assert_int_equal(ground.checking.release_count, ground.checking.allocate_count);
  checking_base_end(&ground.checking);
}

static void a_chunk_of_a_single_block_goes_back_with_it(void **state) {
  (void)state;
  checking_base_init(&ground.checking, 4096);
  ground.checking.base.is_zeroed = true;
  make_ground();
  for (int round = 0; round < 5; round++) {
    size_t chunk_count = ground.checking.chunk_count;
    char *block = fe_heap_alloc(ground.heap, 200 * MIB);
    assert_non_null(block);
    block[0] = block[200 * MIB - 1] = 1;
    fe_heap_free(ground.heap, block);
    assert_int_equal(ground.checking.chunk_count, chunk_count);
  }
  end_ground();
  checking_base_end(&ground.checking);
}

/* -- Bases that can do less ---------------------------------------------------------------------
 */

static void memory_that_is_not_zeroed_is_cleared_for_calloc(void **state) {
  (void)state;
  for (int is_zeroed = 0; is_zeroed <= 1; is_zeroed++) {
    checking_base_init(&ground.checking, 4096);
    ground.checking.base.is_zeroed = is_zeroed;
    make_ground();
    for (int round = 0; round < 3; round++) {
      for (size_t i = 0; i < SIZE_COUNT; i++) {
        char *block = fe_heap_calloc(ground.heap, 1, sizes[i]);
        assert_non_null(block);
        assert_true(all_zero(block, sizes[i]));
        memset(block, 0x5a, sizes[i]);
        fe_heap_free(ground.heap, block);
      }
      fe_heap_collect(ground.heap, round == 1);
    }
    end_ground();
    checking_base_end(&ground.checking);
  }
}

/* What a base keeps for good is used again, large blocks too. */
static void without_release_memory_is_used_again(void **state) {
  (void)state;
  checking_base_init(&ground.checking, 4096);
  ground.checking.base.release = NULL;
  make_ground();
  size_t chunk_count = 0;
  for (int round = 0; round < 20; round++) {
    char *block = fe_heap_alloc(ground.heap, 200 * MIB);
    assert_non_null(block);
    block[0] = block[200 * MIB - 1] = 1;
    fe_heap_free(ground.heap, block);
    assert_true(use_all_sizes(ground.heap));
    if (round == 0) {
      chunk_count = ground.checking.chunk_count;
    }
  }
  assert_int_equal(ground.checking.chunk_count, chunk_count);
  end_ground();
  assert_int_equal(ground.checking.chunk_count, chunk_count);
  checking_base_release_all(&ground.checking);
  checking_base_end(&ground.checking);
}

static void without_commit_memory_is_there_when_it_is_touched(void **state) {
  (void)state;
  for (int has_decommit = 0; has_decommit <= 1; has_decommit++) {
    checking_base_init(&ground.checking, 4096);
    ground.checking.base.commit = NULL;
    ground.checking.base.is_zeroed = true;
    if (!has_decommit) {
      ground.checking.base.decommit = NULL;
    }
    make_ground();
    for (int round = 0; round < 3; round++) {
      assert_true(use_all_sizes(ground.heap));
      fe_heap_collect(ground.heap, true);
    }
    assert_int_equal(ground.checking.decommit_count > 0, has_decommit);
    end_ground();
    checking_base_end(&ground.checking);
  }
}

static size_t refusal_count;

static bool refuse_to_decommit(const fe_base_t *base, void *start, size_t size) {
  (void)base;
  (void)start;
  (void)size;
  refusal_count++;
  return false;
}

/* Memory that did not go back is still there, and full of what it held. */
static void decommit_may_refuse(void **state) {
  (void)state;
  checking_base_init(&ground.checking, 4096);
  ground.checking.base.is_zeroed = true;
  ground.checking.base.decommit = refuse_to_decommit;
  make_ground();
  refusal_count = 0;
  for (int round = 0; round < 4; round++) {
    assert_true(use_all_sizes(ground.heap));
    fe_heap_collect(ground.heap, true);
    char *block = fe_heap_calloc(ground.heap, 1, 3 * SLAB_BYTES);
    assert_non_null(block);
    assert_true(all_zero(block, 3 * SLAB_BYTES));
    fe_heap_free(ground.heap, block);
  }
  assert_true(refusal_count > 0);
  end_ground();
  checking_base_end(&ground.checking);
}

/* -- What lies where: uncommitted memory cannot be touched, and large blocks hold anything ------
 */

static size_t count_contained(const fe_heap_t *heap) {
  size_t count = 0;
  for (size_t i = 0; i < CHUNKS_MAX; i++) {
    const checked_chunk_t *chunk = &ground.checking.chunks[i];
    if (chunk->start == NULL) continue;
    assert_false(fe_heap_contains(heap, chunk->start));
    for (size_t at = UNIT_BYTES; at <= chunk->size; at += UNIT_BYTES) {
      count += fe_heap_contains(heap, chunk->start + at);
    }
  }
  return count;
}

static void any_memory_of_a_base_may_be_asked_about(void **state) {
  (void)state;
  for (int is_permanent = 0; is_permanent <= 1; is_permanent++) {
    checking_base_init(&ground.checking, 4096);
    ground.checking.base.is_zeroed = true;
    make_ground();
    fe_heap_options_t options = {.context = ground.context, .is_permanent = is_permanent};
    fe_heap_t *heap = fe_heap_create(&options);
    assert_non_null(heap);
    assert_int_equal(count_contained(heap), 1); /* the heap's own unit */
    static const size_t large_sizes[] = {3 * UNIT_BYTES, SLAB_BYTES * 3 / 2, 130 * MIB};
    char *large[3];
    for (size_t i = 0; i < 3; i++) {
      large[i] = fe_heap_alloc(heap, large_sizes[i]);
      assert_non_null(large[i]);
      assert_true(fe_heap_contains(heap, large[i]));
      assert_false(fe_heap_contains(ground.heap, large[i]));
      assert_false(fe_heap_contains(fe_thread_heap(), large[i]));
    }
    assert_int_equal(count_contained(heap), 4);
    for (size_t i = 0; i < 3; i++) fe_heap_free(heap, large[i]);
    for (size_t i = 0; i < 3; i++) assert_false(fe_heap_contains(heap, large[i]));
    fe_heap_collect(heap, true);
    assert_int_equal(count_contained(heap), 1);
    if (is_permanent) { /* and so is its memory */
      for (size_t i = 0; i < CHUNKS_MAX; i++) {
        free(ground.checking.chunks[i].is_committed);
        free(ground.checking.chunks[i].is_reserved);
      }
      continue;
    }
    fe_heap_destroy(heap);
    end_ground();
    checking_base_end(&ground.checking);
  }
}

/* What looks like a header in the middle of a block is none. */
static void the_middle_of_a_block_is_no_block(void **state) {
  (void)state;
  if (IS_CHECKED) skip();
  checking_base_init(&ground.checking, 4096);
  make_ground();
  static const size_t large_sizes[] = {3 * UNIT_BYTES, SLAB_BYTES * 3 / 2, 130 * MIB};
  for (size_t i = 0; i < 3; i++) {
    char *block = fe_heap_alloc(ground.heap, large_sizes[i]);
    assert_non_null(block);
    char *header = (char *)(((uintptr_t)block - 1) & ~(UNIT_BYTES - 1));
    memcpy(header + UNIT_BYTES, header, (size_t)(block - header));
    assert_true(fe_heap_contains(ground.heap, block));
    assert_false(fe_heap_contains(ground.heap, block + UNIT_BYTES));
    fe_heap_free(ground.heap, block);
  }
  end_ground();
  checking_base_end(&ground.checking);
}

/* -- Threads ------------------------------------------------------------------------------------
 */

/* A context and a heap of its own for each thread, on one base. */
static void work_in_a_heap_of_ones_own(void *argument) {
  random_source_t source = {(uint64_t)(uintptr_t)argument};
  fe_heap_options_t options = {.context = fe_context_create(ground.arenas)};
  require(options.context != NULL);
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  for (int round = 0; round < 200; round++) {
    size_t size = 1 + random_size(&source, 6 * UNIT_BYTES);
    char *block = fe_heap_calloc(heap, 1, size);
    require(block != NULL && all_zero(block, size));
    pattern_fill(block, size, (uint64_t)round);
    if (random_below(&source, 10) == 0) {
      fe_heap_collect(heap, true);
    }
    require(pattern_holds(block, size, (uint64_t)round));
    fe_heap_free(heap, block);
  }
  fe_heap_destroy(heap);
  require(fe_context_destroy(options.context));
}

typedef struct worker {
  pthread_t thread;
  void *seed;
} worker_t;

static void *worker_main(void *seed) {
  work_in_a_heap_of_ones_own(seed);
  return NULL;
}

static void threads_may_share_a_base(void **state) {
  (void)state;
  enum { THREADS = 4 };
  pthread_t threads[THREADS];
  for (size_t p = 0; page_size_at(p) != 0; p++) {
    checking_base_init(&ground.checking, page_size_at(p));
    ground.arenas = fe_arenas_create(&ground.checking.base, NULL, 0);
    assert_non_null(ground.arenas);
    for (size_t i = 0; i < THREADS; i++) {
      assert_int_equal(pthread_create(&threads[i], NULL, worker_main, (void *)(i + 1)), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
      assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(fe_arenas_destroy(ground.arenas));
    checking_base_end(&ground.checking);
  }
}

/* -- Wrong tables -------------------------------------------------------------------------------
 */

static void create_on_wrong_base(void *base) {
  errno = 0;
  require(fe_arenas_create(base, NULL, 0) == NULL);
  require(errno == EINVAL);
}

static void a_wrong_table_is_refused_with_a_message(void **state) {
  (void)state;
  assert_child_says(create_on_wrong_base, NULL, "fe_arenas_create", "NULL", "fe_base_mmap", NULL);
  static const size_t wrong_page_sizes[] = {0, 3, 4095, 4097, 12288, SIZE_MAX};
  for (size_t i = 0; i < sizeof(wrong_page_sizes) / sizeof(wrong_page_sizes[0]); i++) {
    fe_base_t base = fe_base_mmap;
    base.page_size = wrong_page_sizes[i];
    assert_child_says(create_on_wrong_base, &base, "page_size", "power of two", NULL);
  }
  fe_base_t base = fe_base_mmap;
  base.page_size = 2 * SLAB_BYTES;
  assert_child_says(create_on_wrong_base, &base, "page_size", "slab size", NULL);
  base = fe_base_static;
  assert_child_says(create_on_wrong_base, &base, "first region", NULL);
}

static void *allocate_askew(const fe_base_t *base, size_t size, size_t alignment) {
  char *chunk = chunk_from_libc(base, size + alignment, alignment);
  return chunk == NULL ? NULL : chunk + 4096;
}

static void release_askew(const fe_base_t *base, void *chunk, size_t size) {
  chunk_to_libc(base, (char *)chunk - 4096, size);
}

static void create_on_askew_base(void *argument) {
  (void)argument;
  size_t chunk_count = 0;
  fe_base_t base = {.allocate = allocate_askew,
                    .release = release_askew,
                    .page_size = 4096,
                    .user_data = &chunk_count};
  errno = 0;
  require(fe_arenas_create(&base, NULL, 0) == NULL);
  require(errno == ENOMEM);
}

/* It is asked for less and less, and each time it is told. */
static void a_chunk_that_is_not_aligned_is_refused_with_a_message(void **state) {
  (void)state;
  child_result_t result;
  run_in_child(&result, create_on_askew_base, NULL);
  assert_int_equal(result.status, 0);
  assert_non_null(strstr(result.errors, "ferroc: "));
  assert_non_null(strstr(result.errors, "multiple of"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_base_can_be_as_simple_as_that),
      test_that(every_page_size_is_kept_to),
      test_that(free_memory_is_decommitted),
      test_that(memory_in_use_is_never_decommitted),
      test_that(everything_is_released_at_the_end),
      test_that(a_chunk_of_a_single_block_goes_back_with_it),
      test_that(memory_that_is_not_zeroed_is_cleared_for_calloc),
      test_that(without_release_memory_is_used_again),
      test_that(without_commit_memory_is_there_when_it_is_touched),
      test_that(decommit_may_refuse),
      test_that(any_memory_of_a_base_may_be_asked_about),
      test_that(the_middle_of_a_block_is_no_block),
      test_that(threads_may_share_a_base),
      test_that(a_wrong_table_is_refused_with_a_message),
      test_that(a_chunk_that_is_not_aligned_is_refused_with_a_message),
  };
  return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
