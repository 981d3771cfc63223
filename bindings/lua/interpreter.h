/* The stand-alone interpreter, as the Lua 5.4 manual describes it in section 7, for whatever
 * allocator its host brings: ferroc-lua and the benchmark's program on the default allocator are
 * the same but for a table of two functions.
 */
#ifndef FERROC_LUA_INTERPRETER_H
#define FERROC_LUA_INTERPRETER_H

#include <lua.h>
#include <stdbool.h>

/* An option of the host's own: --name, or with a value --name=value or --name value. */
typedef struct fe_interpreter_option {
  const char *name;       /* without the "--" */
  const char *value_name; /* for the list of options; NULL: it has no value */
  const char *help;
  /* Takes note of it; before there is a state. False: the value is wrong, which was said. */
  bool (*set)(const char *value);
} fe_interpreter_option_t;

/* Where the interpreter's state comes from. */
typedef struct fe_interpreter_host {
  /* A new state without libraries, or NULL when there is no memory. */
  lua_State *(*new_state)(void);
  void (*close_state)(lua_State *L);
  /* Stands before error messages when argv[0] does not tell. */
  const char *name;
  /* A line for -v after Lua's own; NULL: none. */
  const char *version;
  /* Up to one without a name, and --help with them; NULL: none. */
  const fe_interpreter_option_t *options;
} fe_interpreter_host_t;

/* Runs what the command line says. Returns the exit code. */
int fe_interpreter_main(int argc, char **argv, const fe_interpreter_host_t *host);

#endif /* FERROC_LUA_INTERPRETER_H */
