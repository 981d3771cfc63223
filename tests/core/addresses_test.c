/* Any address can be noted as ferroc's, wherever a kernel or a program may put its memory. Nothing
 * is at most of these addresses: they are only noted. */
#include "tests/core/support.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "core/arena/ownership.h"

enum { ADDRESS_BITS = sizeof(uintptr_t) * 8 };

static bool owns(uintptr_t address) { return fe_owns_address((const void *)address); }

static bool is_single(uintptr_t address) { return fe_ownership_is_single((const void *)address); }

static bool overlaps(uintptr_t start, size_t size) {
  return fe_ownership_overlaps((const char *)start, size);
}

/* Whether ferroc has memory of its own in these slabs or next to them, which happens where low
 * addresses are given out, as by Valgrind. They are few, and something is there. */
static bool are_taken(uintptr_t start, size_t size) {
  enum { TAKEN_MAX = 10 };
  static size_t taken_count;
  unsigned char is_resident;
  uintptr_t end = start + size + SLAB_BYTES;
  for (uintptr_t slab = start - SLAB_BYTES; slab != end; slab += SLAB_BYTES) {
    if (owns(slab) && mincore((void *)slab, 1, &is_resident) == 0) {
      assert_true(++taken_count <= TAKEN_MAX);
      return true;
    }
  }
  return false;
}

static void note(uintptr_t start, size_t size) {
  assert_false(overlaps(start, size));
  assert_true(fe_ownership_set((const char *)start, size));
}

static void forget(uintptr_t start, size_t size) {
  fe_ownership_clear((const char *)start, size);
  assert_false(overlaps(start, size));
}

/* The memory is ferroc's from its first byte to its last, and its neighbours are not. */
static void assert_owned(uintptr_t start, size_t size) {
  assert_true(owns(start));
  assert_true(owns(start + size / 2));
  assert_true(owns(start + size - 1));
  assert_false(owns(start - 1));
  assert_false(owns(start + size));
  assert_true(overlaps(start + size - 1, 1));
  assert_true(overlaps(start - SLAB_BYTES, SLAB_BYTES + 1));
  assert_false(overlaps(start + size, SLAB_BYTES));
}

static void check_chunk(uintptr_t start, size_t size) {
  if (are_taken(start, size)) return;
  note(start, size);
  assert_owned(start, size);
  assert_false(is_single(start));
  fe_ownership_set_single((const char *)start, size, true);
  assert_true(is_single(start));
  assert_true(is_single(start + size - 1));
  assert_false(is_single(start - 1));
  assert_false(is_single(start + size));
  fe_ownership_set_single((const char *)start, size, false);
  assert_false(is_single(start));
  forget(start, size);
  assert_false(owns(start));
  assert_false(owns(start + size - 1));
}

static void chunks_may_lie_behind_every_power_of_two(void **state) {
  (void)state;
  for (int shift = FE_SLAB_SHIFT + 4; shift < ADDRESS_BITS; shift++) {
    uintptr_t start = (uintptr_t)1 << shift;
    check_chunk(start + SLAB_BYTES, SLAB_BYTES);
    check_chunk(start, 5 * SLAB_BYTES);
  }
}

/* As those that go down from the end of 39, 42, 48 or 57 bits. */
static void chunks_may_lie_before_every_power_of_two(void **state) {
  (void)state;
  for (int shift = FE_SLAB_SHIFT + 4; shift < ADDRESS_BITS; shift++) {
    uintptr_t end = (uintptr_t)1 << shift;
    check_chunk(end - SLAB_BYTES, SLAB_BYTES);
    check_chunk(end - 7 * SLAB_BYTES, 5 * SLAB_BYTES);
  }
}

static void chunks_may_lie_across_every_power_of_two(void **state) {
  (void)state;
  for (int shift = FE_SLAB_SHIFT + 4; shift < ADDRESS_BITS; shift++) {
    check_chunk(((uintptr_t)1 << shift) - 2 * SLAB_BYTES, 5 * SLAB_BYTES);
  }
}

static void chunks_may_lie_near_the_last_address(void **state) {
  (void)state;
  check_chunk(-(uintptr_t)(2 * SLAB_BYTES), SLAB_BYTES);
  check_chunk(-(uintptr_t)(9 * SLAB_BYTES), 8 * SLAB_BYTES);
}

/* The default range of AArch64 ends there. */
static void the_last_slabs_of_48_bits_are_like_any(void **state) {
  (void)state;
  if (ADDRESS_BITS < 48) skip();
  check_chunk((uintptr_t)UINT64_C(0x0000fffff0000000), SLAB_BYTES);
  check_chunk((uintptr_t)UINT64_C(0x0000fffff0000000), 20 * SLAB_BYTES);
}

static void regions_may_lie_around_every_power_of_two(void **state) {
  (void)state;
  for (int shift = FE_SLAB_SHIFT + 4; shift < ADDRESS_BITS; shift++) {
    uintptr_t start = ((uintptr_t)1 << shift) - 3 * UNIT_BYTES;
    size_t size = 2 * SLAB_BYTES + UNIT_BYTES;
    if (are_taken(start, 3 * SLAB_BYTES)) continue;
    note(start, size);
    assert_owned(start, size);
    forget(start, size);
    assert_false(owns(start));
    assert_false(owns(start + size - 1));
  }
}

/* What is noted at one address does not show at those that differ in some high bit. */
static void all_bits_of_an_address_count(void **state) {
  (void)state;
  uintptr_t start = 40 * SLAB_BYTES;
  for (int noted = FE_SLAB_SHIFT + 8; noted < ADDRESS_BITS; noted++) {
    uintptr_t chunk = start | (uintptr_t)1 << noted;
    if (are_taken(chunk, SLAB_BYTES)) continue;
    note(chunk, SLAB_BYTES);
    for (int bit = FE_SLAB_SHIFT; bit < ADDRESS_BITS; bit++) {
      uintptr_t other = chunk ^ (uintptr_t)1 << bit;
      assert_true(!owns(other) || are_taken(other, SLAB_BYTES));
    }
    forget(chunk, SLAB_BYTES);
  }
}

/* As arenas do whose addresses go back and are had again. */
static void slabs_of_a_chunk_may_go_and_come_back(void **state) {
  (void)state;
  for (int shift = FE_SLAB_SHIFT + 4; shift < ADDRESS_BITS; shift++) {
    uintptr_t start = ((uintptr_t)1 << shift) - 2 * SLAB_BYTES;
    if (are_taken(start, 4 * SLAB_BYTES)) continue;
    note(start, 4 * SLAB_BYTES);
    for (size_t i = 0; i < 4; i++) {
      uintptr_t slab = start + i * SLAB_BYTES;
      forget(slab, SLAB_BYTES);
      assert_false(owns(slab));
      assert_true(owns(slab + SLAB_BYTES) == (i < 3));
      assert_true(owns(slab - 1) == (i > 0));
      note(slab, SLAB_BYTES);
    }
    assert_owned(start, 4 * SLAB_BYTES);
    forget(start, 4 * SLAB_BYTES);
  }
}

/* -- Threads that note something in the same windows for the first time -- */

enum { THREAD_COUNT = 8, TURN_COUNT = 200 };

static pthread_barrier_t start_line;

static uintptr_t chunk_of(size_t thread, size_t turn) {
  uintptr_t window = (uintptr_t)(turn + 3) << (ADDRESS_BITS - 10);
  return window + (thread + 8) * SLAB_BYTES;
}

static void *note_in_turns(void *thread) {
  for (size_t turn = 0; turn < TURN_COUNT; turn++) {
    uintptr_t start = chunk_of((size_t)thread, turn);
    pthread_barrier_wait(&start_line);
    require(!owns(start));
    require(fe_ownership_set((const char *)start, SLAB_BYTES));
    require(owns(start));
    pthread_barrier_wait(&start_line);
    for (size_t other = 0; other < THREAD_COUNT; other++) require(owns(chunk_of(other, turn)));
    pthread_barrier_wait(&start_line);
    fe_ownership_clear((const char *)start, SLAB_BYTES);
    require(!owns(start));
  }
  return NULL;
}

static void threads_may_note_in_one_window_at_once(void **state) {
  (void)state;
  pthread_t threads[THREAD_COUNT];
  assert_int_equal(pthread_barrier_init(&start_line, NULL, THREAD_COUNT), 0);
  for (size_t i = 0; i < THREAD_COUNT; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, note_in_turns, (void *)i), 0);
  }
  for (size_t i = 0; i < THREAD_COUNT; i++) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&start_line);
}

/* -- A slab that cannot be noted: the first one of a window for which there is no memory -- */

#if FE_ADDRESS_BITS < 46 && UINTPTR_MAX > UINT32_MAX

enum { SLABS_BEFORE = 5 };

/* Across the start of a window that no other test notes anything in. */
static void *reserve_across(const fe_base_t *base, size_t size, size_t alignment) {
  (void)base;
  (void)alignment;
  for (uintptr_t window = 11; window >> (47 - FE_ADDRESS_BITS) == 0; window++) {
    char *start = (char *)(window << FE_ADDRESS_BITS) - SLABS_BEFORE * SLAB_BYTES;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    void *place = mmap(start, size, PROT_NONE, flags, -1, 0);
    if (place == start) return start;
    if (place != MAP_FAILED) munmap(place, size);
  }
  return NULL;
}

static void use_up_a_window(void *unused) {
  (void)unused;
  fe_base_t base = fe_base_mmap;
  base.reserve = reserve_across;
  fe_arenas_t *arenas = fe_arenas_create(&base, NULL, 0);
  fe_heap_t *heap = arenas == NULL ? NULL : fe_arenas_thread_heap(arenas);
  require(heap != NULL);
  struct rlimit limit;
  require(getrlimit(RLIMIT_AS, &limit) == 0);
  limit.rlim_cur = MIB;
  require(setrlimit(RLIMIT_AS, &limit) == 0);
  size_t count = 0;
  for (char *block; (block = fe_heap_alloc(heap, SLAB_BYTES / 8)) != NULL; count++) {
    require(fe_owns(block));
    block[0] = 1;
  }
  require(errno == ENOMEM && count > SLABS_BEFORE * 6 && count <= SLABS_BEFORE * 8);
  limit.rlim_cur = limit.rlim_max;
  require(setrlimit(RLIMIT_AS, &limit) == 0);
  char *block = fe_heap_alloc(heap, 2 * SLAB_BYTES);
  require(block != NULL && fe_owns(block));
}

static void a_slab_that_cannot_be_noted_is_not_used(void **state) {
  (void)state;
  if (SLAB_BYTES < MIB || IS_CHECKED || HAS_SANITIZER_MEMORY) skip();
  assert_child_succeeds(use_up_a_window, NULL);
}

#else /* few windows, or none */

static void a_slab_that_cannot_be_noted_is_not_used(void **state) {
  (void)state;
  skip();
}

#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(chunks_may_lie_behind_every_power_of_two),
      test_that(chunks_may_lie_before_every_power_of_two),
      test_that(chunks_may_lie_across_every_power_of_two),
      test_that(chunks_may_lie_near_the_last_address),
      test_that(the_last_slabs_of_48_bits_are_like_any),
      test_that(regions_may_lie_around_every_power_of_two),
      test_that(all_bits_of_an_address_count),
      test_that(slabs_of_a_chunk_may_go_and_come_back),
      test_that(threads_may_note_in_one_window_at_once),
      test_that(a_slab_that_cannot_be_noted_is_not_used),
  };
  return cmocka_run_group_tests_name("addresses", tests, NULL, NULL);
}
