/* Options from the environment: FERROC_HUGE_PAGES=never and
 * so on. FERROC_TEST_ and what follows is for the project's own tests. Programs that run with more
 * rights than who started them (set-uid) look at none. */
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "core/base/settings.h"
#include "core/global/options.h"

#define PREFIX "FERROC_"
#define NAME_MAX_LENGTH 31

extern char **environ;

/* "HUGE_PAGES=never": the name in small letters, and what stands behind the sign. NULL: no such
 * form, or too long to be an option. */
static const char *split(const char *entry, char name[NAME_MAX_LENGTH + 1]) {
  size_t length = 0;
  for (; entry[length] != '=' && entry[length] != '\0' && length < NAME_MAX_LENGTH; length++) {
    char letter = entry[length];
    name[length] = letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
  }
  name[length] = '\0';
  return entry[length] == '=' ? entry + length + 1 : NULL;
}

static void apply(const char *entry) {
  if (strncmp(entry, PREFIX, sizeof PREFIX - 1) != 0) return;
  const char *rest = entry + sizeof PREFIX - 1;
  if (strncmp(rest, "TEST_", 5) == 0) return;
  char name[NAME_MAX_LENGTH + 1];
  const char *value = split(rest, name);
  if (value != NULL) fe_option_apply("environment, " PREFIX, name, value);
}

static void tell_options(void) {
  for (unsigned i = 0; fe_option_name(i) != NULL; i++) {
    char value[24];
    fe_option_get(fe_option_name(i), value, sizeof value);
    fe_note("option %s is %s", fe_option_name(i), value);
  }
}

void fe_environment_read(void) {
  if (getauxval(AT_SECURE) != 0 || environ == NULL) return;
  for (char **entry = environ; *entry != NULL; entry++) apply(*entry);
  if (fe_setting(FE_SETTING_VERBOSE) != 0) tell_options();
}
