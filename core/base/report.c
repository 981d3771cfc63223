/* The clock, and messages about errors of the caller: formatted on the stack, written in one piece,
 * so that they work in any state of the heap. */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/base.h"
#include "core/base/settings.h"

uint32_t fe_clock_ms(void) {
  struct timespec now;
#ifdef CLOCK_MONOTONIC_COARSE
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#else
  clock_gettime(CLOCK_MONOTONIC, &now);
#endif
  return (uint32_t)now.tv_sec * 1000 + (uint32_t)(now.tv_nsec / 1000000);
}

static void report(const char *format, va_list arguments) {
  static const char prefix[] = "ferroc: ";
  enum { PREFIX = sizeof prefix - 1, MESSAGE_MAX = 400 };
  char line[PREFIX + MESSAGE_MAX + 1];
  memcpy(line, prefix, PREFIX);
  int written = vsnprintf(line + PREFIX, MESSAGE_MAX, format, arguments);
  if (written < 0) return;
  size_t length = PREFIX + (written < MESSAGE_MAX ? (size_t)written : MESSAGE_MAX - 1);
  line[length++] = '\n';
  int saved_errno = errno;
  int cancelling;
  /* No allocation is a point at which threads are cancelled. */
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
  ssize_t ignored = write(STDERR_FILENO, line, length);
  (void)ignored;
  pthread_setcancelstate(cancelling, NULL);
  errno = saved_errno;
}

void fe_warn(const char *format, ...) {
  size_t on_error = fe_setting(FE_SETTING_ON_ERROR);
  if (on_error == FE_ON_ERROR_SILENT) return;
  va_list arguments;
  va_start(arguments, format);
  report(format, arguments);
  va_end(arguments);
  if (on_error == FE_ON_ERROR_ABORT) abort();
}

void fe_note(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  report(format, arguments);
  va_end(arguments);
}

_Noreturn void fe_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  report(format, arguments);
  va_end(arguments);
  abort();
}
