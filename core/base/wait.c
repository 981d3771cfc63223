/* Waiting for a moment: for another thread that will be done soon, unless it does not get to run.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "core/base/base.h"

#define FE_SPINS 10   /* each twice as long as the one before; the last some 10 microseconds */
#define FE_YIELDS 10  /* to threads that are ready to run */
#define FE_SLEEPS 100 /* also for threads that yielding does not let run, of a lower priority */
#define FE_SLEEP_MAX_NS (10 * 1000 * 1000)

static void spin(unsigned long count) {
  for (unsigned long i = 0; i < count; i++) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("" ::: "memory");
#endif
  }
}

/* Twice as long each time, so that two who are in each other's way do not stay so. A thread that is
 * cancelled meanwhile goes on: it may be inside of a heap. */
static void sleep_for_the(unsigned count) {
  long nanoseconds = count < 8 ? 50000L << count : FE_SLEEP_MAX_NS;
  struct timespec time = {.tv_nsec = nanoseconds};
  int saved_errno = errno;
  int cancelling;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
  nanosleep(&time, NULL);
  pthread_setcancelstate(cancelling, NULL);
  errno = saved_errno;
}

bool fe_wait(unsigned count) {
  if (count < FE_SPINS) {
    spin(1ul << count);
  } else if (count < FE_SPINS + FE_YIELDS) {
    sched_yield();
  } else if (count < FE_SPINS + FE_YIELDS + FE_SLEEPS) {
    sleep_for_the(count - FE_SPINS - FE_YIELDS);
  } else {
    return false;
  }
  return true;
}
