/* A 32-bit Arm processor of the A profile, as qemu's machine `virt` starts it: in SVC mode, without
 * caches and address translation. */
  .syntax unified
  .arm

  .section .text.start, "ax"
  .global _start
_start:
  ldr r0, =vectors
  mcr p15, 0, r0, c12, c0, 0 /* VBAR */
  ldr sp, =stack_end
  bl semihosting_start

  /* A fault has its own mode and stack pointer; reset, which is the first vector, does not come. */
  .balign 32
vectors:
  .rept 8
  b fault
  .endr
fault:
  ldr sp, =stack_end
  bl machine_fault

  .global semihosting_call
  .type semihosting_call, %function
semihosting_call:
  push {r4, lr}
  svc 0x123456
  pop {r4, pc}

  .section .note.GNU-stack, "", %progbits
