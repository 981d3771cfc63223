/* Options from the environment: FERROC_HUGE_PAGES=never and
 * so on. FERROC_TEST_ and what follows is for the project's own tests. Programs that run with more
 * rights than who started them (set-uid) look at none. */
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "core/base/settings.h"
#include "core/ferroc.h"
#include "core/global/options.h"

#define PREFIX "FERROC_"
#define NAME_MAX_LENGTH 31

extern char **environ;

/* "FERROC_HUGE_PAGES=never": the name up to the sign, and what stands behind it. NULL: no such
 * form, or too long to be an option. */
static const char *split(const char *entry, char name[NAME_MAX_LENGTH + 1]) {
  size_t length = strcspn(entry, "=");
  if (entry[length] != '=' || length > NAME_MAX_LENGTH) return NULL;
  memcpy(name, entry, length);
  name[length] = '\0';
  return entry + length + 1;
}

static void to_small_letters(const char *from, char *to) {
  do {
    *to++ = *from >= 'A' && *from <= 'Z' ? (char)(*from - 'A' + 'a') : *from;
  } while (*from++ != '\0');
}

static void apply(const char *entry) {
  if (strncmp(entry, PREFIX, sizeof PREFIX - 1) != 0) return;
  if (strncmp(entry + sizeof PREFIX - 1, "TEST_", 5) == 0) return;
  char variable[NAME_MAX_LENGTH + 1];
  const char *value = split(entry, variable);
  if (value == NULL) return;
  char option[NAME_MAX_LENGTH + 1];
  to_small_letters(variable + sizeof PREFIX - 1, option);
  fe_option_apply(variable, option, value);
}

static void tell_options(void) {
  for (unsigned i = 0; fe_option_name(i) != NULL; i++) {
    char value[24];
    fe_option_get(fe_option_name(i), value, sizeof value);
    fe_note("option %s is %s", fe_option_name(i), value);
  }
}

static void write_to_stderr(void *user_data, const char *text, size_t length) {
  (void)user_data;
  while (length > 0) {
    ssize_t written = write(STDERR_FILENO, text, length);
    if (written <= 0) return;
    text += written;
    length -= (size_t)written;
  }
}

void fe_environment_at_exit(void) {
  if (fe_setting(FE_SETTING_STATS_AT_EXIT) == 0) return;
  fe_stats_write(NULL, FE_FORMAT_JSON, write_to_stderr, NULL);
  write_to_stderr(NULL, "\n", 1);
}

void fe_environment_read(void) {
  if (getauxval(AT_SECURE) != 0 || environ == NULL) return;
  for (char **entry = environ; *entry != NULL; entry++) apply(*entry);
  if (fe_setting(FE_SETTING_VERBOSE) != 0) tell_options();
}
