/* fe_lua_close does what lua_close does: the same finalizers and pending variables, in the same
 * order, with the same effects. Each script runs in a plain state and in one of ours; what the
 * finalizers report through log(...) must be equal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lua/support.h"

/* -- What finalizers and warnings report, outside of any state ------------------------------- */

static char log_text[1 << 16];

static void add_to_log(const char *text) {
  assert_true(strlen(log_text) + strlen(text) + 2 < sizeof(log_text));
  strcat(strcat(log_text, text), "\n");
}

static int lua_log(lua_State *L) {
  add_to_log(luaL_tolstring(L, 1, NULL));
  return 0;
}

static void log_warning(void *ud, const char *message, int is_to_be_continued) {
  (void)ud;
  add_to_log(message);
  add_to_log(is_to_be_continued ? "+" : ".");
}

/* -- The two ways to make and close a state -------------------------------------------------- */

typedef struct way {
  lua_State *(*open)(void);
  void (*close)(lua_State *L);
} way_t;

static lua_State *open_ours(void) { return fe_lua_newstate(NULL); }

static const way_t lua_way = {luaL_newstate, lua_close};
static const way_t our_way = {open_ours, fe_lua_close};

static jmp_buf after_close;

/* close(): ends the state from inside. Such a function must not return to Lua. */
static int lua_close_and_leave(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  const way_t *way = lua_touserdata(L, -1);
  way->close(L);
  longjmp(after_close, 1);
}

static lua_State *open_with_log(const way_t *way) {
  log_text[0] = '\0';
  lua_State *L = way->open();
  assert_non_null(L);
  luaL_openlibs(L);
  lua_setwarnf(L, log_warning, NULL);
  lua_register(L, "log", lua_log);
  lua_pushlightuserdata(L, (void *)way);
  lua_pushcclosure(L, lua_close_and_leave, 1);
  lua_setglobal(L, "close");
  run_lua(L,
          "function object(name, work)\n"
          "  return setmetatable({}, { __gc = function(self)\n"
          "    log(name)\n"
          "    if work then work(self) end\n"
          "  end })\n"
          "end");
  return L;
}

static void run_and_close(const way_t *way, const char *script) {
  lua_State *volatile L = open_with_log(way);
  if (setjmp(after_close) == 0) {
    run_lua(L, script);
    way->close(L);
  }
}

/* Returns the log, which must be the same for both ways and must not be empty. */
static const char *closing_log(const char *script) {
  run_and_close(&lua_way, script);
  char *expected = strdup(log_text);
  assert_string_not_equal(expected, "");
  run_and_close(&our_way, script);
  assert_string_equal(log_text, expected);
  free(expected);
  return log_text;
}

/* -- The tests ------------------------------------------------------------------------------- */

static void finalizers_run_last_marked_first(void **state) {
  (void)state;
  assert_string_equal(closing_log("a = object('a') b = object('b') c = object('c')"), "c\nb\na\n");
}

/* Collections come at other moments in the two states, so only closing may call finalizers here. */
static void collector_modes_make_no_difference(void **state) {
  (void)state;
  const char *const modes[] = {"incremental", "generational"};
  char script[200];
  for (int i = 0; i < 2; i++) {
    snprintf(script, sizeof(script),
             "collectgarbage('%s') collectgarbage('stop') kept = {}\n"
             "for i = 1, 500 do local x = object(i) if i %% 3 == 0 then kept[i] = x end end",
             modes[i]);
    closing_log(script);
  }
}

static void errors_in_finalizers_become_warnings(void **state) {
  (void)state;
  const char *text = closing_log(
      "a = object('a') b = object('b', function() error('oops') end)\n"
      "c = object('c', function() error({}) end)");
  assert_non_null(strstr(text, "oops"));
  assert_non_null(strstr(text, "\na\n"));
}

static void finalizers_may_allocate(void **state) {
  (void)state;
  closing_log(
      "a = object('a', function()\n"
      "  local t = {} for i = 1, 50000 do t[i] = { i } end\n"
      "  collectgarbage() log(#t) log(#('x'):rep(1000000))\n"
      "end) b = object('b', function() log(a ~= nil) end)");
}

static void finalizers_may_mark_objects(void **state) {
  (void)state;
  closing_log(
      "a = object('a', function() object('made while closing') end)\n"
      "b = object('b', function(self) setmetatable(self, getmetatable(self)) end)");
}

static void finalizers_may_run_coroutines(void **state) {
  (void)state;
  closing_log(
      "a = object('a', function()\n"
      "  for i in coroutine.wrap(function() coroutine.yield(1) end) do log(i) end\n"
      "end)");
}

static void coroutines_are_not_resumed(void **state) {
  (void)state;
  closing_log(
      "a = object('a')\n"
      "co = coroutine.create(function()\n"
      "  local x <close> = setmetatable({}, { __close = function() log('closed') end })\n"
      "  local kept = object('kept by coroutine') coroutine.yield()\n"
      "end) coroutine.resume(co)");
}

static void hooks_make_no_difference(void **state) {
  (void)state;
  closing_log("debug.sethook(function() end, 'crl', 1) a = object('a')");
}

static void a_protected_call_may_be_around_it(void **state) {
  (void)state;
  closing_log(
      "a = object('a') pcall(pcall, function()\n"
      "  local x <close> = setmetatable({}, { __close = function() log('closed') end })\n"
      "  close()\n"
      "end)");
}

static void a_coroutine_may_close_its_state(void **state) {
  (void)state;
  closing_log(
      "a = object('a') coroutine.wrap(function()\n"
      "  local x = object('local of coroutine') close()\n"
      "end)()");
}

static int lua_log_close(lua_State *L) {
  (void)L;
  add_to_log("closed");
  return 0;
}

static void close_with_pending_variable(const way_t *way) {
  lua_State *L = open_with_log(way);
  run_lua(L, "a = object('a')");
  lua_newtable(L);
  lua_newtable(L);
  lua_pushcfunction(L, lua_log_close);
  lua_setfield(L, -2, "__close");
  lua_setmetatable(L, -2);
  lua_toclose(L, -1);
  way->close(L);
  assert_string_equal(log_text, "closed\na\n");
}

static void pending_variables_are_closed_first(void **state) {
  (void)state;
  close_with_pending_variable(&lua_way);
  close_with_pending_variable(&our_way);
}

static void files_are_flushed_and_closed(void **state) {
  (void)state;
  char path[] = "/tmp/ferroc_closing_XXXXXX", script[200], line[20];
  close(mkstemp(path));
  snprintf(script, sizeof(script), "f = io.open('%s', 'w') f:write('text') log('start')", path);
  closing_log(script);
  FILE *file = fopen(path, "r");
  assert_string_equal(fgets(line, sizeof(line), file), "text");
  fclose(file);
  snprintf(script, sizeof(script), "p = io.popen('cat > %s', 'w') p:write('piped') log(1)", path);
  closing_log(script);
  file = fopen(path, "r");
  assert_string_equal(fgets(line, sizeof(line), file), "piped"); /* closing has waited for cat */
  fclose(file);
  unlink(path);
}

/* close_other(): closes the state that its upvalue points to. */
static int lua_close_other(lua_State *L) {
  const way_t *way = lua_touserdata(L, lua_upvalueindex(1));
  way->close(lua_touserdata(L, lua_upvalueindex(2)));
  return 0;
}

static void a_finalizer_may_close_another_state(void **state) {
  (void)state;
  const way_t ways_of_inner[] = {our_way, {open_ours, lua_close}, lua_way};
  for (size_t i = 0; i < sizeof(ways_of_inner) / sizeof(ways_of_inner[0]); i++) {
    const way_t *way = &ways_of_inner[i];
    lua_State *inner = open_with_log(way);
    run_lua(inner, "a = object('inner')");
    lua_State *outer = open_with_log(&our_way);
    lua_pushlightuserdata(outer, (void *)way);
    lua_pushlightuserdata(outer, inner);
    lua_pushcclosure(outer, lua_close_other, 2);
    lua_setglobal(outer, "close_other");
    run_lua(outer, "a = object('a') b = object('b', close_other)");
    fe_lua_close(outer);
    assert_string_equal(log_text, "b\ninner\na\n");
  }
}

/* What a process ends with that closes such a state; 99: nothing has ended it before. */
static int exit_status(const way_t *way, const char *script) {
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    run_and_close(way, script);
    _exit(99);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void a_finalizer_may_end_the_process(void **state) {
  (void)state;
  static const char *const scripts[] = {
      "a = object('a') b = object('b', function() os.exit(5, true) end) c = object('c')",
      "b = object('b', function() os.exit(5, true) end)",
      "b = object('b', function() os.exit(5, false) end)",
      "b = object('b', function() pcall(os.exit, 5, true) end)",
      "b = object('b', function() coroutine.wrap(function() os.exit(5, true) end)() end)",
      "a = object('a', function() os.exit(5, true) end)\n"
      "b = object('b', function() os.exit(6, true) end)",
      "a = object('a') os.exit(5, true)",
  };
  for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
    int status = exit_status(&lua_way, scripts[i]);
    assert_in_range(status, 5, 6);
    assert_int_equal(exit_status(&our_way, scripts[i]), status);
  }
}

static void any_coroutine_stands_for_its_state(void **state) {
  (void)state;
  lua_State *L = open_with_log(&our_way);
  run_lua(L, "a = object('a')");
  fe_lua_close(lua_newthread(L));
  assert_string_equal(log_text, "a\n");
}

static void null_is_no_state(void **state) {
  (void)state;
  fe_lua_close(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finalizers_run_last_marked_first),
      cmocka_unit_test(collector_modes_make_no_difference),
      cmocka_unit_test(errors_in_finalizers_become_warnings),
      cmocka_unit_test(finalizers_may_allocate),
      cmocka_unit_test(finalizers_may_mark_objects),
      cmocka_unit_test(finalizers_may_run_coroutines),
      cmocka_unit_test(coroutines_are_not_resumed),
      cmocka_unit_test(hooks_make_no_difference),
      cmocka_unit_test(a_protected_call_may_be_around_it),
      cmocka_unit_test(a_coroutine_may_close_its_state),
      cmocka_unit_test(pending_variables_are_closed_first),
      cmocka_unit_test(files_are_flushed_and_closed),
      cmocka_unit_test(a_finalizer_may_close_another_state),
      cmocka_unit_test(a_finalizer_may_end_the_process),
      cmocka_unit_test(any_coroutine_stands_for_its_state),
      cmocka_unit_test(null_is_no_state),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
