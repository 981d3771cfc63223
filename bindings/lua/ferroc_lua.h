/* Lua 5.4 states on ferroc heaps.
 *
 * The short way: fe_lua_newstate makes a state with a private heap, fe_lua_close ends both. The
 * long way, for a host that calls lua_newstate itself: lua_newstate(fe_lua_alloc, heap).
 */
#ifndef FERROC_LUA_H
#define FERROC_LUA_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/ferroc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A lua_Alloc. Its user data is a ferroc heap, used by this state's thread alone while Lua runs,
 * or NULL: the calling thread's heap. It is fe_heap_resize under Lua's name: one symbol, so that
 * the name costs no jump. */
FE_API void *fe_lua_alloc(void *ud, void *ptr, size_t osize,
                          size_t nsize) __asm__("fe_heap_resize");

/* Lua's own libraries, for fe_lua_options_t. */
#define FE_LUA_LIBRARY_BASE 0x001 /* print, pairs, pcall ... */
#define FE_LUA_LIBRARY_PACKAGE 0x002
#define FE_LUA_LIBRARY_COROUTINE 0x004
#define FE_LUA_LIBRARY_TABLE 0x008
#define FE_LUA_LIBRARY_IO 0x010
#define FE_LUA_LIBRARY_OS 0x020
#define FE_LUA_LIBRARY_STRING 0x040
#define FE_LUA_LIBRARY_UTF8 0x080
#define FE_LUA_LIBRARY_MATH 0x100
#define FE_LUA_LIBRARY_DEBUG 0x200
#define FE_LUA_LIBRARIES 0x3FF /* all of them */

/* What fe_lua_newstate may be told; zero in a field means the default. */
typedef struct fe_lua_options {
  /* The most bytes that the state's blocks may take; 0 is no limit. Beyond it, Lua collects its
   * garbage and then raises "not enough memory", which a protected call catches. */
  size_t memory_limit;
  /* The limit is for what comes on top of the new state and its libraries. */
  bool limits_use_after_start;
  /* The libraries that are opened, or-ed together, as luaL_openlibs does with all, but so that an
   * error does not end the program. 0: none. */
  unsigned libraries;
  /* For figures and messages; up to FE_NAME_MAX bytes of it are copied. NULL: no name. */
  const char *name;
  /* A heap whose limit the state shares, as that of a tenant with many states. It must outlive the
   * state, and may be used by another thread meanwhile. NULL: none. */
  fe_heap_t *parent;
  /* What the state's heap takes its memory from. NULL: the process's arenas. */
  fe_context_t *context;
  /* A heap in which the state is to live, beside others perhaps; one thread at a time may run any
   * of them. It outlives them, figures and limits are those of all, and closing a state frees its
   * objects one by one. The options of a heap must then be left out. NULL: a private heap. */
  fe_heap_t *heap;
  /* As in fe_heap_options_t: called when an allocation fails, before Lua hears of it, also when it
   * then collects its garbage and succeeds. It must not use the state. NULL: nothing is called. */
  void (*on_error)(fe_heap_t *heap, fe_error_t error, size_t bytes, void *user_data);
  void *user_data;
} fe_lua_options_t;

/* A new state, with the panic function and the (switched off) warning function that luaL_newstate
 * sets. options NULL: the defaults. NULL and errno EINVAL (with a line on stderr that says what is
 * allowed) for a bad option, ENOMEM when there is no memory, or the limit or a parent's is too
 * small for the state and its libraries. Any thread. */
FE_API lua_State *fe_lua_newstate(const fe_lua_options_t *options);

/* Ends a state made by fe_lua_newstate: closes pending variables and runs all finalizers as
 * lua_close does, then drops the heap in one step instead of freeing each object. If the host has
 * set another allocator (lua_setallocf), that one sees each block go before the heap is dropped.
 * Any coroutine of the state may be passed. NULL: nothing. */
FE_API void fe_lua_close(lua_State *L);

/* The heap of a state made by fe_lua_newstate, whatever its allocator is now, or by
 * lua_newstate(fe_lua_alloc, heap); NULL for a state with another allocator. If the host has set
 * another allocator, only the thread that runs the state may ask. */
FE_API fe_heap_t *fe_lua_heap(lua_State *L);

/* Gives a private heap to a state that exists already, as those of luaL_newstate: blocks that are
 * there stay with the allocator they have, new and growing ones are the heap's, which ends with the
 * state. memory_limit: for these, in bytes; 0 is no limit. lua_close and fe_lua_close both end such
 * a state object by object. On a state that has a ferroc heap: nothing. False and errno ENOMEM:
 * there is no memory, and all is as before. The thread that runs the state. */
FE_API bool fe_lua_install(lua_State *L, size_t memory_limit);

/* The module `ferroc`, a lua_CFunction; see README.md:
 * luaL_requiref(L, "ferroc", luaopen_ferroc, 0). */
FE_API int luaopen_ferroc(lua_State *L);

/* The bytes that the blocks in the state's heap take, and the most they may take (0: no limit).
 * Setting 0 lifts the limit; setting returns what it was before. A limit below what is in use is
 * allowed. On a state without a ferroc heap: 0, and setting says on stderr that it does nothing. */
FE_API size_t fe_lua_used_memory(lua_State *L);
FE_API size_t fe_lua_memory_limit(lua_State *L);
FE_API size_t fe_lua_set_memory_limit(lua_State *L, size_t bytes);

/* Calls a function of the host's in protected mode, with `argument` as light userdata, while the
 * state's own limit (not a parent's) is lifted, and sets it again after that. Returns the status of
 * lua_pcall; the function's results, or the error, are left on the stack (LUA_ERRMEM and nothing,
 * if that cannot grow). For what the host has to do with a state that may be at its limit. The
 * thread that runs the state. */
FE_API int fe_lua_without_limit(lua_State *L, lua_CFunction function, void *argument);

#ifdef __cplusplus
}
#endif

#endif /* FERROC_LUA_H */
