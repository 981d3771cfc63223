/* fe_free: NULL is fine, errno stays, memory is used again, and a debug build ends the program with
 * a message when the pointer is none of ferroc's.
 */
#include "tests/core/support.h"

#include <signal.h>
#include <sys/wait.h>

static void null_is_no_block(void **state) {
  (void)state;
  fe_free(NULL);
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  fe_heap_free(heap, NULL);
  assert_null(fe_heap_resize(heap, NULL, 0, 0));
  fe_heap_destroy(heap);
  fe_heap_destroy(NULL);
}

static void free_leaving_errno_alone(void *block) {
  errno = 1234;
  fe_free(block);
  require(errno == 1234);
}

static void errno_stays(void **state) {
  (void)state;
  for (size_t size = 1; size < 80 * MIB; size *= 3) {
    free_leaving_errno_alone(fe_malloc(size));
    free_leaving_errno_alone(fe_aligned_alloc(65536, size));
    run_in_thread(free_leaving_errno_alone, fe_malloc(size));
  }
  free_leaving_errno_alone(NULL);
}

/* One block at a time, a thousand times: the address space must not grow with the rounds. */
static void freed_memory_is_used_again(void **state) {
  (void)state;
  static const size_t sizes[] = {16, 1000, 30000, 200000, 3 * 1024 * 1024, 30 * 1024 * 1024};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    size_t before = 0;
    for (int round = 0; round < 1100; round++) {
      char *block = fe_malloc(sizes[i]);
      assert_non_null(block);
      block[0] = 1;
      block[sizes[i] - 1] = 1;
      fe_free(block);
      if (round == 100) {
        before = mapped_bytes();
      }
    }
    assert_true(mapped_bytes() <= before + 64 * MIB);
  }
}

#ifdef NDEBUG
static void a_foreign_pointer_ends_the_program(void **state) {
  (void)state;
  skip();
}
#else

static void free_it(void *block) { fe_free(block); }
static void realloc_it(void *block) { (void)fe_realloc(block, 200); }
static void ask_its_size(void *block) { (void)fe_malloc_size(block); }

static void assert_ends_with_a_message(void (*body)(void *argument), void *pointer) {
  child_result_t result;
  run_in_child(&result, body, pointer);
  if (!WIFSIGNALED(result.status) || WTERMSIG(result.status) != SIGABRT) {
    fail_msg("%p: the child ended with status 0x%x", pointer, (unsigned)result.status);
  }
  if (strstr(result.errors, "ferroc") == NULL || strchr(result.errors, '\n') == NULL) {
    fail_msg("no line that says what ferroc refuses, but: \"%s\"", result.errors);
  }
}

static void a_foreign_pointer_ends_the_program(void **state) {
  (void)state;
  static char in_static_memory[64];
  char on_the_stack[64];
  char *from_libc = malloc(100);
  assert_non_null(from_libc);
  void *const foreign[] = {in_static_memory, on_the_stack,           from_libc,
                           (void *)8,        (void *)0x123456789000, (void *)0xdeadbeefdeadbee0};
  for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
    assert_ends_with_a_message(free_it, foreign[i]);
    assert_ends_with_a_message(realloc_it, foreign[i]);
    assert_ends_with_a_message(ask_its_size, foreign[i]);
  }
  free(from_libc);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(null_is_no_block),
      test_that(errno_stays),
      test_that(freed_memory_is_used_again),
      test_that(a_foreign_pointer_ends_the_program),
  };
  return cmocka_run_group_tests_name("free", tests, NULL, NULL);
}
