/* ferroc-lua: the interpreter on a private ferroc heap. */
#include <stddef.h>

#include "bindings/lua/ferroc_lua.h"
#include "bindings/lua/interpreter.h"

static lua_State *new_state(void) { return fe_lua_newstate(NULL); }

int main(int argc, char **argv) {
  static const fe_interpreter_host_t host = {
      .new_state = new_state,
      .close_state = fe_lua_close,
      .name = "ferroc-lua",
      .version = "Memory: ferroc, a private heap for the state",
  };
  return fe_interpreter_main(argc, argv, &host);
}
