/* `bazel run` starts a program in the folder of its runfiles, and tells by BUILD_WORKING_DIRECTORY
 * where the user stood. A program that takes paths of his goes there first, so that his command
 * line means what he sees. Programs that it starts in turn inherit the variable and stand
 * elsewhere: these stay where they are.
 */
#ifndef FE_USERS_FOLDER_H
#define FE_USERS_FOLDER_H

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline bool fe_stands_in_its_runfiles(void) {
  static const char runfiles[] = ".runfiles/";
  char program[PATH_MAX], folder[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", program, sizeof program);
  return length > 0 && getcwd(folder, sizeof folder) != NULL &&
         strncmp(folder, program, length) == 0 &&
         strncmp(folder + length, runfiles, sizeof runfiles - 1) == 0;
}

/* To be called before paths of the command line are used. Where the user's folder is gone, all
 * stays as it is. */
static inline void fe_go_to_users_folder(void) {
  const char *folder = getenv("BUILD_WORKING_DIRECTORY");
  if (folder != NULL && fe_stands_in_its_runfiles() && chdir(folder) == 0) {
    setenv("PWD", folder, 1);
  }
}

#endif /* FE_USERS_FOLDER_H */
