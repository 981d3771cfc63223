/* Preloaded beside ferroc: notes for each program that starts whether its malloc is ferroc's. A
 * line "NAME ferroc" or "NAME other" is appended to the file in the environment variable
 * FERROC_TEST_WITNESS. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool is_ferrocs(const void *ptr) {
  bool (*owns)(const void *) = (bool (*)(const void *))dlsym(RTLD_DEFAULT, "fe_owns");
  return owns != NULL && owns(ptr);
}

__attribute__((constructor)) static void note(void) {
  const char *path = getenv("FERROC_TEST_WITNESS");
  int file = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) return;
  void *block = malloc(100);
  dprintf(file, "%s %s\n", program_invocation_short_name, is_ferrocs(block) ? "ferroc" : "other");
  free(block);
  close(file);
}
