/* Huge blocks that grow: what they hold comes along, by pages and not by bytes where the base can
 * do that; limits, failures and bases that cannot.
 */
#include <sys/resource.h>

#include "tests/core/support.h"

enum { PAGE = 4096 };

/* What sanitizers note about every byte takes time and memory. */
#define LARGEST (HAS_SANITIZER_MEMORY || is_slow() ? 150 * MIB : 400 * MIB)

/* A mark in each page and in the last byte, which tell the place and the seed. */
static unsigned char mark(size_t at, unsigned seed) {
  return (unsigned char)(at / PAGE * 31 + at + seed);
}

static void write_marks(unsigned char *block, size_t from, size_t size, unsigned seed) {
  for (size_t at = from; at < size; at += PAGE - 1) {
    block[at] = mark(at, seed);
  }
}

static bool marks_hold(const unsigned char *block, size_t size, unsigned seed) {
  for (size_t at = 0; at < size; at += PAGE - 1) {
    if (block[at] != mark(at, seed)) return false;
  }
  return true;
}

typedef void *grow_t(fe_heap_t *heap, void *block, size_t from, size_t to);

static void *by_realloc(fe_heap_t *heap, void *block, size_t from, size_t to) {
  (void)heap, (void)from;
  return fe_realloc(block, to);
}

static void *by_heap_realloc(fe_heap_t *heap, void *block, size_t from, size_t to) {
  (void)from;
  return fe_heap_realloc(heap, block, to);
}

static void *by_heap_resize(fe_heap_t *heap, void *block, size_t from, size_t to) {
  return fe_heap_resize(heap, block, from, to);
}

static void *by_thread_resize(fe_heap_t *heap, void *block, size_t from, size_t to) {
  (void)heap;
  return fe_heap_resize(NULL, block, from, to);
}

/* From 1 MiB to the largest, beside another block that lies in the way, and back. */
static void grow_and_shrink(fe_heap_t *heap, grow_t *grow) {
  size_t size = MIB + 5;
  unsigned char *block = grow(heap, NULL, 0, size);
  assert_non_null(block);
  write_marks(block, 0, size, 1);
  while (size < LARGEST) {
    size_t larger = size + size / 2 + 12345;
    void *neighbour = fe_malloc(5 * MIB);
    block = grow(heap, block, size, larger);
    assert_non_null(block);
    assert_true(aligned_to(block, 16));
    assert_true(fe_owns(block) && fe_owns(block + larger - 1));
    assert_true(fe_malloc_size(block) >= larger);
    if (!marks_hold(block, size, 1)) fail_msg("content lost from %zu to %zu bytes", size, larger);
    write_marks(block, 0, larger, 1);
    size = larger;
    fe_free(neighbour);
  }
  while (size > MIB) {
    size_t smaller = size / 3;
    block = grow(heap, block, size, smaller);
    assert_non_null(block);
    if (!marks_hold(block, smaller, 1)) fail_msg("content lost from %zu to %zu", size, smaller);
    size = smaller;
  }
  grow(heap, block, size, 0);
}

static void content_comes_along(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  grow_and_shrink(NULL, by_realloc);
  grow_and_shrink(NULL, by_thread_resize);
  grow_and_shrink(heap, by_heap_realloc);
  grow_and_shrink(heap, by_heap_resize);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

static void many_blocks_grow_side_by_side(void **state) {
  (void)state;
  enum { COUNT = 12 };
  unsigned char *blocks[COUNT] = {NULL};
  size_t sizes[COUNT] = {0};
  random_source_t source = {11};
  for (unsigned step = 0; step < rounds_of(400); step++) {
    unsigned i = (unsigned)random_below(&source, COUNT);
    size_t to = sizes[i] > 60 * MIB ? MIB : sizes[i] + random_below(&source, 8 * MIB) + 1;
    size_t kept = to < sizes[i] ? to : sizes[i];
    blocks[i] = fe_realloc(blocks[i], to);
    assert_non_null(blocks[i]);
    assert_true(marks_hold(blocks[i], kept, i));
    write_marks(blocks[i], 0, to, i);
    sizes[i] = to;
  }
  for (unsigned i = 0; i < COUNT; i++) {
    if (blocks[i] != NULL) assert_true(marks_hold(blocks[i], sizes[i], i));
    fe_free(blocks[i]);
  }
}

static long page_faults(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

/* 50,000 pages: who copies them touches as many new ones. */
static void the_pages_of_a_huge_block_are_moved_and_not_copied(void **state) {
  (void)state;
  if (HAS_SANITIZER_MEMORY || IS_CHECKED) skip();
  size_t size = 200 * MIB;
  unsigned char *block = fe_realloc(fe_malloc(100 * MIB), size);
  assert_non_null(block);
  write_marks(block, 0, size, 3);
  for (int i = 0; i < 4; i++) {
    size_t larger = size + 50 * MIB;
    void *in_the_way = fe_malloc(150 * MIB);
    long before = page_faults();
    block = fe_realloc(block, larger);
    long faults = page_faults() - before;
    assert_non_null(block);
    if (faults > 2000) fail_msg("from %zu to %zu bytes: %ld page faults", size, larger, faults);
    assert_true(marks_hold(block, size, 3));
    fe_free(in_the_way);
    write_marks(block, 0, larger, 3);
    size = larger;
  }
  fe_free(block);
}

static void a_limit_forbids_growth_and_the_block_stays(void **state) {
  (void)state;
  fe_heap_options_t options = {.memory_limit = 100 * MIB};
  fe_heap_t *heap = fe_heap_create(&options);
  unsigned char *block = fe_heap_realloc(heap, fe_heap_alloc(heap, 10 * MIB), 40 * MIB);
  assert_non_null(block);
  write_marks(block, 0, 40 * MIB, 4);
  size_t used = fe_heap_used_bytes(heap);
  errno = 0;
  assert_null(fe_heap_realloc(heap, block, 101 * MIB));
  assert_int_equal(errno, ENOMEM);
  assert_int_equal(fe_heap_used_bytes(heap), used);
  assert_true(marks_hold(block, 40 * MIB, 4));
  /* Not the old and the new size together count, since the block is moved as a whole; in builds
   * that check, it is a new one. */
  block = fe_heap_realloc(heap, block, (IS_CHECKED ? 55 : 90) * MIB);
  assert_non_null(block);
  assert_true(marks_hold(block, 40 * MIB, 4));
  fe_heap_free(heap, block);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

static void impossible_growth_leaves_the_block(void **state) {
  (void)state;
  unsigned char *block = fe_realloc(fe_malloc(10 * MIB), 20 * MIB);
  assert_non_null(block);
  write_marks(block, 0, 20 * MIB, 5);
  static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX + 1, BEYOND_MEMORY};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    errno = 0;
    assert_null(fe_realloc(block, sizes[i]));
    assert_int_equal(errno, ENOMEM);
  }
  assert_true(marks_hold(block, 20 * MIB, 5));
  fe_free(block);
}

/* -- Bases -- */

static int grow_calls;

static void *cannot_grow(const fe_base_t *base, void *chunk, size_t size, size_t new_size,
                         size_t alignment) {
  (void)base, (void)chunk;
  require(new_size > size && alignment > 0);
  grow_calls++;
  return NULL;
}

static void grow_on(const fe_base_t *base) {
  fe_arenas_t *arenas = fe_arenas_create(base, NULL, 0);
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_options_t options = {.context = context};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  grow_and_shrink(heap, by_heap_realloc);
  grow_and_shrink(heap, by_heap_resize);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
}

static void a_base_need_not_be_able_to_grow_chunks(void **state) {
  (void)state;
  fe_base_t base = fe_base_mmap;
  base.grow = NULL;
  grow_on(&base);
}

static void a_chunk_that_cannot_grow_is_copied(void **state) {
  (void)state;
  fe_base_t base = fe_base_mmap;
  base.grow = cannot_grow;
  grow_on(&base);
  assert_true(IS_CHECKED || grow_calls > 0);
}

static void a_destroyed_heap_takes_its_grown_blocks_with_it(void **state) {
  (void)state;
  size_t before = 0;
  for (int round = 0; round < 8; round++) {
    fe_heap_t *heap = fe_heap_create(NULL);
    for (int i = 0; i < 3; i++) {
      void *block = fe_heap_realloc(heap, fe_heap_alloc(heap, 50 * MIB), 100 * MIB);
      assert_non_null(fe_heap_realloc(heap, block, 300 * MIB));
    }
    fe_heap_destroy(heap);
    if (round == 0) before = mapped_bytes();
  }
  assert_true(mapped_bytes() <= before + 100 * MIB);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(content_comes_along),
      test_that(many_blocks_grow_side_by_side),
      test_that(the_pages_of_a_huge_block_are_moved_and_not_copied),
      test_that(a_limit_forbids_growth_and_the_block_stays),
      test_that(impossible_growth_leaves_the_block),
      test_that(a_base_need_not_be_able_to_grow_chunks),
      test_that(a_chunk_that_cannot_grow_is_copied),
      test_that(a_destroyed_heap_takes_its_grown_blocks_with_it),
  };
  return cmocka_run_group_tests_name("growth", tests, NULL, NULL);
}
