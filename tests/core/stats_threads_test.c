/* Figures and maps are read by other threads, while those who work go on. */
#include "tests/core/figures.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct work {
  fe_arenas_t *arenas;
  atomic_bool is_over;
  _Atomic(fe_heap_t *) shared; /* read by others while its holder uses it */
} work_t;

static void *make_and_end_heaps(void *argument) {
  work_t *work = argument;
  random_source_t random = {7};
  for (int round = 0; round < 60; round++) {
    fe_context_t *context = fe_context_create(work->arenas);
    fe_heap_t *heap = new_heap(context);
    for (int i = 0; i < 2000; i++) {
      void *block = fe_heap_alloc(heap, random_size(&random, 3000));
      require(block != NULL);
      if (i % 3 != 0) fe_heap_free(heap, block);
    }
    require(fe_heap_alloc(heap, 100 * KIB) != NULL);
    fe_heap_destroy(heap);
    require(fe_context_destroy(context));
  }
  return NULL;
}

static void *use_shared_heap(void *argument) {
  work_t *work = argument;
  static void *blocks[1000];
  random_source_t random = {8};
  fe_heap_t *heap = new_heap(NULL);
  atomic_store(&work->shared, heap);
  while (!atomic_load(&work->is_over)) {
    for (int i = 0; i < 1000; i++) blocks[i] = fe_heap_alloc(heap, random_size(&random, 40000));
    for (int i = 0; i < 1000; i++) fe_heap_free(heap, blocks[i]);
  }
  fe_heap_collect(heap, false);
  return NULL;
}

static void *churn_large_blocks_of_a_thread(void *argument) {
  work_t *work = argument;
  while (!atomic_load(&work->is_over)) fe_free(fe_malloc(100 * KIB));
  return NULL;
}

static void ignore_text(void *user_data, const char *text, size_t length) {
  (void)text;
  *(size_t *)user_data += length;
}

static bool has_risen(const fe_heap_stats_t *before, const fe_heap_stats_t *after) {
  return after->ended_heaps >= before->ended_heaps && after->extends >= before->extends &&
         after->nursery_allocs >= before->nursery_allocs && after->refills >= before->refills &&
         after->shards_taken >= before->shards_taken && after->large_allocs >= before->large_allocs;
}

static void others_may_read_figures_and_draw_maps_at_any_time(void **state) {
  (void)state;
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_mmap, NULL, 0);
  assert_non_null(arenas);
  work_t work = {.arenas = arenas};
  pthread_t makers[2], user, churner;
  assert_int_equal(pthread_create(&user, NULL, use_shared_heap, &work), 0);
  assert_int_equal(pthread_create(&churner, NULL, churn_large_blocks_of_a_thread, &work), 0);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(pthread_create(&makers[i], NULL, make_and_end_heaps, &work), 0);
  }
  fe_heap_t *shared;
  while ((shared = atomic_load(&work.shared)) == NULL) sched_yield();
  fe_heap_stats_t before = sum_of(arenas);
  fe_heap_stats_t now = before;
  while (now.ended_heaps < 120) {
    now = sum_of(arenas);
    if (!has_risen(&before, &now)) fail_msg("a count of events went down");
    before = now;
    assert_true(peek(shared).used_bytes < 1000 * 48 * KIB);
    size_t length = 0;
    fe_heap_map_write(arenas, ignore_text, &length);
    fe_heap_map_write(NULL, ignore_text, &length);
    assert_true(fe_stats_write(NULL, FE_FORMAT_JSON, ignore_text, &length));
    assert_true(length > 0);
  }
  for (int i = 0; i < 2; i++) pthread_join(makers[i], NULL);
  atomic_store(&work.is_over, true);
  pthread_join(user, NULL);
  pthread_join(churner, NULL);
  assert_int_equal(stats_of(shared).used_bytes, 0);
  fe_heap_destroy(shared);
  /* What was given back during a census has come back, too. */
  assert_int_equal(arenas_stats_of(arenas).taken_bytes, 0);
  assert_int_equal(sum_of(arenas).ended_heaps, 120);
  assert_true(fe_arenas_destroy(arenas));
}

/* A thread that allocates and frees in its own heap, and waits at each step until it was looked at.
 */
typedef struct steps {
  pthread_barrier_t barrier;
  fe_heap_t *heap;
  size_t live_bytes;
} steps_t;

static void let_look(steps_t *steps, size_t live_bytes) {
  steps->live_bytes = live_bytes;
  pthread_barrier_wait(&steps->barrier);
  pthread_barrier_wait(&steps->barrier);
}

static void *free_in_steps(void *argument) {
  steps_t *steps = argument;
  void **blocks = fe_malloc(MANY * sizeof *blocks);
  steps->heap = fe_thread_heap();
  size_t bytes = fe_heap_used_bytes(steps->heap);
  for (int i = 0; i < MANY; i++) blocks[i] = fe_malloc(BLOCK(256));
  let_look(steps, bytes + MANY * 256);
  for (int i = 0; i < MANY; i++) {
    if (i % 10 != 0) fe_free(blocks[i]);
  }
  let_look(steps, bytes + MANY / 10 * 256);
  for (int i = 0; i < MANY; i += 10) fe_free(blocks[i]);
  fe_free(blocks);
  return NULL;
}

static size_t live_bytes_in_classes(const fe_heap_stats_t *stats) {
  size_t bytes = 0;
  for (size_t i = 0; i < stats->class_count; i++) {
    bytes += stats->classes[i].live_count * stats->classes[i].block_size;
  }
  return bytes;
}

static void look_at_step(steps_t *steps, size_t used_bytes_elsewhere) {
  pthread_barrier_wait(&steps->barrier);
  fe_heap_stats_t stats = peek(steps->heap);
  assert_int_equal(stats.used_bytes, steps->live_bytes);
  size_t in_classes = stats.class_count > 0 ? live_bytes_in_classes(&stats) : 0;
  if (in_classes > 0) {
    assert_int_equal(
        in_classes + stats.nursery_used_bytes + stats.mixed_used_bytes + stats.large_used_bytes,
        steps->live_bytes);
  }
  assert_int_equal(sum_of(NULL).used_bytes, used_bytes_elsewhere + steps->live_bytes);
  pthread_barrier_wait(&steps->barrier);
}

static void what_a_thread_just_did_is_seen_by_others(void **state) {
  (void)state;
  fe_free(fe_malloc(1)); /* this thread has a heap */
  fe_collect(false);
  steps_t steps = {.heap = NULL};
  pthread_t thread;
  size_t before = sum_of(NULL).used_bytes;
  assert_int_equal(pthread_barrier_init(&steps.barrier, NULL, 2), 0);
  assert_int_equal(pthread_create(&thread, NULL, free_in_steps, &steps), 0);
  look_at_step(&steps, before);
  look_at_step(&steps, before);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&steps.barrier);
  assert_int_equal(sum_of(NULL).used_bytes, before);
}

static void *read_on_and_on(void *argument) {
  work_t *work = argument;
  size_t length = 0;
  while (!atomic_load(&work->is_over)) {
    sum_of(NULL);
    fe_heap_map_write(NULL, ignore_text, &length);
  }
  return NULL;
}

static void use_heaps_and_figures(void) {
  fe_heap_t *heap = new_heap(NULL);
  require(fe_heap_alloc(heap, 100) != NULL);
  size_t count = sum_of(NULL).heap_count;
  fe_heap_destroy(heap);
  require(sum_of(NULL).heap_count == count - 1);
}

static void a_child_forked_while_somebody_reads_goes_on(void **state) {
  (void)state;
  work_t work = {.arenas = NULL};
  pthread_t reader;
  assert_int_equal(pthread_create(&reader, NULL, read_on_and_on, &work), 0);
  for (int i = 0; i < 50; i++) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      use_heaps_and_figures();
      _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
  }
  atomic_store(&work.is_over, true);
  pthread_join(reader, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(others_may_read_figures_and_draw_maps_at_any_time),
      test_that(what_a_thread_just_did_is_seen_by_others),
      test_that(a_child_forked_while_somebody_reads_goes_on),
  };
  return cmocka_run_group_tests_name("stats_threads", tests, NULL, NULL);
}
