/* Nothing that allocates, frees or sets an option is a point at which a thread is cancelled: it
 * would leave a heap, or a lock, in the middle of something. A thread that is to be cancelled at
 * the next such point calls each of them, goes on behind it, and leaves all to others as it was.
 */
#include "tests/core/figures.h"
#include "tests/core/patience.h"

/* -- A thread that is to be cancelled -- */

static atomic_bool has_gone_on;

typedef struct call {
  void (*body)(void *argument);
  void *argument;
} call_t;

static void *call_with_cancellation_pending(void *argument) {
  const call_t *call = argument;
  pthread_cancel(pthread_self());
  call->body(call->argument);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  atomic_store(&has_gone_on, true);
  return argument;
}

/* In a test, or in a child. */
static void require_goes_on(void (*body)(void *argument), void *argument) {
  call_t call = {body, argument};
  pthread_t thread;
  void *result;
  atomic_store(&has_gone_on, false);
  require(pthread_create(&thread, NULL, call_with_cancellation_pending, &call) == 0);
  require(pthread_join(thread, &result) == 0);
  require(result != PTHREAD_CANCELED && atomic_load(&has_gone_on));
  use(NULL);
  fe_trim();
}

/* -- Calls that wait for nobody -- */

static void *block_of_another;

/* The thread's first call of all. */
static void begin(void *unused) {
  (void)unused;
  fe_free(fe_malloc(10));
}

static void allocate_and_free(void *unused) {
  (void)unused;
  use(NULL);
  fe_free(block_of_another);
  fe_free(fe_calloc(100, 1000));
  fe_free(fe_malloc(2 * CHUNK)); /* gone with its chunk */
  fe_free(fe_aligned_alloc(SLAB_BYTES, SLAB_BYTES));
}

static void reallocate(void *unused) {
  (void)unused;
  char *block = NULL;
  for (size_t size = 1; size <= 64 * MIB; size *= 8) {
    block = fe_realloc(block, size);
    require(block != NULL);
    block[size - 1] = 1;
  }
  for (size_t size = 64 * MIB; size > 0; size /= 8) {
    block = fe_realloc(block, size);
    require(block != NULL);
  }
  fe_free(block);
}

static void copy_strings(void *unused) {
  (void)unused;
  fe_free(fe_strdup("text"));
  fe_free(fe_strndup("text", 2));
  fe_free(fe_realpath("/..", NULL));
}

static void use_a_heap(void *unused) {
  (void)unused;
  fe_heap_t *heap = fe_heap_create(NULL);
  require(heap != NULL);
  use(heap);
  fe_heap_set_limit(heap, MIB);
  require(fe_heap_alloc(heap, 2 * MIB) == NULL);
  fe_heap_hand_over(heap);
  require(fe_heap_take_over(heap));
  fe_heap_collect(heap, true);
  fe_heap_destroy(heap);
}

static void use_own_arenas(void *unused) {
  (void)unused;
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_mmap, NULL, 0);
  require(arenas != NULL);
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_t *heap = new_heap(context);
  use(heap);
  fe_heap_destroy(heap);
  require(fe_context_destroy(context));
  use(fe_arenas_thread_heap(arenas));
  require(fe_arenas_destroy(arenas));
}

static void give_back(void *unused) {
  (void)unused;
  fe_collect(false);
  fe_collect(true);
  fe_trim();
}

static void ignore_text(void *user_data, const char *text, size_t length) {
  (void)user_data;
  (void)text;
  (void)length;
}

static bool ignore_shard(const fe_shard_view_t *shard, void *user_data) {
  (void)user_data;
  return shard != NULL;
}

static void look_at_figures(void *unused) {
  (void)unused;
  require(sum_of(NULL).heap_count > 0);
  arenas_stats_of(NULL);
  require(fe_stats_write(NULL, FE_FORMAT_JSON, ignore_text, NULL));
  fe_heap_map_write(NULL, ignore_text, NULL);
  require(fe_heap_visit(fe_thread_heap(), &(fe_visitor_t){.shard = ignore_shard}, NULL));
}

static void set_options(void *unused) {
  (void)unused;
  require(fe_option_set("purge_delay_ms", "60"));
  require(fe_option_set("memory_limit", "1G"));
  require(fe_option_set("memory_limit", "0"));
  require(fe_option_set("purge_delay_ms", "50"));
}

static void no_function_is_such_a_point(void **state) {
  (void)state;
  static void (*const bodies[])(void *) = {
      begin,          allocate_and_free, reallocate,      copy_strings, use_a_heap,
      use_own_arenas, give_back,         look_at_figures, set_options,
  };
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    block_of_another = fe_malloc(1000);
    assert_non_null(block_of_another);
    require_goes_on(bodies[i], NULL);
    if (bodies[i] != allocate_and_free) fe_free(block_of_another);
  }
}

/* -- Messages -- */

/* What it takes from the heap, its end gives back. */
static void map_a_chunk(void *heap) {
  require(fe_heap_take_over(heap));
  size_t before = arenas_stats_of(NULL).arena_count;
  while (arenas_stats_of(NULL).arena_count == before) {
    require(fe_heap_alloc(heap, SLAB_BYTES / 2) != NULL);
  }
  fe_heap_hand_over(heap);
}

static void map_a_chunk_that_is_told_of(void *unused) {
  (void)unused;
  alarm(HANG_SECONDS);
  fe_heap_t *heap = new_heap(NULL);
  fe_heap_hand_over(heap);
  require(fe_option_set("verbose", "1"));
  require_goes_on(map_a_chunk, heap);
  require(fe_option_set("verbose", "0"));
  require(fe_heap_take_over(heap));
  use(heap);
  fe_heap_destroy(heap);
}

static void a_message_is_no_such_point(void **state) {
  (void)state;
#if defined(__SANITIZE_THREAD__)
  skip(); /* knows no threads in the child of a program with threads */
#endif
  assert_child_says(map_a_chunk_that_is_told_of, NULL, "a chunk of", NULL);
}

/* -- Options -- */

static void switch_background_purge(void *on) {
  require(fe_option_set("background_purge", on != NULL ? "1" : "0"));
}

static void an_option_is_no_such_point(void **state) {
  (void)state;
  for (size_t i = 0; i < 10; i++) {
    require_goes_on(switch_background_purge, "on");
    require_goes_on(switch_background_purge, NULL);
  }
}

/* -- Waiting for others -- */

/* So often the base is asked until somebody who waits for another thread sleeps meanwhile. */
enum { ASKED_OFTEN = 100 };

static hooked_base_t hooked;

static fe_heap_t *heap_to_take(fe_context_t *context) {
  fe_heap_t *heap = new_heap(context);
  fe_heap_hand_over(heap);
  return heap;
}

static void ask_in_vain(void *heap) {
  require(fe_heap_take_over(heap));
  require(fe_heap_alloc(heap, CHUNK) == NULL);
  fe_heap_hand_over(heap);
}

static void *ask_first(void *heap) {
  ask_in_vain(heap);
  return NULL;
}

static void end_heap(fe_heap_t *heap) {
  require(fe_heap_take_over(heap));
  use(heap);
  fe_heap_destroy(heap);
}

/* What another thread is about to get may be to be had. */
static void waiting_for_memory_is_no_such_point(void **state) {
  (void)state;
  fe_arenas_t *arenas = arenas_with_hook(&hooked, keep_first);
  fe_context_t *contexts[2] = {fe_context_create(arenas), fe_context_create(arenas)};
  fe_heap_t *first = heap_to_take(contexts[0]), *other = heap_to_take(contexts[1]);
  pthread_t thread;
  begin_keeping(ASKED_OFTEN);
  assert_int_equal(pthread_create(&thread, NULL, ask_first, first), 0);
  wait_until(&is_first_there);
  require_goes_on(ask_in_vain, other);
  assert_true(atomic_load(&others_count) > ASKED_OFTEN);
  assert_int_equal(pthread_join(thread, NULL), 0);
  atomic_store(&is_keeping, false);
  end_heap(first);
  end_heap(other);
  assert_true(fe_context_destroy(contexts[0]) && fe_context_destroy(contexts[1]));
  assert_true(fe_arenas_destroy(arenas));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that_ends(no_function_is_such_a_point),
      test_that_ends(a_message_is_no_such_point),
      test_that_ends(an_option_is_no_such_point),
      test_that_ends(waiting_for_memory_is_no_such_point),
  };
  return cmocka_run_group_tests_name("cancellation", tests, NULL, NULL);
}
