/* A pointer that is none of ferroc's: a debug build ends the program with a message.
 */
#include "tests/core/support.h"

#include <signal.h>
#include <sys/wait.h>

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
      test_that(a_foreign_pointer_ends_the_program),
  };
  return cmocka_run_group_tests_name("foreign_pointer", tests, NULL, NULL);
}
