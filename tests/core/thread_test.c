/* Threads: blocks freed by others come back, and the heap of a thread that ended, with what it
 * holds, goes to a later one.
 */
#include "tests/core/support.h"

#include <pthread.h>

static void note_heap(void *argument) {
  fe_heap_t **heap = argument;
  fe_free(fe_malloc(100));
  *heap = fe_thread_heap();
  require(*heap != NULL);
}

static void a_later_thread_gets_the_heap_of_an_ended_one(void **state) {
  (void)state;
  fe_heap_t *first;
  run_in_thread(note_heap, &first);
  assert_ptr_not_equal(first, fe_thread_heap());
  for (int i = 0; i < 100; i++) {
    fe_heap_t *later;
    run_in_thread(note_heap, &later);
    assert_ptr_equal(later, first);
  }
}

enum { TOGETHER = 8 };
static pthread_barrier_t all_have_a_heap;

static void *hold_heap(void *argument) {
  note_heap(argument);
  pthread_barrier_wait(&all_have_a_heap);
  return NULL;
}

static void threads_at_the_same_time_have_heaps_of_their_own(void **state) {
  (void)state;
  fe_heap_t *heaps[TOGETHER + 1];
  extent_t extents[TOGETHER + 1];
  assert_int_equal(pthread_barrier_init(&all_have_a_heap, NULL, TOGETHER), 0);
  for (int round = 0; round < 20; round++) {
    pthread_t threads[TOGETHER];
    for (size_t i = 0; i < TOGETHER; i++) {
      assert_int_equal(pthread_create(&threads[i], NULL, hold_heap, &heaps[i]), 0);
    }
    for (size_t i = 0; i < TOGETHER; i++) {
      assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    heaps[TOGETHER] = fe_thread_heap();
    for (size_t i = 0; i <= TOGETHER; i++) {
      extents[i] = (extent_t){(const char *)heaps[i], 0};
    }
    assert_disjoint(extents, TOGETHER + 1);
  }
  pthread_barrier_destroy(&all_have_a_heap);
}

static void allocate_a_little_of_everything(void *argument) {
  size_t number = *(size_t *)argument;
  char *blocks[40];
  for (size_t i = 0; i < 40; i++) {
    size_t size = 1 + (i * i * 37 + number) % 20000 + (i == 7 ? 300000 : 0);
    blocks[i] = fe_malloc(size);
    require(blocks[i] != NULL);
    blocks[i][0] = blocks[i][size - 1] = 1;
  }
  for (size_t i = 0; i < 40; i++) {
    fe_free(blocks[i]);
  }
}

static void thousands_of_threads_leave_nothing_behind(void **state) {
  (void)state;
  size_t resident = 0;
  size_t mapped = 0;
  for (size_t number = 0; number < 1000 + rounds_of(9000); number++) {
    if (number == 200) {
      resident = resident_bytes();
      mapped = mapped_bytes();
    }
    run_in_thread(allocate_a_little_of_everything, &number);
  }
  size_t spare = HAS_SANITIZER_MEMORY ? 128 * MIB : 16 * MIB;
  if (resident_bytes() > resident + spare || mapped_bytes() > mapped + 64 * MIB) {
    fail_msg("resident memory went from %zu to %zu bytes, mapped memory from %zu to %zu", resident,
             resident_bytes(), mapped, mapped_bytes());
  }
}

enum { LEFT_BEHIND = 2000 };

static size_t size_left_behind(size_t i) { return i % 400 == 0 ? 70000 : 1 + i % 1200; }

static void leave_blocks_behind(void *argument) {
  void **blocks = argument;
  for (size_t i = 0; i < LEFT_BEHIND; i++) {
    blocks[i] = fe_malloc(size_left_behind(i));
    require(blocks[i] != NULL);
    pattern_fill(blocks[i], size_left_behind(i), i);
  }
}

static void check_blocks_left_behind(void **blocks) {
  for (size_t i = 0; i < LEFT_BEHIND; i++) {
    assert_true(fe_owns(blocks[i]));
    assert_true(fe_malloc_size(blocks[i]) >= size_left_behind(i));
    assert_true(pattern_holds(blocks[i], size_left_behind(i), i));
  }
}

static void blocks_outlive_their_thread(void **state) {
  (void)state;
  static void *blocks[LEFT_BEHIND];
  static void *others[LEFT_BEHIND];
  size_t mapped = 0;
  for (size_t round = 0; round < 20 + rounds_of(40); round++) {
    run_in_thread(leave_blocks_behind, blocks);
    run_in_thread(leave_blocks_behind, others);
    check_blocks_left_behind(blocks);
    check_blocks_left_behind(others);
    for (size_t i = 0; i < LEFT_BEHIND; i++) {
      fe_free(blocks[i]);
      fe_free(others[LEFT_BEHIND - 1 - i]);
    }
    if (round == 10) {
      mapped = mapped_bytes();
    }
  }
  assert_true(mapped_bytes() <= mapped + 16 * MIB);
}

static void free_blocks_left_behind(void *argument) {
  void **blocks = argument;
  for (size_t i = 0; i < LEFT_BEHIND; i++) {
    require(pattern_holds(blocks[i], size_left_behind(i), i));
    fe_free(blocks[i]);
  }
}

/* One allocates, another frees, again and again: the memory must go round. */
static void blocks_freed_by_another_thread_are_used_again(void **state) {
  (void)state;
  static void *blocks[LEFT_BEHIND];
  size_t mapped = 0;
  size_t resident = 0;
  for (size_t round = 0; round < 40 + rounds_of(160); round++) {
    leave_blocks_behind(blocks);
    run_in_thread(free_blocks_left_behind, blocks);
    if (round == 20) {
      mapped = mapped_bytes();
      resident = resident_bytes();
    }
  }
  assert_true(mapped_bytes() <= mapped + 16 * MIB);
  assert_true(resident_bytes() <= resident + 16 * MIB);
}

static void free_and_ask(void *argument) {
  fe_free(*(void **)argument);
  require(fe_heap_used_bytes(fe_thread_heap()) == 0);
}

/* The thread's own allocations are all that its heap counts; a foreign block is its owner's. */
static void a_block_counts_in_the_heap_it_came_from(void **state) {
  (void)state;
  static const size_t sizes[] = {10, 1000, 20000, 300000, 10000000};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    size_t before = fe_heap_used_bytes(fe_thread_heap());
    void *block = fe_malloc(sizes[i]);
    assert_non_null(block);
    assert_true(fe_heap_used_bytes(fe_thread_heap()) >= before + sizes[i]);
    run_in_thread(free_and_ask, &block);
    fe_collect(false);
    assert_int_equal(fe_heap_used_bytes(fe_thread_heap()), before);
  }
}

static pthread_key_t late_key;

/* Runs when the thread's heap may already have been taken back. */
static void allocate_late(void *block) {
  require(pattern_holds(block, 500, 9));
  fe_free(block);
  void *late = fe_malloc(700);
  require(late != NULL);
  pattern_fill(late, 700, 10);
  require(pattern_holds(late, 700, 10));
  fe_free(late);
}

static void *end_with_a_late_destructor(void *argument) {
  (void)argument;
  void *block = fe_malloc(500);
  require(block != NULL);
  pattern_fill(block, 500, 9);
  require(pthread_setspecific(late_key, block) == 0);
  return NULL;
}

/* Keys made after ferroc's are destroyed after it, most likely. */
static void destructors_at_the_thread_end_may_still_allocate(void **state) {
  (void)state;
  fe_heap_t *ignored;
  run_in_thread(note_heap, &ignored);
  assert_int_equal(pthread_key_create(&late_key, allocate_late), 0);
  size_t mapped = 0;
  for (size_t round = 0; round < 200 + rounds_of(800); round++) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, end_with_a_late_destructor, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (round == 100) {
      mapped = mapped_bytes();
    }
  }
  assert_true(mapped_bytes() <= mapped + 16 * MIB);
  pthread_key_delete(late_key);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_later_thread_gets_the_heap_of_an_ended_one),
      test_that(threads_at_the_same_time_have_heaps_of_their_own),
      test_that(thousands_of_threads_leave_nothing_behind),
      test_that(blocks_outlive_their_thread),
      test_that(blocks_freed_by_another_thread_are_used_again),
      test_that(a_block_counts_in_the_heap_it_came_from),
      test_that(destructors_at_the_thread_end_may_still_allocate),
  };
  return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
