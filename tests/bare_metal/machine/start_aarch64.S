/* A 64-bit Arm processor, as qemu's machine `virt` starts it: at exception level 1, without caches
 * and address translation. */
  .section .text.start, "ax"
  .global _start
_start:
  ldr x0, =vectors
  msr vbar_el1, x0
  ldr x0, =stack_end
  mov sp, x0
  bl semihosting_start

  .balign 2048
vectors:
  .rept 16
  b fault
  .balign 128
  .endr
fault:
  ldr x0, =stack_end
  mov sp, x0
  bl machine_fault

  .global semihosting_call
  .type semihosting_call, %function
semihosting_call:
  hlt 0xf000
  ret

  .section .note.GNU-stack, "", %progbits
