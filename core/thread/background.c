/* The life of the thread that gives memory back, and what it does; see background.h for the
 * protocol. It has no heap, and allocates nothing. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sem_clockwait, pthread_setname_np */
#endif

#include "core/thread/background.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/arena/absent.h"
#include "core/base/settings.h"
#include "core/heap/heap.h"
#include "core/thread/registry.h"

/* The thread's own frames take a tenth of this; the C library takes thread-local variables from it.
 */
#define FE_BACKGROUND_STACK_BYTES ((size_t)128 << 10)

/* A process that does not come to have so much, or to let so much wait, has little to give back: no
 * thread for that. */
#define FE_WORTH_BYTES ((size_t)1 << 20)

/* So often idle heaps are collected; by others, too (registry.c). */
#define FE_COLLECT_MS 200

/* What is given ages at the next tick, and goes at the one after it; the first may be another
 * thread's, which has not come to ageing. Ticks are not counted, but the time that they take. */
#define FE_TICKS_ENOUGH 4

/* The step of the coarse clock that ticks go by. */
#define FE_CLOCK_STEP_MS 4

/* So long the thread waits for the roll of all heaps. A handler of a fork that has it may wait for
 * the thread's end. */
#define FE_BACKGROUND_PATIENCE_MS 50

/* So late a changed purge_delay_ms is noticed; and unmap_delay_ms. */
#define FE_NAP_MAX_MS 1000
#define FE_LONG_NAP_MAX_MS 60000

typedef enum mood { ASLEEP, QUIET, NUDGED } mood_t;

/* NUDGED by release, QUIET by acquire: so the thread's next look sees what was there before the
 * nudge. Nothing needs an order in the other way. */
static _Atomic(mood_t) mood = NUDGED;
static sem_t bell;
static atomic_bool is_ending; /* set before a nudge; relaxed */

/* Held by who starts or ends the thread; never by the thread, nor by who nudges it. */
static pthread_mutex_t life_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool is_running;
static pthread_t thread;
static pid_t process; /* in which it runs: a child may have been made without handlers of forks */

/* What a process had that is expected to need the thread: one that was just forked has the memory
 * of its parent. */
static _Atomic(size_t) first_committed_bytes;
static _Atomic(size_t) first_waiting_bytes;

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* -- What the thread does -- */

/* What has happened since the last nudge, and when. */
typedef struct progress {
  unsigned tick_count;
  uint32_t tick_ms;
  bool has_collected;
  uint32_t collect_ms;
  bool has_memory, has_addresses; /* that wait to go back */
  bool was_refused;               /* the roll, and so has not seen all arenas */
} progress_t;

static void tick(fe_arenas_t *arenas, void *argument) {
  progress_t *progress = argument;
  fe_arenas_tick(arenas);
  if (fe_arenas_waiting_bytes(arenas) > 0) progress->has_memory = true;
  if (fe_absent_is_waiting(arenas)) progress->has_addresses = true;
}

/* Takes the mood down to QUIET first, so that what comes in the meantime is noticed. */
static void look(progress_t *progress) {
  if (atomic_exchange_explicit(&mood, QUIET, memory_order_acquire) == NUDGED) {
    progress->tick_count = 0;
    progress->tick_ms = fe_clock_ms();
    progress->has_collected = false;
  }
  progress->has_memory = progress->has_addresses = false;
  tick(&fe_arenas_default, progress);
  progress->was_refused = !fe_heap_for_own_arenas(tick, progress, FE_BACKGROUND_PATIENCE_MS);
  if (fe_clock_ms() - progress->tick_ms >= fe_setting(FE_SETTING_PURGE_DELAY_MS)) {
    progress->tick_count++;
    progress->tick_ms = fe_clock_ms();
  }
  if (fe_clock_ms() - progress->collect_ms < FE_COLLECT_MS) return;
  fe_heap_reclaim_emptied();
  progress->has_collected = fe_registry_collect_idle(FE_BACKGROUND_PATIENCE_MS);
  progress->collect_ms = fe_clock_ms();
}

/* Whether all memory has gone that can: what is still there after enough ticks is part of huge
 * pages in use, or the system does not take it. */
static bool is_memory_done(const progress_t *progress) {
  if (!progress->has_collected || progress->was_refused) return false;
  return progress->tick_count >= FE_TICKS_ENOUGH || !progress->has_memory;
}

/* Of a time `since_ms`, how much is left of `wait_ms`. */
static size_t rest_of(size_t wait_ms, uint32_t since_ms) {
  uint32_t passed = fe_clock_ms() - since_ms;
  return passed < wait_ms ? wait_ms - passed : 0;
}

/* When only addresses wait. */
static size_t ms_until_unmap(void) {
  size_t delay = fe_setting(FE_SETTING_UNMAP_DELAY_MS);
  return (delay < FE_LONG_NAP_MAX_MS ? delay : FE_LONG_NAP_MAX_MS) + FE_CLOCK_STEP_MS;
}

static size_t ms_until_next_look(const progress_t *progress) {
  size_t rest = rest_of(fe_setting(FE_SETTING_PURGE_DELAY_MS), progress->tick_ms);
  if (!progress->has_collected) {
    size_t until_collect = rest_of(FE_COLLECT_MS, progress->collect_ms);
    if (!progress->has_memory || until_collect < rest) rest = until_collect;
  }
  return (rest < FE_NAP_MAX_MS ? rest : FE_NAP_MAX_MS) + FE_CLOCK_STEP_MS;
}

/* A clock that never goes back; where the C library cannot wait by it, the one that there is. */
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 30)
#define FE_NAP_CLOCK CLOCK_MONOTONIC
static void wait_for_bell(const struct timespec *until) {
  sem_clockwait(&bell, FE_NAP_CLOCK, until);
}
#else
#define FE_NAP_CLOCK CLOCK_REALTIME
static void wait_for_bell(const struct timespec *until) { sem_timedwait(&bell, until); }
#endif

/* A bell that was rung for a sleep that is over ends a nap early, which does no harm. */
static void nap(size_t ms) {
  struct timespec until;
  clock_gettime(FE_NAP_CLOCK, &until);
  long nanoseconds = until.tv_nsec + (long)(ms % 1000) * 1000000;
  until.tv_sec += (time_t)(ms / 1000) + nanoseconds / 1000000000;
  until.tv_nsec = nanoseconds % 1000000000;
  wait_for_bell(&until);
}

static bool must_end(void) { return atomic_load_explicit(&is_ending, memory_order_relaxed); }

/* Whether nothing came since the last look, so that the next nudge rings the bell. */
static bool falls_asleep(void) {
  mood_t expected = QUIET;
  return atomic_compare_exchange_strong_explicit(&mood, &expected, ASLEEP, memory_order_relaxed,
                                                 memory_order_relaxed);
}

static void nap_until_nudged(size_t ms) {
  if (falls_asleep()) nap(ms);
}

static void sleep_until_nudged(void) {
  if (!falls_asleep()) return;
  /* The look before may have been what took the last nudge away. */
  while (!must_end() && atomic_load_explicit(&mood, memory_order_relaxed) == ASLEEP) {
    sem_wait(&bell);
  }
}

static void *work(void *unused) {
  (void)unused;
  pthread_setname_np(pthread_self(), "ferroc-purge");
  progress_t progress = {.tick_ms = fe_clock_ms(), .collect_ms = fe_clock_ms()};
  while (!must_end()) {
    look(&progress);
    /* What the second gives back is a nudge. */
    if (!is_memory_done(&progress) || !fe_heap_reclaim_all(FE_BACKGROUND_PATIENCE_MS)) {
      nap(ms_until_next_look(&progress));
      continue;
    }
    if (progress.has_addresses) {
      nap_until_nudged(ms_until_unmap());
    } else {
      sleep_until_nudged();
    }
    progress.collect_ms = fe_clock_ms();
  }
  return NULL;
}

/* -- What others do -- */

void fe_background_nudge(void) {
  if (atomic_load_explicit(&fe_arenas_on_give, memory_order_relaxed) == NULL) return;
  if (atomic_exchange_explicit(&mood, NUDGED, memory_order_release) != ASLEEP) return;
  int saved_errno = errno;
  sem_post(&bell);
  errno = saved_errno;
}

static void after_give(fe_arenas_t *arenas) {
  (void)arenas;
  fe_background_nudge();
}

/* With all signals blocked, which the new thread takes over. */
static int create_thread(void) {
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error != 0) return error;
  pthread_attr_setstacksize(&attributes, FE_BACKGROUND_STACK_BYTES);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(&thread, &attributes, work, NULL);
  /* The program's thread-local variables do not fit. */
  if (error == EINVAL) error = pthread_create(&thread, NULL, work, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return error;
}

/* The system's refusal is no error of the caller's: it does not end the program. */
static void say_refusal(int error) {
  if (fe_setting(FE_SETTING_ON_ERROR) == FE_ON_ERROR_SILENT) return;
  fe_note(
      "background_purge: no thread can be started (error %d); memory goes back while the "
      "program works",
      error);
}

/* The three functions that follow: with the mutex. */

static int start(void) {
  atomic_store_explicit(&is_ending, false, memory_order_relaxed);
  /* Before the thread's first look, which sees what was given without a nudge. */
  atomic_store_explicit(&fe_arenas_on_give, after_give, memory_order_relaxed);
  int error = create_thread();
  if (error == 0) {
    is_running = true;
    process = getpid();
    return 0;
  }
  atomic_store_explicit(&fe_arenas_on_give, NULL, memory_order_relaxed);
  atomic_store_explicit(&fe_settings[FE_SETTING_BACKGROUND_PURGE], 0, memory_order_relaxed);
  say_refusal(error);
  return error;
}

static void stop(void) {
  atomic_store_explicit(&fe_arenas_on_give, NULL, memory_order_relaxed);
  atomic_store_explicit(&is_ending, true, memory_order_relaxed);
  atomic_exchange_explicit(&mood, NUDGED, memory_order_release);
  sem_post(&bell);
  pthread_join(thread, NULL);
  is_running = false;
}

static int start_or_stop(void) {
  bool is_wanted = fe_setting(FE_SETTING_BACKGROUND_PURGE) != 0;
  bool runs_here = is_running && process == getpid();
  atomic_store_explicit(&fe_heap_on_alloc, NULL, memory_order_relaxed);
  if (is_wanted && !runs_here) return start();
  if (!is_wanted && runs_here) stop();
  return 0;
}

static size_t committed_bytes(void) {
  return FE_UNIT_SIZE *
         atomic_load_explicit(&fe_arenas_default.figures.committed_units, memory_order_relaxed);
}

static bool is_worth(size_t bytes, _Atomic(size_t) *first_bytes) {
  return bytes >= FE_WORTH_BYTES + atomic_load_explicit(first_bytes, memory_order_relaxed);
}

/* What pthread_create allocates in turn comes here, too, and finds the mutex locked. */
static void start_if_worth(size_t size) {
  if (size < FE_WORTH_BYTES && !is_worth(committed_bytes(), &first_committed_bytes) &&
      !is_worth(fe_arenas_waiting_bytes(&fe_arenas_default), &first_waiting_bytes)) {
    return;
  }
  if (pthread_mutex_trylock(&life_mutex) != 0) return;
  int saved_errno = errno;
  start_or_stop();
  errno = saved_errno;
  pthread_mutex_unlock(&life_mutex);
}

static void expect(void) {
  if (fe_setting(FE_SETTING_BACKGROUND_PURGE) == 0) return;
  atomic_store_explicit(&first_committed_bytes, committed_bytes(), memory_order_relaxed);
  atomic_store_explicit(&first_waiting_bytes, fe_arenas_waiting_bytes(&fe_arenas_default),
                        memory_order_relaxed);
  atomic_store_explicit(&fe_heap_on_alloc, start_if_worth, memory_order_relaxed);
}

/* Nobody else is here, and whatever others were doing with these is undone; unless a handler of the
 * program's that came first has started the thread. */
static void begin_child(void) {
  if (is_running && process == getpid()) return;
  pthread_mutex_init(&life_mutex, NULL);
  sem_init(&bell, 0, 0);
  atomic_store_explicit(&mood, NUDGED, memory_order_relaxed);
  atomic_store_explicit(&fe_arenas_on_give, NULL, memory_order_relaxed);
  is_running = false;
  expect();
}

/* Once, and not when the thread is started: the C library allocates under the lock of its list of
 * handlers. */
static void prepare(void) {
  sem_init(&bell, 0, 0);
  pthread_atfork(NULL, NULL, begin_child);
}

void fe_background_expect(void) {
  pthread_once(&once, prepare);
  expect();
}

int fe_background_settle(void) {
  int cancelling;
  pthread_once(&once, prepare);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
  pthread_mutex_lock(&life_mutex);
  int error = start_or_stop();
  pthread_mutex_unlock(&life_mutex);
  pthread_setcancelstate(cancelling, NULL);
  return error;
}

/* Who ends the program in the middle of a start finds the mutex locked; the process then takes the
 * thread with it, which does no harm. */
void fe_background_end(void) {
  atomic_store_explicit(&fe_heap_on_alloc, NULL, memory_order_relaxed);
  if (pthread_mutex_trylock(&life_mutex) != 0) return;
  if (is_running && process == getpid()) stop();
  pthread_mutex_unlock(&life_mutex);
}
