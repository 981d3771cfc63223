/* States and threads: many states at work at once, each in one thread; states that move from thread
 * to thread; states on the threads' own heaps, with a thread that ends before its state does.
 */
#include <pthread.h>
#include <string.h>

#include "tests/lua/support.h"

enum { THREAD_COUNT = 4, ROUND_COUNT = 5 };

/* cmocka's assertions end a test from its own thread alone, so threads return their complaint. */
static const char *complaint_of(lua_State *L, const char *path) {
  luaL_openlibs(L);
  int status = luaL_loadfile(L, path);
  if (status == LUA_OK) status = lua_pcall(L, 0, 0, 0);
  if (status != LUA_OK) return "the exercise failed";
  return NULL;
}

static void run_in_threads(void *(*work)(void *), void *const arguments[], int thread_count) {
  pthread_t threads[THREAD_COUNT];
  for (int i = 0; i < thread_count; i++) {
    void *argument = arguments != NULL ? arguments[i] : NULL;
    assert_int_equal(pthread_create(&threads[i], NULL, work, argument), 0);
  }
  const char *complaint = NULL;
  for (int i = 0; i < thread_count; i++) {
    void *result;
    pthread_join(threads[i], &result);
    if (result != NULL) complaint = result;
  }
  if (complaint != NULL) fail_msg("%s", complaint);
}

static void *work_in_private_heaps(void *argument) {
  (void)argument;
  for (int round = 0; round < ROUND_COUNT; round++) {
    lua_State *first = fe_lua_newstate(NULL), *second = fe_lua_newstate(NULL);
    if (first == NULL || second == NULL) return "no state";
    const char *complaint = complaint_of(first, EXERCISE_FILE);
    if (complaint == NULL) complaint = complaint_of(second, EXERCISE_FILE);
    fe_lua_close(first);
    fe_lua_close(second);
    if (complaint != NULL) return (void *)complaint;
  }
  return NULL;
}

static void states_work_in_many_threads(void **state) {
  (void)state;
  run_in_threads(work_in_private_heaps, NULL, THREAD_COUNT);
}

static void *work_in_thread_heap(void *argument) {
  (void)argument;
  for (int round = 0; round < ROUND_COUNT; round++) {
    size_t used_before = fe_heap_used_bytes(fe_thread_heap());
    lua_State *L = lua_newstate(fe_lua_alloc, NULL);
    if (L == NULL) return "no state";
    const char *complaint = complaint_of(L, EXERCISE_FILE);
    lua_close(L);
    if (complaint != NULL) return (void *)complaint;
    if (fe_heap_used_bytes(fe_thread_heap()) != used_before) return "blocks are left";
  }
  return NULL;
}

static void states_work_on_thread_heaps(void **state) {
  (void)state;
  run_in_threads(work_in_thread_heap, NULL, THREAD_COUNT);
}

/* -- States that move ------------------------------------------------------------------------ */

static void *open_private(void *argument) {
  lua_State **L = argument;
  *L = fe_lua_newstate(NULL);
  if (*L == NULL) return "no state";
  return (void *)complaint_of(*L, EXERCISE_FILE);
}

static void *open_on_thread_heap(void *argument) {
  lua_State **L = argument;
  *L = lua_newstate(fe_lua_alloc, NULL);
  if (*L == NULL) return "no state";
  return (void *)complaint_of(*L, EXERCISE_FILE);
}

/* Keeps what it makes, so that every thread leaves blocks in the state. */
static void *work_on(void *argument) {
  lua_State **L = argument;
  static const char code[] =
      "kept = kept or {}\n"
      "for i = 1, 2000 do kept[#kept + 1] = { 'kept' .. #kept } end\n"
      "for i = 1, #kept, 3 do kept[i] = { i } end";
  if (luaL_dostring(*L, code) != LUA_OK) return "the state has gone wrong";
  return (void *)complaint_of(*L, EXERCISE_FILE);
}

static void *close_private(void *argument) {
  lua_State **L = argument;
  fe_lua_close(*L);
  return NULL;
}

static void *close_plainly(void *argument) {
  lua_State **L = argument;
  lua_close(*L);
  return NULL;
}

/* Each step is a thread of its own, which ends before the next one begins. */
static void move_through_threads(void *(*open)(void *), void *(*close)(void *)) {
  lua_State *L = NULL;
  void *argument = &L;
  run_in_threads(open, &argument, 1);
  for (int round = 0; round < ROUND_COUNT; round++) run_in_threads(work_on, &argument, 1);
  work_on(&L);
  run_in_threads(close, &argument, 1);
}

static void a_private_state_may_move(void **state) {
  (void)state;
  move_through_threads(open_private, close_private);
  move_through_threads(open_private, close_plainly);
}

static void a_state_on_thread_heaps_may_move(void **state) {
  (void)state;
  move_through_threads(open_on_thread_heap, close_plainly);
}

/* -- States that are shared under a mutex ---------------------------------------------------- */

static pthread_mutex_t shared_mutex = PTHREAD_MUTEX_INITIALIZER;

static void *take_turns(void *argument) {
  lua_State **L = argument;
  const char *complaint = NULL;
  for (int round = 0; round < 20 * ROUND_COUNT && complaint == NULL; round++) {
    pthread_mutex_lock(&shared_mutex);
    if (luaL_dostring(*L,
                      "local t = {} for i = 1, 500 do t[i] = { tostring(i) } end\n"
                      "last, before_last = t, last") != LUA_OK) {
      complaint = "the state has gone wrong";
    }
    pthread_mutex_unlock(&shared_mutex);
  }
  return (void *)complaint;
}

static void threads_may_take_turns(void **state) {
  (void)state;
  lua_State *states[] = {new_state_with_libraries(), lua_newstate(fe_lua_alloc, NULL)};
  luaL_openlibs(states[1]);
  for (int i = 0; i < 2; i++) {
    void *arguments[THREAD_COUNT];
    for (int t = 0; t < THREAD_COUNT; t++) arguments[t] = &states[i];
    run_in_threads(take_turns, arguments, THREAD_COUNT);
  }
  fe_lua_close(states[0]);
  lua_close(states[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(states_work_in_many_threads),
      cmocka_unit_test(states_work_on_thread_heaps),
      cmocka_unit_test(a_private_state_may_move),
      cmocka_unit_test(a_state_on_thread_heaps_may_move),
      cmocka_unit_test(threads_may_take_turns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
