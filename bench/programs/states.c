/* states-default and states-ferroc: COUNT. Opens COUNT Lua states with the standard libraries, runs
 * a few lines in each, closes them all, and prints what a state took: resident memory, time to
 * open, time to close; and how much memory the process has once they are gone and it went on with
 * light work for a moment, in percent of what it had when the first one had come and gone.
 *
 * states-default opens them with luaL_newstate on the process's malloc, which all of them share;
 * states-ferroc with fe_lua_newstate, a private heap for each.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifdef BENCH_FERROC

#include "bindings/lua/ferroc_lua.h"

static lua_State *open_state(void) { return fe_lua_newstate(NULL); }
static void close_state(lua_State *L) { fe_lua_close(L); }

#else

static lua_State *open_state(void) { return luaL_newstate(); }
static void close_state(lua_State *L) { lua_close(L); }

#endif

/* CPU time of this process: page faults are in it, other processes are not. */
static double now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static double resident_kib(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%*s %ld", &pages) != 1) {
    fprintf(stderr, "states: /proc/self/statm cannot be read\n");
    exit(1);
  }
  fclose(file);
  return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static lua_State *open_with_libraries(void) {
  lua_State *L = open_state();
  if (!L) {
    fprintf(stderr, "states: not enough memory\n");
    exit(1);
  }
  luaL_openlibs(L);
  return L;
}

/* Every state must be alive and its own: it knows its number. */
static long ask_number(lua_State *L, long number) {
  lua_pushinteger(L, number);
  lua_setglobal(L, "number");
  if (luaL_dostring(L, "return string.format('%d', number)") != LUA_OK) {
    fprintf(stderr, "states: %s\n", lua_tostring(L, -1));
    exit(1);
  }
  return atol(lua_tostring(L, -1));
}

/* What a host does after a peak: waits for things to do, and does a little. */
static void work_lightly(void) {
  for (int i = 0; i < 20; i++) {
    nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    lua_State *L = open_with_libraries();
    ask_number(L, i);
    close_state(L);
  }
}

int main(int argc, char **argv) {
  long count = argc == 2 ? atol(argv[1]) : 0;
  if (count < 1) {
    fprintf(stderr, "usage: %s COUNT, a whole number from 1 up\n", argv[0]);
    return 2;
  }
  lua_State **states = malloc((size_t)count * sizeof(*states));
  for (long i = 0; i < count; i++) {
    states[i] = NULL; /* the table itself must be resident before memory is counted */
  }
  double resident_before_kib = resident_kib();
  close_state(open_with_libraries());
  double resident_warm_kib = resident_kib(), start_us = now_us();
  for (long i = 0; i < count; i++) {
    states[i] = open_with_libraries();
  }
  double opened_us = now_us(), resident_opened_kib = resident_kib();
  long sum = 0;
  for (long i = 0; i < count; i++) {
    sum += ask_number(states[i], i);
  }
  double close_start_us = now_us();
  for (long i = 0; i < count; i++) {
    close_state(states[i]);
  }
  double closed_us = now_us();
  work_lightly();
  double resident_closed_kib = resident_kib();
  printf("checksum states %ld\n", sum);
  printf("figure resident_kib_per_state %.3f\n",
         (resident_opened_kib - resident_before_kib) / (double)count);
  printf("figure open_us_per_state %.3f\n", (opened_us - start_us) / (double)count);
  printf("figure close_us_per_state %.3f\n", (closed_us - close_start_us) / (double)count);
  printf("figure resident_after_percent %.1f\n", resident_closed_kib / resident_warm_kib * 100);
  free(states);
  return 0;
}
