/* Heaps on a base of the program's own: a table of functions that allocates, releases, commits and
 * decommits. What they are called with, what their failures do, and what is wrong with a table.
 */
#include "tests/core/checking_base.h"

#include <sys/mman.h>

/* What the tests stand on. */
typedef struct ground {
  checking_base_t checking;
  fe_arenas_t *arenas;
  fe_context_t *context;
  fe_heap_t *heap;
} ground_t;

static ground_t ground;

static bool make_heap(void) {
  fe_heap_options_t options = {.context = ground.context};
  ground.heap = fe_heap_create(&options);
  return ground.heap != NULL;
}

/* On the base as it is set up now. */
static void make_ground(void) {
  ground.arenas = fe_arenas_create(&ground.checking.base, NULL, 0);
  require(ground.arenas != NULL);
  ground.context = fe_context_create(ground.arenas);
  require(ground.context != NULL);
  require(make_heap());
}

static void end_ground(void) {
  fe_heap_destroy(ground.heap);
  require(fe_context_destroy(ground.context));
  require(fe_arenas_destroy(ground.arenas));
}

static const size_t sizes[] = {1,
                               24,
                               100,
                               1000,
                               MEDIUM_MAX,
                               MEDIUM_MAX + 1,
                               3 * UNIT_BYTES,
                               SLAB_BYTES / 2,
                               SLAB_BYTES,
                               2 * SLAB_BYTES + 1};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

/* Marks each page of a block, its first bytes and its last. */
enum { MARKED_WHOLE = 5000 };

static void mark(char *block, size_t size, uint64_t seed) {
  pattern_fill(block, size < MARKED_WHOLE ? size : MARKED_WHOLE, seed);
  for (size_t i = MARKED_WHOLE; i < size; i += 4096) {
    block[i] = (char)(seed + i / 4096);
  }
  if (size > MARKED_WHOLE) {
    block[size - 1] = (char)seed;
  }
}

static bool is_marked(const char *block, size_t size, uint64_t seed) {
  bool is_right = size <= MARKED_WHOLE || block[size - 1] == (char)seed;
  for (size_t i = MARKED_WHOLE; i + 1 < size; i += 4096) {
    is_right = is_right && block[i] == (char)(seed + i / 4096);
  }
  return is_right && pattern_holds(block, size < MARKED_WHOLE ? size : MARKED_WHOLE, seed);
}

/* Page sizes that a slab can have. */
static size_t page_size_at(size_t i) {
  static const size_t page_sizes[] = {4096, 16384, 65536, (size_t)2 << 20};
  bool is_possible = i < sizeof(page_sizes) / sizeof(page_sizes[0]) && page_sizes[i] <= SLAB_BYTES;
  return is_possible ? page_sizes[i] : 0;
}

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

/* Blocks of all sizes, written and checked, in the given order; whether all were there. */
static bool use_all_sizes(fe_heap_t *heap) {
  char *blocks[SIZE_COUNT];
  bool is_complete = true;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    blocks[i] = fe_heap_alloc(heap, sizes[i]);
    if (blocks[i] == NULL) {
      require(errno == ENOMEM);
      is_complete = false;
      continue;
    }
    mark(blocks[i], sizes[i], i);
  }
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    require(blocks[i] == NULL || is_marked(blocks[i], sizes[i], i));
    fe_heap_free(heap, blocks[i]);
  }
  return is_complete;
}

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
  void (*release)(const fe_base_t *, void *, size_t) = ground.checking.base.release;
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
  for (size_t i = 0; i < CHUNKS_MAX; i++) {
    checked_chunk_t *chunk = &ground.checking.chunks[i];
    if (chunk->start != NULL) {
      release(&ground.checking.base, chunk->start, chunk->size);
    }
  }
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

/* -- Failures -----------------------------------------------------------------------------------
 */

/* All that a program does with arenas, as far as it gets; whether it got through. */
static bool do_the_work(void) {
  bool is_complete = false;
  errno = 0;
  ground.arenas = fe_arenas_create(&ground.checking.base, NULL, 0);
  if (ground.arenas == NULL) {
    require(errno == ENOMEM);
    return false;
  }
  ground.context = fe_context_create(ground.arenas);
  require(ground.context != NULL || errno == ENOMEM);
  if (ground.context != NULL && make_heap()) {
    is_complete = use_all_sizes(ground.heap);
    fe_heap_collect(ground.heap, true);
    is_complete = use_all_sizes(ground.heap) && is_complete;
    fe_heap_destroy(ground.heap);
  }
  require(fe_context_destroy(ground.context));
  require(fe_arenas_destroy(ground.arenas));
  return is_complete;
}

/* The n-th call fails, for n = 1, 2, ... until the work gets through without one. Nothing leaks. */
static void each_call_may_fail(bool needs_commit, bool fails_for_good) {
  size_t failing_call = 1;
  for (bool has_failed = true; has_failed; failing_call++) {
    checking_base_init(&ground.checking, 4096);
    ground.checking.base.is_zeroed = true;
    if (!needs_commit) {
      ground.checking.base.commit = NULL;
      ground.checking.base.decommit = NULL;
    }
    ground.checking.failing_call = failing_call;
    ground.checking.fails_for_good = fails_for_good;
    bool is_complete = do_the_work();
    has_failed = ground.checking.failing_call <= 1 &&
                 ground.checking.failing_call == (fails_for_good ? 1 : 0);
    require(has_failed || is_complete);
    checking_base_end(&ground.checking);
  }
  assert_true(failing_call > 2);
}

static void allocate_may_fail_at_any_call(void **state) {
  (void)state;
  each_call_may_fail(false, false);
  each_call_may_fail(false, true);
}

static void allocate_or_commit_may_fail_at_any_call(void **state) {
  (void)state;
  each_call_may_fail(true, false);
  each_call_may_fail(true, true);
}

/* A base that has no more memory is not asked for more addresses, and works again after frees. */
static void commit_may_come_to_its_end(void **state) {
  (void)state;
  enum { MOST = 4000 };
  static char *blocks[MOST];
  for (size_t i = 0; page_size_at(i) != 0; i++) {
    checking_base_init(&ground.checking, page_size_at(i));
    ground.checking.committed_max = 3 * SLAB_BYTES;
    make_ground();
    size_t size = 5 * UNIT_BYTES / 2;
    size_t first_count = 0;
    for (int round = 0; round < 3; round++) {
      size_t count = 0;
      while ((blocks[count] = fe_heap_alloc(ground.heap, size)) != NULL) {
        memset(blocks[count], 0x11, size);
        count++;
      }
      assert_int_equal(errno, ENOMEM);
      assert_null(fe_heap_alloc(ground.heap, 2 * SLAB_BYTES));
      assert_int_equal(ground.checking.chunk_count, 1);
      assert_true(count >= UNITS_PER_SLAB / 2);
      if (round == 0) {
        first_count = count;
      }
      assert_true(count >= first_count);
      for (size_t j = 0; j < count; j++) {
        fe_heap_free(ground.heap, blocks[j]);
      }
      fe_heap_collect(ground.heap, round == 1);
    }
    end_ground();
    checking_base_end(&ground.checking);
  }
}

/* The base has few addresses: no more than it gives are used, and all of those. */
static void a_base_may_have_little(void **state) {
  (void)state;
  checking_base_init(&ground.checking, 4096);
  ground.checking.bytes_max = 6 * SLAB_BYTES;
  make_ground();
  assert_null(fe_heap_alloc(ground.heap, 6 * SLAB_BYTES));
  char *block = fe_heap_alloc(ground.heap, 2 * SLAB_BYTES);
  assert_non_null(block);
  memset(block, 1, 2 * SLAB_BYTES);
  assert_null(fe_heap_alloc(ground.heap, 4 * SLAB_BYTES));
  fe_heap_free(ground.heap, block);
  for (size_t count = 0; fe_heap_alloc(ground.heap, MEDIUM_MAX) != NULL; count++) {
    assert_true(count < 6 * SLAB_BYTES / MEDIUM_MAX);
  }
  /* Between guard pages only one of them fits into a unit. */
  assert_true(fe_heap_used_bytes(ground.heap) > (IS_CHECKED ? 2 : 3) * SLAB_BYTES);
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
      test_that(allocate_may_fail_at_any_call),
      test_that(allocate_or_commit_may_fail_at_any_call),
      test_that(commit_may_come_to_its_end),
      test_that(a_base_may_have_little),
      test_that(threads_may_share_a_base),
      test_that(a_wrong_table_is_refused_with_a_message),
      test_that(a_chunk_that_is_not_aligned_is_refused_with_a_message),
  };
  return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
