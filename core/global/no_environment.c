/* Options where no environment has variables for them; stands in for environment.c. */
#include "core/global/options.h"

void fe_environment_read(void) {}
