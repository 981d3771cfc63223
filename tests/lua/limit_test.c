/* A state's memory limit: Lua's own error, which a protected call catches, and a state that goes on
 * working.
 */
#include <errno.h>
#include <string.h>

#include "tests/lua/support.h"

enum { LIMIT = 1 << 20 };

static lua_State *new_limited_state(void) {
  lua_State *L = new_state_with_libraries();
  fe_lua_set_memory_limit(L, LIMIT);
  return L;
}

static const char greedy[] = "local t = {} for i = 1, 1e9 do t[i] = { i } end";

/* Fails the test unless the code ends with the error of a limit, and looks after the limit. */
static void run_out_of_memory(lua_State *L, const char *code) {
  lua_settop(L, 0);
  assert_int_equal(try_lua(L, code), LUA_ERRMEM);
  assert_string_equal(lua_tostring(L, -1), "not enough memory");
  assert_true(fe_lua_used_memory(L) <= fe_lua_memory_limit(L));
  lua_settop(L, 0);
}

static void the_error_can_be_caught(void **state) {
  (void)state;
  lua_State *L = new_limited_state();
  run_out_of_memory(L, greedy);
  assert_string_equal(lua_result(L,
                                 "return select(2, pcall(function()\n"
                                 "  local s = 'x' while true do s = s .. s end end))"),
                      "not enough memory");
  assert_string_equal(lua_result(L,
                                 "local co = coroutine.create(function()\n"
                                 "  local t = {} while true do t[#t + 1] = {} end end)\n"
                                 "return select(2, coroutine.resume(co))"),
                      "not enough memory");
  fe_lua_close(L);
}

static void the_state_goes_on_working(void **state) {
  (void)state;
  lua_State *L = new_limited_state();
  for (int i = 0; i < 20; i++) {
    run_out_of_memory(L, greedy);
    run_out_of_memory(L, "local s = 'x' while true do s = s .. s end");
    run_out_of_memory(L, "local function f(n) return f(n + 1) + 1 end f(1)");
    run_lua(L, "local t = {} for i = 1, 100 do t[i] = tostring(i) end");
  }
  fe_lua_set_memory_limit(L, 0);
  run_lua_file(L, EXERCISE_FILE);
  fe_lua_close(L);
}

/* Fifty times the limit in garbage passes, though the collector never starts by itself.
 * Lua's buffer for a longer string is a block for which it collects no garbage: with 32 bits, from
 * 512 bytes on. */
static void garbage_does_not_count(void **state) {
  (void)state;
  lua_State *L = new_limited_state();
  run_lua(L, "collectgarbage('stop') for i = 1, 100000 do local t = { ('x'):rep(500) .. i } end");
  fe_lua_close(L);
}

static void a_limit_may_come_with_the_state(void **state) {
  (void)state;
  fe_lua_options_t options = {.memory_limit = LIMIT};
  lua_State *L = fe_lua_newstate(&options);
  assert_non_null(L);
  assert_int_equal(fe_lua_memory_limit(L), LIMIT);
  luaL_openlibs(L);
  run_out_of_memory(L, greedy);
  fe_lua_close(L);
}

static void a_limit_below_an_empty_state_is_refused(void **state) {
  (void)state;
  size_t limit = 1;
  lua_State *L = NULL;
  for (; L == NULL; limit += 64) {
    fe_lua_options_t options = {.memory_limit = limit};
    errno = 0;
    L = fe_lua_newstate(&options);
    if (L == NULL) assert_int_equal(errno, ENOMEM);
  }
  assert_in_range(limit, 1000, 8000);
  fe_lua_close(L);
}

static void a_limit_may_change(void **state) {
  (void)state;
  lua_State *L = new_limited_state();
  run_out_of_memory(L, "kept = ('x'):rep(2000000)");
  fe_lua_set_memory_limit(L, 0);
  assert_int_equal(fe_lua_memory_limit(L), 0);
  run_lua(L, "kept = ('x'):rep(2000000)");
  fe_lua_set_memory_limit(L, LIMIT); /* below what is in use: */
  assert_int_equal(try_lua(L, "return { 1 }"), LUA_ERRMEM);
  lua_settop(L, 0);
  fe_lua_set_memory_limit(L, 0);
  run_lua(L, "kept = nil collectgarbage()");
  fe_lua_set_memory_limit(L, LIMIT); /* freeing has made room */
  run_lua(L, "local t = {} for i = 1, 100 do t[i] = { i } end");
  fe_lua_close(L);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_error_can_be_caught),
      cmocka_unit_test(the_state_goes_on_working),
      cmocka_unit_test(garbage_does_not_count),
      cmocka_unit_test(a_limit_may_come_with_the_state),
      cmocka_unit_test(a_limit_below_an_empty_state_is_refused),
      cmocka_unit_test(a_limit_may_change),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
