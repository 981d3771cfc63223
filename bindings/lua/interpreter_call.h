/* How the interpreter calls Lua code: errors get a traceback, Ctrl-C becomes an error, and messages
 * go to stderr. Everything the interpreter runs, from a file to a line typed in, passes through
 * here.
 */
#ifndef FERROC_LUA_INTERPRETER_CALL_H
#define FERROC_LUA_INTERPRETER_CALL_H

#include <lua.h>

/* As lua_pcall, with the function and its arguments on the stack. Instead of an error object that
 * is no string, a message comes back: what __tostring gives, or the object's type; all but the
 * first end with a traceback. While the call runs, SIGINT raises the error "interrupted!" in it; a
 * second one before that happened ends the process. */
int fe_interpreter_call(lua_State *L, int argument_count, int result_count);

/* Prints the message on top of the stack to stderr and pops it. name: what it begins with, or NULL
 * for a message alone. */
void fe_interpreter_report(lua_State *L, const char *name);

#endif /* FERROC_LUA_INTERPRETER_CALL_H */
