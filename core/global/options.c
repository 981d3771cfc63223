/* Options: their names, what each allows, and how they are read and written as text. */
#include "core/global/options.h"

#include <errno.h>
#include <string.h>

#include "core/base/settings.h"
#include "core/ferroc.h"
#include "core/heap/heap.h"
#include "core/thread/background.h"

typedef enum fe_option_kind {
  KIND_NUMBER,
  KIND_BYTES, /* a number, with K, M, G or T behind it for KiB and so on */
  KIND_WORD,  /* one of a list; its place is the value */
} fe_option_kind_t;

typedef struct fe_option {
  const char *name;
  fe_option_kind_t kind;
  const char *allowed;  /* for messages */
  const char *words[4]; /* KIND_WORD; NULL behind the last */
} fe_option_t;

static const fe_option_t options[FE_SETTING_COUNT] = {
    [FE_SETTING_PURGE_DELAY_MS] = {"purge_delay_ms", KIND_NUMBER, "milliseconds", {NULL}},
    [FE_SETTING_UNMAP_DELAY_MS] = {"unmap_delay_ms", KIND_NUMBER, "milliseconds", {NULL}},
    [FE_SETTING_HUGE_PAGES] = {"huge_pages",
                               KIND_WORD,
                               "never, by_need or always",
                               {"never", "by_need", "always"}},
    [FE_SETTING_MEMORY_LIMIT] = {"memory_limit",
                                 KIND_BYTES,
                                 "bytes, also as 512K, 64M or 2G; 0 for none",
                                 {NULL}},
    [FE_SETTING_STATS_AT_EXIT] = {"stats_at_exit", KIND_WORD, "0 or 1", {"0", "1"}},
    [FE_SETTING_VERBOSE] = {"verbose", KIND_WORD, "0 or 1", {"0", "1"}},
    [FE_SETTING_ON_ERROR] = {"on_error",
                             KIND_WORD,
                             "silent, report or abort",
                             {"silent", "report", "abort"}},
    [FE_SETTING_BACKGROUND_PURGE] = {"background_purge", KIND_WORD, "0 or 1", {"0", "1"}},
};

static unsigned smallest(unsigned a, unsigned b, unsigned c) {
  unsigned least = a < b ? a : b;
  return least < c ? least : c;
}

/* How many letters must be put in, left out or changed to make one text of the other (Levenshtein);
 * the first 31 letters of each count. */
static unsigned distance(const char *from, const char *to) {
  enum { LENGTH_MAX = 31 };
  size_t to_length = strnlen(to, LENGTH_MAX);
  unsigned row[LENGTH_MAX + 1];
  for (unsigned i = 0; i <= to_length; i++) row[i] = i;
  for (unsigned i = 0; i < LENGTH_MAX && from[i] != '\0'; i++) {
    unsigned diagonal = row[0];
    row[0] = i + 1;
    for (unsigned j = 0; j < to_length; j++) {
      unsigned changed = diagonal + (from[i] != to[j]);
      diagonal = row[j + 1];
      row[j + 1] = smallest(changed, row[j + 1] + 1, row[j] + 1);
    }
  }
  return row[to_length];
}

static const char *nearest_name(const char *name) {
  unsigned nearest = 0;
  for (unsigned i = 1; i < FE_SETTING_COUNT; i++) {
    if (distance(name, options[i].name) < distance(name, options[nearest].name)) nearest = i;
  }
  return options[nearest].name;
}

/* FE_SETTING_COUNT: there is no option of that name. */
static unsigned find(const char *name) {
  unsigned i = 0;
  while (i < FE_SETTING_COUNT && strcmp(options[i].name, name) != 0) i++;
  return i;
}

static bool parse_unit(const char *text, unsigned *shift) {
  static const char units[] = "KMGT";
  if (text[0] == '\0') {
    *shift = 0;
    return true;
  }
  const char *unit = strchr(units, text[0]);
  if (unit == NULL || text[1] != '\0') return false;
  *shift = 10 * (unsigned)(unit - units + 1);
  return true;
}

static bool parse_number(const char *text, bool has_unit, size_t *value) {
  const char *digit = text;
  size_t number = 0;
  for (; *digit >= '0' && *digit <= '9'; digit++) {
    if (__builtin_mul_overflow(number, (size_t)10, &number)) return false;
    if (__builtin_add_overflow(number, (size_t)(*digit - '0'), &number)) return false;
  }
  unsigned shift = 0;
  if (digit == text || !(has_unit ? parse_unit(digit, &shift) : *digit == '\0')) return false;
  if (shift >= sizeof number * 8 || number > SIZE_MAX >> shift) return false;
  *value = number << shift;
  return true;
}

static bool parse(const fe_option_t *option, const char *text, size_t *value) {
  if (option->kind != KIND_WORD) return parse_number(text, option->kind == KIND_BYTES, value);
  for (size_t i = 0; i < 4 && option->words[i] != NULL; i++) {
    if (strcmp(option->words[i], text) != 0) continue;
    *value = i;
    return true;
  }
  return false;
}

bool fe_option_apply(const char *where, const char *name, const char *text) {
  unsigned setting = find(name);
  if (setting == FE_SETTING_COUNT) {
    fe_warn("%s: there is no option \"%s\"; did you mean \"%s\"?", where, name, nearest_name(name));
    return false;
  }
  size_t value;
  if (!parse(&options[setting], text, &value)) {
    fe_warn("%s: \"%s\" is no value for %s; allowed are %s", where, text, name,
            options[setting].allowed);
    return false;
  }
  atomic_store_explicit(&fe_settings[setting], value, memory_order_relaxed);
  if (setting == FE_SETTING_MEMORY_LIMIT) fe_heap_set_process_limit(value);
  if (setting == FE_SETTING_BACKGROUND_PURGE) fe_background_expect();
  return true;
}

/* Whether the program's wish could be met at once; from the environment it is met later. */
static bool settle(const char *name) {
  if (find(name) != FE_SETTING_BACKGROUND_PURGE) return true;
  int error = fe_background_settle();
  if (error != 0) errno = error;
  return error == 0;
}

bool fe_option_set(const char *name, const char *value) {
  if (name == NULL || value == NULL) {
    fe_warn("fe_option_set: the name and the value must not be NULL");
  } else if (fe_option_apply("fe_option_set", name, value)) {
    return settle(name);
  }
  errno = EINVAL;
  return false;
}

/* Writes the number in decimal, from the end of text on; returns its first digit. */
static char *write_number(size_t number, char *end) {
  *end = '\0';
  do {
    *--end = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  return end;
}

size_t fe_option_get(const char *name, char *text, size_t size) {
  unsigned setting = name == NULL ? FE_SETTING_COUNT : find(name);
  if (setting == FE_SETTING_COUNT) {
    if (name == NULL) fe_warn("fe_option_get: the name must not be NULL");
    if (name != NULL) {
      fe_warn("fe_option_get: there is no option \"%s\"; did you mean \"%s\"?", name,
              nearest_name(name));
    }
    errno = EINVAL;
    return 0;
  }
  char digits[24];
  size_t value = fe_setting((fe_setting_t)setting);
  const char *result = options[setting].kind == KIND_WORD
                           ? options[setting].words[value]
                           : write_number(value, digits + sizeof digits - 1);
  size_t length = strlen(result);
  if (size > 0) {
    size_t copied = length < size ? length : size - 1;
    memcpy(text, result, copied);
    text[copied] = '\0';
  }
  return length;
}

const char *fe_option_name(unsigned index) {
  return index < FE_SETTING_COUNT ? options[index].name : NULL;
}
