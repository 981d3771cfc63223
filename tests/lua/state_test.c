/* States of fe_lua_newstate behave as those of luaL_newstate do, and tell about their heaps.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lua/support.h"

/* -- What a child process with a state of its own writes to stderr --------------------------- */

typedef struct outcome {
  char text[2000];
  int wait_status;
} outcome_t;

typedef lua_State *opener_t(void);

static lua_State *open_ours(void) { return fe_lua_newstate(NULL); }

static void work_in_child(int output, opener_t *open, void (*work)(lua_State *L)) {
  dup2(output, STDERR_FILENO);
  lua_State *L = open();
  luaL_openlibs(L);
  signal(SIGABRT, SIG_DFL); /* cmocka catches it */
  work(L);
  _exit(0);
}

static outcome_t run_in_child(opener_t *open, void (*work)(lua_State *L)) {
  outcome_t outcome = {.text = ""};
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) work_in_child(ends[1], open, work);
  close(ends[1]);
  size_t length = 0;
  ssize_t count;
  while ((count = read(ends[0], outcome.text + length, sizeof(outcome.text) - 1 - length)) > 0) {
    length += (size_t)count;
  }
  close(ends[0]);
  waitpid(child, &outcome.wait_status, 0);
  return outcome;
}

/* Returns what both kinds of state do; it must be the same. */
static outcome_t common_outcome(void (*work)(lua_State *L)) {
  outcome_t expected = run_in_child(luaL_newstate, work);
  outcome_t actual = run_in_child(open_ours, work);
  assert_string_equal(actual.text, expected.text);
  assert_int_equal(actual.wait_status, expected.wait_status);
  return actual;
}

static void work_warnings(lua_State *L) {
  run_lua(L,
          "warn('unseen') warn('@off') warn('unseen') warn('@unknown') warn('@on')\n"
          "warn('one') warn('two', ' ', 'three') warn('@unknown') warn('@on', 'x')\n"
          "warn('four') warn('@off') warn('unseen') warn('@on') warn('five')");
  lua_warning(L, "six", 1);
  lua_warning(L, "@off", 1);
  lua_warning(L, "seven", 0);
  lua_warning(L, "eight", 0);
}

static void warnings_are_off_until_switched_on(void **state) {
  (void)state;
  assert_string_equal(common_outcome(work_warnings).text,
                      "Lua warning: one\nLua warning: two three\nLua warning: @onx\n"
                      "Lua warning: four\nLua warning: five\nLua warning: six@offseven\n"
                      "Lua warning: eight\n");
}

static void raise_string(lua_State *L) { luaL_error(L, "%s", "the reason"); }

static void raise_table(lua_State *L) {
  lua_newtable(L);
  lua_error(L);
}

static void an_unprotected_error_ends_the_program(void **state) {
  (void)state;
  outcome_t outcome = common_outcome(raise_string);
  assert_non_null(strstr(outcome.text, "the reason"));
  assert_true(WIFSIGNALED(outcome.wait_status) && WTERMSIG(outcome.wait_status) == SIGABRT);
  common_outcome(raise_table);
}

/* -- Heaps ----------------------------------------------------------------------------------- */

static void every_state_has_a_heap_of_its_own(void **state) {
  (void)state;
  lua_State *first = new_state_with_libraries(), *second = new_state_with_libraries();
  assert_non_null(fe_lua_heap(first));
  assert_ptr_not_equal(fe_lua_heap(first), fe_lua_heap(second));
  assert_ptr_not_equal(fe_lua_heap(first), fe_thread_heap());
  assert_ptr_equal(fe_lua_heap(lua_newthread(first)), fe_lua_heap(first));
  size_t used = fe_lua_used_memory(second);
  run_lua(first, "t = {} for i = 1, 1000 do t[i] = {} end");
  assert_int_equal(fe_lua_used_memory(second), used);
  fe_lua_close(first);
  run_lua_file(second, EXERCISE_FILE);
  fe_lua_close(second);
}

static void a_host_may_bring_the_heap(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  lua_State *L = lua_newstate(fe_lua_alloc, heap);
  assert_ptr_equal(fe_lua_heap(L), heap);
  luaL_openlibs(L);
  assert_int_equal(fe_lua_used_memory(L), fe_heap_used_bytes(heap));
  fe_lua_set_memory_limit(L, 1 << 20);
  assert_int_equal(fe_heap_limit(heap), 1 << 20);
  assert_int_equal(fe_lua_memory_limit(L), 1 << 20);
  lua_close(L);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

static void without_user_data_the_threads_heap_serves(void **state) {
  (void)state;
  size_t used_before = fe_heap_used_bytes(fe_thread_heap());
  lua_State *L = lua_newstate(fe_lua_alloc, NULL);
  assert_ptr_equal(fe_lua_heap(L), fe_thread_heap());
  luaL_openlibs(L);
  run_lua_file(L, EXERCISE_FILE);
  assert_true(fe_lua_used_memory(L) > used_before);
  lua_close(L);
  assert_int_equal(fe_heap_used_bytes(fe_thread_heap()), used_before);
}

static void ask_foreign_state(lua_State *L) {
  if (fe_lua_heap(L) != NULL || fe_lua_used_memory(L) != 0 || fe_lua_memory_limit(L) != 0) {
    fputs("a foreign state has a heap\n", stderr);
  }
  fe_lua_set_memory_limit(L, 1 << 20);
}

static void a_foreign_state_has_no_heap(void **state) {
  (void)state;
  outcome_t outcome = run_in_child(luaL_newstate, ask_foreign_state);
  assert_int_equal(outcome.wait_status, 0);
  assert_ptr_equal(strstr(outcome.text, "ferroc: fe_lua_set_memory_limit: the state must"),
                   outcome.text);
}

static void used_memory_follows_the_program(void **state) {
  (void)state;
  lua_State *L = new_state_with_libraries();
  lua_gc(L, LUA_GCCOLLECT);
  size_t before = fe_lua_used_memory(L);
  run_lua(L, "text = ('x'):rep(10000000)");
  size_t with_text = fe_lua_used_memory(L);
  assert_true(with_text >= before + 10000000);
  run_lua(L, "text = nil collectgarbage() collectgarbage()");
  assert_true(fe_lua_used_memory(L) < before + 100000);
  fe_lua_close(L);
}

static int ask_for_the_impossible(lua_State *L) {
  lua_newuserdatauv(L, SIZE_MAX / 8 * (sizeof(size_t) > 4 ? 2 : 7), 0);
  return 0;
}

static void an_impossible_size_is_an_error_of_lua(void **state) {
  (void)state;
  lua_State *L = new_state_with_libraries();
  lua_pushcfunction(L, ask_for_the_impossible);
  assert_int_equal(lua_pcall(L, 0, 0, 0), LUA_ERRMEM);
  assert_string_equal(lua_tostring(L, -1), "not enough memory");
  run_lua_file(L, EXERCISE_FILE);
  fe_lua_close(L);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(warnings_are_off_until_switched_on),
      cmocka_unit_test(an_unprotected_error_ends_the_program),
      cmocka_unit_test(every_state_has_a_heap_of_its_own),
      cmocka_unit_test(a_host_may_bring_the_heap),
      cmocka_unit_test(without_user_data_the_threads_heap_serves),
      cmocka_unit_test(a_foreign_state_has_no_heap),
      cmocka_unit_test(used_memory_follows_the_program),
      cmocka_unit_test(an_impossible_size_is_an_error_of_lua),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
