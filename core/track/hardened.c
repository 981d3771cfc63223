/* The secret of hardened builds, and the messages of what inline functions find. */
#include "core/track/track.h"

#if FE_IS_HARDENED

#include <stdatomic.h>
#include <sys/random.h>

uintptr_t fe_hardened_secret;

/* The first thread to get here decides for all. Relaxed: who sees a block of another thread
 * synchronised with it, and so sees the secret that its link was encoded with. */
void fe_hardened_prepare(void) {
  uintptr_t secret;
  if (getrandom(&secret, sizeof secret, 0) != (ssize_t)sizeof secret) {
    fe_fail("getrandom gives no random number, without which nothing can be hardened");
  }
  uintptr_t none = 0;
  __atomic_compare_exchange_n(&fe_hardened_secret, &none, secret | 1, false, __ATOMIC_RELAXED,
                              __ATOMIC_RELAXED);
}

FE_COLD void fe_hardened_bad_link(const void *block) {
  fe_fail("the link in the free block at %p was overwritten: a write after free, or an overrun",
          block);
}

FE_COLD void fe_hardened_written_after_free(const void *block) {
  fe_fail("the block at %p was written to after it was freed", block);
}

#endif
