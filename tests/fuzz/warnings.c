/* Stands in for the core's messages (the linker puts it in the place of fe_warn), so that misuse
 * does not fill the terminal, and a message where there should be none is noticed. */
#include "tests/fuzz/place.h"

size_t warning_count;

void __wrap_fe_warn(const char *format, ...);

void __wrap_fe_warn(const char *format, ...) {
  (void)format;
  warning_count++;
}
