/* Limits of the process that count addresses: those that it may have (ulimit -v), and those that it
 * may write to (ulimit -d). They are asked for when the library is loaded, and never later: a
 * filter of system calls that the program sets up need not know of it. */
#include <sys/resource.h>

#include "core/base/base.h"

atomic_bool fe_limits_are_set;

static bool is_limited(int resource) {
  struct rlimit limit;
  return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

void fe_limits_read(void) {
  bool are_set = is_limited(RLIMIT_AS) || is_limited(RLIMIT_DATA);
  atomic_store_explicit(&fe_limits_are_set, are_set, memory_order_relaxed);
}
