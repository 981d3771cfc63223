/* Setting and lifting guard pages. */
#include "core/track/guard.h"

#if FE_IS_HARDENED

#include <stdatomic.h>

static void warn_once(void) {
  static atomic_bool was_said;
  if (atomic_exchange_explicit(&was_said, true, memory_order_relaxed)) return;
  fe_note(
      "no more guard pages: the system protects no more memory in pages of 4 KiB. Each guard "
      "splits "
      "a mapping, and vm.max_map_count says how many a process may have");
}

void fe_guard_set(fe_guard_t *guard, const fe_base_t *base, char *start, size_t size) {
  *guard = (fe_guard_t){.base = base, .start = start};
  if (base->protect == NULL || size == 0) return;
  if (base->protect(base, start, size, false)) {
    guard->size = size;
  } else {
    warn_once();
  }
}

void fe_guard_lift(fe_guard_t *guard) {
  if (guard->size == 0) return;
  if (!guard->base->protect(guard->base, guard->start, guard->size, true)) {
    fe_fail("the guard page at %p cannot be lifted", (void *)guard->start);
  }
  guard->size = 0;
}

#endif
