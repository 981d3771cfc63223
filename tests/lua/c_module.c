/* A module in C that has nothing of Lua's in it: it works only in a program that shows it Lua's
 * functions.
 */
#include <lauxlib.h>

static int add(lua_State *L) {
  lua_pushinteger(L, luaL_checkinteger(L, 1) + luaL_checkinteger(L, 2));
  return 1;
}

int luaopen_c_module(lua_State *L) {
  static const luaL_Reg functions[] = {{"add", add}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
