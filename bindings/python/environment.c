/* Finds the active virtual environment, as environment.h says.
 *
 * An environment of another interpreter is passed over, as the interpreter itself does when it is
 * called by its full path: its packages may be built for another Python.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bindings/python/environment.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool join(char *path, size_t size, const char *folder, const char *name) {
  int length = snprintf(path, size, "%s/%s", folder, name);
  return length > 0 && (size_t)length < size;
}

static bool has_file(const char *folder, const char *name) {
  char path[PATH_MAX];
  return join(path, sizeof path, folder, name) && access(path, F_OK) == 0;
}

/* Whether Python would find an environment from the program's own place. */
static bool is_in_environment(const char *program) {
  const char *slash = strrchr(program, '/');
  if (slash == NULL) {
    return false;
  }
  char folder[PATH_MAX];
  int length = snprintf(folder, sizeof folder, "%.*s/.", (int)(slash - program), program);
  return length > 0 && (size_t)length < sizeof folder &&
         (has_file(folder, "pyvenv.cfg") || has_file(folder, "../pyvenv.cfg"));
}

/* Reads the value of "home = ..." in an environment's pyvenv.cfg: where its interpreter lies. */
static bool read_home(const char *environment, char *home, size_t size) {
  char path[PATH_MAX];
  FILE *file = join(path, sizeof path, environment, "pyvenv.cfg") ? fopen(path, "re") : NULL;
  if (file == NULL) {
    return false;
  }
  char line[PATH_MAX + 16];
  bool is_found = false;
  while (!is_found && fgets(line, sizeof line, file) != NULL) {
    char value[PATH_MAX];
    if (sscanf(line, " home = %4095[^\r\n]", value) == 1 && strlen(value) < size) {
      strcpy(home, value);
      is_found = true;
    }
  }
  fclose(file);
  return is_found;
}

static bool is_of_this_interpreter(const char *environment) {
  char home[PATH_MAX];
  char candidate[PATH_MAX];
  char found[PATH_MAX];
  char ours[PATH_MAX];
  char name[32];
  snprintf(name, sizeof name, "python%d.%d", PY_MAJOR_VERSION, PY_MINOR_VERSION);
  return read_home(environment, home, sizeof home) &&
         join(candidate, sizeof candidate, home, name) && realpath(candidate, found) != NULL &&
         realpath(FE_PYTHON_PROGRAM, ours) != NULL && strcmp(found, ours) == 0;
}

bool fe_python_active_environment(const char *program, char *executable, size_t size) {
  const char *environment = getenv("VIRTUAL_ENV");
  if (environment == NULL || environment[0] != '/' || program == NULL ||
      is_in_environment(program) || !is_of_this_interpreter(environment)) {
    return false;
  }
  const char *slash = strrchr(program, '/');
  char name[NAME_MAX + 8];
  int length = snprintf(name, sizeof name, "bin/%s", slash != NULL ? slash + 1 : program);
  if (length > 0 && (size_t)length < sizeof name && join(executable, size, environment, name) &&
      access(executable, X_OK) == 0) {
    return true;
  }
  return join(executable, size, environment, "bin/python3") && access(executable, X_OK) == 0;
}
