/* Threads that wait for their next piece of work. */
#include "tests/fuzz/lanes.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/fuzz/check.h"

typedef struct lane {
  bool is_alive;
  pthread_t thread;
  bool has_work; /* set by who gives work, cleared by the lane when it is done; `mutex` */
  void (*body)(void *argument); /* NULL: the lane ends */
  void *argument;
} lane_t;

static lane_t lanes[LANES];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void wait_until(lane_t *lane, bool has_work) {
  pthread_mutex_lock(&mutex);
  while (lane->has_work != has_work) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
}

static void set_work(lane_t *lane, bool has_work) {
  pthread_mutex_lock(&mutex);
  lane->has_work = has_work;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
}

static void *live(void *argument) {
  lane_t *lane = argument;
  for (;;) {
    wait_until(lane, true);
    if (lane->body == NULL) return NULL;
    lane->body(lane->argument);
    set_work(lane, false);
  }
}

void lane_run(int number, void (*body)(void *argument), void *argument) {
  lane_t *lane = &lanes[number];
  if (number == 0) {
    body(argument);
    return;
  }
  if (!lane->is_alive) {
    check(pthread_create(&lane->thread, NULL, live, lane) == 0, "a thread could not be made");
    lane->is_alive = true;
  }
  lane->body = body;
  lane->argument = argument;
  set_work(lane, true);
  wait_until(lane, false);
}

void lane_end(int number) {
  lane_t *lane = &lanes[number];
  if (!lane->is_alive) return;
  lane->body = NULL;
  set_work(lane, true);
  pthread_join(lane->thread, NULL);
  lane->has_work = false;
  lane->is_alive = false;
}
