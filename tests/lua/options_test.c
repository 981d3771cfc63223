/* What fe_lua_newstate may be told, and what comes of it. */
#include <errno.h>
#include <string.h>

#include "tests/lua/support.h"

enum { KIB = 1024, MIB = 1024 * KIB };

static lua_State *state_with(fe_lua_options_t options) {
  lua_State *L = fe_lua_newstate(&options);
  assert_non_null(L);
  return L;
}

static bool has_global(lua_State *L, const char *name) {
  bool has = lua_getglobal(L, name) != LUA_TNIL;
  lua_pop(L, 1);
  return has;
}

/* Up to Lua 5.4.2 it is an ordinary error if it comes from a library. */
static void run_out_of_memory(lua_State *L, const char *code) {
  assert_int_not_equal(try_lua(L, code), LUA_OK);
  assert_non_null(strstr(lua_tostring(L, -1), "not enough memory"));
  lua_settop(L, 0);
}

/* -- Libraries -- */

static void each_library_comes_alone(void **state) {
  (void)state;
  static const struct {
    unsigned bit;
    const char *global;
  } all[] = {
      {FE_LUA_LIBRARY_BASE, "pcall"},
      {FE_LUA_LIBRARY_PACKAGE, "package"},
      {FE_LUA_LIBRARY_COROUTINE, "coroutine"},
      {FE_LUA_LIBRARY_TABLE, "table"},
      {FE_LUA_LIBRARY_IO, "io"},
      {FE_LUA_LIBRARY_OS, "os"},
      {FE_LUA_LIBRARY_STRING, "string"},
      {FE_LUA_LIBRARY_UTF8, "utf8"},
      {FE_LUA_LIBRARY_MATH, "math"},
      {FE_LUA_LIBRARY_DEBUG, "debug"},
  };
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    lua_State *L = state_with((fe_lua_options_t){.libraries = all[i].bit});
    assert_int_equal(lua_gettop(L), 0);
    for (size_t j = 0; j < sizeof all / sizeof all[0]; j++) {
      assert_int_equal(has_global(L, all[j].global), i == j);
    }
    fe_lua_close(L);
  }
}

static void all_libraries_are_those_of_luaL_openlibs(void **state) {
  (void)state;
  static const char names[] =
      "local names = {} for name in pairs(package.loaded) do names[#names + 1] = name end\n"
      "for name in pairs(_G) do names[#names + 1] = name end\n"
      "table.sort(names) return table.concat(names, ' ')";
  lua_State *theirs = luaL_newstate();
  luaL_openlibs(theirs);
  lua_State *ours = state_with((fe_lua_options_t){.libraries = FE_LUA_LIBRARIES});
  assert_string_equal(lua_result(ours, names), lua_result(theirs, names));
  fe_lua_close(ours);
  lua_close(theirs);
}

/* However little there is, all is given back, and the next state has it. */
static void without_room_for_libraries_there_is_no_state(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  lua_State *L = NULL;
  size_t refused = 0;
  for (size_t limit = 1 * KIB; L == NULL; limit += 97) {
    fe_heap_set_limit(heap, limit);
    errno = 0;
    L = fe_lua_newstate(&(fe_lua_options_t){.heap = heap, .libraries = FE_LUA_LIBRARIES});
    if (L != NULL) continue;
    refused++;
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(fe_heap_used_bytes(heap), 0);
  }
  assert_true(refused > 100);
  fe_lua_close(L);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_heap_destroy(heap);
}

/* -- Limits -- */

static void a_limit_may_be_for_what_comes_on_top(void **state) {
  (void)state;
  lua_State *L = state_with((fe_lua_options_t){
      .libraries = FE_LUA_LIBRARIES, .memory_limit = 100 * KIB, .limits_use_after_start = true});
  size_t limit = fe_lua_memory_limit(L);
  assert_int_equal(limit, fe_lua_used_memory(L) + 100 * KIB);
  run_lua(L, "kept = ('x'):rep(40000) kept = nil");
  run_out_of_memory(L, "kept = ('x'):rep(110000)");
  fe_lua_close(L);
  L = state_with((fe_lua_options_t){.memory_limit = SIZE_MAX, .limits_use_after_start = true});
  run_lua(L, "local t = { 1, 2, 3 }");
  fe_lua_close(L);
  L = state_with((fe_lua_options_t){.limits_use_after_start = true});
  assert_int_equal(fe_lua_memory_limit(L), 0);
  fe_lua_close(L);
}

static void setting_a_limit_returns_the_one_before(void **state) {
  (void)state;
  lua_State *L = state_with((fe_lua_options_t){.memory_limit = 1 * MIB});
  assert_int_equal(fe_lua_set_memory_limit(L, 2 * MIB), 1 * MIB);
  assert_int_equal(fe_lua_set_memory_limit(L, 0), 2 * MIB);
  assert_int_equal(fe_lua_set_memory_limit(L, 1 * MIB), 0);
  fe_lua_close(L);
}

static int push_much(lua_State *L) {
  size_t *count = lua_touserdata(L, 1);
  lua_settop(L, 0);
  for (size_t i = 0; i < *count; i++) lua_pushfstring(L, "%d and so on", (int)i);
  return lua_gettop(L);
}

static int raise_error(lua_State *L) { return luaL_error(L, "as it must"); }

static void a_host_may_work_without_the_limit(void **state) {
  (void)state;
  lua_State *L = state_with((fe_lua_options_t){.libraries = FE_LUA_LIBRARIES});
  size_t limit = fe_lua_used_memory(L);
  fe_lua_set_memory_limit(L, limit);
  size_t count = 20;
  lua_pushcfunction(L, push_much);
  lua_pushlightuserdata(L, &count);
  assert_int_equal(lua_pcall(L, 1, LUA_MULTRET, 0), LUA_ERRMEM);
  lua_settop(L, 0);
  assert_int_equal(fe_lua_without_limit(L, push_much, &count), LUA_OK);
  assert_int_equal(lua_gettop(L), 20);
  assert_string_equal(lua_tostring(L, 20), "19 and so on");
  assert_int_equal(fe_lua_memory_limit(L), limit);
  lua_settop(L, 0);
  assert_int_equal(fe_lua_without_limit(L, raise_error, NULL), LUA_ERRRUN);
  assert_int_equal(lua_gettop(L), 1);
  assert_non_null(strstr(lua_tostring(L, 1), "as it must"));
  assert_int_equal(fe_lua_memory_limit(L), limit);
  fe_lua_close(L);
}

static void states_share_a_parents_limit(void **state) {
  (void)state;
  fe_heap_t *tenant =
      fe_heap_create(&(fe_heap_options_t){.memory_limit = 1 * MIB, .name = "tenant"});
  fe_lua_options_t options = {.libraries = FE_LUA_LIBRARIES, .parent = tenant};
  lua_State *first = state_with(options);
  lua_State *second = state_with(options);
  run_out_of_memory(first, "kept = {} for i = 1, 1e6 do kept[i] = { i } end");
  run_out_of_memory(second, "kept = ('x'):rep(200000)");
  run_lua(first, "kept = nil collectgarbage()");
  run_lua(second, "kept = ('x'):rep(200000)");
  fe_lua_close(first);
  fe_lua_close(second);
  fe_heap_destroy(tenant);
}

/* -- Others -- */

static fe_error_t last_error;
static size_t error_count;

static void note_error(fe_heap_t *heap, fe_error_t error, size_t bytes, void *user_data) {
  assert_string_equal(fe_heap_name(heap), "sandbox");
  assert_ptr_equal(user_data, &last_error);
  assert_true(bytes > 0);
  last_error = error;
  error_count++;
}

static void a_host_hears_of_failures_and_of_whom(void **state) {
  (void)state;
  lua_State *L = state_with((fe_lua_options_t){.name = "sandbox",
                                               .libraries = FE_LUA_LIBRARIES,
                                               .memory_limit = 200 * KIB,
                                               .on_error = note_error,
                                               .user_data = &last_error});
  error_count = 0;
  run_out_of_memory(L, "kept = ('x'):rep(300000)");
  assert_true(error_count > 0);
  assert_int_equal(last_error, FE_ERROR_LIMIT);
  fe_lua_close(L);
}

static void a_state_may_have_a_context(void **state) {
  (void)state;
  fe_context_t *context = fe_context_create(NULL);
  lua_State *L = state_with((fe_lua_options_t){.context = context, .libraries = FE_LUA_LIBRARIES});
  fe_heap_stats_t stats = {.struct_size = sizeof stats};
  assert_true(fe_context_stats(context, &stats));
  assert_true(stats.used_bytes >= fe_lua_used_memory(L));
  fe_lua_close(L);
  assert_true(fe_context_destroy(context));
}

static void close_all(lua_State **states, size_t count, size_t first) {
  for (size_t i = 0; i < count; i++) {
    size_t at = (first + i) % count;
    (i % 2 == 0 ? fe_lua_close : lua_close)(states[at]);
  }
}

static void states_may_share_a_heap(void **state) {
  (void)state;
  enum { COUNT = 4 };
  for (size_t granule = 8; granule <= 16; granule += 8) {
    fe_heap_t *heap = fe_heap_create(&(fe_heap_options_t){.granule = granule});
    void *own = fe_heap_alloc(heap, 100);
    size_t before = fe_heap_used_bytes(heap);
    for (size_t round = 0; round < COUNT; round++) {
      lua_State *states[COUNT];
      for (size_t i = 0; i < COUNT; i++) {
        states[i] = state_with((fe_lua_options_t){.heap = heap, .libraries = FE_LUA_LIBRARIES});
        assert_ptr_equal(fe_lua_heap(states[i]), heap);
        run_lua(states[i],
                "kept = {} for i = 1, 500 do\n"
                "  kept[i] = setmetatable({ tostring(i) }, { __gc = function(t) t[2] = {} end })\n"
                "end");
      }
      close_all(states, COUNT, round);
      assert_int_equal(fe_heap_used_bytes(heap), before);
    }
    fe_heap_free(heap, own);
    fe_heap_destroy(heap);
  }
}

static void wrong_options_are_refused(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  fe_context_t *context = fe_context_create(NULL);
  const fe_lua_options_t wrong[] = {
      {.libraries = FE_LUA_LIBRARIES + 1},     {.libraries = ~0u},
      {.heap = heap, .memory_limit = 1 * MIB}, {.heap = heap, .parent = heap},
      {.heap = heap, .context = context},      {.heap = heap, .name = "name"},
      {.heap = heap, .on_error = note_error},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    errno = 0;
    assert_null(fe_lua_newstate(&wrong[i]));
    assert_int_equal(errno, EINVAL);
  }
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  assert_true(fe_context_destroy(context));
  fe_heap_destroy(heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_library_comes_alone),
      cmocka_unit_test(all_libraries_are_those_of_luaL_openlibs),
      cmocka_unit_test(without_room_for_libraries_there_is_no_state),
      cmocka_unit_test(a_limit_may_be_for_what_comes_on_top),
      cmocka_unit_test(setting_a_limit_returns_the_one_before),
      cmocka_unit_test(a_host_may_work_without_the_limit),
      cmocka_unit_test(states_share_a_parents_limit),
      cmocka_unit_test(a_host_hears_of_failures_and_of_whom),
      cmocka_unit_test(a_state_may_have_a_context),
      cmocka_unit_test(states_may_share_a_heap),
      cmocka_unit_test(wrong_options_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
