/* Which ferroc this is. */
#include <assert.h>

#include "core/ferroc.h"

static_assert(FE_VERSION_MINOR < 100 && FE_VERSION_PATCH < 100, "each has two digits");

int fe_version(void) { return FE_VERSION; }

const char *fe_version_string(void) { return FE_VERSION_STRING; }
