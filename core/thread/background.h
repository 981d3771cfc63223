/* The option background_purge: a thread of ferroc's own that gives memory back while the program
 * does nothing. It sleeps without end unless something waits to go back.
 *
 * Its mood is one word:
 *
 *   ASLEEP   nothing waits, or nothing of what waits can go; or addresses wait, which go later
 *   QUIET    it looks at the clock, and nothing came since it looked last
 *   NUDGED   something came
 *
 *   the thread   any -> QUIET before it looks at what waits; QUIET -> ASLEEP by compare-and-swap
 *   the others   any -> NUDGED after they gave something; who replaces ASLEEP rings the bell
 *
 * No nudge is lost: all steps are read-modify-writes of the word, so a nudge comes either before a
 * QUIET, and the look behind that sees what was given, or after it, and the step to ASLEEP fails.
 * Only a bell is rung, and no lock taken, by those who give: they may be in the middle of anything,
 * of a fork too. Modelled in tests/model (background.pml).
 *
 * Who may start the thread: pthread_create allocates, and takes locks under which the C library
 * frees. So it is done by fe_option_set, or, where the option was set otherwise (by the
 * environment, in the child of a fork), at the beginning of a slow allocation, when the heaps are
 * in order; never by a free. It waits until the program has memory that is worth a thread.
 *
 * In the child of a fork the thread is not there. What it was purging at that moment stays taken
 * there, as with any thread that is gone: at most a slab's units, and one idle heap. */
#ifndef FERROC_CORE_THREAD_BACKGROUND_H
#define FERROC_CORE_THREAD_BACKGROUND_H

#ifndef FE_FREESTANDING

/* After the option was set: from now on the thread is started when it is worth it. */
void fe_background_expect(void);

/* Starts or ends the thread, as the option says now; has waited for its end. An error number if it
 * cannot be started, which is said, and the option is off then. Any thread. */
int fe_background_settle(void);

/* At the end of the program, or of the library in it: the thread ends, if it runs. */
void fe_background_end(void);

/* Tells the thread, if it runs, that there may be something to give back. Any thread. */
void fe_background_nudge(void);

#else /* There are no threads. */

#include <errno.h>

#include "core/base/base.h"
#include "core/base/settings.h"

static inline void fe_background_expect(void) {}
static inline void fe_background_end(void) {}
static inline void fe_background_nudge(void) {}

static inline int fe_background_settle(void) {
  if (fe_setting(FE_SETTING_BACKGROUND_PURGE) == 0) return 0;
  atomic_store_explicit(&fe_settings[FE_SETTING_BACKGROUND_PURGE], 0, memory_order_relaxed);
  fe_warn("background_purge: there are no threads here; 0 is all that is allowed");
  return EINVAL;
}

#endif /* FE_FREESTANDING */

#endif /* FERROC_CORE_THREAD_BACKGROUND_H */
