/* The interactive mode. An entry is first tried as an expression, by putting "return" before it;
 * what is no expression is a statement, and gets more lines until it is complete or wrong for good.
 * The stack holds the entry, as typed so far, at index 1, and at index 2 what became of it.
 */
#include "bindings/lua/interpreter_repl.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/lua/interpreter_call.h"
#include "bindings/lua/interpreter_line.h"

/* Pushes the next line and returns true; false at the end of the input. The prompt is the global of
 * the given name, converted to a string, or the default. */
static bool push_line(lua_State *L, const char *prompt_name, const char *default_prompt) {
  int top = lua_gettop(L);
  const char *prompt = default_prompt;
  if (lua_getglobal(L, prompt_name) != LUA_TNIL) prompt = luaL_tolstring(L, -1, NULL);
  char *line = fe_interpreter_line_read(prompt);
  lua_settop(L, top);
  if (line == NULL) return false;
  lua_pushstring(L, line);
  free(line);
  return true;
}

/* Compiles prefix and text and leaves the function, or the message that says why not, at index 2.
 */
static int compile(lua_State *L, const char *prefix, const char *text) {
  lua_settop(L, 1);
  const char *chunk = lua_pushfstring(L, "%s%s", prefix, text);
  int status = luaL_loadbuffer(L, chunk, strlen(chunk), "=stdin");
  lua_replace(L, 2);
  return status;
}

/* The entry as a statement; "=expression" is an old way to write "return expression". */
static int compile_statement(lua_State *L) {
  const char *entry = lua_tostring(L, 1);
  if (entry[0] == '=') return compile(L, "return ", entry + 1);
  return compile(L, "", entry);
}

/* The compiler's message is about the end of the text: more text may help. */
static bool is_incomplete(lua_State *L, int status) {
  static const char end_mark[] = "<eof>";
  const size_t mark_length = sizeof(end_mark) - 1;
  size_t length;
  const char *message = lua_tolstring(L, 2, &length);
  return status == LUA_ERRSYNTAX && length >= mark_length &&
         strcmp(message + length - mark_length, end_mark) == 0;
}

/* Compiles the entry that begins with the line at index 1. */
static int compile_entry(lua_State *L) {
  int status = compile(L, "return ", lua_tostring(L, 1));
  if (status == LUA_OK) return status;
  for (;;) {
    status = compile_statement(L);
    if (!is_incomplete(L, status) || !push_line(L, "_PROMPT2", ">> ")) return status;
    lua_pushfstring(L, "%s\n%s", lua_tostring(L, 1), lua_tostring(L, -1));
    lua_replace(L, 1);
    lua_settop(L, 1);
  }
}

/* By the global print, as it is now, and with nothing when there are no results. */
static void print_results(lua_State *L, int first) {
  int count = lua_gettop(L) - first + 1;
  if (count == 0) return;
  luaL_checkstack(L, LUA_MINSTACK, "too many results to print");
  lua_getglobal(L, "print");
  lua_insert(L, first);
  if (lua_pcall(L, count, 0, 0) != LUA_OK) {
    lua_pushfstring(L, "error calling 'print' (%s)", luaL_tolstring(L, -1, NULL));
    fe_interpreter_report(L, NULL);
  }
}

void fe_interpreter_repl(lua_State *L) {
  fe_interpreter_line_init();
  lua_settop(L, 0);
  while (push_line(L, "_PROMPT", "> ")) {
    int status = compile_entry(L);
    fe_interpreter_line_remember(lua_tostring(L, 1));
    if (status == LUA_OK) status = fe_interpreter_call(L, 0, LUA_MULTRET);
    if (status == LUA_OK) {
      print_results(L, 2);
    } else {
      fe_interpreter_report(L, NULL);
    }
    lua_settop(L, 0);
  }
  putchar('\n');
  fflush(stdout);
}
