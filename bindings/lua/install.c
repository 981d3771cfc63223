/* A state that exists already goes on in a heap of its own. Blocks that are there stay with the
 * allocator that they came from, until Lua frees them or makes them larger; all new ones are the
 * heap's. */
#include "bindings/lua/install.h"

#include <errno.h>
#include <string.h>

/* A block of the heap. */
typedef struct fe_lua_guest {
  fe_heap_t *heap;
  lua_Alloc alloc;  /* what the state had before ... */
  void *alloc_ud;   /* ... and that one's user data */
  void *main_block; /* holds the main thread; the last block that lua_close frees */
} fe_lua_guest_t;

static void free_old(const fe_lua_guest_t *guest, void *ptr, size_t osize) {
  fe_heap_t *heap = guest->heap;
  bool is_last = ptr == guest->main_block;
  guest->alloc(guest->alloc_ud, ptr, osize, 0);
  if (is_last) fe_heap_destroy(heap);
}

/* A block of the old allocator gets a new size. */
static void *resize_old(const fe_lua_guest_t *guest, void *ptr, size_t osize, size_t nsize) {
  if (nsize <= osize) return guest->alloc(guest->alloc_ud, ptr, osize, nsize);
  void *block = fe_lua_alloc(guest->heap, NULL, 0, nsize);
  if (block == NULL) return NULL;
  memcpy(block, ptr, osize);
  free_old(guest, ptr, osize);
  return block;
}

/* A lua_Alloc. */
static void *alloc_of_both(void *ud, void *ptr, size_t osize, size_t nsize) {
  const fe_lua_guest_t *guest = ud;
  if (ptr == NULL || fe_heap_contains(guest->heap, ptr)) {
    return fe_lua_alloc(guest->heap, ptr, osize, nsize);
  }
  if (nsize > 0) return resize_old(guest, ptr, osize, nsize);
  free_old(guest, ptr, osize);
  return NULL;
}

fe_heap_t *fe_lua_installed_heap(lua_Alloc alloc, void *ud) {
  return alloc == alloc_of_both ? ((fe_lua_guest_t *)ud)->heap : NULL;
}

static void *main_block_of(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main != NULL ? lua_getextraspace(main) : NULL;
}

bool fe_lua_install(lua_State *L, size_t memory_limit) {
  if (fe_lua_heap(L) != NULL) return true;
  void *main_block = lua_checkstack(L, 1) ? main_block_of(L) : NULL;
  fe_heap_options_t options = {.granule = 8, .memory_limit = memory_limit};
  fe_heap_t *heap = main_block != NULL ? fe_heap_create(&options) : NULL;
  fe_lua_guest_t *guest = heap != NULL ? fe_heap_alloc(heap, sizeof(*guest)) : NULL;
  if (guest == NULL) {
    fe_heap_destroy(heap);
    errno = ENOMEM;
    return false;
  }
  *guest = (fe_lua_guest_t){.heap = heap, .main_block = main_block};
  guest->alloc = lua_getallocf(L, &guest->alloc_ud);
  lua_setallocf(L, alloc_of_both, guest);
  return true;
}
