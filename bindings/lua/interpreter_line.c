/* Line editing comes from the readline or editline library of the machine, whichever is there,
 * looked up when a session begins at a terminal: a program that runs scripts neither needs nor
 * loads one. */
#include "bindings/lua/interpreter_line.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The functions that the libraries have in common; NULL: none was found. */
static struct {
  char *(*read)(const char *prompt);
  void (*remember)(const char *entry);
} editing;

static bool load_editing(const char *library_name) {
  void *library = dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return false;
  void *read = dlsym(library, "readline");
  void *remember = dlsym(library, "add_history");
  if (read == NULL || remember == NULL) {
    dlclose(library);
    return false;
  }
  memcpy(&editing.read, &read, sizeof(read)); /* ISO C has no cast from data to function */
  memcpy(&editing.remember, &remember, sizeof(remember));
  const char **application_name = dlsym(library, "rl_readline_name");
  if (application_name != NULL) *application_name = "lua"; /* for "$if lua" in an .inputrc */
  return true;
}

void fe_interpreter_line_init(void) {
  static const char *const library_names[] = {"libreadline.so.8", "libedit.so.2",
                                              "libreadline.so.7", "libedit.so.0"};
  if (!fe_interpreter_is_typed()) return;
  for (size_t i = 0; i < sizeof(library_names) / sizeof(library_names[0]); i++) {
    if (load_editing(library_names[i])) return;
  }
}

bool fe_interpreter_is_typed(void) { return isatty(STDIN_FILENO); }

char *fe_interpreter_line_read(const char *prompt) {
  if (editing.read != NULL) return editing.read(prompt);
  fputs(prompt, stdout);
  fflush(stdout);
  char *line = NULL;
  size_t capacity = 0;
  ssize_t length = getline(&line, &capacity, stdin);
  if (length < 0) {
    free(line);
    return NULL;
  }
  if (line[length - 1] == '\n') line[length - 1] = '\0';
  return line;
}

void fe_interpreter_line_remember(const char *entry) {
  if (editing.remember != NULL && entry[0] != '\0') editing.remember(entry);
}
