/* Machines in an emulator: output and end of the program through semihosting, by which a program
 * asks the debugger or emulator for a service. One instruction makes the call, with the number of
 * the operation in the first argument register and its parameters' address in the second; the
 * operations are those of Arm's document "Semihosting for AArch32 and AArch64". */
#include <stdint.h>

#include "tests/bare_metal/machine/machine.h"

#define OPERATION_WRITE0 0x04
#define OPERATION_EXIT_EXTENDED 0x20
#define REASON_APPLICATION_EXIT 0x20026

/* In the start file. */
uintptr_t semihosting_call(uintptr_t operation, const void *parameters);

/* WRITE0 wants a zero byte at the end. */
void machine_write(const char *text, size_t length) {
  enum { PIECE = 128 };
  char piece[PIECE + 1];
  while (length > 0) {
    size_t count = length < PIECE ? length : PIECE;
    for (size_t i = 0; i < count; i++) piece[i] = text[i];
    piece[count] = '\0';
    semihosting_call(OPERATION_WRITE0, piece);
    text += count;
    length -= count;
  }
}

_Noreturn void machine_exit(int status) {
  const uintptr_t parameters[] = {REASON_APPLICATION_EXIT, (uintptr_t)status};
  semihosting_call(OPERATION_EXIT_EXTENDED, parameters);
  for (;;) {
  }
}

/* The start file calls this when the processor reports a fault. */
_Noreturn void machine_fault(void) {
  static const char message[] = "the processor reports a fault\n";
  machine_write(message, sizeof message - 1);
  machine_exit(99);
}

extern char bss_start[];
extern char bss_end[];

/* The start file calls this first. */
_Noreturn void semihosting_start(void) {
  for (char *byte = bss_start; byte < bss_end; byte++) *byte = 0;
  machine_exit(machine_main());
}
