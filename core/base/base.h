/* What the floors above take from the base: the tables of functions (fe_base_t in ferroc.h), the
 * clock, and messages. */
#ifndef FERROC_CORE_BASE_BASE_H
#define FERROC_CORE_BASE_BASE_H

#include <stdatomic.h>

#include "core/base/config.h"
#include "core/ferroc.h"

/* What the process's arenas stand on. */
#ifdef FE_FREESTANDING
#define fe_base_default fe_base_static
#else
#define fe_base_default fe_base_mmap
#endif

/* Milliseconds on a clock that never goes back, and may wrap around; as cheap and as coarse as the
 * system has one. */
uint32_t fe_clock_ms(void);

/* Lets other threads get on for a moment; the longer, the more often it was done before (`count`).
 * False, at once: that was often enough, about a second in all. */
bool fe_wait(unsigned count);

/* Whether the process had a limit of its addresses when the library was loaded (limits.c): then
 * none of them should be left between blocks. Relaxed. */
extern atomic_bool fe_limits_are_set;

static inline bool fe_addresses_are_limited(void) {
  return atomic_load_explicit(&fe_limits_are_set, memory_order_relaxed);
}

void fe_limits_read(void);

/* Says what the caller did wrong: writes "ferroc: " and the message and a newline to stderr, in one
 * write, without allocating; or what the option on_error says. */
void fe_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes a message in the same form, whatever on_error says. */
void fe_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, then ends the program with SIGABRT. */
_Noreturn void fe_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* FERROC_CORE_BASE_BASE_H */
