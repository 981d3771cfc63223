/* A program with one mistake of the kind that its argument names, for findings_test.sh. It ends
 * with status 0 if nobody notices. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int shared_counter;

static void *count_without_lock(void *unused) {
  shared_counter++;
  return unused;
}

static void race(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, count_without_lock, NULL);
  shared_counter++;
  pthread_join(thread, NULL);
}

static void read_past_the_end(void) {
  char *volatile block = calloc(1, 16);
  volatile size_t offset = 16;
  volatile char byte = block[offset];
  (void)byte;
  free(block);
}

static void leak(void) {
  void *volatile block = malloc(16);
  block = NULL;
  (void)block;
}

static void overflow(void) {
  volatile int number = 2147483647;
  number = number + 1;
}

static const struct {
  const char *name;
  void (*make)(void);
} mistakes[] = {{"race", race},
                {"read-past-the-end", read_past_the_end},
                {"leak", leak},
                {"overflow", overflow}};

int main(int argc, char **argv) {
  for (size_t i = 0; argc == 2 && i < sizeof mistakes / sizeof mistakes[0]; i++) {
    if (strcmp(argv[1], mistakes[i].name) == 0) {
      mistakes[i].make();
      return 0;
    }
  }
  fprintf(stderr, "usage: finding race|read-past-the-end|leak|overflow\n");
  return 2;
}
