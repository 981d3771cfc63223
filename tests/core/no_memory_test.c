/* No memory left: NULL and ENOMEM, every block so far intact, and after frees allocation works
 * again. Each case runs in a child whose address space is limited.
 */
#include "tests/core/support.h"

#include <pthread.h>
#include <sys/resource.h>

/* ThreadSanitizer ends a program in which it can map no memory for itself, which it needs for each
 * word that is written by a release, as there are some in each shard. */
static void skip_under_thread_sanitizer(void) {
#ifdef __SANITIZE_THREAD__
  skip();
#endif
}

/* A list through the blocks themselves, so that counting them needs no memory. */
typedef struct node {
  struct node *next;
  size_t number;
} node_t;

static void limit_address_space(size_t more) {
  struct rlimit limit = {mapped_bytes() + more, RLIM_INFINITY};
  require(setrlimit(RLIMIT_AS, &limit) == 0);
}

/* Allocates blocks of one size until there are no more. */
static node_t *exhaust(size_t size, size_t *count) {
  node_t *list = NULL;
  *count = 0;
  for (;;) {
    errno = 0;
    node_t *node = fe_malloc(size);
    if (node == NULL) {
      require(errno == ENOMEM);
      return list;
    }
    node->next = list;
    node->number = (*count)++;
    memset(node + 1, (int)node->number, size - sizeof(node_t));
    list = node;
  }
}

/* Checks all blocks and frees them. */
static void release(node_t *list, size_t size, size_t count) {
  while (list != NULL) {
    node_t *next = list->next;
    require(list->number == --count);
    const unsigned char *content = (const unsigned char *)(list + 1);
    size_t content_size = size - sizeof(node_t);
    require(content[0] == (unsigned char)list->number);
    require(memcmp(content, content + 1, content_size - 1) == 0);
    fe_free(list);
    list = next;
  }
  require(count == 0);
}

static const size_t sizes[] = {48, 1000, 10000, 30000, 200000, 1500000, 3000000, 10 * 1024 * 1024};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

static void exhaust_and_release(void *argument) {
  size_t size = *(const size_t *)argument;
  fe_free(fe_malloc(1));
  limit_address_space(200 * MIB);
  size_t first_count;
  node_t *list = exhaust(size, &first_count);
  require(first_count * size > 20 * MIB);
  release(list, size, first_count);
  for (size_t round = 0; round < rounds_of(3); round++) {
    size_t count;
    list = exhaust(size, &count);
    require(count >= first_count - first_count / 20);
    release(list, size, count);
  }
}

static void every_size_type_fails_and_works_again(void **state) {
  (void)state;
  skip_under_thread_sanitizer();
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    size_t size = sizes[i];
    assert_child_succeeds(exhaust_and_release, &size);
  }
}

/* What one size took serves the others after it was freed, and the other way round: each gets the
 * greater part of 200 MiB. */
static void exhaust_in_turn(void *argument) {
  (void)argument;
  limit_address_space(200 * MIB);
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < SIZE_COUNT; i++) {
      size_t count;
      node_t *list = exhaust(sizes[i], &count);
      if (count * sizes[i] < 60 * MIB) {
        fprintf(stderr, "round %d: %zu blocks of %zu bytes\n", round, count, sizes[i]);
        abort();
      }
      release(list, sizes[i], count);
    }
  }
}

static void memory_of_one_size_type_serves_the_next(void **state) {
  (void)state;
  skip_under_thread_sanitizer();
  assert_child_succeeds(exhaust_in_turn, NULL);
}

static void try_every_function(void *argument) {
  (void)argument;
  fe_heap_t *heap = fe_heap_create(NULL);
  require(heap != NULL);
  limit_address_space(100 * MIB);
  char *kept = fe_malloc(1000);
  char *heap_kept = fe_heap_alloc(heap, 1000);
  require(kept != NULL && heap_kept != NULL);
  pattern_fill(kept, 1000, 1);
  pattern_fill(heap_kept, 1000, 2);
  /* More than the limit allows for when all that is mapped for later goes back. */
  const size_t too_big = 250 * MIB;
  errno = 0;
  require(fe_malloc(too_big) == NULL && errno == ENOMEM);
  errno = 0;
  require(fe_calloc(1, too_big) == NULL && errno == ENOMEM);
  errno = 0;
  require(fe_realloc(kept, too_big) == NULL && errno == ENOMEM);
  errno = 0;
  require(fe_aligned_alloc(4096, too_big) == NULL && errno == ENOMEM);
  errno = 0;
  require(fe_aligned_alloc(256 * MIB, 16) == NULL && errno == ENOMEM);
  errno = 77;
  void *untouched = &untouched;
  require(fe_posix_memalign(&untouched, 64, too_big) == ENOMEM && untouched == &untouched);
  require(errno == 77);
  errno = 0;
  require(fe_heap_alloc(heap, too_big) == NULL && errno == ENOMEM);
  errno = 0;
  require(fe_heap_calloc(heap, too_big, 1) == NULL && errno == ENOMEM);
  errno = 0;
  require(fe_heap_realloc(heap, heap_kept, too_big) == NULL && errno == ENOMEM);
  errno = 0;
  require(fe_heap_aligned_alloc(heap, 64, too_big) == NULL && errno == ENOMEM);
  errno = 0;
  require(fe_heap_resize(heap, NULL, 4, too_big) == NULL && errno == ENOMEM);
  errno = 0;
  require(fe_heap_resize(heap, heap_kept, 1000, too_big) == NULL && errno == ENOMEM);
  require(pattern_holds(kept, 1000, 1));
  require(pattern_holds(heap_kept, 1000, 2));
  void *block = fe_malloc(20 * MIB);
  require(block != NULL);
  fe_free(block);
  fe_free(kept);
  fe_heap_destroy(heap);
}

static void every_function_says_so(void **state) {
  (void)state;
  assert_child_succeeds(try_every_function, NULL);
}

/* A shrink never fails, not even now. */
static void shrink_without_memory(void *argument) {
  (void)argument;
  fe_heap_t *heap = fe_heap_create(NULL);
  require(heap != NULL);
  enum { COUNT = 5 };
  static const size_t from[COUNT] = {5000000, 1000000, 60000, 20000, 2000};
  char *blocks[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    blocks[i] = fe_heap_resize(heap, NULL, 0, from[i]);
    require(blocks[i] != NULL);
    pattern_fill(blocks[i], from[i], i);
  }
  limit_address_space(4096);
  size_t ignored;
  exhaust(100000, &ignored);
  exhaust(1000, &ignored);
  exhaust(48, &ignored);
  for (size_t i = 0; i < COUNT; i++) {
    size_t last = from[i];
    for (size_t size = last / 2; size > 0; size /= 3) {
      blocks[i] = fe_heap_resize(heap, blocks[i], last, size);
      require(blocks[i] != NULL);
      require(pattern_holds(blocks[i], size, i));
      last = size;
    }
    require(fe_heap_resize(heap, blocks[i], last, 0) == NULL);
  }
  fe_heap_destroy(heap);
}

static void a_shrink_needs_no_memory(void **state) {
  (void)state;
  assert_child_succeeds(shrink_without_memory, NULL);
}

/* Heaps until there is no room for another one; their end makes room again. */
static void exhaust_with_heaps(void *argument) {
  (void)argument;
  enum { MOST = 20000 };
  static fe_heap_t *heaps[MOST];
  fe_free(fe_malloc(1));
  limit_address_space(200 * MIB);
  size_t first_count = 0;
  for (int round = 0; round < 4; round++) {
    size_t count = 0;
    for (; count < MOST; count++) {
      errno = 0;
      heaps[count] = fe_heap_create(NULL);
      if (heaps[count] == NULL) {
        require(errno == ENOMEM);
        break;
      }
      errno = 0;
      void *block = fe_heap_alloc(heaps[count], 30000);
      require(block != NULL || errno == ENOMEM);
    }
    require(count < MOST && count > 100);
    require(round == 0 || count >= first_count - first_count / 20);
    first_count = round == 0 ? count : first_count;
    for (size_t i = 0; i < count; i++) {
      fe_heap_destroy(heaps[i]);
    }
  }
}

static void heaps_fail_and_work_again(void **state) {
  (void)state;
  assert_child_succeeds(exhaust_with_heaps, NULL);
}

static pthread_barrier_t memory_is_gone;
static pthread_barrier_t memory_is_back;

/* The thread's first call comes when there is no memory for a heap of its own. */
static void *start_without_memory(void *argument) {
  (void)argument;
  pthread_barrier_wait(&memory_is_gone);
  errno = 0;
  require(fe_malloc(5 * MIB) == NULL && errno == ENOMEM);
  errno = 0;
  void *block = fe_malloc(100);
  require(block != NULL || errno == ENOMEM);
  errno = 0;
  require(fe_thread_heap() != NULL || errno == ENOMEM);
  errno = 0;
  require(fe_calloc(5 * MIB, 1) == NULL && errno == ENOMEM);
  require(fe_heap_resize(NULL, NULL, 0, 5 * MIB) == NULL && errno == ENOMEM);
  fe_free(NULL);
  fe_collect(false);
  pthread_barrier_wait(&memory_is_back);
  pthread_barrier_wait(&memory_is_back);
  fe_free(block);
  block = fe_malloc(100);
  require(block != NULL);
  memset(block, 1, 100);
  fe_free(block);
  require(fe_thread_heap() != NULL);
  return NULL;
}

static void exhaust_before_a_thread_starts(void *argument) {
  (void)argument;
  pthread_t thread;
  fe_free(fe_malloc(1));
  require(pthread_barrier_init(&memory_is_gone, NULL, 2) == 0);
  require(pthread_barrier_init(&memory_is_back, NULL, 2) == 0);
  require(pthread_create(&thread, NULL, start_without_memory, NULL) == 0);
  limit_address_space(100 * MIB);
  size_t counts[3];
  node_t *const lists[] = {exhaust(1000000, &counts[0]), exhaust(30000, &counts[1]),
                           exhaust(48, &counts[2])};
  pthread_barrier_wait(&memory_is_gone);
  pthread_barrier_wait(&memory_is_back);
  release(lists[0], 1000000, counts[0]);
  release(lists[1], 30000, counts[1]);
  release(lists[2], 48, counts[2]);
  pthread_barrier_wait(&memory_is_back);
  require(pthread_join(thread, NULL) == 0);
}

static void a_thread_may_start_without_memory(void **state) {
  (void)state;
  skip_under_thread_sanitizer();
  assert_child_succeeds(exhaust_before_a_thread_starts, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(every_size_type_fails_and_works_again),
      test_that(memory_of_one_size_type_serves_the_next),
      test_that(every_function_says_so),
      test_that(a_shrink_needs_no_memory),
      test_that(heaps_fail_and_work_again),
      test_that(a_thread_may_start_without_memory),
  };
  return cmocka_run_group_tests_name("no_memory", tests, NULL, NULL);
}
