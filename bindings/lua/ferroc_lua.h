/* Lua 5.4 states on ferroc heaps.
 *
 * The short way: fe_lua_newstate makes a state with a private heap, fe_lua_close ends both. The
 * long way, for a host that calls lua_newstate itself: lua_newstate(fe_lua_alloc, heap).
 */
#ifndef FERROC_LUA_H
#define FERROC_LUA_H

#include <lua.h>
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

/* What fe_lua_newstate may be told; zero in a field means the default. */
typedef struct fe_lua_options {
  /* The most bytes that the state's blocks may take; 0 is no limit. Beyond it, Lua collects its
   * garbage and then raises "not enough memory", which a protected call catches. */
  size_t memory_limit;
} fe_lua_options_t;

/* A new state on a private heap, without libraries, with the panic function and the (switched
 * off) warning function that luaL_newstate sets. options NULL: the defaults. NULL and errno
 * ENOMEM when there is no memory or the limit is too small for an empty state. */
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

/* The bytes that the state's blocks take, and the most they may take (0: no limit). Setting 0
 * lifts the limit, for instance while libraries open. */
FE_API size_t fe_lua_used_memory(lua_State *L);
FE_API size_t fe_lua_memory_limit(lua_State *L);
FE_API void fe_lua_set_memory_limit(lua_State *L, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif /* FERROC_LUA_H */
