/* A program that Linux starts on x86-64: a stack is there, aligned to 16 bytes. */
  .text
  .global _start
_start:
  xor %ebp, %ebp
  call linux_start

  /* Beyond what a linker script for ordinary programs puts into .bss; not in the file either. */
  .section .bss.region, "aw", @nobits
  .balign 65536
  .global machine_region
machine_region:
  .skip 0x40000000 /* 1 GiB */
  .global machine_region_end
machine_region_end:

  .section .note.GNU-stack, "", @progbits
