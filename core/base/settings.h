/* What can be set while the program runs: a number for each option, read where it matters. The
 * names and what is allowed are in global/options.c. */
#ifndef FERROC_CORE_BASE_SETTINGS_H
#define FERROC_CORE_BASE_SETTINGS_H

#include <stdatomic.h>

#include "core/base/config.h"

typedef enum fe_setting {
  FE_SETTING_PURGE_DELAY_MS,
  FE_SETTING_UNMAP_DELAY_MS,
  FE_SETTING_HUGE_PAGES, /* an fe_huge_pages_t */
  FE_SETTING_MEMORY_LIMIT,
  FE_SETTING_STATS_AT_EXIT,    /* 0 or 1 */
  FE_SETTING_VERBOSE,          /* 0 or 1 */
  FE_SETTING_ON_ERROR,         /* an fe_on_error_t */
  FE_SETTING_BACKGROUND_PURGE, /* 0 or 1 */
  FE_SETTING_COUNT,
} fe_setting_t;

typedef enum fe_huge_pages {
  FE_HUGE_PAGES_NEVER,
  FE_HUGE_PAGES_BY_NEED,
  FE_HUGE_PAGES_ALWAYS,
} fe_huge_pages_t;

/* What becomes of an error of the caller, beyond what the function returns. */
typedef enum fe_on_error {
  FE_ON_ERROR_SILENT,
  FE_ON_ERROR_REPORT, /* a line on stderr */
  FE_ON_ERROR_ABORT,  /* the line, and the end of the program */
} fe_on_error_t;

/* Any thread; relaxed: whoever reads a value a moment late does no harm. */
extern _Atomic(size_t) fe_settings[FE_SETTING_COUNT];

static inline size_t fe_setting(fe_setting_t setting) {
  return atomic_load_explicit(&fe_settings[setting], memory_order_relaxed);
}

#endif /* FERROC_CORE_BASE_SETTINGS_H */
