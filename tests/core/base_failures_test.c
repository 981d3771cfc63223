/* A base of the program's own that has no more memory, at any call, once or for good. */
#include "tests/core/ground.h"

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
    ground.checking.committed_max = 4 * SLAB_BYTES;
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

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(allocate_may_fail_at_any_call),
      test_that(allocate_or_commit_may_fail_at_any_call),
      test_that(commit_may_come_to_its_end),
      test_that(a_base_may_have_little),
  };
  return cmocka_run_group_tests_name("base failures", tests, NULL, NULL);
}
