/* The module `ferroc`: what a script may know of its state's memory, and do about it. */
#include <errno.h>
#include <lauxlib.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bindings/lua/ferroc_lua.h"

/* -- Figures -- */

/* nil for a state without a ferroc heap. */
static int push_bytes(lua_State *L, size_t (*bytes)(lua_State *L)) {
  if (fe_lua_heap(L) == NULL) return lua_pushnil(L), 1;
  return lua_pushinteger(L, (lua_Integer)bytes(L)), 1;
}

static int used_memory(lua_State *L) { return push_bytes(L, fe_lua_used_memory); }

static size_t peak_bytes(lua_State *L) {
  fe_heap_stats_t stats = {.struct_size = sizeof stats};
  fe_heap_stats(fe_lua_heap(L), &stats);
  return stats.peak_used_bytes;
}

static int peak_memory(lua_State *L) { return push_bytes(L, peak_bytes); }

static const struct {
  const char *name;
  size_t offset;
} figures[] = {
#define FIGURE(name) \
  { #name, offsetof(fe_heap_stats_t, name) }
    FIGURE(used_bytes),       FIGURE(requested_bytes),  FIGURE(peak_used_bytes),
    FIGURE(limit_bytes),      FIGURE(committed_bytes),  FIGURE(nursery_used_bytes),
    FIGURE(mixed_used_bytes), FIGURE(large_used_bytes), FIGURE(large_block_count),
    FIGURE(shard_count),      FIGURE(full_shard_count), FIGURE(mixed_shard_count),
    FIGURE(refills),          FIGURE(large_allocs),     FIGURE(large_frees),
    FIGURE(limit_refusals),   FIGURE(failed_allocs),
#undef FIGURE
};

static int stats_table(lua_State *L) {
  enum { COUNT = sizeof figures / sizeof figures[0] };
  fe_heap_t *heap = fe_lua_heap(L);
  if (heap == NULL) return lua_pushnil(L), 1;
  lua_createtable(L, 0, COUNT);
  fe_heap_stats_t stats = {.struct_size = sizeof stats};
  fe_heap_stats(heap, &stats);
  for (int i = 0; i < COUNT; i++) {
    size_t figure = *(const size_t *)((const char *)&stats + figures[i].offset);
    lua_pushinteger(L, (lua_Integer)figure);
    lua_setfield(L, -2, figures[i].name);
  }
  return 1;
}

/* -- Limits -- */

/* The argument; more than there are addresses is as much as there are. */
static size_t limit_argument(lua_State *L) {
  lua_Integer limit = luaL_optinteger(L, 1, 0);
  luaL_argcheck(L, limit >= 0, 1, "bytes, or 0 for no limit");
  return (lua_Unsigned)limit < SIZE_MAX ? (size_t)limit : SIZE_MAX;
}

static int memory_limit(lua_State *L) {
  bool has_limit = !lua_isnoneornil(L, 1);
  size_t limit = limit_argument(L);
  if (fe_lua_heap(L) == NULL) {
    if (has_limit) return luaL_error(L, "this state has no ferroc heap: call ferroc.install()");
    return lua_pushnil(L), 1;
  }
  size_t before = has_limit ? fe_lua_set_memory_limit(L, limit) : fe_lua_memory_limit(L);
  return lua_pushinteger(L, (lua_Integer)before), 1;
}

/* -- Memory that goes back -- */

static int collect(lua_State *L) {
  lua_Integer before = (lua_Integer)fe_lua_used_memory(L);
  lua_gc(L, LUA_GCCOLLECT, 0);
  fe_heap_t *heap = fe_lua_heap(L);
  if (heap == NULL) return lua_pushnil(L), 1;
  fe_heap_collect(heap, true);
  return lua_pushinteger(L, before - (lua_Integer)fe_lua_used_memory(L)), 1;
}

static int trim(lua_State *L) { return lua_pushinteger(L, (lua_Integer)fe_trim()), 1; }

/* -- Pictures -- */

static void write_to_file(void *file, const char *text, size_t length) {
  fwrite(text, 1, length, file);
}

static int heap_map(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  errno = 0;
  FILE *file = fopen(path, "w");
  if (file == NULL) return luaL_fileresult(L, 0, path);
  fe_heap_map_write(NULL, write_to_file, file);
  bool is_written = ferror(file) == 0;
  is_written = fclose(file) == 0 && is_written;
  return luaL_fileresult(L, is_written, path);
}

/* -- States that exist already -- */

static int install(lua_State *L) {
  if (fe_lua_install(L, limit_argument(L))) return lua_pushboolean(L, true), 1;
  lua_pushnil(L);
  lua_pushliteral(L, "not enough memory");
  return 2;
}

int luaopen_ferroc(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"used_memory", used_memory}, {"peak_memory", peak_memory}, {"memory_limit", memory_limit},
      {"stats", stats_table},       {"collect", collect},         {"trim", trim},
      {"heap_map", heap_map},       {"install", install},         {NULL, NULL},
  };
  luaL_newlib(L, functions);
  lua_pushstring(L, fe_version_string());
  lua_setfield(L, -2, "version");
  return 1;
}
