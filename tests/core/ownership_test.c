/* fe_owns and fe_heap_contains: right for every address, the program's own blocks and all others.
 */
#include "tests/core/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

static const size_t sizes[] = {1,       16,      100,     1024,    1025,     4000,
                               32768,   40000,   500000,  1966080, 1966081,  3900000,
                               4194304, 4194305, 8388608, 9000000, 20000000, 64 * 1024 * 1024};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

static void blocks_are_owned_to_their_last_byte(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    char *block = fe_malloc(sizes[i]);
    assert_non_null(block);
    assert_true(fe_owns(block));
    assert_true(fe_owns(block + sizes[i] / 2));
    assert_true(fe_owns(block + sizes[i] - 1));
    assert_true(fe_owns(block + fe_malloc_size(block) - 1));
    for (size_t offset = 0; offset < sizes[i]; offset += 1 + sizes[i] / 100) {
      assert_true(fe_owns(block + offset));
    }
    fe_free(block);
  }
}

static void aligned_blocks_are_owned_to_their_last_byte(void **state) {
  (void)state;
  for (size_t alignment = 16; alignment <= 64 * MIB; alignment *= 2) {
    for (size_t size = 100; size <= 5 * MIB; size *= 50) {
      char *block = fe_aligned_alloc(alignment, size);
      assert_non_null(block);
      assert_true(fe_owns(block));
      assert_true(fe_owns(block + size / 2));
      assert_true(fe_owns(block + size - 1));
      fe_free(block);
    }
  }
}

static void foreign_memory_is_not_owned(void **state) {
  (void)state;
  static char in_static_memory[100];
  char on_the_stack[100];
  void *huge_blocks[3];
  for (size_t i = 0; i < 3; i++) {
    huge_blocks[i] = fe_malloc(20 * MIB);
    assert_non_null(huge_blocks[i]);
  }
  assert_false(fe_owns(NULL));
  assert_false(fe_owns(in_static_memory));
  assert_false(fe_owns(on_the_stack));
  assert_false(fe_owns((void *)(uintptr_t)abort));
  assert_false(fe_owns(&stdout));
  for (size_t size = 1; size < 100 * MIB; size *= 5) {
    char *from_libc = malloc(size);
    assert_non_null(from_libc);
    assert_false(fe_owns(from_libc));
    assert_false(fe_owns(from_libc + size - 1));
    free(from_libc);
  }
  for (size_t i = 0; i < 3; i++) {
    fe_free(huge_blocks[i]);
  }
}

/* Mappings of the program that lie, in all likelihood, right beside those of ferroc. */
static void neighbouring_mappings_are_not_owned(void **state) {
  (void)state;
  enum { COUNT = 40 };
  char *mappings[COUNT];
  void *blocks[COUNT];
  size_t size = 4 * MIB;
  for (size_t i = 0; i < COUNT; i++) {
    mappings[i] = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(mappings[i] != MAP_FAILED);
    blocks[i] = fe_malloc(3 * MIB + i * MIB);
    assert_non_null(blocks[i]);
  }
  for (size_t i = 0; i < COUNT; i++) {
    for (size_t offset = 0; offset < size; offset += 4096) {
      assert_false(fe_owns(mappings[i] + offset));
    }
    assert_false(fe_owns(mappings[i] + size - 1));
  }
  for (size_t i = 0; i < COUNT; i++) {
    munmap(mappings[i], size);
    fe_free(blocks[i]);
  }
}

static bool is_mapped(const void *address) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  unsigned char residency;
  return mincore((void *)((uintptr_t)address & ~(page - 1)), 1, &residency) == 0;
}

/* Any bit pattern may be asked about; what is owned must at least be memory of this process. */
static void any_address_may_be_asked_about(void **state) {
  (void)state;
  random_source_t source = {random_seed()};
  for (int i = 0; i < 1000000; i++) {
    const void *address = (const void *)(uintptr_t)(random_next(&source) >> (i % 48));
    if (fe_owns(address)) {
      assert_true(is_mapped(address));
    }
  }
  for (uintptr_t address = UINTPTR_MAX; address > UINTPTR_MAX - 70000; address -= 13) {
    assert_false(fe_owns((const void *)address));
  }
  for (uintptr_t address = 0; address < 65536; address += 7) {
    assert_false(fe_owns((const void *)address));
  }
  for (int shift = 48; shift < (int)sizeof(uintptr_t) * 8; shift++) {
    uintptr_t power = (uintptr_t)1 << shift;
    assert_false(fe_owns((const void *)power));
    assert_false(fe_owns((const void *)(power + 4 * MIB)));
  }
}

/* The same low bits with other high bits is another address. */
static void high_address_bits_count(void **state) {
  (void)state;
  char *block = fe_malloc(100);
  assert_non_null(block);
  for (int shift = 48; shift < (int)sizeof(uintptr_t) * 8; shift++) {
    assert_false(fe_owns((const void *)((uintptr_t)block ^ ((uintptr_t)1 << shift))));
  }
  fe_free(block);
}

static void ask_about_handed_block(void *block) {
  require(fe_owns(block));
  require(!fe_heap_contains(fe_thread_heap(), block));
}

static void blocks_of_other_threads_are_owned(void **state) {
  (void)state;
  void *block = fe_malloc(100);
  assert_non_null(block);
  assert_true(fe_heap_contains(fe_thread_heap(), block));
  run_in_thread(ask_about_handed_block, block);
  fe_free(block);
}

/* In blocks that share a shard every byte may be asked about, in bigger ones the first. */
static size_t askable_size(size_t size) { return size <= MEDIUM_MAX ? size : 1; }

static void a_heap_contains_its_own_blocks_only(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  fe_heap_t *other = fe_heap_create(NULL);
  assert_non_null(heap);
  assert_non_null(other);
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    char *block = fe_heap_alloc(heap, sizes[i]);
    char *others = fe_heap_alloc(other, sizes[i]);
    char *threads = fe_malloc(sizes[i]);
    assert_non_null(block);
    assert_non_null(others);
    assert_non_null(threads);
    for (size_t offset = 0; offset < askable_size(sizes[i]); offset += 1 + sizes[i] / 20) {
      assert_true(fe_heap_contains(heap, block + offset));
      assert_false(fe_heap_contains(other, block + offset));
      assert_false(fe_heap_contains(fe_thread_heap(), block + offset));
      assert_false(fe_heap_contains(heap, others + offset));
      assert_false(fe_heap_contains(heap, threads + offset));
      assert_true(fe_heap_contains(fe_thread_heap(), threads + offset));
    }
    assert_true(fe_heap_contains(heap, block + askable_size(sizes[i]) - 1));
    fe_free(threads);
    if (i % 2 == 0) {
      fe_heap_free(heap, block);
      fe_heap_free(other, others);
    }
  }
  fe_heap_destroy(heap);
  fe_heap_destroy(other);
}

static void a_heap_contains_nothing_foreign(void **state) {
  (void)state;
  static char in_static_memory[100];
  char on_the_stack[100];
  char *from_libc = malloc(100);
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  assert_non_null(fe_heap_alloc(heap, 100));
  assert_false(fe_heap_contains(heap, NULL));
  assert_false(fe_heap_contains(heap, in_static_memory));
  assert_false(fe_heap_contains(heap, on_the_stack));
  assert_false(fe_heap_contains(heap, from_libc));
  assert_false(fe_heap_contains(heap, (const void *)1));
  assert_false(fe_heap_contains(heap, (const void *)UINTPTR_MAX));
  random_source_t source = {3};
  for (int i = 0; i < 100000; i++) {
    const void *address = (const void *)(uintptr_t)(random_next(&source) >> (i % 48));
    assert_true(fe_owns(address) || !fe_heap_contains(heap, address));
  }
  fe_heap_destroy(heap);
  free(from_libc);
}

/* -- Regions that come and go while others ask --------------------------------------------------
 */

/* Whoever comes and goes has a place of its own, and what lies between the places is nobody's. The
 * places use the same few slots of the table in turn. */
enum { PLACE_COUNT = 3, PLACE_UNITS = 4, GAP_UNITS = 1, ROUND_COUNT = 20000 };

static char *places;
static atomic_uint busy_count;

static char *place_of(size_t index) {
  return places + (GAP_UNITS + index * (PLACE_UNITS + GAP_UNITS)) * UNIT_BYTES;
}

static void *come_and_go(void *index) {
  char *place = place_of((size_t)index);
  for (int i = 0; i < ROUND_COUNT; i++) {
    fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, place, PLACE_UNITS * UNIT_BYTES);
    require(arenas != NULL);
    require(fe_owns(place));
    require(fe_owns(place + PLACE_UNITS * UNIT_BYTES - 1));
    require(fe_arenas_destroy(arenas));
    require(!fe_owns(place));
    require(!fe_owns(place + PLACE_UNITS * UNIT_BYTES - 1));
  }
  atomic_fetch_sub(&busy_count, 1);
  return NULL;
}

static void *ask_about_gaps(void *unused) {
  (void)unused;
  while (atomic_load(&busy_count) > 0) {
    for (size_t i = 0; i <= PLACE_COUNT; i++) {
      char *gap = place_of(i) - GAP_UNITS * UNIT_BYTES;
      require(!fe_owns(gap));
      require(!fe_owns(gap + GAP_UNITS * UNIT_BYTES - 1));
    }
    require(fe_owns(place_of(PLACE_COUNT)));
  }
  return NULL;
}

static void regions_may_come_and_go_while_others_ask(void **state) {
  (void)state;
  size_t size = SLAB_BYTES + (PLACE_COUNT + 2) * (PLACE_UNITS + GAP_UNITS) * UNIT_BYTES;
  char *memory =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  assert_true(memory != MAP_FAILED);
  places = memory + (-(uintptr_t)memory & (SLAB_BYTES - 1));
  /* One that stays is behind the others. */
  fe_arenas_t *staying =
      fe_arenas_create(&fe_base_static, place_of(PLACE_COUNT), PLACE_UNITS * UNIT_BYTES);
  assert_non_null(staying);
  pthread_t threads[PLACE_COUNT + 2];
  atomic_store(&busy_count, PLACE_COUNT);
  for (size_t i = 0; i < PLACE_COUNT + 2; i++) {
    void *(*body)(void *) = i < PLACE_COUNT ? come_and_go : ask_about_gaps;
    assert_int_equal(pthread_create(&threads[i], NULL, body, (void *)i), 0);
  }
  for (size_t i = 0; i < PLACE_COUNT + 2; i++) pthread_join(threads[i], NULL);
  assert_true(fe_arenas_destroy(staying));
  munmap(memory, size);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(blocks_are_owned_to_their_last_byte),
      test_that(aligned_blocks_are_owned_to_their_last_byte),
      test_that(foreign_memory_is_not_owned),
      test_that(neighbouring_mappings_are_not_owned),
      test_that(any_address_may_be_asked_about),
      test_that(high_address_bits_count),
      test_that(blocks_of_other_threads_are_owned),
      test_that(a_heap_contains_its_own_blocks_only),
      test_that(a_heap_contains_nothing_foreign),
      test_that(regions_may_come_and_go_while_others_ask),
  };
  return cmocka_run_group_tests_name("ownership", tests, NULL, NULL);
}
