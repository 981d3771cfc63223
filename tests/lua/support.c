#include "tests/lua/support.h"

lua_State *new_state_with_libraries(void) {
  lua_State *L = fe_lua_newstate(NULL);
  assert_non_null(L);
  luaL_openlibs(L);
  return L;
}

static void call_loaded(lua_State *L, int status, int result_count) {
  if (status == LUA_OK) status = lua_pcall(L, 0, result_count, 0);
  if (status != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
}

void run_lua(lua_State *L, const char *code) { call_loaded(L, luaL_loadstring(L, code), 0); }

int try_lua(lua_State *L, const char *code) {
  int status = luaL_loadstring(L, code);
  return status == LUA_OK ? lua_pcall(L, 0, 0, 0) : status;
}

void run_lua_file(lua_State *L, const char *path) { call_loaded(L, luaL_loadfile(L, path), 0); }

const char *lua_result(lua_State *L, const char *code) {
  lua_settop(L, 0);
  call_loaded(L, luaL_loadstring(L, code), 1);
  return lua_tostring(L, 1);
}
