/* lua-default: the interpreter that ferroc-lua is, on the default allocator (realloc and free): the
 * baseline of the Lua programs, and the peers' program when they are preloaded.
 */
#include <lauxlib.h>
#include <lua.h>

#include "bindings/lua/interpreter.h"

int main(int argc, char **argv) {
  static const fe_interpreter_host_t host = {
      .new_state = luaL_newstate, .close_state = lua_close, .name = "lua-default"};
  return fe_interpreter_main(argc, argv, &host);
}
