/* Ten thousand states come and go, and the process does not grow: no heap, no shard and no record
 * of either is left behind, however the states are closed.
 */
#include <stdio.h>
#include <unistd.h>

#include "tests/lua/support.h"

enum { CYCLE_COUNT = 10000, WARM_UP_COUNT = 500, ALIVE_COUNT = 10, GROWTH_ALLOWED_KIB = 1024 };

static long resident_kib(void) {
  long total_pages, resident_pages;
  FILE *file = fopen("/proc/self/statm", "r");
  assert_int_equal(fscanf(file, "%ld %ld", &total_pages, &resident_pages), 2);
  fclose(file);
  return resident_pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void check_growth_since(long resident_before_kib) {
  long growth_kib = resident_kib() - resident_before_kib;
  if (growth_kib > GROWTH_ALLOWED_KIB) fail_msg("grown by %ld KiB", growth_kib);
}

static lua_State *open_private(void) { return fe_lua_newstate(NULL); }

static lua_State *open_on_thread_heap(void) { return lua_newstate(fe_lua_alloc, NULL); }

/* A few states are alive at any time; each is closed when it is the oldest. */
static void check_no_growth(lua_State *(*open)(void), void (*close)(lua_State *)) {
  lua_State *alive[ALIVE_COUNT] = {NULL};
  long resident_before = 0;
  for (int cycle = 0; cycle < CYCLE_COUNT + WARM_UP_COUNT; cycle++) {
    if (cycle == WARM_UP_COUNT) resident_before = resident_kib();
    lua_State **oldest = &alive[cycle % ALIVE_COUNT];
    if (*oldest != NULL) close(*oldest);
    *oldest = open();
    assert_non_null(*oldest);
    luaL_openlibs(*oldest);
    run_lua(*oldest,
            "t = {} for i = 1, 100 do t[i] = setmetatable({}, { __gc = type }) end\n"
            "s = ('x'):rep(100000)");
  }
  check_growth_since(resident_before);
  for (int i = 0; i < ALIVE_COUNT; i++) close(alive[i]);
}

static void states_leave_nothing_behind(void **state) {
  (void)state;
  check_no_growth(open_private, fe_lua_close);
}

static void states_closed_by_lua_leave_nothing_behind(void **state) {
  (void)state;
  check_no_growth(open_private, lua_close);
}

static void states_on_the_threads_heap_leave_nothing_behind(void **state) {
  (void)state;
  check_no_growth(open_on_thread_heap, lua_close);
}

static void refused_states_leave_nothing_behind(void **state) {
  (void)state;
  long resident_before = 0;
  for (int cycle = 0; cycle < CYCLE_COUNT + WARM_UP_COUNT; cycle++) {
    if (cycle == WARM_UP_COUNT) resident_before = resident_kib();
    fe_lua_options_t options = {.memory_limit = 100 + (size_t)cycle % 2000};
    assert_null(fe_lua_newstate(&options));
  }
  check_growth_since(resident_before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(states_leave_nothing_behind),
      cmocka_unit_test(states_closed_by_lua_leave_nothing_behind),
      cmocka_unit_test(states_on_the_threads_heap_leave_nothing_behind),
      cmocka_unit_test(refused_states_leave_nothing_behind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
