/* A Cortex-M3, as qemu's machine `mps2-an385` starts it: from the table of vectors at address 0,
 * whose first word is the stack pointer. */
  .syntax unified
  .cpu cortex-m3
  .thumb

  .section .vectors, "a"
  .word stack_end
  .word _start
  .rept 14
  .word fault
  .endr

  .text
  .global _start
  .thumb_func
_start:
  bl semihosting_start

  .thumb_func
fault:
  ldr r0, =stack_end
  mov sp, r0
  bl machine_fault

  .global semihosting_call
  .thumb_func
semihosting_call:
  bkpt 0xab
  bx lr

  .section .note.GNU-stack, "", %progbits
