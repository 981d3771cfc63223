/* The examples of bindings/lua/README.md, letter for letter, and a test for each. test_readme.py
 * sees to it that README and file stay the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lua/support.h"

static void run_in_a_private_heap(const char *code) {
  fe_lua_options_t options = {.memory_limit = 64 << 20, .libraries = FE_LUA_LIBRARIES};
  lua_State *L = fe_lua_newstate(&options);
  if (L == NULL) {
    perror("no Lua state");
    return;
  }
  if (luaL_dostring(L, code) != LUA_OK) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  fe_lua_close(L);
}

static void run_two_states_in_one_heap(const char *code) {
  fe_heap_options_t options = {.granule = 8}; /* Lua needs no more; 16 costs 5 to 16 % of memory */
  fe_heap_t *heap = fe_heap_create(&options);
  lua_State *first = lua_newstate(fe_lua_alloc, heap);
  lua_State *second = lua_newstate(fe_lua_alloc, heap);
  luaL_openlibs(first);
  luaL_openlibs(second);
  luaL_dostring(first, code);
  luaL_dostring(second, code);
  lua_close(first);
  lua_close(second);
  fe_heap_destroy(heap);
}

static void run_in_the_threads_heap(const char *code) {
  lua_State *L = lua_newstate(fe_lua_alloc, NULL);
  luaL_openlibs(L);
  luaL_dostring(L, code);
  lua_close(L);
}

static bool run_with_limit(lua_State *L, const char *code, size_t limit) {
  size_t before = fe_lua_set_memory_limit(L, fe_lua_used_memory(L) + limit);
  bool is_done = luaL_dostring(L, code) == LUA_OK; /* luaL_dostring calls in protected mode */
  fe_lua_set_memory_limit(L, before);
  return is_done;
}

/* The code of the examples leaves a file behind, by which its test sees that it ran. */
static char file_name[] = "/tmp/ferroc_readme_XXXXXX";
static char code[200];

static int prepare_file(void **state) {
  (void)state;
  snprintf(file_name, sizeof(file_name), "/tmp/ferroc_readme_XXXXXX");
  int descriptor = mkstemp(file_name);
  snprintf(code, sizeof(code), "assert(io.open('%s', 'a')):write('+')", file_name);
  return descriptor < 0 || close(descriptor) != 0;
}

static int remove_file(void **state) {
  (void)state;
  return remove(file_name);
}

static void assert_run_count(long expected) {
  FILE *file = fopen(file_name, "r");
  fseek(file, 0, SEEK_END);
  assert_int_equal(ftell(file), expected);
  fclose(file);
}

static void a_private_heap(void **state) {
  (void)state;
  run_in_a_private_heap(code);
  assert_run_count(1);
}

static void two_states_in_one_heap(void **state) {
  (void)state;
  run_two_states_in_one_heap(code);
  assert_run_count(2);
}

static void the_threads_heap(void **state) {
  (void)state;
  run_in_the_threads_heap(code);
  assert_run_count(1);
}

static void a_limit(void **state) {
  (void)state;
  lua_State *L = new_state_with_libraries();
  assert_true(run_with_limit(L, "local t = {} for i = 1, 1000 do t[i] = {} end", 1 << 20));
  assert_false(run_with_limit(L, "local t = {} for i = 1, 1e9 do t[i] = {} end", 1 << 20));
  assert_int_equal(fe_lua_memory_limit(L), 0);
  fe_lua_close(L);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_private_heap, prepare_file, remove_file),
      cmocka_unit_test_setup_teardown(two_states_in_one_heap, prepare_file, remove_file),
      cmocka_unit_test_setup_teardown(the_threads_heap, prepare_file, remove_file),
      cmocka_unit_test(a_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
