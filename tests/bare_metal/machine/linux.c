/* A Linux program on x86-64 without a C library: the kernel plays the machine. It has two system
 * calls for output and end, and its fixed region is a variable. */
#include <stdint.h>

#include "tests/bare_metal/machine/machine.h"

#define SYSTEM_CALL_WRITE 1
#define SYSTEM_CALL_EXIT_GROUP 231
#define STANDARD_OUTPUT 1

static intptr_t system_call(intptr_t number, intptr_t a, intptr_t b, intptr_t c) {
  intptr_t result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c)
                   : "rcx", "r11", "memory");
  return result;
}

void machine_write(const char *text, size_t length) {
  while (length > 0) {
    intptr_t written =
        system_call(SYSTEM_CALL_WRITE, STANDARD_OUTPUT, (intptr_t)text, (intptr_t)length);
    if (written <= 0) return;
    text += written;
    length -= (size_t)written;
  }
}

_Noreturn void machine_exit(int status) {
  for (;;) system_call(SYSTEM_CALL_EXIT_GROUP, status, 0, 0);
}

/* The start file calls this first. */
_Noreturn void linux_start(void) { machine_exit(machine_main()); }
