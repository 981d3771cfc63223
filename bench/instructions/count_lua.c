/* count-lua-default and count-lua-ferroc: what Lua asks of its allocator, through the function
 * pointer that a state keeps: creating and freeing a string's block, and a reallocation that stays
 * in its class.
 *
 * The default is the function of luaL_newstate (realloc and free); ferroc's is fe_lua_alloc from
 * libferroc.so on a heap as fe_lua_newstate makes it.
 */
#include <lauxlib.h>
#include <lua.h>

#include "bench/instructions/counted.h"

enum { SHRUNK_BYTES = 41 };

#ifdef BENCH_FERROC

#include "bindings/lua/ferroc_lua.h"

static lua_State *open_state(void) {
  fe_heap_options_t options = {.granule = 8};
  return lua_newstate(fe_lua_alloc, fe_heap_create(&options));
}

#else

static lua_State *open_state(void) { return luaL_newstate(); }

#endif

static lua_Alloc alloc;
static void *ud;

/* Two loops of one name would need two programs; so one function runs either. */
COUNTED static void counted_loop(size_t count, void *resized) {
  lua_Alloc call = alloc;
  void *state = ud;
  if (resized) {
    for (; count > 0; count--) {
      resized = call(state, resized, BLOCK_BYTES, SHRUNK_BYTES);
      resized = call(state, resized, SHRUNK_BYTES, BLOCK_BYTES);
    }
  } else {
    for (; count > 0; count--) {
      call(state, call(state, NULL, LUA_TSTRING, BLOCK_BYTES), BLOCK_BYTES, 0);
    }
  }
}

/* Returns one of the blocks that stay. */
static void *warm_up(void) {
  void *blocks[WARM_COUNT];
  for (size_t i = 0; i < WARM_COUNT; i++) {
    blocks[i] = alloc(ud, NULL, LUA_TSTRING, BLOCK_BYTES);
  }
  for (size_t i = LIVE_COUNT; i < WARM_COUNT; i++) {
    alloc(ud, blocks[i], BLOCK_BYTES, 0);
  }
  return blocks[0];
}

int main(int argc, char **argv) {
  size_t count = read_count(argc, argv, "pair|resize");
  lua_State *L = open_state();
  alloc = lua_getallocf(L, &ud);
  void *block = warm_up();
  counted_loop(count, strcmp(argv[1], "resize") == 0 ? block : NULL);
  return 0;
}
