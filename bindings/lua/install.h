/* A state that exists already goes on in a heap of its own: what fe_lua_install and fe_lua_heap
 * share. */
#ifndef FERROC_LUA_INSTALL_H
#define FERROC_LUA_INSTALL_H

#include "bindings/lua/ferroc_lua.h"

/* The heap that fe_lua_install has made for a state with this allocator; NULL: it has not. */
fe_heap_t *fe_lua_installed_heap(lua_Alloc alloc, void *ud);

#endif /* FERROC_LUA_INSTALL_H */
