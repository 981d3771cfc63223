/* fe_heap_visit: every shard and every live block, once, and nothing else. */
#include "tests/core/support.h"

/* What a visit found. */
typedef struct found {
  size_t shard_count, nursery_count, large_count;
  size_t block_count, block_bytes, live_bytes;
  size_t blocks_of_shard; /* still to come for the present shard */
  const fe_shard_view_t *shard;
  void **wanted; /* blocks that are live; each is set to NULL when it is found */
  size_t wanted_count;
  size_t stop_after; /* blocks; 0: never */
} found_t;

static bool see_shard(const fe_shard_view_t *shard, void *user_data) {
  found_t *found = user_data;
  require(found->blocks_of_shard == 0);
  require(shard->live_count <= shard->carved_count && shard->carved_count <= shard->room_count);
  require(shard->live_bytes <= shard->bytes);
  if (shard->type == FE_SHARD_OF_ONE_SIZE) {
    require(shard->live_bytes == shard->live_count * shard->block_size);
    require(shard->room_count * shard->block_size < shard->bytes);
  }
  found->blocks_of_shard = shard->live_count;
  found->shard = shard;
  found->shard_count++;
  found->nursery_count += shard->type == FE_SHARD_OF_NURSERY;
  found->large_count += shard->type == FE_SHARD_OF_LARGE;
  found->live_bytes += shard->live_bytes;
  return true;
}

static int compare_pointers(const void *a, const void *b) {
  const char *one = *(char *const *)a, *other = *(char *const *)b;
  return one < other ? -1 : one > other;
}

/* The wanted block at this address, or the one that an aligned pointer into [block, block + size)
 * names. */
static void strike_out(found_t *found, const void *block, size_t size) {
  const char *start = block;
  for (size_t low = 0, high = found->wanted_count; low < high;) {
    size_t middle = (low + high) / 2;
    const char *wanted = (const char *)((uintptr_t)found->wanted[middle] & ~(uintptr_t)1);
    if (wanted < start) {
      low = middle + 1;
    } else if (wanted >= start + size) {
      high = middle;
    } else {
      require(((uintptr_t)found->wanted[middle] & 1) == 0); /* not seen before */
      found->wanted[middle] = (void *)((uintptr_t)found->wanted[middle] | 1);
      return;
    }
  }
  require(found->wanted == NULL);
}

static bool see_block(const fe_shard_view_t *shard, const void *block, size_t size,
                      void *user_data) {
  found_t *found = user_data;
  require(shard == found->shard || found->shard == NULL);
  const char *first = shard->start, *start = block;
  require(start > first && start + size <= first + shard->bytes);
  if (shard->block_size != 0) require(size == shard->block_size);
  found->block_count++;
  found->block_bytes += size;
  found->blocks_of_shard--;
  strike_out(found, block, size);
  return found->block_count != found->stop_after;
}

static const fe_visitor_t visitor = {see_shard, see_block};

/* Visits, and checks that exactly the wanted blocks are there. */
static found_t visit(fe_heap_t *heap, void **wanted, size_t wanted_count) {
  found_t found = {.wanted = wanted, .wanted_count = wanted_count};
  if (wanted != NULL) qsort(wanted, wanted_count, sizeof *wanted, compare_pointers);
  assert_true(fe_heap_visit(heap, &visitor, &found));
  assert_int_equal(found.blocks_of_shard, 0);
  assert_int_equal(found.block_bytes, found.live_bytes);
  assert_int_equal(found.block_bytes, fe_heap_used_bytes(heap));
  if (wanted != NULL) assert_int_equal(found.block_count, wanted_count);
  for (size_t i = 0; i < wanted_count; i++) {
    if (((uintptr_t)wanted[i] & 1) == 0) fail_msg("%p was not visited", wanted[i]);
    wanted[i] = (void *)((uintptr_t)wanted[i] & ~(uintptr_t)1);
  }
  return found;
}

static fe_heap_t *new_heap(size_t granule) {
  fe_heap_options_t options = {.granule = granule};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  return heap;
}

static void an_empty_heap_is_a_nursery_without_blocks(void **state) {
  (void)state;
  fe_heap_t *heap = new_heap(0);
  found_t found = visit(heap, NULL, 0);
  assert_int_equal(found.shard_count, 1);
  assert_int_equal(found.nursery_count, 1);
  assert_int_equal(found.block_count, 0);
  fe_heap_destroy(heap);
}

#define MANY 6000

/* Allocates, frees every other block, in an order of chance, and leaves the live ones in `blocks`.
 */
static size_t fill(fe_heap_t *heap, void **blocks, size_t count, size_t size_limit, uint64_t seed) {
  random_source_t random = {seed};
  for (size_t i = 0; i < count; i++) {
    blocks[i] = fe_heap_alloc(heap, random_size(&random, size_limit));
    require(blocks[i] != NULL);
  }
  shuffle(blocks, count, &random);
  for (size_t i = count / 2; i < count; i++) fe_heap_free(heap, blocks[i]);
  return count / 2;
}

static void each_live_block_is_visited_once(void **state) {
  (void)state;
  static void *blocks[MANY];
  for (size_t granule = 8; granule <= 16; granule += 8) {
    fe_heap_t *heap = new_heap(granule);
    size_t live = fill(heap, blocks, 100, 500, random_seed()); /* still in the nursery */
    visit(heap, blocks, live);
    fe_heap_destroy(heap);
    heap = new_heap(granule);
    live = fill(heap, blocks, MANY, 20000, random_seed());
    found_t found = visit(heap, blocks, live);
    assert_true(found.shard_count > 10);
    fe_heap_destroy(heap);
  }
}

static void full_shards_and_large_blocks_are_visited(void **state) {
  (void)state;
  static void *blocks[MANY + 3];
  fe_heap_t *heap = new_heap(0);
  for (int i = 0; i < MANY; i++) blocks[i] = fe_heap_alloc(heap, 100);
  blocks[MANY] = fe_heap_alloc(heap, 50000);
  blocks[MANY + 1] = fe_heap_alloc(heap, 7 * MIB);
  blocks[MANY + 2] = fe_heap_alloc(heap, 150 * MIB);
  found_t found = visit(heap, blocks, MANY + 3);
  assert_int_equal(found.large_count, 3);
  fe_heap_destroy(heap);
}

static void aligned_blocks_are_visited_where_they_begin(void **state) {
  (void)state;
  void *blocks[40];
  size_t count = 0;
  fe_heap_t *heap = new_heap(0);
  for (size_t alignment = 16; alignment <= MIB; alignment *= 2) {
    blocks[count++] = fe_heap_aligned_alloc(heap, alignment, 100);
    blocks[count++] = fe_heap_aligned_alloc(heap, alignment, 3000);
  }
  visit(heap, blocks, count);
  fe_heap_destroy(heap);
}

static void blocks_that_a_limit_holds_back_are_not_live(void **state) {
  (void)state;
  static void *blocks[MANY];
  fe_heap_options_t options = {.memory_limit = 300000};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  size_t count = 0;
  void *block;
  while ((block = fe_heap_alloc(heap, 96)) != NULL) blocks[count++] = block;
  for (size_t i = 0; i < count / 2; i++) fe_heap_free(heap, blocks[i]);
  fe_heap_set_limit(heap, 100000); /* all that is free is held back */
  assert_null(fe_heap_alloc(heap, 96));
  visit(heap, blocks + count / 2, count - count / 2);
  fe_heap_destroy(heap);
}

static void free_first_half(void *argument) {
  void **blocks = argument;
  for (int i = 0; i < MANY / 2; i++) fe_free(blocks[i]);
}

static void blocks_freed_by_others_are_not_live(void **state) {
  (void)state;
  static void *blocks[MANY];
  fe_heap_t *heap = new_heap(0);
  for (int i = 0; i < MANY; i++) blocks[i] = fe_heap_alloc(heap, 48);
  run_in_thread(free_first_half, blocks);
  visit(heap, blocks + MANY / 2, MANY / 2);
  fe_heap_destroy(heap);
}

/* Whoever frees them gives them back, so a permanent heap has no list of its large blocks. */
static void large_blocks_of_a_permanent_heap_are_visited_too(void **state) {
  (void)state;
  fe_heap_options_t options = {.is_permanent = true};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  void *blocks[4] = {fe_heap_alloc(heap, 40000), fe_heap_alloc(heap, 40 * MIB),
                     fe_heap_aligned_alloc(heap, MIB, 10), fe_heap_alloc(heap, 8)};
  void *other = fe_malloc(MIB);
  found_t found = visit(heap, blocks, 4);
  assert_int_equal(found.large_count, 3);
  for (int i = 0; i < 4; i++) fe_heap_free(heap, blocks[i]);
  found = visit(heap, NULL, 0);
  assert_int_equal(found.block_count, 0);
  fe_free(other);
}

static void the_threads_own_heap_can_be_visited(void **state) {
  (void)state;
  void *large = fe_malloc(MIB);
  void *small = fe_malloc(10);
  found_t found = visit(fe_thread_heap(), NULL, 0);
  assert_true(found.block_count >= 2);
  fe_free(small);
  fe_free(large);
}

static void a_visitor_can_end_the_visit(void **state) {
  (void)state;
  static void *blocks[MANY];
  fe_heap_t *heap = new_heap(0);
  fill(heap, blocks, MANY, 1000, 3);
  size_t counts[] = {1, 50, MANY / 4};
  for (int i = 0; i < 3; i++) {
    found_t found = {.stop_after = counts[i]};
    assert_false(fe_heap_visit(heap, &visitor, &found));
    assert_int_equal(found.block_count, counts[i]);
  }
  fe_heap_destroy(heap);
}

static void functions_may_be_left_out(void **state) {
  (void)state;
  fe_heap_t *heap = new_heap(0);
  require(fe_heap_alloc(heap, 30) != NULL);
  found_t found = {.blocks_of_shard = 0};
  assert_true(fe_heap_visit(heap, &(fe_visitor_t){.block = see_block}, &found));
  assert_int_equal(found.block_count, 1);
  assert_true(
      fe_heap_visit(heap, &(fe_visitor_t){.shard = see_shard}, &(found_t){.blocks_of_shard = 0}));
  assert_true(fe_heap_visit(heap, &(fe_visitor_t){NULL, NULL}, NULL));
  fe_heap_destroy(heap);
}

/* -- While others are at it -- */

typedef struct crowd {
  void **blocks;
  size_t visited_count;
} crowd_t;

static void free_and_trim(void *blocks) {
  for (size_t i = 0; i < MANY; i++) fe_free(((void **)blocks)[i]);
  fe_trim();
}

static bool see_one_of_crowd(const fe_shard_view_t *view, const void *block, size_t size,
                             void *user_data) {
  (void)view, (void)block, (void)size;
  crowd_t *crowd = user_data;
  if (crowd->visited_count++ == 0) run_in_thread(free_and_trim, crowd->blocks);
  return true;
}

/* What others free meanwhile, and what is trimmed, stays until the visit is over. */
static void shards_stay_while_they_are_visited(void **state) {
  (void)state;
  static void *blocks[MANY];
  fe_heap_t *heap = new_heap(0);
  for (size_t i = 0; i < MANY; i++) {
    blocks[i] = fe_heap_alloc(heap, 1000);
    assert_non_null(blocks[i]);
  }
  crowd_t crowd = {.blocks = blocks};
  assert_true(fe_heap_visit(heap, &(fe_visitor_t){.block = see_one_of_crowd}, &crowd));
  assert_int_equal(crowd.visited_count, MANY);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(an_empty_heap_is_a_nursery_without_blocks),
      test_that(each_live_block_is_visited_once),
      test_that(full_shards_and_large_blocks_are_visited),
      test_that(aligned_blocks_are_visited_where_they_begin),
      test_that(blocks_that_a_limit_holds_back_are_not_live),
      test_that(blocks_freed_by_others_are_not_live),
      test_that(large_blocks_of_a_permanent_heap_are_visited_too),
      test_that(the_threads_own_heap_can_be_visited),
      test_that(a_visitor_can_end_the_visit),
      test_that(functions_may_be_left_out),
      test_that(shards_stay_while_they_are_visited),
  };
  return cmocka_run_group_tests_name("visit", tests, NULL, NULL);
}
