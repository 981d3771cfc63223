/* Options where no environment has variables for them; stands in for environment.c. */
#include "core/global/options.h"

void fe_environment_read(void) {}

void fe_environment_at_exit(void) {}
