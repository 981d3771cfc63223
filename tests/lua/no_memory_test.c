/* The n-th allocation fails, for n = 1, 2, 3 and so on until the work gets through: once only, and
 * for good. A state that could not be made leaves no heap behind; one that could be made raises
 * "not enough memory" and works again afterwards. The linker puts the failing allocator around the
 * real one (--wrap).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bindings/lua/interpreter.h"
#include "tests/lua/support.h"

static struct {
  long calls_until_failure; /* 0: none is to come */
  bool fails_for_good;
  bool has_failed;
  int heap_count; /* created less destroyed */
} fault;

static void set_fault(long call_number, bool fails_for_good) {
  fault.calls_until_failure = call_number;
  fault.fails_for_good = fails_for_good;
  fault.has_failed = false;
}

static bool fails_now(void) {
  if (fault.has_failed && fault.fails_for_good && fault.calls_until_failure >= 0) return true;
  if (fault.calls_until_failure <= 0 || --fault.calls_until_failure > 0) return false;
  fault.has_failed = true;
  return true;
}

/* From here on nothing fails. */
static void end_fault(void) { fault.calls_until_failure = -1; }

static int forget_faults(void **state) {
  (void)state;
  end_fault();
  fault.heap_count = 0;
  return 0;
}

fe_heap_t *__real_fe_heap_create(const fe_heap_options_t *options);
void __real_fe_heap_destroy(fe_heap_t *heap);
void *__real_fe_heap_alloc(fe_heap_t *heap, size_t size);
void *__real_fe_heap_resize(void *heap, void *ptr, size_t old_size, size_t new_size);

static void *no_memory(void) {
  errno = ENOMEM;
  return NULL;
}

fe_heap_t *__wrap_fe_heap_create(const fe_heap_options_t *options) {
  if (fails_now()) return no_memory();
  fault.heap_count++;
  return __real_fe_heap_create(options);
}

void __wrap_fe_heap_destroy(fe_heap_t *heap) {
  fault.heap_count--;
  __real_fe_heap_destroy(heap);
}

void *__wrap_fe_heap_alloc(fe_heap_t *heap, size_t size) {
  return fails_now() ? no_memory() : __real_fe_heap_alloc(heap, size);
}

void *__wrap_fe_heap_resize(void *heap, void *ptr, size_t old_size, size_t new_size) {
  bool grows = new_size > (ptr != NULL ? old_size : 0);
  if (grows && fails_now()) return no_memory();
  return __real_fe_heap_resize(heap, ptr, old_size, new_size);
}

/* -- The work -------------------------------------------------------------------------------- */

static const char small_work[] =
    "local list = {} for i = 1, 40 do list[i] = { name = 'n' .. i } end\n"
    "local co = coroutine.wrap(function(a) return coroutine.yield(a .. 'b') end) co('a')\n"
    "assert(load('return function(x) return { x } end')()(1)[1] == 1)\n"
    "assert(#('long text '):rep(500) == 5000)\n"
    "assert(not pcall(error, { code = 1 }))\n"
    "local closed <close> = setmetatable({}, { __close = function() end })\n"
    "setmetatable({}, { __gc = function() return { 1 } end }) collectgarbage()\n";

/* Lua does not open a library twice, so what fails in here stays half done. The string makes the
 * auxiliary library set up its buffers, which are the same in that. */
static int open_libraries(lua_State *L) {
  luaL_openlibs(L);
  if (luaL_dostring(L, "assert(#('x'):rep(100000) == 100000)") != LUA_OK) return lua_error(L);
  return 0;
}

static int work(lua_State *L) {
  const char *path = lua_touserdata(L, 1);
  int status = path != NULL ? luaL_loadfile(L, path) : luaL_loadstring(L, small_work);
  if (status != LUA_OK) return lua_error(L);
  lua_call(L, 0, 0);
  return 0;
}

static int call_protected(lua_State *L, lua_CFunction function, const char *path) {
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, (void *)path);
  int status = lua_pcall(L, 1, 0, 0);
  if (status == LUA_ERRMEM) assert_string_equal(lua_tostring(L, -1), "not enough memory");
  return status;
}

/* Works in a fresh state with the n-th allocation failing. False when that one was not reached. */
static bool survives_fault(long call_number, bool fails_for_good, const char *path) {
  set_fault(call_number, fails_for_good);
  lua_State *L = fe_lua_newstate(NULL);
  if (L == NULL) {
    assert_true(fault.has_failed);
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(fault.heap_count, 0);
    return true;
  }
  bool is_open = call_protected(L, open_libraries, NULL) == LUA_OK;
  bool is_done = is_open && call_protected(L, work, path) == LUA_OK;
  bool was_reached = fault.has_failed;
  assert_true(is_done || was_reached);
  end_fault();
  if (is_open && !is_done && call_protected(L, work, path) != LUA_OK) {
    fail_msg("%s", lua_tostring(L, -1));
  }
  fe_lua_close(L);
  assert_int_equal(fault.heap_count, 0);
  return was_reached;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  for (int fails_for_good = 0; fails_for_good < 2; fails_for_good++) {
    long call_number = 1;
    while (survives_fault(call_number, fails_for_good, NULL)) call_number++;
    assert_true(call_number > 500); /* the libraries alone take some 300 */
  }
}

/* Too many to let each fail; the steps are far from any period in the work. */
static void some_of_many_allocations_may_fail(void **state) {
  (void)state;
  for (int fails_for_good = 0; fails_for_good < 2; fails_for_good++) {
    long call_number = 1;
    while (survives_fault(call_number, fails_for_good, EXERCISE_FILE)) call_number += 1009;
    assert_true(call_number > 10000);
  }
}

static void closing_may_lack_memory(void **state) {
  (void)state;
  for (long call_number = 1, was_reached = 1; was_reached; call_number++) {
    lua_State *L = new_state_with_libraries();
    run_lua(L,
            "for i = 1, 5 do\n"
            "  setmetatable({}, { __gc = function() local t = { {}, {}, 'a' .. i } end })\n"
            "end");
    set_fault(call_number, true);
    fe_lua_close(L);
    was_reached = fault.has_failed;
    end_fault();
    assert_int_equal(fault.heap_count, 0);
  }
}

/* -- The interpreter ------------------------------------------------------------------------- */

static lua_State *new_state(void) { return fe_lua_newstate(NULL); }

static void the_interpreter_ends_with_a_message(void **state) {
  (void)state;
  static const fe_interpreter_host_t host = {
      .new_state = new_state, .close_state = fe_lua_close, .name = "test"};
  char *argv[] = {"test",     "-e", "x = {} for i = 1, 30 do x[i] = { i } end", "-l",
                  "s=string", "-e", "assert(s.rep('a', 3) == 'aaa')",           NULL};
  int saved_stderr = dup(STDERR_FILENO), output = open("/dev/null", O_WRONLY);
  dup2(output, STDERR_FILENO);
  long call_number = 0, failed_runs = 0;
  int exit_code;
  do {
    set_fault(++call_number, true);
    exit_code = fe_interpreter_main(7, argv, &host);
    end_fault();
    failed_runs += exit_code == EXIT_FAILURE;
  } while (fault.has_failed && fault.heap_count == 0);
  dup2(saved_stderr, STDERR_FILENO);
  close(saved_stderr);
  close(output);
  assert_int_equal(fault.heap_count, 0);
  assert_int_equal(exit_code, EXIT_SUCCESS);
  assert_true(failed_runs > 300);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(every_allocation_may_fail, forget_faults),
      cmocka_unit_test_setup(some_of_many_allocations_may_fail, forget_faults),
      cmocka_unit_test_setup(closing_may_lack_memory, forget_faults),
      cmocka_unit_test_setup(the_interpreter_ends_with_a_message, forget_faults),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
