/* The heap of a state ends exactly once, when the state does, whichever way that happens, and
 * whatever a script did with the debug library to the sentinel that tells. The linker puts a
 * counter around fe_heap_destroy (--wrap=fe_heap_destroy).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lua/support.h"

static int destroy_count;
static fe_heap_t *destroyed;

void __real_fe_heap_destroy(fe_heap_t *heap);

void __wrap_fe_heap_destroy(fe_heap_t *heap) {
  if (heap != NULL) destroy_count++;
  destroyed = heap;
  __real_fe_heap_destroy(heap);
}

/* The sentinel is the one table in the registry that is its own metatable. */
static const char find_sentinel[] =
    "for key, value in pairs(debug.getregistry()) do\n"
    "  if debug.getmetatable(value) == value then sentinel_key, sentinel = key, value end\n"
    "end assert(sentinel)\n";

static jmp_buf after_close;

static int close_and_leave(lua_State *L) {
  fe_lua_close(L);
  longjmp(after_close, 1);
}

static int lua_close_and_leave(lua_State *L) {
  lua_close(L);
  longjmp(after_close, 1);
}

/* Runs a script and closes the state. The script may call fe_close() or plain_close(). */
static void check_one_end(const char *script, void (*close_function)(lua_State *)) {
  lua_State *volatile L = new_state_with_libraries();
  fe_heap_t *heap = fe_lua_heap(L);
  destroy_count = 0;
  lua_register(L, "fe_close", close_and_leave);
  lua_register(L, "plain_close", lua_close_and_leave);
  run_lua(L, find_sentinel);
  if (setjmp(after_close) == 0) {
    run_lua(L, script);
    assert_int_equal(destroy_count, 0);
    assert_ptr_equal(fe_lua_heap(L), heap);
    assert_true(fe_lua_used_memory(L) > 0);
    close_function(L);
  }
  assert_int_equal(destroy_count, 1);
  assert_ptr_equal(destroyed, heap);
}

static void check_script(const char *script) {
  check_one_end(script, fe_lua_close);
  check_one_end(script, lua_close);
}

static void either_close_ends_the_heap(void **state) {
  (void)state;
  check_script("sentinel = nil");
}

static void a_sentinel_may_be_out_of_the_registry(void **state) {
  (void)state;
  check_script("debug.getregistry()[sentinel_key] = nil");
  check_script("debug.getregistry()[sentinel_key] = {}");
  check_script(
      "debug.getregistry()[sentinel_key] = nil kept = setmetatable({}, { __gc =\n"
      "  function() local t = {} for i = 1, 10000 do t[i] = { i } end end })");
}

static void a_sentinel_may_be_gone(void **state) {
  (void)state;
  check_script(
      "debug.getregistry()[sentinel_key] = nil sentinel = nil\n"
      "collectgarbage() collectgarbage()");
  check_script(
      "debug.getregistry()[sentinel_key] = 'text' sentinel = nil\n"
      "coroutine.wrap(function() collectgarbage() collectgarbage() end)()\n"
      "local t = {} for i = 1, 10000 do t[i] = { i } end");
}

/* Collected in the middle of closing, when pending variables are closed but finalizers still to be
 * called. */
static void a_sentinel_may_go_while_closing(void **state) {
  (void)state;
  lua_State *L = new_state_with_libraries();
  fe_heap_t *heap = fe_lua_heap(L);
  destroy_count = 0;
  run_lua(L, find_sentinel);
  run_lua(L, "finalized = setmetatable({}, { __gc = function() io.stdout:write('') end })");
  luaL_loadstring(L,
                  "return setmetatable({}, { __close = function()\n"
                  "  debug.getregistry()[sentinel_key] = nil sentinel = nil\n"
                  "  collectgarbage() collectgarbage() end })");
  lua_call(L, 0, 1);
  lua_toclose(L, -1);
  fe_lua_close(L);
  assert_int_equal(destroy_count, 1);
  assert_ptr_equal(destroyed, heap);
}

static void a_sentinel_may_be_called(void **state) {
  (void)state;
  check_script("sentinel.__gc(sentinel)");
  check_script("sentinel.__gc()");
  check_script("coroutine.wrap(sentinel.__gc)(sentinel) collectgarbage()");
}

static void a_sentinel_may_be_disarmed(void **state) {
  (void)state;
  check_one_end("sentinel.__gc = nil", fe_lua_close);
  check_one_end("debug.setmetatable(sentinel, nil)", fe_lua_close);
  check_one_end("sentinel.__gc = error", fe_lua_close);
}

/* At some depth Lua has no C stack left to call finalizers with, the sentinel's neither. */
static void the_c_stack_may_be_nearly_full(void **state) {
  (void)state;
  char script[200];
  for (int depth = 50; depth <= 200; depth += depth < 180 ? 10 : 1) {
    snprintf(script, sizeof(script),
             "local function deep(n)\n"
             "  if n == 0 then fe_close() end\n"
             "  string.gsub('a', 'a', function() deep(n - 1) end)\n"
             "end pcall(deep, %d)",
             depth);
    check_one_end(script, fe_lua_close);
  }
}

static void no_memory_may_be_left(void **state) {
  (void)state;
  lua_State *L = new_state_with_libraries();
  destroy_count = 0;
  run_lua(L,
          "kept = {} for i = 1, 100 do\n"
          "  kept[i] = setmetatable({}, { __gc = function() return { i } end })\n"
          "end");
  fe_lua_set_memory_limit(L, 1);
  fe_lua_close(L);
  assert_int_equal(destroy_count, 1);
}

/* -- Allocators that the host sets later -- */

/* Counts what goes through, and hands on what its state had before. */
typedef struct counter {
  fe_heap_t *heap;
  lua_Alloc alloc;
  void *alloc_ud;
  size_t block_count; /* that came and did not go */
  size_t byte_count;
  size_t free_count;
} counter_t;

static void *count_and_hand_on(void *ud, void *ptr, size_t osize, size_t nsize) {
  counter_t *counter = ud;
  void *block = counter->alloc(counter->alloc_ud, ptr, osize, nsize);
  if (nsize > 0 && block == NULL) return NULL;
  if (ptr != NULL) {
    counter->block_count--;
    counter->byte_count -= osize;
    counter->free_count += nsize == 0;
  }
  if (nsize > 0) {
    counter->block_count++;
    counter->byte_count += nsize;
  }
  return block;
}

/* Blocks of the state that are there already stay where they are, new ones come from malloc. */
static void *put_elsewhere(void *ud, void *ptr, size_t osize, size_t nsize) {
  counter_t *counter = ud;
  if (ptr != NULL && !fe_heap_contains(counter->heap, ptr)) {
    if (nsize > 0) return realloc(ptr, nsize);
    free(ptr);
    counter->block_count--;
    return NULL;
  }
  if (nsize <= osize && ptr != NULL) return counter->alloc(counter->alloc_ud, ptr, osize, nsize);
  void *block = nsize > 0 ? malloc(nsize) : NULL;
  if (block == NULL) return NULL;
  counter->block_count++;
  if (ptr == NULL) return block;
  memcpy(block, ptr, osize);
  counter->alloc(counter->alloc_ud, ptr, osize, 0);
  return block;
}

static const char some_work[] =
    "log = {} for i = 1, 5000 do log[i] = { tostring(i) } end\n"
    "last = setmetatable({}, { __gc = function() log[#log + 1] = {} collectgarbage() end })";

static void check_foreign_allocator(lua_Alloc alloc, void (*close_function)(lua_State *)) {
  lua_State *L = fe_lua_newstate(NULL);
  assert_non_null(L);
  fe_heap_t *heap = fe_lua_heap(L);
  counter_t counter = {.heap = heap};
  counter.alloc = lua_getallocf(L, &counter.alloc_ud);
  lua_setallocf(L, alloc, &counter);
  size_t before = fe_lua_used_memory(L);
  luaL_openlibs(L);
  run_lua(L, some_work);
  assert_ptr_equal(fe_lua_heap(L), heap);
  assert_true(fe_lua_used_memory(L) != before || alloc == put_elsewhere);
  destroy_count = 0;
  close_function(L);
  assert_int_equal(destroy_count, 1);
  assert_ptr_equal(destroyed, heap);
  if (alloc == put_elsewhere) assert_int_equal(counter.block_count, 0);
}

static void a_host_may_change_the_allocator(void **state) {
  (void)state;
  check_foreign_allocator(count_and_hand_on, fe_lua_close);
  check_foreign_allocator(count_and_hand_on, lua_close);
  check_foreign_allocator(put_elsewhere, fe_lua_close);
  check_foreign_allocator(put_elsewhere, lua_close);
}

/* What was there when the wrapper came goes through it as well, so only differences can be right.
 */
static void a_counting_allocator_comes_out_even(void **state) {
  (void)state;
  void (*const close_functions[])(lua_State *) = {lua_close, fe_lua_close};
  for (int i = 0; i < 2; i++) {
    lua_State *L = fe_lua_newstate(NULL);
    assert_non_null(L);
    counter_t counter = {0};
    counter.alloc = lua_getallocf(L, &counter.alloc_ud);
    counter.byte_count = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
    lua_setallocf(L, count_and_hand_on, &counter);
    luaL_openlibs(L);
    run_lua(L, some_work);
    size_t lua_bytes = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
    assert_int_equal(counter.byte_count, lua_bytes);
    close_functions[i](L);
    assert_int_equal(counter.byte_count, 0);
    assert_true(counter.free_count > 10000);
  }
}

/* It may be taken away again: then closing is one step, as before. */
static void an_allocator_may_be_set_back(void **state) {
  (void)state;
  lua_State *L = new_state_with_libraries();
  counter_t counter = {0};
  counter.alloc = lua_getallocf(L, &counter.alloc_ud);
  lua_setallocf(L, count_and_hand_on, &counter);
  run_lua(L, some_work);
  lua_setallocf(L, counter.alloc, counter.alloc_ud);
  destroy_count = 0;
  size_t freed = counter.free_count;
  fe_lua_close(L);
  assert_int_equal(destroy_count, 1);
  assert_int_equal(counter.free_count, freed);
}

static void an_installed_heap_ends_with_its_state(void **state) {
  (void)state;
  void (*const close_functions[])(lua_State *) = {lua_close, fe_lua_close};
  for (int i = 0; i < 2; i++) {
    lua_State *L = luaL_newstate();
    assert_non_null(L);
    luaL_openlibs(L);
    run_lua(L, "early = { 'early' } for i = 1, 100 do early[i] = ('x'):rep(i) end");
    assert_null(fe_lua_heap(L));
    assert_true(fe_lua_install(L, 0));
    fe_heap_t *heap = fe_lua_heap(L);
    assert_non_null(heap);
    run_lua(L, some_work);
    run_lua(L, "for i = 1, 10000 do early[i] = { i } end assert(early[10000][1] == 10000)");
    assert_true(fe_lua_used_memory(L) > 500000);
    assert_true(fe_lua_install(L, 1));
    assert_ptr_equal(fe_lua_heap(L), heap);
    assert_int_equal(fe_lua_memory_limit(L), 0);
    destroy_count = 0;
    close_functions[i](L);
    assert_int_equal(destroy_count, 1);
    assert_ptr_equal(destroyed, heap);
  }
}

static void without_room_nothing_is_installed(void **state) {
  (void)state;
  lua_State *L = luaL_newstate();
  assert_non_null(L);
  errno = 0;
  assert_false(fe_lua_install(L, 1));
  assert_int_equal(errno, ENOMEM);
  assert_null(fe_lua_heap(L));
  luaL_openlibs(L);
  run_lua(L, some_work);
  lua_close(L);
}

static void a_hosts_heap_outlives_its_state(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  lua_State *L = lua_newstate(fe_lua_alloc, heap);
  destroy_count = 0;
  luaL_openlibs(L);
  lua_close(L);
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  fe_lua_close(lua_newstate(fe_lua_alloc, heap)); /* a mistake: it says so and goes on */
  assert_int_equal(fe_heap_used_bytes(heap), 0);
  assert_int_equal(destroy_count, 0);
  fe_heap_destroy(heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(either_close_ends_the_heap),
      cmocka_unit_test(a_sentinel_may_be_out_of_the_registry),
      cmocka_unit_test(a_sentinel_may_be_gone),
      cmocka_unit_test(a_sentinel_may_go_while_closing),
      cmocka_unit_test(a_sentinel_may_be_called),
      cmocka_unit_test(a_sentinel_may_be_disarmed),
      cmocka_unit_test(the_c_stack_may_be_nearly_full),
      cmocka_unit_test(no_memory_may_be_left),
      cmocka_unit_test(a_host_may_change_the_allocator),
      cmocka_unit_test(a_counting_allocator_comes_out_even),
      cmocka_unit_test(an_allocator_may_be_set_back),
      cmocka_unit_test(an_installed_heap_ends_with_its_state),
      cmocka_unit_test(without_room_nothing_is_installed),
      cmocka_unit_test(a_hosts_heap_outlives_its_state),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
