/* What the C tests of the Lua binding share: cmocka, and states that run code or fail the test. */
#ifndef FERROC_TESTS_LUA_SUPPORT_H
#define FERROC_TESTS_LUA_SUPPORT_H

/* cmocka.h wants these first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "bindings/lua/ferroc_lua.h"

/* A state of fe_lua_newstate with all libraries and no limit. */
lua_State *new_state_with_libraries(void);

/* Runs the code; an error in it fails the test and shows its message. */
void run_lua(lua_State *L, const char *code);

/* Runs the code and returns Lua's status, with the message on the stack if there is one. */
int try_lua(lua_State *L, const char *code);

/* Runs a file as run_lua does. */
void run_lua_file(lua_State *L, const char *path);

/* Runs the code and returns the string it returns, valid until the next call or the state's end. */
const char *lua_result(lua_State *L, const char *code);

/* The work that several tests do: it makes and drops every kind of object there is in Lua, and
 * raises an error when a result is not what it should be. */
#define EXERCISE_FILE "tests/lua/exercise.lua"

#endif /* FERROC_TESTS_LUA_SUPPORT_H */
