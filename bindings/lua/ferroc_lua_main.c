/* ferroc-lua: the interpreter on a private ferroc heap. */
#include <errno.h>
#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/lua/ferroc_lua.h"
#include "bindings/lua/interpreter.h"

/* What the options say. */
static struct {
  size_t memory_limit;
  bool shows_stats;
  const char *map_path; /* NULL: no map is wanted */
} wanted;

static bool set_memory_limit(const char *text) {
  static const char units[] = "KMGT";
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
  unsigned shift = unit != NULL ? 10 * (unsigned)(unit - units + 1) : 0;
  if (unit != NULL) end++;
  bool is_number = text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
  if (!is_number || number > SIZE_MAX >> shift) {
    fprintf(
        stderr,
        "ferroc-lua: --memory-limit: '%s' is no size; allowed are bytes, or a number with K, M, "
        "G or T behind it, such as 64M; 0 is no limit\n",
        text);
    return false;
  }
  wanted.memory_limit = (size_t)number << shift;
  return true;
}

static bool set_stats(const char *text) {
  (void)text;
  wanted.shows_stats = true;
  return true;
}

static bool set_map(const char *text) {
  wanted.map_path = text;
  return true;
}

/* `require "ferroc"` finds the module of this program, not one with another ferroc inside. */
static int preload_module(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_ferroc);
  lua_setfield(L, -2, "ferroc");
  return 0;
}

static lua_State *new_state(void) {
  fe_lua_options_t options = {.memory_limit = wanted.memory_limit, .name = "ferroc-lua"};
  lua_State *L = fe_lua_newstate(&options);
  if (L == NULL) return NULL;
  lua_pushcfunction(L, preload_module);
  if (lua_pcall(L, 0, 0, 0) == LUA_OK) return L;
  fe_lua_close(L);
  return NULL;
}

static void print_stats(fe_heap_t *heap) {
  fe_heap_stats_t stats = {.struct_size = sizeof stats};
  fe_heap_stats(heap, &stats);
  fprintf(stderr, "ferroc: peak %zu KiB, at the end %zu KiB, from the system %zu KiB",
          stats.peak_used_bytes / 1024, stats.used_bytes / 1024, stats.committed_bytes / 1024);
  if (stats.limit_bytes != 0) {
    fprintf(stderr, "; limit %zu KiB, met %zu times", stats.limit_bytes / 1024,
            stats.limit_refusals);
  }
  fputc('\n', stderr);
}

static void write_to_file(void *file, const char *text, size_t length) {
  fwrite(text, 1, length, file);
}

static void write_map(const char *path) {
  FILE *file = fopen(path, "w");
  if (file != NULL) fe_heap_map_write(NULL, write_to_file, file);
  bool is_written = file != NULL && ferror(file) == 0;
  if (file != NULL) is_written = fclose(file) == 0 && is_written;
  if (!is_written) fprintf(stderr, "ferroc-lua: --heap-map: %s: %s\n", path, strerror(errno));
}

static void close_state(lua_State *L) {
  if (wanted.shows_stats) print_stats(fe_lua_heap(L));
  if (wanted.map_path != NULL) write_map(wanted.map_path);
  fe_lua_close(L);
}

int main(int argc, char **argv) {
  static const fe_interpreter_option_t options[] = {
      {"memory-limit", "SIZE", "no more memory than that for Lua, such as 64M", set_memory_limit},
      {"stats", NULL, "say at the end on stderr how much memory it took", set_stats},
      {"heap-map", "FILE", "write at the end an HTML page that shows the memory", set_map},
      {NULL, NULL, NULL, NULL},
  };
  static const fe_interpreter_host_t host = {
      .new_state = new_state,
      .close_state = close_state,
      .name = "ferroc-lua",
      .version = "Memory: ferroc, a private heap for the state",
      .options = options,
  };
  return fe_interpreter_main(argc, argv, &host);
}
