/* Blocks that are cut down: what they do not need goes back, a later growth finds its memory again,
 * and it never fails.
 */
#include "tests/core/ground.h"
#include "tests/core/resize_ways.h"

/* From and to sizes of all kinds, up to chunks of their own. */
static const size_t cuts[][2] = {
    {MEDIUM_MAX, 100},
    {2 * UNIT_BYTES, MEDIUM_MAX},
    {3 * UNIT_BYTES, UNIT_BYTES + 1},
    {SLAB_BYTES / 4, 2 * UNIT_BYTES},
    {SLAB_BYTES * 7 / 16, SLAB_BYTES / 5},
    {SLAB_BYTES, SLAB_BYTES * 5 / 8},
    {SLAB_BYTES, UNIT_BYTES},
    {SLAB_BYTES * 2, SLAB_BYTES},
    {SLAB_BYTES * 5, SLAB_BYTES * 3 / 4},
    {SLAB_BYTES * 5, 200},
    {200 * MIB, 102 * MIB},
    {200 * MIB, 110 * MIB + 1},
    {200 * MIB, 3 * MIB},
};
enum { CUT_COUNT = sizeof cuts / sizeof *cuts };

static void make_base(size_t page_size, bool has_commit) {
  checking_base_init(&ground.checking, page_size);
  ground.checking.base.is_zeroed = true;
  if (!has_commit) ground.checking.base.commit = NULL;
  make_ground();
}

static fe_arenas_stats_t arenas_stats(void) {
  fe_arenas_stats_t stats = {.struct_size = sizeof stats};
  require(fe_arenas_stats(ground.arenas, &stats));
  return stats;
}

/* What may stay behind the end of a block: a page that it shares, a slab of what must be committed,
 * or an eighth. */
static size_t slack_of(size_t size) {
  size_t page_size = ground.checking.base.page_size;
  size_t slack = size / 8 + 3 * UNIT_BYTES + 2 * page_size;
  return ground.checking.base.commit != NULL ? slack + SLAB_BYTES : slack;
}

static void cut(resize_t *resize, size_t from, size_t to) {
  /* The first block of its size takes a shard, which stays. */
  fe_heap_free(ground.heap, fe_heap_alloc(ground.heap, to));
  fe_heap_collect(ground.heap, true);
  size_t before = arenas_stats().taken_bytes;
  size_t used_before = fe_heap_used_bytes(ground.heap);
  char *block = fe_heap_alloc(ground.heap, from);
  assert_non_null(block);
  mark(block, from, 7);
  char *smaller = resize(ground.heap, block, from, to);
  assert_non_null(smaller);
  assert_true(pattern_holds(smaller, to < 5000 ? to : 5000, 7));
  fe_heap_collect(ground.heap, true);
  size_t size = fe_malloc_size(smaller);
  assert_true(size >= to && size <= to + slack_of(to));
  if (!IS_CHECKED) assert_int_equal(fe_heap_used_bytes(ground.heap), used_before + size);
  size_t taken = arenas_stats().taken_bytes - before;
  size_t slack = slack_of(to) + (smaller == block ? 0 : SLAB_BYTES); /* a new one has whole slabs */
  if (taken > to + slack)
    fail_msg("%zu of %zu bytes, pages of %zu: %zu are taken", to, from,
             ground.checking.base.page_size, taken);
  mark(smaller, to, 8);
  char *again = resize(ground.heap, smaller, to, from);
  assert_non_null(again);
  assert_true(pattern_holds(again, to < 5000 ? to : 5000, 8));
  mark(again, from, 9);
  assert_true(is_marked(again, from, 9));
  fe_heap_free(ground.heap, again);
  assert_int_equal(fe_heap_used_bytes(ground.heap), used_before);
  fe_heap_collect(ground.heap, true);
  assert_int_equal(arenas_stats().taken_bytes, before);
}

static void what_a_block_does_not_need_goes_back(void **state) {
  (void)state;
  for (int has_commit = 0; has_commit <= 1; has_commit++) {
    for (size_t p = 0; page_size_at(p) != 0; p++) {
      make_base(page_size_at(p), has_commit);
      for (size_t i = 0; i < CUT_COUNT * WAY_COUNT; i++) {
        bool is_whole_chunk = cuts[i / WAY_COUNT][0] > 128 * MIB;
        if (is_slow() && p > 0 && is_whole_chunk) continue;
        cut(ways[i % WAY_COUNT], cuts[i / WAY_COUNT][0], cuts[i / WAY_COUNT][1]);
      }
      end_ground();
      checking_base_end(&ground.checking);
    }
  }
}

/* The base's own account, and the arenas' figures of it. */
static void a_chunk_that_is_cut_gives_its_pages_back(void **state) {
  (void)state;
  for (int has_commit = 0; has_commit <= 1; has_commit++) {
    make_base(4096, has_commit);
    char *block = fe_heap_alloc(ground.heap, 200 * MIB);
    assert_non_null(block);
    mark(block, 200 * MIB, 1);
    size_t decommit_count = ground.checking.decommit_count;
    size_t committed_before = arenas_stats().committed_bytes;
    size_t base_before = ground.checking.committed_bytes;
    block = fe_heap_realloc(ground.heap, block, 102 * MIB);
    assert_true(pattern_holds(block, 5000, 1));
    size_t least = IS_CHECKED ? 0 : 97 * MIB - SLAB_BYTES;
    assert_true(committed_before - arenas_stats().committed_bytes >= least);
    if (has_commit) assert_true(base_before - ground.checking.committed_bytes >= least);
    assert_true(IS_CHECKED || ground.checking.decommit_count > decommit_count);
    fe_heap_free(ground.heap, block);
    end_ground();
    checking_base_end(&ground.checking);
  }
}

static bool refuse_to_decommit(const fe_base_t *base, void *start, size_t size) {
  (void)base, (void)start, (void)size;
  return false;
}

/* Without decommit, or with one that refuses, a block that would leave half of its chunk idle is
 * moved to where it fits. */
static void a_base_need_not_decommit(void **state) {
  (void)state;
  for (int is_refusing = 0; is_refusing <= 1; is_refusing++) {
    checking_base_init(&ground.checking, 4096);
    ground.checking.base.is_zeroed = true;
    ground.checking.base.decommit = is_refusing ? refuse_to_decommit : NULL;
    make_ground();
    char *block = fe_heap_alloc(ground.heap, 200 * MIB);
    assert_non_null(block);
    pattern_fill(block, 100 * KIB, 1);
    block = fe_heap_realloc(ground.heap, block, 150 * MIB);
    block = fe_heap_realloc(ground.heap, block, 180 * MIB);
    block[180 * MIB - 1] = 1;
    block = fe_heap_realloc(ground.heap, block, 50 * MIB);
    assert_true(pattern_holds(block, 100 * KIB, 1));
    assert_true(ground.checking.chunk_bytes < 200 * MIB);
    fe_heap_free(ground.heap, block);
    end_ground();
    checking_base_end(&ground.checking);
  }
}

/* There may be no memory for what grows again; then the block stays as it was cut. */
static void a_growth_may_find_no_memory(void **state) {
  (void)state;
  if (IS_CHECKED) skip();
  make_base(4096, true);
  char *block = fe_heap_alloc(ground.heap, 200 * MIB);
  block = fe_heap_realloc(ground.heap, block, 110 * MIB);
  mark(block, 110 * MIB, 3);
  size_t used = fe_heap_used_bytes(ground.heap);
  ground.checking.failing_call = 1;
  ground.checking.fails_for_good = true;
  errno = 0;
  assert_null(fe_heap_realloc(ground.heap, block, 190 * MIB));
  assert_int_equal(errno, ENOMEM);
  assert_int_equal(fe_heap_used_bytes(ground.heap), used);
  assert_true(is_marked(block, 110 * MIB, 3));
  ground.checking.failing_call = 0;
  block = fe_heap_realloc(ground.heap, block, 190 * MIB);
  assert_non_null(block);
  mark(block, 190 * MIB, 4);
  fe_heap_free(ground.heap, block);
  end_ground();
  checking_base_end(&ground.checking);
}

/* fe_recalloc promises zeros behind the array, also where it was longer before. */
static void cut_arrays_are_zero_when_they_grow_again(void **state) {
  (void)state;
  for (size_t i = 0; i < CUT_COUNT; i++) {
    size_t from = cuts[i][0];
    size_t to = cuts[i][1];
    if (from > 5 * SLAB_BYTES) continue;
    char *block = fe_calloc(from, 1);
    assert_non_null(block);
    memset(block, 0x5a, from);
    block = fe_recalloc(block, to, 1);
    assert_non_null(block);
    block = fe_recalloc(block, from, 1);
    assert_non_null(block);
    assert_true(block[to - 1] == 0x5a && all_zero(block + to, from - to));
    fe_free(block);
  }
}

/* -- It never fails ---------------------------------------------------------------------------- */

enum { LARGE_COUNT = 4 };
static const size_t large_sizes[LARGE_COUNT] = {MEDIUM_MAX, 3 * UNIT_BYTES, SLAB_BYTES * 2 / 3,
                                                SLAB_BYTES * 3};

/* Takes all that the limit allows. */
static void fill_up(fe_heap_t *heap) {
  for (size_t size = SLAB_BYTES / 2; size >= 16; size /= 2) {
    while (fe_heap_alloc(heap, size) != NULL) continue;
  }
}

static void cut_at_the_limit(fe_heap_t *heap, void **blocks) {
  for (size_t i = 0; i < LARGE_COUNT; i++) {
    size_t size = large_sizes[i];
    for (size_t smaller = size / 2; smaller > 0; size = smaller, smaller /= 2) {
      blocks[i] = fe_heap_resize(heap, blocks[i], size, smaller);
      require(blocks[i] != NULL);
      require(pattern_holds(blocks[i], smaller, i));
      require(fe_malloc_size(blocks[i]) >= smaller);
    }
  }
}

static void a_threads_heap_at_its_limit(void *argument) {
  (void)argument;
  void *blocks[LARGE_COUNT];
  for (size_t i = 0; i < LARGE_COUNT; i++) {
    blocks[i] = fe_heap_resize(NULL, NULL, 0, large_sizes[i]);
    require(blocks[i] != NULL);
    pattern_fill(blocks[i], large_sizes[i], i);
  }
  require(fe_option_set("memory_limit", "1"));
  cut_at_the_limit(NULL, blocks);
  for (size_t i = 0; i < LARGE_COUNT; i++) {
    void *block = fe_realloc(blocks[i], 1);
    require(block != NULL);
    fe_heap_resize(NULL, block, 1, 0);
  }
}

static void a_cut_does_not_fail_at_a_limit(void **state) {
  (void)state;
  assert_child_succeeds(a_threads_heap_at_its_limit, NULL);
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  void *blocks[LARGE_COUNT];
  for (size_t i = 0; i < LARGE_COUNT; i++) {
    blocks[i] = fe_heap_resize(heap, NULL, 0, large_sizes[i]);
    assert_non_null(blocks[i]);
    pattern_fill(blocks[i], large_sizes[i], i);
  }
  fe_heap_set_limit(heap, fe_heap_used_bytes(heap) + SLAB_BYTES);
  fill_up(heap);
  cut_at_the_limit(heap, blocks);
  fe_heap_destroy(heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(what_a_block_does_not_need_goes_back),
      test_that(a_chunk_that_is_cut_gives_its_pages_back),
      test_that(a_base_need_not_decommit),
      test_that(a_growth_may_find_no_memory),
      test_that(cut_arrays_are_zero_when_they_grow_again),
      test_that(a_cut_does_not_fail_at_a_limit),
  };
  return cmocka_run_group_tests_name("shrink", tests, NULL, NULL);
}
