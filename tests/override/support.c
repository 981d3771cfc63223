/* See support.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "tests/override/support.h"

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANG_SECONDS = 120 };

bool is_ferrocs(const void *ptr) {
  bool (*owns)(const void *) = (bool (*)(const void *))dlsym(RTLD_DEFAULT, "fe_owns");
  return owns != NULL && owns(ptr);
}

void require_failed(const char *file, int line, const char *condition) {
  fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
  fflush(stderr);
  abort();
}

int run_in_child(void (*body)(void), char *errors, size_t errors_size) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    alarm(HANG_SECONDS);
    dup2(ends[1], STDERR_FILENO);
    body();
    _exit(0);
  }
  close(ends[1]);
  size_t length = 0;
  ssize_t got;
  while (length + 1 < errors_size &&
         (got = read(ends[0], errors + length, errors_size - 1 - length)) > 0) {
    length += (size_t)got;
  }
  errors[length] = '\0';
  close(ends[0]);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  return status;
}

void assert_child_succeeds(void (*body)(void)) {
  char errors[1000];
  int status = run_in_child(body, errors, sizeof(errors));
  if (status != 0) {
    fail_msg("the child ended with status 0x%x and said: %s", (unsigned)status, errors);
  }
}
