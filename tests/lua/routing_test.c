/* Routing is complete: whatever Lua has, it has from its state's heap, and it is handed back
 * there with the size it was asked for with. The linker puts a recorder around fe_lua_alloc
 * (--wrap=fe_heap_resize), which keeps a set of all live blocks.
 */
#include <search.h>
#include <stdlib.h>

#include "bindings/lua/interpreter.h"
#include "tests/lua/support.h"

typedef struct block {
  void *address;
  size_t size;
} block_t;

/* What the recorder knows of the one state that a test has. */
static struct {
  void *blocks; /* of tsearch: block_t by address */
  fe_heap_t *heap;
  size_t call_count, block_count, byte_count;
} record;

static int compare_addresses(const void *a, const void *b) {
  const block_t *first = a, *second = b;
  return (first->address > second->address) - (first->address < second->address);
}

static void add_block(void *address, size_t size) {
  assert_true(fe_heap_contains(record.heap, address));
  block_t *block = malloc(sizeof(*block));
  *block = (block_t){address, size};
  block_t **found = tsearch(block, &record.blocks, compare_addresses);
  assert_ptr_equal(*found, block); /* no live block is handed out twice */
  record.block_count++;
  record.byte_count += size;
}

static void remove_block(void *address, size_t size) {
  block_t key = {.address = address};
  block_t **found = tfind(&key, &record.blocks, compare_addresses);
  assert_non_null(found); /* else it is a foreign pointer */
  block_t *block = *found;
  assert_int_equal(block->size, size);
  tdelete(&key, &record.blocks, compare_addresses);
  free(block);
  record.block_count--;
  record.byte_count -= size;
}

void *__real_fe_heap_resize(void *heap, void *ptr, size_t old_size, size_t new_size);

void *__wrap_fe_heap_resize(void *heap, void *ptr, size_t old_size, size_t new_size) {
  /* No test has a state there but for the one by which the first closing learns of finalizers. */
  if (heap == NULL) return __real_fe_heap_resize(heap, ptr, old_size, new_size);
  record.call_count++;
  if (record.heap == NULL) record.heap = heap;
  assert_ptr_equal(heap, record.heap);
  if (ptr != NULL) remove_block(ptr, old_size);
  void *result = __real_fe_heap_resize(heap, ptr, old_size, new_size);
  if (result != NULL) add_block(result, new_size);
  return result;
}

static void check_block(const void *node, VISIT visit, int depth) {
  (void)depth;
  if (visit != postorder && visit != leaf) return;
  const block_t *block = *(block_t *const *)node;
  assert_true(fe_heap_contains(record.heap, block->address));
}

/* All that Lua counts as its own is in recorded blocks, and these are in the heap. */
static void check_state(lua_State *L) {
  assert_ptr_equal(fe_lua_heap(L), record.heap);
  size_t lua_bytes = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
  assert_int_equal(lua_bytes, record.byte_count);
  assert_true(fe_lua_used_memory(L) >= record.byte_count);
  twalk(record.blocks, check_block);
}

static int forget_state(void **state) {
  (void)state;
  while (record.blocks != NULL) {
    block_t *block = *(block_t **)record.blocks;
    remove_block(block->address, block->size);
  }
  record.heap = NULL;
  record.call_count = 0;
  return 0;
}

static void an_empty_state_is_in_its_heap(void **state) {
  (void)state;
  lua_State *L = fe_lua_newstate(NULL);
  assert_non_null(L);
  assert_true(record.block_count > 1);
  check_state(L);
  fe_lua_close(L);
}

static void working_states_are_in_their_heap(void **state) {
  (void)state;
  lua_State *L = new_state_with_libraries();
  check_state(L);
  run_lua_file(L, EXERCISE_FILE);
  assert_true(record.call_count > 10000);
  check_state(L);
  lua_gc(L, LUA_GCCOLLECT);
  check_state(L);
  fe_lua_close(L);
}

static void objects_of_the_c_api_are_in_the_heap(void **state) {
  (void)state;
  lua_State *L = new_state_with_libraries();
  lua_newuserdatauv(L, 100000, 5);
  lua_newthread(L);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (int i = 0; i < 20000; i++) luaL_addstring(&buffer, "piece");
  luaL_pushresult(&buffer);
  check_state(L);
  fe_lua_close(L);
}

static void lua_close_hands_back_every_block(void **state) {
  (void)state;
  lua_State *L = new_state_with_libraries();
  run_lua(L, "data = {} for i = 1, 1000 do data[i] = { tostring(i) } end");
  lua_close(L);
  assert_int_equal(record.block_count, 0);
}

/* That is what makes it quick. */
static void fe_lua_close_hands_back_no_object(void **state) {
  (void)state;
  lua_State *L = new_state_with_libraries();
  run_lua(L,
          "data = {} for i = 1, 10000 do data[i] = { tostring(i) } end\n"
          "last = setmetatable({}, { __gc = function() data[1] = nil end })");
  size_t before = record.call_count;
  fe_lua_close(L);
  assert_in_range(record.call_count - before, 0, 100);
}

static lua_State *interpreter_new_state(void) { return fe_lua_newstate(NULL); }

static void interpreter_close_state(lua_State *L) {
  check_state(L);
  fe_lua_close(L);
}

static void programs_of_the_interpreter_are_in_the_heap(void **state) {
  (void)state;
  static const fe_interpreter_host_t host = {
      .new_state = interpreter_new_state, .close_state = interpreter_close_state, .name = "test"};
  char *argv[] = {"test", "-e", "kept = {} for i = 1, 5000 do kept[i] = 'kept' .. i end",
                  EXERCISE_FILE, NULL};
  assert_int_equal(fe_interpreter_main(4, argv, &host), EXIT_SUCCESS);
  assert_true(record.block_count > 5000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(an_empty_state_is_in_its_heap, forget_state),
      cmocka_unit_test_teardown(working_states_are_in_their_heap, forget_state),
      cmocka_unit_test_teardown(objects_of_the_c_api_are_in_the_heap, forget_state),
      cmocka_unit_test_teardown(lua_close_hands_back_every_block, forget_state),
      cmocka_unit_test_teardown(fe_lua_close_hands_back_no_object, forget_state),
      cmocka_unit_test_teardown(programs_of_the_interpreter_are_in_the_heap, forget_state),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
