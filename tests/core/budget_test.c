/* Limits that heaps share: a parent's limit holds for what stands under it, in trees and among
 * threads; what is given back can be taken again; and the error callback says what was in the way.
 */
#include "tests/core/support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static fe_heap_t *heap_under(fe_heap_t *parent, size_t memory_limit) {
  fe_heap_options_t options = {.parent = parent, .memory_limit = memory_limit};
  fe_heap_t *heap = fe_heap_create(&options);
  require(heap != NULL);
  return heap;
}

/* Blocks of this size are charged each for itself, with exactly this. */
#define LARGE (3 * UNIT_BYTES)

/* How many large blocks the heap gets; they are freed again. */
static size_t count_room(fe_heap_t *heap) {
  enum { MOST = 200 };
  void *blocks[MOST];
  size_t count = 0;
  while (count < MOST && (blocks[count] = fe_heap_alloc(heap, LARGE - TRAILER)) != NULL) {
    count++;
  }
  require(count < MOST);
  for (size_t i = 0; i < count; i++) {
    fe_heap_free(heap, blocks[i]);
  }
  return count;
}

/* -- The process's limit
 * ---------------------------------------------------------------------------
 */

static void set_process_limit(size_t limit) {
  char text[32];
  snprintf(text, sizeof text, "%zu", limit);
  require(fe_option_set("memory_limit", text));
}

/* What heaps took while nothing limited them, whoever they are, and what they give back. */
static void a_limit_of_the_process_counts_what_is_there(void **state) {
  (void)state;
  fe_heap_t *first = heap_under(NULL, 0);
  set_process_limit(40 * LARGE);
  size_t room = count_room(first);
  set_process_limit(0);
  fe_heap_t *heap = heap_under(NULL, 0);
  fe_heap_t *child = heap_under(heap, 0);
  void *block = fe_heap_alloc(heap, 4 * LARGE - TRAILER);
  assert_non_null(block);
  assert_non_null(fe_heap_alloc(child, 3 * LARGE - TRAILER));
  set_process_limit(40 * LARGE);
  assert_int_equal(count_room(first), room - 7);
  assert_int_equal(count_room(child), room - 7);
  set_process_limit(30 * LARGE);
  assert_int_equal(count_room(first), room - 17);
  fe_heap_free(heap, block);
  assert_int_equal(count_room(first), room - 13);
  fe_heap_destroy(child);
  assert_int_equal(count_room(first), room - 10);
  fe_heap_destroy(heap);
  set_process_limit(0);
  fe_heap_destroy(first);
}

static void a_heap_that_begins_under_a_limit_of_the_process_counts(void **state) {
  (void)state;
  fe_heap_t *first = heap_under(NULL, 0);
  set_process_limit(40 * LARGE);
  size_t room = count_room(first);
  fe_heap_t *heap = heap_under(NULL, 0);
  assert_non_null(fe_heap_alloc(heap, 4 * LARGE - TRAILER));
  assert_int_equal(count_room(first), room - 4);
  fe_heap_destroy(heap);
  assert_int_equal(count_room(first), room);
  set_process_limit(0);
  fe_heap_destroy(first);
}

/* A heap that ends while nothing limits it takes nothing away from what others have. */
static void a_heap_that_was_not_counted_is_not_taken_back(void **state) {
  (void)state;
  fe_heap_t *first = heap_under(NULL, 0);
  set_process_limit(40 * LARGE);
  size_t room = count_room(first);
  set_process_limit(0);
  fe_heap_t *heap = heap_under(NULL, 0);
  fe_heap_free(heap, fe_heap_alloc(heap, 20 * LARGE - TRAILER));
  assert_non_null(fe_heap_alloc(heap, 4 * LARGE - TRAILER));
  fe_heap_destroy(heap);
  set_process_limit(40 * LARGE);
  assert_int_equal(count_room(first), room);
  set_process_limit(0);
  fe_heap_destroy(first);
}

/* Charges and frees of one block after the other, while the limit comes and goes. */
typedef struct worker {
  atomic_bool is_over;
  fe_heap_t *parent;
} worker_t;

static void *allocate_and_free(void *argument) {
  worker_t *worker = argument;
  while (!atomic_load(&worker->is_over)) {
    fe_heap_t *heap = heap_under(worker->parent, 0);
    for (size_t i = 0; i < 20; i++) {
      fe_heap_free(heap, fe_heap_alloc(heap, (1 + i % 3) * LARGE));
    }
    fe_heap_destroy(heap);
  }
  return NULL;
}

static void a_limit_of_the_process_may_be_set_while_others_allocate(void **state) {
  (void)state;
  enum { THREADS = 4, TURNS = 200 };
  fe_heap_t *first = heap_under(NULL, 0);
  set_process_limit(40 * LARGE);
  size_t room = count_room(first);
  set_process_limit(0);
  for (size_t turn = 0; turn < TURNS; turn++) {
    fe_heap_t *parent = heap_under(NULL, 0);
    worker_t workers[THREADS] = {{false}, {false}, {.parent = parent}, {.parent = parent}};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
      require(pthread_create(&threads[i], NULL, allocate_and_free, &workers[i]) == 0);
    }
    set_process_limit(1000 * LARGE);
    sched_yield();
    for (size_t i = 0; i < THREADS; i++) atomic_store(&workers[i].is_over, true);
    for (size_t i = 0; i < THREADS; i++) require(pthread_join(threads[i], NULL) == 0);
    fe_heap_destroy(parent);
    set_process_limit(0);
  }
  set_process_limit(40 * LARGE);
  assert_in_range(count_room(first), room - 1, room);
  set_process_limit(0);
  fe_heap_destroy(first);
}

/* -- Parents and children -----------------------------------------------------------------------
 */

static void what_a_child_takes_counts_for_its_parent(void **state) {
  (void)state;
  fe_heap_t *parent = heap_under(NULL, 10 * LARGE);
  fe_heap_t *child = heap_under(parent, 0);
  fe_heap_t *sibling = heap_under(parent, 0);
  assert_int_equal(count_room(child), 10);
  void *of_child = fe_heap_alloc(child, 4 * LARGE - TRAILER);
  assert_non_null(of_child);
  assert_int_equal(fe_heap_used_bytes(child), 4 * LARGE);
  assert_int_equal(count_room(parent), 6);
  assert_int_equal(count_room(sibling), 6);
  void *of_parent = fe_heap_alloc(parent, 5 * LARGE - TRAILER);
  assert_non_null(of_parent);
  assert_int_equal(count_room(child), 1);
  assert_int_equal(count_room(sibling), 1);
  fe_heap_free(child, of_child);
  assert_int_equal(count_room(sibling), 5);
  fe_heap_free(parent, of_parent);
  assert_int_equal(count_room(sibling), 10);
  fe_heap_destroy(child);
  fe_heap_destroy(sibling);
  fe_heap_destroy(parent);
}

/* To the byte that blocks count: not one block too few, not one too many. */
static void a_parents_limit_is_exact(void **state) {
  (void)state;
  static const size_t sizes[] = {16, 48, 112, 1024, MEDIUM_MAX / 2 / 16 * 16};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    fe_heap_t *measured = heap_under(NULL, 0);
    assert_non_null(fe_heap_alloc(measured, sizes[i]));
    size_t each = fe_heap_used_bytes(measured);
    fe_heap_destroy(measured);
    fe_heap_t *parent = heap_under(NULL, 100 * each + each / 2);
    fe_heap_t *child = heap_under(parent, 0);
    for (size_t count = 0; count < 100; count++) {
      if (fe_heap_alloc(child, sizes[i]) == NULL) {
        fail_msg("only %zu of 100 blocks of %zu bytes", count, sizes[i]);
      }
    }
    errno = 0;
    assert_null(fe_heap_alloc(child, sizes[i]));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(fe_heap_used_bytes(child), 100 * each);
    fe_heap_destroy(child);
    fe_heap_destroy(parent);
  }
}

/* Three levels, each with a limit of its own: the first that is reached counts. */
static void every_level_has_its_limit(void **state) {
  (void)state;
  fe_heap_t *root = heap_under(NULL, 10 * LARGE);
  fe_heap_t *branches[2] = {heap_under(root, 6 * LARGE), heap_under(root, 8 * LARGE)};
  fe_heap_t *leaves[4] = {heap_under(branches[0], 3 * LARGE), heap_under(branches[0], 0),
                          heap_under(branches[1], 20 * LARGE), heap_under(branches[1], 1 * LARGE)};
  static const size_t alone[] = {3, 6, 8, 1};
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(count_room(leaves[i]), alone[i]);
  }
  void *in_2 = fe_heap_alloc(leaves[2], 7 * LARGE - TRAILER);
  assert_non_null(in_2);
  static const size_t beside_2[] = {3, 3, 1, 1};
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(count_room(leaves[i]), beside_2[i]);
  }
  assert_int_equal(count_room(branches[0]), 3);
  assert_int_equal(count_room(root), 3);
  void *in_0 = fe_heap_alloc(leaves[0], 2 * LARGE - TRAILER);
  assert_non_null(in_0);
  static const size_t beside_both[] = {1, 1, 1, 1};
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(count_room(leaves[i]), beside_both[i]);
  }
  fe_heap_free(leaves[2], in_2);
  fe_heap_free(leaves[0], in_0);
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(count_room(leaves[i]), alone[i]);
    fe_heap_destroy(leaves[i]);
  }
  fe_heap_destroy(branches[0]);
  fe_heap_destroy(branches[1]);
  assert_int_equal(count_room(root), 10);
  fe_heap_destroy(root);
}

/* With all its blocks, and those that it kept for later. */
static void a_destroyed_child_gives_everything_back(void **state) {
  (void)state;
  fe_heap_t *root = heap_under(NULL, 10 * LARGE);
  fe_heap_t *parent = heap_under(root, 0);
  for (int round = 0; round < 50; round++) {
    fe_heap_t *child = heap_under(parent, 0);
    for (size_t i = 0; i < 200; i++) {
      void *block = fe_heap_alloc(child, 1 + i * 7);
      if (i % 3 == 0) {
        fe_heap_free(child, block);
      }
    }
    fe_heap_alloc(child, LARGE - TRAILER);
    assert_true(count_room(root) < 10);
    fe_heap_destroy(child);
    assert_int_equal(count_room(root), 10);
  }
  fe_heap_destroy(parent);
  fe_heap_destroy(root);
}

/* Small blocks that were freed are kept by their heap, until a collect. */
static void a_collect_gives_room_back_to_others(void **state) {
  (void)state;
  enum { COUNT = 100 };
  fe_heap_t *parent = heap_under(NULL, COUNT * MEDIUM_MAX);
  fe_heap_t *child = heap_under(parent, 0);
  fe_heap_t *sibling = heap_under(parent, 0);
  void *blocks[COUNT];
  for (int round = 0; round < 3; round++) {
    fe_heap_t *taker = round % 2 == 0 ? child : sibling;
    for (size_t i = 0; i < COUNT; i++) {
      blocks[i] = fe_heap_alloc(taker, MEDIUM_MAX - TRAILER);
      assert_non_null(blocks[i]);
    }
    assert_null(fe_heap_alloc(parent, MEDIUM_MAX - TRAILER));
    for (size_t i = 0; i < COUNT; i++) {
      fe_heap_free(taker, blocks[i]);
    }
    fe_heap_collect(taker, false);
  }
  fe_heap_destroy(child);
  fe_heap_destroy(sibling);
  fe_heap_destroy(parent);
}

static void a_limit_can_be_lowered_below_what_children_use(void **state) {
  (void)state;
  fe_heap_t *parent = heap_under(NULL, 0);
  fe_heap_t *child = heap_under(parent, 0);
  void *blocks[10];
  for (size_t i = 0; i < 10; i++) {
    blocks[i] = fe_heap_alloc(child, LARGE - TRAILER);
    assert_non_null(blocks[i]);
  }
  fe_heap_set_limit(parent, 5 * LARGE);
  for (size_t i = 0; i < 5; i++) {
    assert_null(fe_heap_alloc(child, LARGE - TRAILER));
    assert_null(fe_heap_alloc(parent, 1));
    fe_heap_free(child, blocks[i]);
  }
  assert_null(fe_heap_alloc(child, LARGE - TRAILER));
  fe_heap_free(child, blocks[5]);
  assert_non_null(fe_heap_alloc(child, LARGE - TRAILER));
  assert_null(fe_heap_alloc(child, LARGE - TRAILER));
  fe_heap_set_limit(parent, 0);
  assert_non_null(fe_heap_alloc(child, 50 * LARGE - TRAILER));
  fe_heap_destroy(child);
  fe_heap_destroy(parent);
}

static void a_thread_heap_can_be_a_parent(void **state) {
  (void)state;
  fe_heap_t *parent = fe_thread_heap();
  fe_heap_t *child = heap_under(parent, 0);
  fe_heap_set_limit(parent, fe_heap_used_bytes(parent) + 2 * LARGE);
  assert_null(fe_heap_alloc(child, 3 * LARGE - TRAILER));
  fe_heap_set_limit(parent, 0);
  assert_non_null(fe_heap_alloc(child, 3 * LARGE - TRAILER));
  fe_heap_destroy(child);
}

static void destroy_too_early(void *heap) {
  errno = 0;
  fe_heap_destroy(heap);
  require(errno == EBUSY);
}

static void *volatile block_of_parent; /* here it is no leak of the child processes */

static void a_parent_is_not_destroyed_before_its_children(void **state) {
  (void)state;
  fe_heap_t *root = heap_under(NULL, 0);
  fe_heap_t *parent = heap_under(root, 0);
  fe_heap_t *child = heap_under(parent, 0);
  assert_child_says(destroy_too_early, root, "fe_heap_destroy", "under it", NULL);
  assert_child_says(destroy_too_early, parent, "fe_heap_destroy", "under it", NULL);
  block_of_parent = fe_heap_alloc(parent, 100);
  assert_non_null(block_of_parent);
  fe_heap_destroy(child);
  assert_child_says(destroy_too_early, root, "fe_heap_destroy", "under it", NULL);
  fe_heap_destroy(parent);
  fe_heap_destroy(root);
}

/* -- Threads ------------------------------------------------------------------------------------
 */

enum { THREADS = 4, BLOCKS = 40, THREAD_STEPS = 2000 };
#define SHARED_LIMIT (8 * LARGE)

static fe_heap_t *shared_root;
static fe_heap_t *shared_branches[2];
static _Atomic(size_t) live_bytes; /* in blocks of all threads, no more than there are */
static _Atomic(size_t) refusal_count;

static void free_counted(fe_heap_t *heap, void *block) {
  if (block != NULL) {
    atomic_fetch_sub(&live_bytes, fe_malloc_size(block));
    fe_heap_free(heap, block);
  }
}

static void *fill_under_root(void *argument) {
  size_t number = (size_t)argument;
  random_source_t source = {number};
  fe_heap_t *heap = heap_under(shared_branches[number % 2], 0);
  void *blocks[BLOCKS] = {NULL};
  for (int step = 0; step < THREAD_STEPS; step++) {
    void **block = &blocks[random_below(&source, BLOCKS)];
    free_counted(heap, *block);
    *block = fe_heap_alloc(heap, 1 + random_size(&source, LARGE));
    if (*block == NULL) {
      atomic_fetch_add(&refusal_count, 1);
    } else {
      size_t live = atomic_fetch_add(&live_bytes, fe_malloc_size(*block));
      require(live + fe_malloc_size(*block) <= SHARED_LIMIT);
    }
  }
  for (size_t i = 0; i < BLOCKS; i++) {
    free_counted(heap, blocks[i]);
  }
  fe_heap_destroy(heap);
  return NULL;
}

static void threads_under_a_limit_never_pass_it_together(void **state) {
  (void)state;
  shared_root = heap_under(NULL, SHARED_LIMIT);
  shared_branches[0] = heap_under(shared_root, 0);
  shared_branches[1] = heap_under(shared_root, 5 * LARGE);
  pthread_t threads[THREADS];
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, fill_under_root, (void *)i), 0);
  }
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  }
  assert_int_equal(atomic_load(&live_bytes), 0);
  assert_true(atomic_load(&refusal_count) > 0);
  assert_int_equal(count_room(shared_branches[0]), 8);
  assert_int_equal(count_room(shared_branches[1]), 5);
  fe_heap_destroy(shared_branches[0]);
  fe_heap_destroy(shared_branches[1]);
  assert_int_equal(count_room(shared_root), 8);
  fe_heap_destroy(shared_root);
}

static void *end_child(void *child) {
  fe_heap_free(child, fe_heap_alloc(child, LARGE - TRAILER));
  fe_heap_destroy(child);
  return NULL;
}

/* The holder of the parent ends it as soon as that is not refused any more, while the other thread
 * may still be on its way out of the child's end. */
static void end_parent_while_a_child_ends(void *argument) {
  (void)argument;
  require(fe_option_set("on_error", "silent"));
  for (int round = 0; round < 300; round++) {
    fe_heap_t *parent = heap_under(NULL, 0);
    pthread_t thread;
    require(pthread_create(&thread, NULL, end_child, heap_under(parent, 0)) == 0);
    do {
      errno = 0;
      fe_heap_destroy(parent);
    } while (errno == EBUSY);
    /* Takes the parent's memory, and writes to it. */
    fe_heap_t *next = heap_under(NULL, 0);
    memset(fe_heap_alloc(next, LARGE), 0x55, LARGE);
    fe_heap_destroy(next);
    require(pthread_join(thread, NULL) == 0);
  }
}

static void a_parent_may_end_as_soon_as_its_last_child_has(void **state) {
  (void)state;
  assert_child_succeeds(end_parent_while_a_child_ends, NULL);
}

/* -- The error callback -------------------------------------------------------------------------
 */

typedef struct failure {
  size_t count;
  fe_heap_t *heap;
  fe_error_t error;
  size_t bytes;
} failure_t;

static void note_failure(fe_heap_t *heap, fe_error_t error, size_t bytes, void *user_data) {
  failure_t *failure = user_data;
  *failure = (failure_t){failure->count + 1, heap, error, bytes};
}

static void assert_failed_once(failure_t *failure, fe_heap_t *heap, fe_error_t error,
                               size_t bytes) {
  assert_int_equal(failure->count, 1);
  assert_ptr_equal(failure->heap, heap);
  assert_int_equal(failure->error, error);
  assert_int_equal(failure->bytes, bytes);
  failure->count = 0;
}

static void the_callback_is_told_of_the_limit(void **state) {
  (void)state;
  failure_t failure = {0};
  fe_heap_t *parent = heap_under(NULL, 0);
  fe_heap_options_t options = {.parent = parent, .on_error = note_failure, .user_data = &failure};
  fe_heap_t *heap = fe_heap_create(&options);
  fe_heap_set_limit(heap, 10000);
  void *block = fe_heap_alloc(heap, 5000);
  assert_non_null(block);
  assert_int_equal(failure.count, 0);
  assert_null(fe_heap_alloc(heap, 6000));
  assert_failed_once(&failure, heap, FE_ERROR_LIMIT, 6000);
  assert_null(fe_heap_alloc(heap, LARGE + 1));
  assert_failed_once(&failure, heap, FE_ERROR_LIMIT, LARGE + 1);
  assert_null(fe_heap_calloc(heap, 20, 1001));
  assert_failed_once(&failure, heap, FE_ERROR_LIMIT, 20020);
  assert_null(fe_heap_realloc(heap, block, 11000));
  assert_failed_once(&failure, heap, FE_ERROR_LIMIT, 11000);
  assert_null(fe_heap_resize(heap, block, 5000, 12000));
  assert_failed_once(&failure, heap, FE_ERROR_LIMIT, 12000);
  assert_null(fe_heap_aligned_alloc(heap, 64, 7000));
  assert_failed_once(&failure, heap, FE_ERROR_LIMIT, 7000);
  assert_null(fe_heap_aligned_alloc(heap, 2 * UNIT_BYTES, 7000));
  assert_failed_once(&failure, heap, FE_ERROR_LIMIT, 7000);
  fe_heap_set_limit(heap, 0);
  fe_heap_set_limit(parent, 10000);
  assert_null(fe_heap_alloc(heap, 9000));
  assert_failed_once(&failure, heap, FE_ERROR_LIMIT, 9000);
  fe_heap_destroy(heap);
  fe_heap_destroy(parent);
}

/* What a base has no more memory for is no matter of limits, even if these struck before. */
static void the_callback_is_told_of_memory_that_is_not_there(void **state) {
  (void)state;
  static char region[16 * 65536];
  size_t region_size = sizeof(region) < 16 * UNIT_BYTES ? sizeof(region) : 16 * UNIT_BYTES;
  failure_t failure = {0};
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, region, region_size);
  assert_non_null(arenas);
  fe_heap_options_t options = {.context = fe_context_create(arenas),
                               .memory_limit = 5000,
                               .on_error = note_failure,
                               .user_data = &failure};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  while (fe_heap_alloc(heap, 100) != NULL) {
  }
  assert_failed_once(&failure, heap, FE_ERROR_LIMIT, 100);
  fe_heap_set_limit(heap, 100 * MIB);
  assert_null(fe_heap_alloc(heap, region_size));
  assert_failed_once(&failure, heap, FE_ERROR_NO_MEMORY, region_size);
  while (fe_heap_alloc(heap, MEDIUM_MAX) != NULL) {
  }
  assert_failed_once(&failure, heap, FE_ERROR_NO_MEMORY, MEDIUM_MAX);
  while (fe_heap_alloc(heap, 24) != NULL) {
  }
  assert_failed_once(&failure, heap, FE_ERROR_NO_MEMORY, 24);
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(options.context));
  assert_true(fe_arenas_destroy(arenas));
}

static void impossible_sizes_are_memory_that_is_not_there(void **state) {
  (void)state;
  failure_t failure = {0};
  fe_heap_options_t options = {.on_error = note_failure, .user_data = &failure};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_null(fe_heap_alloc(heap, SIZE_MAX - 5));
  assert_failed_once(&failure, heap, FE_ERROR_NO_MEMORY, SIZE_MAX - 5);
  assert_null(fe_heap_aligned_alloc(heap, 4096, SIZE_MAX / 2 + 1));
  assert_failed_once(&failure, heap, FE_ERROR_NO_MEMORY, SIZE_MAX / 2 + 1);
  assert_null(fe_heap_calloc(heap, SIZE_MAX / 2, 3)); /* more than a size_t can say */
  assert_failed_once(&failure, heap, FE_ERROR_NO_MEMORY, SIZE_MAX);
  fe_heap_destroy(heap);
}

/* A resize to a smaller size never fails, so there is nothing to tell, even if the block could not
 * move to a smaller place. */
static void the_callback_is_not_told_of_what_succeeds(void **state) {
  (void)state;
  failure_t failure = {0};
  fe_heap_options_t options = {.on_error = note_failure, .user_data = &failure};
  fe_heap_t *heap = fe_heap_create(&options);
  void *block = fe_heap_resize(heap, NULL, 0, 1000);
  void *large = fe_heap_resize(heap, NULL, 0, LARGE);
  assert_non_null(block);
  assert_non_null(large);
  fe_heap_set_limit(heap, 1);
  assert_non_null(block = fe_heap_resize(heap, block, 1000, 100));
  assert_non_null(large = fe_heap_resize(heap, large, LARGE, 50));
  assert_int_equal(failure.count, 0);
  assert_null(fe_heap_resize(heap, block, 100, 2000));
  assert_failed_once(&failure, heap, FE_ERROR_LIMIT, 2000);
  fe_heap_destroy(heap);
}

static void *to_free_when_it_fails;

static void free_something(fe_heap_t *heap, fe_error_t error, size_t bytes, void *user_data) {
  size_t *count = user_data;
  require(error == FE_ERROR_LIMIT && bytes == 3000);
  fe_heap_free(heap, to_free_when_it_fails);
  to_free_when_it_fails = NULL;
  void *in_another_heap = fe_malloc(10);
  require(in_another_heap != NULL);
  fe_free(in_another_heap);
  ++*count;
}

/* The allocation that failed returns NULL all the same; the next one finds the room. */
static void the_callback_may_free(void **state) {
  (void)state;
  size_t count = 0;
  fe_heap_options_t options = {
      .memory_limit = 8000, .on_error = free_something, .user_data = &count};
  fe_heap_t *heap = fe_heap_create(&options);
  to_free_when_it_fails = fe_heap_alloc(heap, 6000);
  assert_non_null(to_free_when_it_fails);
  assert_null(fe_heap_alloc(heap, 3000));
  assert_int_equal(count, 1);
  assert_non_null(fe_heap_alloc(heap, 3000));
  assert_int_equal(count, 1);
  fe_heap_destroy(heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_limit_of_the_process_counts_what_is_there),
      test_that(a_heap_that_begins_under_a_limit_of_the_process_counts),
      test_that(a_heap_that_was_not_counted_is_not_taken_back),
      test_that(a_limit_of_the_process_may_be_set_while_others_allocate),
      test_that(what_a_child_takes_counts_for_its_parent),
      test_that(a_parents_limit_is_exact),
      test_that(every_level_has_its_limit),
      test_that(a_destroyed_child_gives_everything_back),
      test_that(a_collect_gives_room_back_to_others),
      test_that(a_limit_can_be_lowered_below_what_children_use),
      test_that(a_thread_heap_can_be_a_parent),
      test_that(a_parent_is_not_destroyed_before_its_children),
      test_that(threads_under_a_limit_never_pass_it_together),
      test_that(a_parent_may_end_as_soon_as_its_last_child_has),
      test_that(the_callback_is_told_of_the_limit),
      test_that(the_callback_is_told_of_memory_that_is_not_there),
      test_that(impossible_sizes_are_memory_that_is_not_there),
      test_that(the_callback_is_not_told_of_what_succeeds),
      test_that(the_callback_may_free),
  };
  return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
