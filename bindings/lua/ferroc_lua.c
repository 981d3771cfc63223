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

#include <errno.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#if LUA_VERSION_NUM != 504
#error "ferroc_lua.c is written for Lua 5.4"
#endif

/* What a state made by fe_lua_newstate carries besides Lua's own blocks. It is a block of the
 * state's heap and lives exactly as long as that. */
typedef struct fe_lua_state {
  fe_heap_t *heap;
  const void *registry;   /* tells states apart, whichever of its coroutines is at hand */
  void *main_block;       /* holds the main thread; the last block that lua_close frees */
  lua_Alloc alloc;        /* what the state had when its sentinel was finalized ... */
  void *alloc_ud;         /* ... and that one's user data */
  bool warnings_are_on;   /* by the control messages "@on" and "@off" */
  bool is_inside_warning; /* the last piece announced another one */
} fe_lua_state_t;

/* One running fe_lua_close. They nest when a finalizer closes another state. */
typedef struct fe_lua_closing {
  const void *registry;     /* tells whose sentinel may jump here */
  fe_heap_t *volatile heap; /* what is to be ended; NULL: none of fe_lua_newstate's is known yet */
  char *frame;              /* of the function that called lua_close */
  jmp_buf finalizers_done;
  struct fe_lua_closing *outer;
} fe_lua_closing_t;

static _Thread_local fe_lua_closing_t *innermost_closing;

/* Whether fe_lua_close is at work on this state; it then ends the heap as well. */
static bool is_left_to_closing(const fe_lua_state_t *state) {
  if (innermost_closing == NULL || innermost_closing->registry != state->registry) return false;
  innermost_closing->heap = state->heap;
  return true;
}

/* -- How deep lua_close calls finalizers ----------------------------------------------------- */

/* From the frame of close_state to that of a finalizer; 0: not known yet. The same for all states
 * and all threads. */
static _Atomic(size_t) depth_of_finalizers;

/* Of the function that this is inlined into. */
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

static int on_probe_finalized(lua_State *L) {
  (void)L;
  /* Relaxed: it is the same number whoever finds it out. */
  atomic_store_explicit(&depth_of_finalizers, depth_below(innermost_closing, FRAME()),
                        memory_order_relaxed);
  return 0;
}

static int create_probe(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, on_probe_finalized);
  lua_setfield(L, -2, "__gc");
  lua_pushvalue(L, -1);
  lua_setmetatable(L, -2);
  return 0;
}

/* Closes a state that has nothing but one finalizer. Without memory for it nothing is known, and
 * the next one tries again. */
static void probe_depth(void) {
  lua_State *L = lua_newstate(fe_lua_alloc, NULL);
  if (L == NULL) return;
  lua_pushcfunction(L, create_probe);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) lua_settop(L, 0);
  fe_lua_closing_t closing = {.registry = NULL};
  close_state(L, &closing);
}

/* -- The sentinel ---------------------------------------------------------------------------- */

static const char sentinel_key; /* its address is the sentinel's key in the registry */

/* For a state whose sentinel is gone: the heap ends with the state's last block. Whoever was the
 * allocator sees each block come and go as before. */
static void *alloc_until_closed(void *ud, void *ptr, size_t osize, size_t nsize) {
  fe_lua_state_t *state = ud;
  bool is_last = ptr == state->main_block && nsize == 0;
  void *block = state->alloc(state->alloc_ud, ptr, osize, nsize);
  if (is_last && !is_left_to_closing(state)) fe_heap_destroy(state->heap);
  return block;
}

/* Whether the sentinel's finalizer, with its frame there, may jump out of lua_close: that has
 * called it, and all blocks of the state are the heap's. */
static bool may_jump(lua_State *L, const fe_lua_state_t *state, const char *frame) {
  void *ud;
  if (lua_getallocf(L, &ud) != fe_lua_alloc || ud != state->heap) return false;
  size_t depth = atomic_load_explicit(&depth_of_finalizers, memory_order_relaxed);
  return depth_below(innermost_closing, frame) == depth;
}

/* The sentinel's finalizer; its upvalue is the fe_lua_state_t. Within fe_lua_close it does not
 * return, if it may jump: Lua holds no lock while a finalizer runs, and nobody looks at a closed
 * state again, so abandoning lua_close here leaves nothing behind. Else the host has called
 * lua_close itself, and the heap must end by itself. A sentinel that a script took out of the
 * registry (with the debug library) may be finalized at any time: nothing more than that is done
 * for it either. */
static int on_sentinel_finalized(lua_State *L) {
  fe_lua_state_t *state = lua_touserdata(L, lua_upvalueindex(1));
  if (state == NULL) return 0; /* a script has set the upvalue */
  lua_settop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &sentinel_key);
  bool is_closing = is_left_to_closing(state) && lua_rawequal(L, 1, 2);
  if (is_closing && may_jump(L, state, FRAME())) longjmp(innermost_closing->finalizers_done, 1);
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

/* -- The public functions -------------------------------------------------------------------- */

/* On failure whatever has been made is left to the heap's end: no finalizer is pending. */
static lua_State *new_state_in(fe_heap_t *heap) {
  fe_lua_state_t *state = fe_heap_alloc(heap, sizeof(*state));
  if (state == NULL) return NULL;
  lua_State *L = lua_newstate(fe_lua_alloc, heap);
  if (L == NULL) return NULL;
  *state = (fe_lua_state_t){.heap = heap,
                            .registry = lua_topointer(L, LUA_REGISTRYINDEX),
                            .main_block = lua_getextraspace(L)};
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

void fe_lua_close(lua_State *L) {
  if (L == NULL) return;
  if (atomic_load_explicit(&depth_of_finalizers, memory_order_relaxed) == 0) probe_depth();
  fe_lua_state_t *state = find_state(L);
  fe_lua_closing_t closing = {.registry = lua_topointer(L, LUA_REGISTRYINDEX),
                              .heap = state != NULL ? state->heap : NULL};
  close_state(L, &closing);
  if (closing.heap != NULL) {
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
