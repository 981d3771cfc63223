/* The protocol of census.h, one function for each step. */
#include "core/slab/census.h"

#include "core/arena/bitmap.h"
#include "core/arena/passing.h"

static _Atomic(fe_units_t) *heads_of(const fe_shard_t *shard, fe_units_t *bit) {
  fe_arena_t *arena = shard->arena;
  size_t offset = (size_t)((const char *)shard - arena->start);
  *bit = fe_bitmap_mask((unsigned)(offset >> FE_SHARD_SHIFT) % FE_UNITS_PER_SLAB, 1);
  return &arena->slab[offset >> FE_SLAB_SHIFT].heads;
}

void fe_census_enter(fe_shard_t *shard) {
  if (shard->arena == NULL) return;
  fe_units_t bit;
  _Atomic(fe_units_t) *heads = heads_of(shard, &bit);
  /* Release: a census that finds the bit sees the header. */
  atomic_fetch_or_explicit(heads, bit, memory_order_release);
}

static bool is_census(fe_arenas_t *arenas) {
  return atomic_load_explicit(&arenas->is_census, memory_order_seq_cst);
}

static void park(fe_arenas_t *arenas, fe_shard_t *shard) {
  fe_shard_t *head = atomic_load_explicit(&arenas->parked, memory_order_relaxed);
  do {
    shard->next = head;
  } while (!atomic_compare_exchange_weak_explicit(&arenas->parked, &head, shard,
                                                  memory_order_acq_rel, memory_order_relaxed));
}

static void give_list(fe_arenas_t *arenas, fe_shard_t *shard) {
  while (shard != NULL) {
    fe_shard_t *next = shard->next;
    fe_run_t run = fe_shard_run(shard);
    shard->inbox = NULL;
    fe_arenas_give(arenas, &run);
    shard = next;
  }
}

static void park_list(fe_arenas_t *arenas, fe_shard_t *shard) {
  while (shard != NULL) {
    fe_shard_t *next = shard->next;
    park(arenas, shard);
    shard = next;
  }
}

/* While there is no census: gives back what is parked. */
static void give_parked(fe_arenas_t *arenas) {
  do {
    fe_shard_t *parked = atomic_exchange_explicit(&arenas->parked, NULL, memory_order_acq_rel);
    if (parked == NULL) return;
    if (!is_census(arenas)) {
      give_list(arenas, parked);
      return;
    }
    /* That census may still look at them; if it has ended by now, it may not have found them. */
    park_list(arenas, parked);
  } while (!is_census(arenas));
}

bool fe_census_leave(fe_shard_t *shard) {
  fe_shard_end_checks(shard);
  if (shard->arena == NULL) return true;
  fe_units_t bit;
  _Atomic(fe_units_t) *heads = heads_of(shard, &bit);
  fe_arenas_t *arenas = shard->arena->arenas;
  atomic_fetch_and_explicit(heads, ~bit, memory_order_seq_cst);
  if (FE_UNLIKELY(is_census(arenas))) {
    park(arenas, shard);
    if (!is_census(arenas)) {
      fe_passing_begin(arenas);
      give_parked(arenas);
      fe_passing_end(arenas);
    }
    return false;
  }
  shard->inbox = NULL;
  return true;
}

/* -- One census at a time, and none while a process forks: the child would wait for its end. -- */

#ifdef FE_FREESTANDING

static void lock(void) {}
static void unlock(void) {}

#else

#include <pthread.h>

static pthread_mutex_t census_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void unlock(void) { pthread_mutex_unlock(&census_mutex); }
static void lock_for_fork(void) { pthread_mutex_lock(&census_mutex); }
static void mind_forks(void) { pthread_atfork(lock_for_fork, unlock, unlock); }

static void lock(void) {
  pthread_once(&fork_once, mind_forks);
  pthread_mutex_lock(&census_mutex);
}

#endif

void fe_census_begin(fe_arenas_t *arenas) {
  lock();
  fe_passing_begin(arenas);
  atomic_store_explicit(&arenas->is_census, true, memory_order_seq_cst);
}

void fe_census_end(fe_arenas_t *arenas) {
  atomic_store_explicit(&arenas->is_census, false, memory_order_release);
  give_parked(arenas);
  fe_passing_end(arenas);
  unlock();
}
