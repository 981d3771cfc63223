/* The interactive mode: read a statement or an expression, run it, print what it gives, again. */
#ifndef FERROC_LUA_INTERPRETER_REPL_H
#define FERROC_LUA_INTERPRETER_REPL_H

#include <lua.h>

/* Runs until the input ends. Errors of what was typed in are reported and do not end it. */
void fe_interpreter_repl(lua_State *L);

#endif /* FERROC_LUA_INTERPRETER_REPL_H */
