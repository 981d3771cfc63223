/* The base without memory: all there is are the regions that the program hands in. They are never
 * released, and stay backed by whatever the program has behind them. */
#include "core/base/base.h"

const fe_base_t fe_base_static = {.page_size = FE_UNIT_SIZE};
