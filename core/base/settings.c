/* The defaults of what can be set; core/README.md has the reasons and the measurements. */
#include "core/base/settings.h"

_Atomic(size_t) fe_settings[FE_SETTING_COUNT] = {
    [FE_SETTING_PURGE_DELAY_MS] = 50,
    [FE_SETTING_UNMAP_DELAY_MS] = 10000,
    [FE_SETTING_HUGE_PAGES] = FE_HUGE_PAGES_BY_NEED,
    [FE_SETTING_MEMORY_LIMIT] = 0,
    [FE_SETTING_STATS_AT_EXIT] = 0,
    [FE_SETTING_VERBOSE] = 0,
    [FE_SETTING_ON_ERROR] = FE_ON_ERROR_REPORT,
    [FE_SETTING_BACKGROUND_PURGE] = 0,
};
