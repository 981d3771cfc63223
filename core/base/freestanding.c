/* The base floor without an operating system: no clock, errors in fe_errno, and messages that go to
 * a function of the program's. Stands in for mmap.c and report.c where FE_FREESTANDING is defined.
 */
#include <stdarg.h>

#include "core/base/base.h"
#include "core/base/settings.h"

static_assert(sizeof(fe_units_t) <= sizeof(void *),
              "on a 32-bit machine FE_SLAB_SHIFT is at most 5 above FE_SHARD_SHIFT: a slab's units "
              "are the bits of one word that it changes in one step");

int fe_errno;

static fe_message_function_t message_function;

void fe_set_message_function(fe_message_function_t function) { message_function = function; }

/* Without a clock no time passes: nothing is ever due. */
uint32_t fe_clock_ms(void) { return 0; }

/* There is no other thread that could get on; another processor gets some time. */
bool fe_wait(unsigned count) { return count < 1000; }

atomic_bool fe_limits_are_set;

void fe_limits_read(void) {}

/* -- Messages: printf's %s, %p, %d, %u and %zu, written into a line on the stack -- */

#define FE_LINE_MAX 400

typedef struct line {
  char text[FE_LINE_MAX];
  size_t length;
} line_t;

static void add_char(line_t *line, char c) {
  if (line->length < FE_LINE_MAX) line->text[line->length++] = c;
}

static void add_text(line_t *line, const char *text) {
  while (*text != '\0') add_char(line, *text++);
}

static void add_number(line_t *line, size_t value, unsigned base) {
  char digits[sizeof(size_t) * 3];
  size_t count = 0;
  do {
    digits[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value > 0);
  while (count > 0) add_char(line, digits[--count]);
}

static void add_signed(line_t *line, int value) {
  if (value < 0) add_char(line, '-');
  add_number(line, value < 0 ? 0 - (size_t)value : (size_t)value, 10);
}

/* Adds the argument that a conversion asks for; returns the conversion's last character. */
static const char *add_argument(line_t *line, const char *conversion, va_list *arguments) {
  if (conversion[0] == 'z') {
    add_number(line, va_arg(*arguments, size_t), conversion[1] == 'x' ? 16 : 10);
    return conversion + 1;
  }
  switch (conversion[0]) {
    case 's':
      add_text(line, va_arg(*arguments, const char *));
      break;
    case 'p':
      add_text(line, "0x");
      add_number(line, (size_t)va_arg(*arguments, void *), 16);
      break;
    case 'd':
      add_signed(line, va_arg(*arguments, int));
      break;
    case 'u':
      add_number(line, va_arg(*arguments, unsigned), 10);
      break;
    default:
      add_char(line, conversion[0]);
      break;
  }
  return conversion;
}

static void report(const char *format, va_list *arguments) {
  if (message_function == NULL) return;
  line_t line = {.length = 0};
  add_text(&line, "ferroc: ");
  for (const char *c = format; *c != '\0'; c++) {
    if (*c == '%' && c[1] != '\0') {
      c = add_argument(&line, c + 1, arguments);
    } else {
      add_char(&line, *c);
    }
  }
  if (line.length == FE_LINE_MAX) line.length--;
  line.text[line.length++] = '\n';
  message_function(line.text, line.length);
}

void fe_warn(const char *format, ...) {
  size_t on_error = fe_setting(FE_SETTING_ON_ERROR);
  if (on_error == FE_ON_ERROR_SILENT) return;
  va_list arguments;
  va_start(arguments, format);
  report(format, &arguments);
  va_end(arguments);
  if (on_error == FE_ON_ERROR_ABORT) __builtin_trap();
}

void fe_note(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  report(format, &arguments);
  va_end(arguments);
}

_Noreturn void fe_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  report(format, &arguments);
  va_end(arguments);
  __builtin_trap();
}
