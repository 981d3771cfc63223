/* The stand-alone interpreter, as the Lua 5.4 manual describes it in section 7, for whatever
 * allocator its host brings: ferroc-lua and the benchmark's program on the default allocator are
 * the same but for a table of two functions.
 */
#ifndef FERROC_LUA_INTERPRETER_H
#define FERROC_LUA_INTERPRETER_H

#include <lua.h>

/* Where the interpreter's state comes from. */
typedef struct fe_interpreter_host {
  /* A new state without libraries, or NULL when there is no memory. */
  lua_State *(*new_state)(void);
  void (*close_state)(lua_State *L);
  /* Stands before error messages when argv[0] does not tell. */
  const char *name;
  /* A line for -v after Lua's own; NULL: none. */
  const char *version;
} fe_interpreter_host_t;

/* Runs what the command line says. Returns the exit code. */
int fe_interpreter_main(int argc, char **argv, const fe_interpreter_host_t *host);

#endif /* FERROC_LUA_INTERPRETER_H */
