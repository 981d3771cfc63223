/* What a program is promised, or has locked, before it uses it: the kernel counts memory that can
 * be written to (vm.overcommit_memory=2, ulimit -d), and locks it at once for who asked for that
 * (mlockall); and it counts addresses (ulimit -v). */
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/core/support.h"

/* Smaller slabs are not made accessible one by one, nor those with guard pages. A sanitizer has
 * memory of its own. */
static bool is_elsewhere(void) { return SLAB_BYTES < MIB || IS_CHECKED || HAS_SANITIZER_MEMORY; }

/* All that is private and can be written to. */
static size_t promised_bytes(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  require(maps != NULL);
  char line[512];
  size_t sum = 0;
  while (fgets(line, sizeof line, maps) != NULL) {
    unsigned long start, end;
    char access[5];
    if (sscanf(line, "%lx-%lx %4s", &start, &end, access) != 3) continue;
    if (access[1] == 'w' && access[3] == 'p') sum += end - start;
  }
  fclose(maps);
  return sum;
}

enum { BLOCKS_MAX = 1000000 };
static void *blocks[BLOCKS_MAX];

static size_t fill(fe_heap_t *heap, size_t size, size_t count_max) {
  size_t count = 0;
  while (count < count_max && (blocks[count] = fe_heap_alloc(heap, size)) != NULL) count++;
  return count;
}

static void empty(fe_heap_t *heap, size_t count) {
  while (count > 0) fe_heap_free(heap, blocks[--count]);
}

static fe_arenas_t *new_arenas(void) {
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_mmap, NULL, 0);
  require(arenas != NULL);
  return arenas;
}

static void only_what_is_used_is_promised(void **state) {
  (void)state;
  if (is_elsewhere()) skip();
  size_t before = promised_bytes();
  fe_arenas_t *arenas = new_arenas();
  assert_in_range(promised_bytes() - before, UNIT_BYTES, SLAB_BYTES);
  fe_heap_t *heap = fe_arenas_thread_heap(arenas);
  size_t count = fill(heap, 1000, 100 * MIB / 1000);
  assert_in_range(promised_bytes() - before, 100 * MIB, 110 * MIB);
  empty(heap, count);
  fe_heap_collect(heap, true);
  fe_trim();
  assert_in_range(promised_bytes() - before, UNIT_BYTES, 3 * SLAB_BYTES);
  assert_true(fe_arenas_destroy(arenas));
  assert_int_equal(promised_bytes(), before);
}

static void lock_all_from_now_on(void *unused) {
  (void)unused;
  require(mlockall(MCL_FUTURE) == 0);
  size_t before = resident_bytes();
  fe_heap_t *heap = fe_arenas_thread_heap(new_arenas());
  require(heap != NULL && fe_heap_alloc(heap, 100) != NULL);
  require(resident_bytes() - before <= SLAB_BYTES + MIB);
  require(fill(heap, MIB / 4, 40) == 40);
  require(resident_bytes() - before <= 10 * MIB + 2 * SLAB_BYTES);
}

static void only_what_is_used_is_locked(void **state) {
  (void)state;
  if (is_elsewhere()) skip();
  struct rlimit limit;
  assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
  if (limit.rlim_cur < 512 * MIB && mlockall(MCL_FUTURE) == 0 && munlockall() == 0) {
    void *much = mmap(NULL, 512 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    if (much == MAP_FAILED) {
      print_message("          no more than %zu KiB may be locked here\n",
                    (size_t)limit.rlim_cur / 1024);
      skip();
    }
    munmap(much, 512 * MIB);
  }
  assert_child_succeeds(lock_all_from_now_on, NULL);
}

/* -- Limits of the process: all that is allowed can be used, again and again ---------------------
 */

typedef struct limited {
  int resource;
  size_t size;      /* of the blocks */
  size_t few_bytes; /* of 256 MiB more than there are; at least so many come as blocks */
} limited_t;

static void use_all_under_a_limit(void *argument) {
  const limited_t *limited = argument;
  size_t now = limited->resource == RLIMIT_AS ? mapped_bytes() : promised_bytes();
  struct rlimit limit;
  require(getrlimit(limited->resource, &limit) == 0);
  limit.rlim_cur = now + 256 * MIB;
  require(setrlimit(limited->resource, &limit) == 0);
  fe_heap_t *heap = fe_thread_heap();
  size_t first_count = 0;
  for (int round = 0; round < 3; round++) {
    errno = 0;
    size_t count = fill(heap, limited->size, BLOCKS_MAX);
    require(count < BLOCKS_MAX && errno == ENOMEM);
    require(count * limited->size >= limited->few_bytes);
    if (round == 0) first_count = count;
    require(count >= first_count - first_count / 50);
    empty(heap, count);
    fe_trim();
  }
}

static void a_limit_can_be_used_up(void **state) {
  (void)state;
  if (is_elsewhere()) skip();
  static const limited_t cases[] = {
      {RLIMIT_DATA, 1000, 240 * MIB},      {RLIMIT_DATA, 120000, 220 * MIB},
      {RLIMIT_DATA, MIB, 235 * MIB},       {RLIMIT_AS, 1000, 235 * MIB},
      {RLIMIT_AS, 120000, 215 * MIB},      {RLIMIT_AS, 300000, 230 * MIB},
      {RLIMIT_AS, 600000, 230 * MIB},      {RLIMIT_AS, MIB, 235 * MIB},
      {RLIMIT_AS, 3 * MIB / 2, 235 * MIB},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    print_message("          %s, blocks of %zu bytes\n",
                  cases[i].resource == RLIMIT_AS ? "ulimit -v" : "ulimit -d", cases[i].size);
    assert_child_succeeds(use_all_under_a_limit, (void *)&cases[i]);
  }
}

/* -- Limits that are there when the program begins: long blocks lie close together as well --------
 */

#define LIMIT (512 * MIB)

/* percent: of what the limit leaves after the program and its libraries. */
typedef struct long_case {
  int resource;
  size_t size;
  size_t percent;
} long_case_t;

static const long_case_t long_cases[] = {
    {RLIMIT_AS, 2 * MIB, 93},   {RLIMIT_AS, 3 * MIB, 93},  {RLIMIT_AS, 5 * MIB, 93},
    {RLIMIT_AS, 9 * MIB, 93},   {RLIMIT_AS, 12 * MIB, 90}, {RLIMIT_DATA, 2 * MIB, 93},
    {RLIMIT_DATA, 5 * MIB, 93},
};
enum { LONG_CASE_COUNT = sizeof long_cases / sizeof *long_cases };

/* What the program does when it is started again with the case's number. */
static int use_all_from_the_start(const long_case_t *limited) {
  size_t before = limited->resource == RLIMIT_AS ? mapped_bytes() : promised_bytes();
  require(before < LIMIT / 4);
  fe_heap_t *heap = fe_thread_heap();
  for (int round = 0; round < 3; round++) {
    errno = 0;
    size_t count = fill(heap, limited->size, BLOCKS_MAX);
    require(count < BLOCKS_MAX && errno == ENOMEM);
    require(count * limited->size >= (LIMIT - before) / 100 * limited->percent);
    for (size_t i = 0; i < count; i++) pattern_fill(blocks[i], 100, i);
    for (size_t i = 0; i < count; i++) require(pattern_holds(blocks[i], 100, i));
    empty(heap, count);
    if (round == 1) fe_trim();
  }
  return 0;
}

static void begin_under_a_limit(void *argument) {
  const long_case_t *limited = argument;
  struct rlimit limit;
  require(getrlimit(limited->resource, &limit) == 0);
  limit.rlim_cur = LIMIT;
  require(setrlimit(limited->resource, &limit) == 0);
  char number[] = {(char)('0' + (limited - long_cases)), '\0'};
  char *const arguments[] = {"promises_test", number, NULL};
  execv("/proc/self/exe", arguments);
  require(!"execv came back");
}

static void a_limit_from_the_start_can_be_used_up_by_long_blocks(void **state) {
  (void)state;
  if (is_elsewhere()) skip();
  for (size_t i = 0; i < LONG_CASE_COUNT; i++) {
    print_message("          %s, blocks of %zu MiB\n",
                  long_cases[i].resource == RLIMIT_AS ? "ulimit -v" : "ulimit -d",
                  long_cases[i].size / MIB);
    assert_child_succeeds(begin_under_a_limit, (void *)&long_cases[i]);
  }
}

int main(int argument_count, char **arguments) {
  if (argument_count == 2) return use_all_from_the_start(&long_cases[arguments[1][0] - '0']);
  const struct CMUnitTest tests[] = {
      test_that(only_what_is_used_is_promised),
      test_that(only_what_is_used_is_locked),
      test_that(a_limit_can_be_used_up),
      test_that(a_limit_from_the_start_can_be_used_up_by_long_blocks),
  };
  return cmocka_run_group_tests_name("promises", tests, NULL, NULL);
}
