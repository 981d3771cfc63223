/* A base: where memory comes from. A table of functions, so that the floors above do not know
 * whether chunks come from the kernel or from elsewhere. */
#ifndef FERROC_CORE_BASE_BASE_H
#define FERROC_CORE_BASE_BASE_H

#include "core/base/config.h"

typedef struct fe_base fe_base_t;

struct fe_base {
  /* A chunk of `size` bytes, a multiple of the slab size, aligned to `alignment`, zeroed and not
   * yet backed by memory. NULL when there is none. Any thread. */
  void *(*allocate)(const fe_base_t *base, size_t size, size_t alignment);
  /* Gives a whole chunk back. Any thread. */
  void (*release)(const fe_base_t *base, void *chunk, size_t size);
  /* Gives the memory behind whole units back and keeps the addresses; they read as zero again.
   * Returns false when the contents are still there. Any thread that holds these units. */
  bool (*decommit)(const fe_base_t *base, void *start, size_t size);
  /* Asks that the range never be (false) or if possible be (true) backed by huge pages. */
  void (*advise_huge)(const fe_base_t *base, void *start, size_t size, bool is_wanted);
};

/* Anonymous private mappings of the kernel. */
extern const fe_base_t fe_base_mmap;

/* Milliseconds on a clock that never goes back; as cheap and as coarse as the system has one. */
int64_t fe_clock_ms(void);

/* Writes "ferroc: " and the message and a newline to stderr, in one write, without allocating. */
void fe_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, then ends the program with SIGABRT. */
_Noreturn void fe_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* FERROC_CORE_BASE_BASE_H */
