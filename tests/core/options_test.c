/* Options: set and read by name, set by the environment, and what is refused. The environment is
 * read when the library is loaded, so these tests start their own program once more with other
 * variables: it then prints what it finds. */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/core/support.h"

/* -- By name ----------------------------------------------------------------------------------- */

static void assert_option(const char *name, const char *expected) {
  char text[32];
  assert_int_equal(fe_option_get(name, text, sizeof text), strlen(expected));
  assert_string_equal(text, expected);
}

static void each_option_has_its_default(void **state) {
  (void)state;
  assert_option("purge_delay_ms", "50");
  assert_option("unmap_delay_ms", "10000");
  assert_option("huge_pages", "by_need");
  assert_option("memory_limit", "0");
  assert_option("stats_at_exit", "0");
  assert_option("verbose", "0");
  assert_option("on_error", "report");
  assert_option("background_purge", "0");
}

static void what_is_set_is_read_again(void **state) {
  (void)state;
  assert_true(fe_option_set("purge_delay_ms", "120"));
  assert_option("purge_delay_ms", "120");
  assert_true(fe_option_set("purge_delay_ms", "50"));
  assert_true(fe_option_set("huge_pages", "never"));
  assert_option("huge_pages", "never");
  assert_true(fe_option_set("huge_pages", "by_need"));
  assert_true(fe_option_set("background_purge", "1"));
  assert_option("background_purge", "1");
  assert_true(fe_option_set("background_purge", "0"));
}

static void bytes_may_have_a_unit(void **state) {
  (void)state;
  assert_true(fe_option_set("memory_limit", "3G"));
  assert_option("memory_limit", "3221225472");
  assert_true(fe_option_set("memory_limit", "0"));
}

static void a_long_value_is_cut_off(void **state) {
  (void)state;
  char text[4] = "xyz";
  assert_int_equal(fe_option_get("huge_pages", text, sizeof text), strlen("by_need"));
  assert_string_equal(text, "by_");
  assert_int_equal(fe_option_get("huge_pages", NULL, 0), strlen("by_need"));
}

typedef struct setting {
  const char *name;
  const char *value;
} setting_t;

static void set_and_expect_refusal(void *argument) {
  const setting_t *setting = argument;
  errno = 0;
  require(!fe_option_set(setting->name, setting->value));
  require(errno == EINVAL);
}

static void assert_refused(const char *name, const char *value, const char *message) {
  setting_t setting = {name, value};
  child_result_t result;
  run_in_child(&result, set_and_expect_refusal, &setting);
  assert_int_equal(result.status, 0);
  if (strstr(result.errors, message) == NULL) fail_msg("%s", result.errors);
}

static void an_unknown_name_gets_the_nearest_one(void **state) {
  (void)state;
  assert_refused("hugepages", "never", "did you mean \"huge_pages\"?");
  assert_refused("purge_delay", "1", "did you mean \"purge_delay_ms\"?");
  assert_refused("", "1", "there is no option \"\"");
  assert_refused(NULL, "1", "must not be NULL");
}

static void a_wrong_value_gets_what_is_allowed(void **state) {
  (void)state;
  assert_refused("huge_pages", "sometimes", "allowed are never, by_need or always");
  assert_refused("purge_delay_ms", "-1", "allowed are milliseconds");
  assert_refused("purge_delay_ms", "5M", "allowed are milliseconds");
  assert_refused("purge_delay_ms", "", "allowed are milliseconds");
  assert_refused("memory_limit", "12Q", "512K");
  assert_refused("memory_limit", "12MM", "512K");
  assert_refused("memory_limit", "99999999999999999999", "512K");
  assert_refused("memory_limit", "99999999999T", "512K");
  assert_refused("verbose", "yes", "allowed are 0 or 1");
  assert_refused("verbose", NULL, "must not be NULL");
  assert_refused("background_purge", "2", "allowed are 0 or 1");
}

/* -- What they do --------------------------------------------------------------------------------
 */

static void allocate_beyond_the_process_limit(void *argument) {
  (void)argument;
  require(fe_option_set("memory_limit", "1M"));
  void *fits = fe_malloc(500 * KIB);
  require(fits != NULL);
  fe_heap_t *heap = fe_heap_create(NULL);
  require(heap != NULL);
  errno = 0;
  require(fe_heap_alloc(heap, 600 * KIB) == NULL);
  require(errno == ENOMEM);
  fe_free(fits);
  require(fe_heap_alloc(heap, 600 * KIB) != NULL);
  fe_heap_destroy(heap);
  require(fe_option_set("memory_limit", "0"));
  fe_free(fe_malloc(2 * MIB));
}

static void the_memory_limit_holds_for_all_heaps_together(void **state) {
  (void)state;
  assert_child_succeeds(allocate_beyond_the_process_limit, NULL);
}

static void make_an_error(void *argument) {
  require(fe_option_set("on_error", argument));
  fe_heap_options_t options = {.granule = 3};
  require(fe_heap_create(&options) == NULL);
}

static void on_error_decides_what_an_error_does(void **state) {
  (void)state;
  child_result_t result;
  run_in_child(&result, make_an_error, "silent");
  assert_int_equal(result.status, 0);
  assert_string_equal(result.errors, "");
  run_in_child(&result, make_an_error, "report");
  assert_int_equal(result.status, 0);
  assert_non_null(strstr(result.errors, "the granule is 3"));
  run_in_child(&result, make_an_error, "abort");
  assert_true(WIFSIGNALED(result.status) && WTERMSIG(result.status) == SIGABRT);
  assert_non_null(strstr(result.errors, "the granule is 3"));
}

/* -- By the environment --------------------------------------------------------------------------
 */

#define PRINT_ARGUMENT "--print-options"

static int print_options(void) {
  static const char *const names[] = {"purge_delay_ms", "huge_pages", "memory_limit"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char text[32];
    fe_option_get(names[i], text, sizeof text);
    fprintf(stderr, "%s=%s\n", names[i], text);
  }
  return 0;
}

static void run_self(void *environment) {
  char *arguments[] = {"options_test", PRINT_ARGUMENT, NULL};
  execve("/proc/self/exe", arguments, environment);
}

static void assert_prints(char *const *environment, const char *expected) {
  child_result_t result;
  run_in_child(&result, run_self, (void *)environment);
  assert_int_equal(result.status, 0);
  if (strstr(result.errors, expected) == NULL) fail_msg("%s", result.errors);
}

static void variables_set_options(void **state) {
  (void)state;
  char *environment[] = {"FERROC_PURGE_DELAY_MS=7", "FERROC_HUGE_PAGES=always",
                         "FERROC_MEMORY_LIMIT=64M", NULL};
  assert_prints(environment, "purge_delay_ms=7\nhuge_pages=always\nmemory_limit=67108864\n");
}

static void an_unknown_variable_gets_the_nearest_name(void **state) {
  (void)state;
  char *environment[] = {"FERROC_HUGE_PAGE=always", NULL};
  assert_prints(environment, "FERROC_HUGE_PAGE: there is no option");
  assert_prints(environment, "did you mean \"huge_pages\"?");
  assert_prints(environment, "huge_pages=by_need\n");
}

static void variables_of_tests_are_left_alone(void **state) {
  (void)state;
  char *environment[] = {"FERROC_TEST_SEED=1", "FERROC", "FERROC_PURGE_DELAY_MS", NULL};
  child_result_t result;
  run_in_child(&result, run_self, environment);
  assert_int_equal(result.status, 0);
  assert_null(strstr(result.errors, "ferroc:"));
}

static void verbose_tells_the_options(void **state) {
  (void)state;
  char *environment[] = {"FERROC_VERBOSE=1", "FERROC_PURGE_DELAY_MS=9", NULL};
  assert_prints(environment, "ferroc: option purge_delay_ms is 9\n");
}

/* Whether the kernel would give a set-uid program in this folder its owner's rights. */
static bool obeys_set_uid(const char *path) {
  struct statvfs folder;
  return statvfs(path, &folder) == 0 && (folder.f_flag & ST_NOSUID) == 0 &&
         prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0;
}

/* Makes a copy of this program that runs with the rights of nobody; whether that may be done here.
 */
static bool make_set_uid_copy(const char *path) {
  enum { NOBODY = 65534 };
  FILE *from = fopen("/proc/self/exe", "rb");
  FILE *to = fopen(path, "wb");
  assert_true(from != NULL && to != NULL);
  static char buffer[64 * 1024];
  for (size_t count; (count = fread(buffer, 1, sizeof buffer, from)) > 0;) {
    assert_int_equal(fwrite(buffer, 1, count, to), count);
  }
  fclose(from);
  fclose(to);
  return geteuid() == 0 && obeys_set_uid(path) && chown(path, NOBODY, NOBODY) == 0 &&
         chmod(path, 04755) == 0;
}

typedef struct program {
  const char *path;
  char **environment;
} program_t;

static void run_program(void *argument) {
  const program_t *program = argument;
  char *arguments[] = {"options_test", PRINT_ARGUMENT, NULL};
  execve(program->path, arguments, program->environment);
}

static void figures_are_written_at_exit(void **state) {
  (void)state;
  char *environment[] = {"FERROC_STATS_AT_EXIT=1", NULL};
  assert_prints(environment, "{\"version\":");
  assert_prints(environment, "\"committed_bytes\":");
  char *no_environment[] = {NULL};
  child_result_t result;
  run_in_child(&result, run_self, no_environment);
  assert_null(strstr(result.errors, "committed_bytes"));
}

static void a_set_uid_program_looks_at_no_variable(void **state) {
  (void)state;
  const char *checker = getenv("FERROC_TEST_SANITIZER");
  if (checker != NULL && strcmp(checker, "asan") == 0) {
    printf("a search for leaks may not look into a set-uid process\n");
    skip();
  }
  const char *folder = getenv("TEST_TMPDIR");
  char path[512];
  snprintf(path, sizeof path, "%s/options_set_uid_%d", folder != NULL ? folder : "/tmp", getpid());
  if (!make_set_uid_copy(path)) {
    unlink(path);
    printf("only root can make set-uid programs, and not in every sandbox\n");
    skip();
  }
  char *environment[] = {"FERROC_HUGE_PAGES=always", "FERROC_VERBOSE=1", NULL};
  program_t program = {path, environment};
  child_result_t result;
  run_in_child(&result, run_program, &program);
  unlink(path);
  assert_int_equal(result.status, 0);
  assert_non_null(strstr(result.errors, "huge_pages=by_need\n"));
  assert_null(strstr(result.errors, "ferroc:"));
}

int main(int argument_count, char **arguments) {
  if (argument_count > 1 && strcmp(arguments[1], PRINT_ARGUMENT) == 0) return print_options();
  const struct CMUnitTest tests[] = {
      test_that(each_option_has_its_default),
      test_that(what_is_set_is_read_again),
      test_that(bytes_may_have_a_unit),
      test_that(a_long_value_is_cut_off),
      test_that(an_unknown_name_gets_the_nearest_one),
      test_that(a_wrong_value_gets_what_is_allowed),
      test_that(the_memory_limit_holds_for_all_heaps_together),
      test_that(on_error_decides_what_an_error_does),
      test_that(variables_set_options),
      test_that(an_unknown_variable_gets_the_nearest_name),
      test_that(variables_of_tests_are_left_alone),
      test_that(verbose_tells_the_options),
      test_that(figures_are_written_at_exit),
      test_that(a_set_uid_program_looks_at_no_variable),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
