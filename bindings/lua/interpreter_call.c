/* Protected calls with tracebacks and Ctrl-C; see interpreter_call.h. */
#include "bindings/lua/interpreter_call.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>

/* -- Ctrl-C ---------------------------------------------------------------------------------- */

/* The state that SIGINT stops; written only while its handler is not installed. */
static lua_State *interruptible;

static void raise_interrupted(lua_State *L, lua_Debug *record) {
  (void)record;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

/* In a signal handler Lua allows nothing but to set a hook: the error is raised by the next
 * instruction, call or return. */
static void on_interrupt(int signal_number) {
  (void)signal_number;
  lua_sethook(interruptible, raise_interrupted, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

/* SA_RESETHAND: the next SIGINT ends the process, even one that is stuck in a C function. No
 * SA_RESTART: a pending read returns. */
static void install_interrupt_handler(lua_State *L, struct sigaction *previous) {
  struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND};
  sigemptyset(&action.sa_mask);
  interruptible = L;
  sigaction(SIGINT, &action, previous);
}

/* -- Errors ---------------------------------------------------------------------------------- */

/* Whether the object has a __tostring that gives a string, which is then on the stack. */
static int push_own_description(lua_State *L, int index) {
  if (!luaL_callmeta(L, index, "__tostring")) return 0;
  if (lua_type(L, -1) == LUA_TSTRING) return 1;
  lua_pop(L, 1);
  return 0;
}

static int turn_into_message(lua_State *L) {
  const char *text = lua_tostring(L, 1);
  if (text == NULL) {
    if (push_own_description(L, 1)) return 1;
    text = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  luaL_traceback(L, L, text, 1);
  return 1;
}

int fe_interpreter_call(lua_State *L, int argument_count, int result_count) {
  int handler = lua_gettop(L) - argument_count; /* where the function is now */
  lua_pushcfunction(L, turn_into_message);
  lua_insert(L, handler);
  struct sigaction previous;
  install_interrupt_handler(L, &previous);
  int status = lua_pcall(L, argument_count, result_count, handler);
  sigaction(SIGINT, &previous, NULL);
  lua_remove(L, handler);
  return status;
}

void fe_interpreter_report(lua_State *L, const char *name) {
  const char *message = lua_tostring(L, -1);
  if (message == NULL) message = "(error object is not a string)";
  if (name != NULL) fprintf(stderr, "%s: ", name);
  fprintf(stderr, "%s\n", message);
  lua_pop(L, 1);
}
