/* Lua 5.4 states on private heaps; ferroc_lua.h has the contract.
 *
 * Closing is the one idea here. lua_close calls finalizers in the reverse order of their marking,
 * then visits every object once more to free it. The first object of a state made here is a
 * sentinel, so its finalizer is the last to run: fe_lua_close jumps out of lua_close from there and
 * drops the heap instead.
 *
 * Not every call of it may jump. A finalizer that ends the process by os.exit(code, true) closes
 * the state once more, inside of the first closing, and must go on when that is done; up to Lua
 * 5.4.3 one that collects garbage calls all that are left, and is to be finished, too. Then the
 * sentinel's finalizer lies deeper in the C stack than it does if lua_close has called it; how deep
 * that is, the closing of a state of our own has told before. And a state whose allocator the host
 * has changed is closed by that one, block by block.
 */
#include "bindings/lua/ferroc_lua.h"

#include <assert.h>
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bindings/lua/install.h"

#if LUA_VERSION_NUM != 504
#error "ferroc_lua.c is written for Lua 5.4"
#endif

/* What a state made by fe_lua_newstate carries besides Lua's own blocks: a block of its heap. It is
 * the last one to go, or goes with the heap. */
typedef struct fe_lua_state {
  fe_heap_t *heap;
  bool owns_heap;         /* else it is the host's, and may have blocks of others */
  const void *registry;   /* tells states apart, whichever of its coroutines is at hand */
  void *main_block;       /* holds the main thread; the last block that lua_close frees */
  lua_Alloc alloc;        /* what the state had when its sentinel was finalized ... */
  void *alloc_ud;         /* ... and that one's user data */
  bool warnings_are_on;   /* by the control messages "@on" and "@off" */
  bool is_inside_warning; /* the last piece announced another one */
} fe_lua_state_t;

/* One running fe_lua_close. They nest when a finalizer closes another state. */
typedef struct fe_lua_closing {
  const void *registry;           /* tells whose sentinel may jump here */
  bool is_probe;                  /* of a state of probe_depth */
  fe_lua_state_t *volatile state; /* NULL: not known yet to be one of fe_lua_newstate's */
  char *frame;                    /* of the function that called lua_close */
  jmp_buf finalizers_done;
  struct fe_lua_closing *outer;
} fe_lua_closing_t;

static _Thread_local fe_lua_closing_t *innermost_closing;

/* Whether fe_lua_close is at work on this state; it then calls end_state. */
static bool is_left_to_closing(fe_lua_state_t *state) {
  if (innermost_closing == NULL || innermost_closing->registry != state->registry) return false;
  innermost_closing->state = state;
  return true;
}

/* Lua is done with the state. */
static void end_state(fe_lua_state_t *state) {
  if (state->owns_heap) {
    fe_heap_destroy(state->heap);
  } else {
    fe_heap_free(state->heap, state);
  }
}

/* -- How deep lua_close calls finalizers ----------------------------------------------------- */

/* From the frame of close_state to that of on_sentinel_finalized; 0: not known yet. The same for
 * all states and all threads. */
static _Atomic(size_t) depth_of_finalizers;

/* Where the frame of a function is counted from differs from machine to machine, and may go by how
 * large it is: only frames of the same function can be compared. */
#define FRAME() ((char *)__builtin_frame_address(0))

static size_t depth_below(const fe_lua_closing_t *closing, const char *frame) {
  return (size_t)(closing->frame > frame ? closing->frame - frame : frame - closing->frame);
}

/* lua_close, out of which a sentinel may jump. */
static __attribute__((noinline)) void close_state(lua_State *L, fe_lua_closing_t *closing) {
  closing->frame = FRAME();
  closing->outer = innermost_closing;
  innermost_closing = closing;
  if (setjmp(closing->finalizers_done) == 0) lua_close(L);
  innermost_closing = closing->outer;
}

/* -- The sentinel ---------------------------------------------------------------------------- */

static const char sentinel_key; /* its address is the sentinel's key in the registry */

/* For a state whose sentinel is gone: what is ours ends with Lua's last block. Whoever was the
 * allocator sees each block come and go as before. */
static void *alloc_until_closed(void *ud, void *ptr, size_t osize, size_t nsize) {
  fe_lua_state_t *state = ud;
  bool is_last = ptr == state->main_block && nsize == 0;
  void *block = state->alloc(state->alloc_ud, ptr, osize, nsize);
  if (is_last && !is_left_to_closing(state)) end_state(state);
  return block;
}

/* Whether the sentinel's finalizer, with its frame there, may jump out of lua_close: that has
 * called it, and the heap has all blocks of the state and no others. */
static bool may_jump(lua_State *L, const fe_lua_state_t *state, const char *frame) {
  void *ud;
  if (!state->owns_heap) return false;
  if (lua_getallocf(L, &ud) != fe_lua_alloc || ud != state->heap) return false;
  size_t depth = atomic_load_explicit(&depth_of_finalizers, memory_order_relaxed);
  return depth_below(innermost_closing, frame) == depth;
}

/* The sentinel of a state that is closed to find out the depth. */
static void note_depth(const char *frame) {
  if (innermost_closing == NULL || !innermost_closing->is_probe) return;
  /* Relaxed: it is the same number whoever finds it out. */
  atomic_store_explicit(&depth_of_finalizers, depth_below(innermost_closing, frame),
                        memory_order_relaxed);
}

/* The sentinel's finalizer; its upvalue is the fe_lua_state_t. Within fe_lua_close it does not
 * return, if it may jump: Lua holds no lock while a finalizer runs, and nobody looks at a closed
 * state again, so abandoning lua_close here leaves nothing behind. Else the host has called
 * lua_close itself, and the heap must end by itself. A sentinel that a script took out of the
 * registry (with the debug library) may be finalized at any time: nothing more than that is done
 * for it either. */
static int on_sentinel_finalized(lua_State *L) {
  const char *frame = FRAME();
  fe_lua_state_t *state = lua_touserdata(L, lua_upvalueindex(1));
  if (state == NULL) { /* or a script has set the upvalue */
    note_depth(frame);
    return 0;
  }
  lua_settop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &sentinel_key);
  bool is_closing = is_left_to_closing(state) && lua_rawequal(L, 1, 2);
  if (is_closing && may_jump(L, state, frame)) longjmp(innermost_closing->finalizers_done, 1);
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  if (alloc == alloc_until_closed) return 0;
  state->alloc = alloc;
  state->alloc_ud = ud;
  lua_setallocf(L, alloc_until_closed, state);
  return 0;
}

/* Anchors the sentinel in the registry; the argument is the fe_lua_state_t. The sentinel is a
 * table that is its own metatable; its finalizer, also at [1], knows the fe_lua_state_t. Marking it
 * for finalization comes last, so that a failure leaves a state without finalizers. */
static int create_sentinel(lua_State *L) {
  lua_createtable(L, 1, 1);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, on_sentinel_finalized, 1);
  lua_pushvalue(L, -1);
  lua_rawseti(L, -3, 1);
  lua_setfield(L, -2, "__gc");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sentinel_key);
  lua_pushvalue(L, -1);
  lua_setmetatable(L, -2);
  return 0;
}

/* Closes a state that has nothing but a sentinel. Without memory for it nothing is known, and the
 * next one tries again. */
static void probe_depth(void) {
  lua_State *L = lua_newstate(fe_lua_alloc, NULL);
  if (L == NULL) return;
  lua_pushcfunction(L, create_sentinel);
  lua_pushlightuserdata(L, NULL);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_settop(L, 0);
  fe_lua_closing_t closing = {.is_probe = true};
  close_state(L, &closing);
}

/* NULL: the state was not made by fe_lua_newstate, or its sentinel is not in the registry any more,
 * or the coroutine's stack has no slot left to look with. Allocates nothing. */
static fe_lua_state_t *find_state(lua_State *L) {
  if (!lua_checkstack(L, 3)) return NULL;
  int top = lua_gettop(L);
  fe_lua_state_t *state = NULL;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &sentinel_key) == LUA_TTABLE &&
      lua_rawgeti(L, -1, 1) == LUA_TFUNCTION && lua_tocfunction(L, -1) == on_sentinel_finalized &&
      lua_getupvalue(L, -1, 1) != NULL) {
    state = lua_touserdata(L, -1);
  }
  lua_settop(L, top);
  return state;
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

/* -- Libraries ------------------------------------------------------------------------------- */

/* In the order of their bits in fe_lua_options_t. */
static const luaL_Reg libraries[] = {
    {LUA_GNAME, luaopen_base},          {LUA_LOADLIBNAME, luaopen_package},
    {LUA_COLIBNAME, luaopen_coroutine}, {LUA_TABLIBNAME, luaopen_table},
    {LUA_IOLIBNAME, luaopen_io},        {LUA_OSLIBNAME, luaopen_os},
    {LUA_STRLIBNAME, luaopen_string},   {LUA_UTF8LIBNAME, luaopen_utf8},
    {LUA_MATHLIBNAME, luaopen_math},    {LUA_DBLIBNAME, luaopen_debug},
};
enum { LIBRARY_COUNT = sizeof libraries / sizeof libraries[0] };

static_assert(FE_LUA_LIBRARIES == (1 << LIBRARY_COUNT) - 1, "a bit for each library");

/* The argument is the bits of those that are wanted. */
static int open_libraries(lua_State *L) {
  lua_Integer wanted = lua_tointeger(L, 1);
  for (int i = 0; i < LIBRARY_COUNT; i++) {
    if ((wanted >> i & 1) == 0) continue;
    luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
    lua_pop(L, 1);
  }
  return 0;
}

/* -- Making a state -------------------------------------------------------------------------- */

static bool refuse(const char *why) {
  fprintf(stderr, "ferroc: fe_lua_newstate: %s\n", why);
  errno = EINVAL;
  return false;
}

static bool are_allowed(const fe_lua_options_t *options) {
  if ((options->libraries & ~(unsigned)FE_LUA_LIBRARIES) != 0) {
    return refuse(
        "libraries has a bit that no library has; FE_LUA_LIBRARIES has all that there are");
  }
  bool is_for_own = options->memory_limit != 0 || options->parent != NULL ||
                    options->context != NULL || options->name != NULL || options->on_error != NULL;
  if (options->heap != NULL && is_for_own) {
    return refuse(
        "with a heap of the caller's, no limit, parent, context, name and on_error is allowed: the "
        "heap has its own");
  }
  return true;
}

static fe_heap_t *create_heap(const fe_lua_options_t *options) {
  fe_heap_options_t heap_options = {
      .granule = 8, /* Lua aligns nothing beyond a double or a pointer */
      .memory_limit = options->limits_use_after_start ? 0 : options->memory_limit,
      .context = options->context,
      .parent = options->parent,
      .name = options->name,
      .on_error = options->on_error,
      .user_data = options->user_data,
  };
  return fe_heap_create(&heap_options);
}

/* Without libraries. On failure no finalizer is pending. */
static lua_State *make_state(fe_lua_state_t *state) {
  lua_State *L = lua_newstate(fe_lua_alloc, state->heap);
  if (L == NULL) return NULL;
  state->registry = lua_topointer(L, LUA_REGISTRYINDEX);
  state->main_block = lua_getextraspace(L);
  lua_atpanic(L, report_panic);
  lua_setwarnf(L, report_warning, state);
  lua_pushcfunction(L, create_sentinel);
  lua_pushlightuserdata(L, state);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return L;
  if (!state->owns_heap) lua_close(L);
  return NULL;
}

static lua_State *make_state_in(fe_heap_t *heap, bool owns_heap) {
  fe_lua_state_t *state = fe_heap_alloc(heap, sizeof(*state));
  if (state != NULL) {
    *state = (fe_lua_state_t){.heap = heap, .owns_heap = owns_heap};
    lua_State *L = make_state(state);
    if (L != NULL) return L;
    if (!owns_heap) fe_heap_free(heap, state);
  }
  if (owns_heap) fe_heap_destroy(heap);
  return NULL;
}

static bool open_wanted_libraries(lua_State *L, unsigned wanted) {
  if (wanted == 0) return true;
  lua_pushcfunction(L, open_libraries);
  lua_pushinteger(L, (lua_Integer)wanted);
  return lua_pcall(L, 1, 0, 0) == LUA_OK;
}

static void limit_use_after_start(fe_heap_t *heap, size_t limit) {
  size_t used = fe_heap_used_bytes(heap);
  if (limit != 0) fe_heap_set_limit(heap, limit < SIZE_MAX - used ? used + limit : SIZE_MAX);
}

lua_State *fe_lua_newstate(const fe_lua_options_t *options) {
  static const fe_lua_options_t defaults;
  if (options == NULL) options = &defaults;
  if (!are_allowed(options)) return NULL;
  bool owns_heap = options->heap == NULL;
  fe_heap_t *heap = owns_heap ? create_heap(options) : options->heap;
  if (heap == NULL) return NULL;
  lua_State *L = make_state_in(heap, owns_heap);
  if (L != NULL && open_wanted_libraries(L, options->libraries)) {
    if (options->limits_use_after_start) limit_use_after_start(heap, options->memory_limit);
    return L;
  }
  fe_lua_close(L);
  errno = ENOMEM;
  return NULL;
}

/* -- The other public functions -------------------------------------------------------------- */

static bool is_installed(lua_State *L) {
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  return fe_lua_installed_heap(alloc, ud) != NULL;
}

void fe_lua_close(lua_State *L) {
  if (L == NULL) return;
  if (is_installed(L)) {
    lua_close(L);
    return;
  }
  if (atomic_load_explicit(&depth_of_finalizers, memory_order_relaxed) == 0) probe_depth();
  fe_lua_closing_t closing = {.registry = lua_topointer(L, LUA_REGISTRYINDEX),
                              .state = find_state(L)};
  close_state(L, &closing);
  if (closing.state != NULL) {
    end_state(closing.state);
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
  fe_heap_t *installed = fe_lua_installed_heap(alloc, ud);
  if (installed != NULL) return installed;
  fe_lua_state_t *state = alloc == alloc_until_closed ? ud : find_state(L);
  return state != NULL ? state->heap : NULL;
}

size_t fe_lua_used_memory(lua_State *L) {
  fe_heap_t *heap = fe_lua_heap(L);
  return heap != NULL ? fe_heap_used_bytes(heap) : 0;
}

size_t fe_lua_memory_limit(lua_State *L) {
  fe_heap_t *heap = fe_lua_heap(L);
  return heap != NULL ? fe_heap_limit(heap) : 0;
}

size_t fe_lua_set_memory_limit(lua_State *L, size_t bytes) {
  fe_heap_t *heap = fe_lua_heap(L);
  if (heap == NULL) {
    fputs(
        "ferroc: fe_lua_set_memory_limit: the state must have been made by fe_lua_newstate or "
        "lua_newstate(fe_lua_alloc, heap)\n",
        stderr);
    return 0;
  }
  size_t before = fe_heap_limit(heap);
  fe_heap_set_limit(heap, bytes);
  return before;
}

int fe_lua_without_limit(lua_State *L, lua_CFunction function, void *argument) {
  fe_heap_t *heap = fe_lua_heap(L);
  size_t limit = heap != NULL ? fe_heap_limit(heap) : 0;
  if (limit != 0) fe_heap_set_limit(heap, 0);
  int status = LUA_ERRMEM;
  if (lua_checkstack(L, 2)) {
    lua_pushcfunction(L, function);
    lua_pushlightuserdata(L, argument);
    status = lua_pcall(L, 1, LUA_MULTRET, 0);
  }
  if (limit != 0) fe_heap_set_limit(heap, limit);
  return status;
}
