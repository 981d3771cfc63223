/* Lua 5.4 states on private heaps; ferroc_lua.h has the contract.
 *
 * Closing is the one idea here. lua_close calls finalizers in the reverse order of their marking,
 * then visits every object once more to free it. The first object of a state made here is a
 * sentinel, so its finalizer is the last to run: fe_lua_close jumps out of lua_close from there and
 * drops the heap instead.
 */
#include "bindings/lua/ferroc_lua.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#if LUA_VERSION_NUM != 504
#error "ferroc_lua.c is written for Lua 5.4"
#endif

/* What a state made by fe_lua_newstate carries besides Lua's own blocks. It is a block of the
 * state's heap and lives exactly as long as that. */
typedef struct fe_lua_state {
  fe_heap_t *heap;
  void *main_block;       /* holds the main thread; the last block that lua_close frees */
  bool warnings_are_on;   /* by the control messages "@on" and "@off" */
  bool is_inside_warning; /* the last piece announced another one */
} fe_lua_state_t;

/* One running fe_lua_close. They nest when a finalizer closes another state. */
typedef struct fe_lua_closing {
  fe_heap_t *heap;         /* tells whose sentinel may jump here */
  volatile bool ends_heap; /* the state is known to be one of fe_lua_newstate's */
  jmp_buf finalizers_done;
  struct fe_lua_closing *outer;
} fe_lua_closing_t;

static _Thread_local fe_lua_closing_t *innermost_closing;

/* Whether fe_lua_close is at work on the state with this heap; it then ends the heap as well. */
static bool is_left_to_closing(const fe_heap_t *heap) {
  if (innermost_closing == NULL || innermost_closing->heap != heap) return false;
  innermost_closing->ends_heap = true;
  return true;
}

/* -- The sentinel ---------------------------------------------------------------------------- */

static const char sentinel_key; /* its address is the sentinel's key in the registry */

/* fe_lua_alloc for a state whose sentinel is gone: the heap ends with the state's last block. */
static void *alloc_until_closed(void *ud, void *ptr, size_t osize, size_t nsize) {
  fe_lua_state_t *state = ud;
  if (ptr == state->main_block && nsize == 0) {
    if (!is_left_to_closing(state->heap)) fe_heap_destroy(state->heap);
    return NULL;
  }
  return fe_lua_alloc(state->heap, ptr, osize, nsize);
}

/* The sentinel's finalizer; its upvalue is the fe_lua_state_t. Within fe_lua_close it does not
 * return: Lua holds no lock while a finalizer runs, and nobody looks at a closed state again, so
 * abandoning lua_close here leaves nothing behind. Else the host has called lua_close itself, and
 * the heap must end by itself. A sentinel that a script took out of the registry (with the debug
 * library) may be finalized at any time: nothing more than that is done for it either. */
static int on_sentinel_finalized(lua_State *L) {
  fe_lua_state_t *state = lua_touserdata(L, lua_upvalueindex(1));
  lua_settop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &sentinel_key);
  if (is_left_to_closing(state->heap) && lua_rawequal(L, 1, 2)) {
    longjmp(innermost_closing->finalizers_done, 1);
  }
  lua_setallocf(L, alloc_until_closed, state);
  return 0;
}

/* Anchors the sentinel in the registry; the argument is the fe_lua_state_t. The sentinel is a
 * table that is its own metatable. Marking it for finalization comes last, so that a failure
 * leaves a state without finalizers. */
static int create_sentinel(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, on_sentinel_finalized, 1);
  lua_setfield(L, -2, "__gc");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sentinel_key);
  lua_pushvalue(L, -1);
  lua_setmetatable(L, -2);
  return 0;
}

/* -- What luaL_newstate sets up -------------------------------------------------------------- */

static int report_panic(lua_State *L) {
  const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  fprintf(stderr, "PANIC: unprotected error in call to Lua API (%s)\n",
          message != NULL ? message : "error object is not a string");
  return 0; /* Lua then aborts */
}

/* A lua_WarnFunction. A message in one piece that starts with '@' is a control message. */
static void report_warning(void *ud, const char *message, int is_to_be_continued) {
  fe_lua_state_t *state = ud;
  bool is_first_piece = !state->is_inside_warning;
  state->is_inside_warning = is_to_be_continued;
  if (is_first_piece && !is_to_be_continued && message[0] == '@') {
    if (strcmp(message, "@on") == 0) state->warnings_are_on = true;
    if (strcmp(message, "@off") == 0) state->warnings_are_on = false;
    return;
  }
  if (!state->warnings_are_on) return;
  fprintf(stderr, "%s%s%s", is_first_piece ? "Lua warning: " : "", message,
          is_to_be_continued ? "" : "\n");
}

/* -- The public functions -------------------------------------------------------------------- */

/* On failure whatever has been made is left to the heap's end: no finalizer is pending. */
static lua_State *new_state_in(fe_heap_t *heap) {
  fe_lua_state_t *state = fe_heap_alloc(heap, sizeof(*state));
  if (state == NULL) return NULL;
  lua_State *L = lua_newstate(fe_lua_alloc, heap);
  if (L == NULL) return NULL;
  *state = (fe_lua_state_t){.heap = heap, .main_block = lua_getextraspace(L)};
  lua_atpanic(L, report_panic);
  lua_setwarnf(L, report_warning, state);
  lua_pushcfunction(L, create_sentinel);
  lua_pushlightuserdata(L, state);
  return lua_pcall(L, 1, 0, 0) == LUA_OK ? L : NULL;
}

lua_State *fe_lua_newstate(const fe_lua_options_t *options) {
  fe_heap_options_t heap_options = {
      .granule = 8, /* Lua aligns nothing beyond a double or a pointer */
      .memory_limit = options != NULL ? options->memory_limit : 0,
  };
  fe_heap_t *heap = fe_heap_create(&heap_options);
  if (heap == NULL) return NULL;
  lua_State *L = new_state_in(heap);
  if (L == NULL) {
    fe_heap_destroy(heap);
    errno = ENOMEM;
  }
  return L;
}

/* False also when the coroutine's stack has no slot left to look with; the sentinel's finalizer
 * then tells. */
static bool has_sentinel(lua_State *L) {
  if (!lua_checkstack(L, 1)) return false;
  bool is_table = lua_rawgetp(L, LUA_REGISTRYINDEX, &sentinel_key) == LUA_TTABLE;
  lua_pop(L, 1);
  return is_table;
}

void fe_lua_close(lua_State *L) {
  if (L == NULL) return;
  fe_lua_closing_t closing = {
      .heap = fe_lua_heap(L), .ends_heap = has_sentinel(L), .outer = innermost_closing};
  innermost_closing = &closing;
  if (setjmp(closing.finalizers_done) == 0) lua_close(L);
  innermost_closing = closing.outer;
  if (closing.ends_heap) {
    fe_heap_destroy(closing.heap);
  } else {
    fputs(
        "ferroc: fe_lua_close: the state must have been made by fe_lua_newstate; it was closed "
        "by lua_close, and its memory is left to its owner\n",
        stderr);
  }
}

fe_heap_t *fe_lua_heap(lua_State *L) {
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  if (alloc == fe_lua_alloc) return ud != NULL ? ud : fe_thread_heap();
  if (alloc == alloc_until_closed) return ((fe_lua_state_t *)ud)->heap;
  return NULL;
}

size_t fe_lua_used_memory(lua_State *L) {
  fe_heap_t *heap = fe_lua_heap(L);
  return heap != NULL ? fe_heap_used_bytes(heap) : 0;
}

size_t fe_lua_memory_limit(lua_State *L) {
  fe_heap_t *heap = fe_lua_heap(L);
  return heap != NULL ? fe_heap_limit(heap) : 0;
}

void fe_lua_set_memory_limit(lua_State *L, size_t bytes) {
  fe_heap_t *heap = fe_lua_heap(L);
  if (heap == NULL) {
    fputs(
        "ferroc: fe_lua_set_memory_limit: the state must have been made by fe_lua_newstate or "
        "lua_newstate(fe_lua_alloc, heap)\n",
        stderr);
    return;
  }
  fe_heap_set_limit(heap, bytes);
}
