/* What the tests need of a machine without an operating system: to say something, to end, and the
 * memory that it has. One start_*.S file and one linker script for each machine. */
#ifndef FERROC_TESTS_BARE_METAL_MACHINE_H
#define FERROC_TESTS_BARE_METAL_MACHINE_H

#include <stddef.h>

void machine_write(const char *text, size_t length);

/* Ends the program. */
_Noreturn void machine_exit(int status);

/* The region that ferroc is to manage. */
extern char machine_region[];
extern char machine_region_end[];

/* Called with a stack and variables in place; returns what main returned. */
int machine_main(void);

#endif /* FERROC_TESTS_BARE_METAL_MACHINE_H */
