/* Shows what the kernel has promised to a program (Committed_AS in /proc/meminfo) that allocates by
 * ferroc, or, built with -DBY_C_LIBRARY, by the C library: in KiB, as what it was more than before
 * the program began. That is counted for the whole machine, so nothing else may run. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef BY_C_LIBRARY
#include <malloc.h>

#define NAME "the C library"
static void *allocate(size_t size) { return malloc(size); }
static void release(void *block) { free(block); }
static void trim(void) { malloc_trim(0); }
#else
#include "core/ferroc.h"

#define NAME "ferroc"
static void *allocate(size_t size) { return fe_malloc(size); }
static void release(void *block) { fe_free(block); }
static void trim(void) { fe_trim(); }
#endif

enum { BLOCK_BYTES = 1 << 20, BLOCKS = 400, BLOCKS_MAX = 1 << 14 };

extern char **environ;

/* Without stdio, which allocates. */
static void read_file(const char *path, char *text, size_t size) {
  int file = open(path, O_RDONLY);
  ssize_t length = file < 0 ? -1 : read(file, text, size - 1);
  if (length <= 0) exit(1);
  close(file);
  text[length] = '\0';
}

static size_t kib_of(const char *name) {
  char text[8192];
  read_file("/proc/meminfo", text, sizeof text);
  const char *found = strstr(text, name);
  if (found == NULL) exit(1);
  return strtoul(found + strlen(name), NULL, 10);
}

static void *blocks[BLOCKS_MAX];

static size_t fill(size_t count_max) {
  size_t count = 0;
  while (count < count_max && (blocks[count] = allocate(BLOCK_BYTES)) != NULL) count++;
  return count;
}

static void empty(size_t count) {
  for (size_t i = 0; i < count; i++) release(blocks[i]);
  trim();
}

static size_t kib_before; /* the program began */

static void show(const char *when) {
  printf("%s: %s: %zu KiB\n", NAME, when, kib_of("Committed_AS:") - kib_before);
}

/* Twice, since what was had once must be there again. */
static int show_all_there_is(void) {
  size_t first = 0;
  for (int round = 0; round < 2; round++) {
    size_t free_kib = kib_of("CommitLimit:") - kib_of("Committed_AS:");
    size_t count = fill(BLOCKS_MAX);
    printf("%s: of %zu KiB that were left %zu came as blocks of 1 MiB\n", NAME, free_kib,
           count * (BLOCK_BYTES / 1024));
    empty(count);
    if (round == 0) first = count;
    if (count == 0 || count < first - first / 50) return 1;
  }
  return 0;
}

static int measure(void) {
  show("no allocation");
  void *block = allocate(1);
  if (block == NULL) return 1;
  show("one byte");
  if (fill(BLOCKS) != BLOCKS) return 1;
  show("400 blocks of 1 MiB");
  empty(BLOCKS);
  show("these freed and trimmed");
  char rule[8];
  read_file("/proc/sys/vm/overcommit_memory", rule, sizeof rule);
  printf("%s: vm.overcommit_memory=%s", NAME, rule);
  return rule[0] == '2' ? show_all_there_is() : 0;
}

/* In a process of its own: what the first one takes is the same before and after. */
static int run_measured(char *program) {
  char before[32];
  snprintf(before, sizeof before, "%zu", kib_of("Committed_AS:"));
  char *arguments[] = {program, before, NULL};
  pid_t child;
  if (posix_spawn(&child, program, NULL, NULL, arguments, environ) != 0) return 1;
  int status;
  return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

int main(int argument_count, char **arguments) {
  static char output[BUFSIZ];
  setvbuf(stdout, output, _IOLBF, sizeof output);
  if (argument_count < 2) return run_measured(arguments[0]);
  kib_before = strtoul(arguments[1], NULL, 10);
  return measure();
}
