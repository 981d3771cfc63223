/* What the tests of threads, forks and bases that wait for each other share. Nothing is asserted of
 * how long anything takes: whatever hangs is ended by an alarm, and that fails the test. */
#ifndef FERROC_TESTS_PATIENCE_H
#define FERROC_TESTS_PATIENCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/core/support.h"

enum { HANG_SECONDS = 50 };

static inline int begin_patiently(void **state) {
  alarm(HANG_SECONDS);
  return remember_used_bytes(state);
}

static inline int end_patiently(void **state) {
  alarm(0);
  return check_used_bytes(state);
}

#define test_that_ends(function) \
  cmocka_unit_test_setup_teardown(function, begin_patiently, end_patiently)

static inline void wait_until(const atomic_bool *is_so) {
  while (!atomic_load((atomic_bool *)is_so)) usleep(1000);
}

static inline void wait_for_child(pid_t child) {
  int status;
  require(child > 0 && waitpid(child, &status, 0) == child);
  if (status != 0) fail_msg("a child ended with status 0x%x", (unsigned)status);
}

/* Blocks of many sizes come and go in a heap, or, NULL, in the thread's. */
static inline void use(fe_heap_t *heap) {
  enum { COUNT = 100 };
  void *blocks[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    size_t size = i % 50 == 49 ? 4 * UNIT_BYTES : 1 + i * i;
    blocks[i] = heap == NULL ? fe_malloc(size) : fe_heap_alloc(heap, size);
    require(blocks[i] != NULL);
    memset(blocks[i], (int)i, size);
  }
  for (size_t i = 0; i < COUNT; i++) fe_free(blocks[i]);
}

/* -- A base of the program's: the kernel's memory, with a hook ----------------------------------
 */

/* A block that is a chunk of its own, for which the base is asked. */
#define CHUNK (200 * MIB)

typedef struct hooked_base {
  fe_base_t base;
  /* Called before memory is had, or given back in whatever way. False: there is no memory; nobody
   * is told no who gives some back. */
  bool (*hook)(bool is_wanted);
} hooked_base_t;

static inline bool call_hook(const fe_base_t *base, bool is_wanted) {
  const hooked_base_t *hooked = base->user_data;
  return hooked->hook == NULL || hooked->hook(is_wanted);
}

static inline void *hooked_allocate(const fe_base_t *base, size_t size, size_t alignment) {
  return call_hook(base, true) ? fe_base_mmap.allocate(&fe_base_mmap, size, alignment) : NULL;
}

static inline void hooked_release(const fe_base_t *base, void *chunk, size_t size) {
  call_hook(base, false);
  fe_base_mmap.release(&fe_base_mmap, chunk, size);
}

static inline bool hooked_decommit(const fe_base_t *base, void *start, size_t size) {
  call_hook(base, false);
  return fe_base_mmap.decommit(&fe_base_mmap, start, size);
}

static inline fe_arenas_t *arenas_with_hook(hooked_base_t *hooked, bool (*hook)(bool is_wanted)) {
  *hooked = (hooked_base_t){.base = {.allocate = hooked_allocate,
                                     .release = hooked_release,
                                     .decommit = hooked_decommit,
                                     .is_zeroed = true,
                                     .page_size = fe_base_mmap.page_size,
                                     .user_data = hooked}};
  fe_arenas_t *arenas = fe_arenas_create(&hooked->base, NULL, 0);
  require(arenas != NULL);
  hooked->hook = hook;
  return arenas;
}

/* -- The same, where the first one who asks for memory waits ------------------------------------
 *
 * He is in the middle of it until he may go, and is refused then, as all others are at once.
 */

static atomic_bool is_keeping, is_first_there, may_first_go;
static atomic_size_t others_count; /* of their calls */
static size_t others_max;          /* the first one goes at this */

static inline bool keep_first(bool is_wanted) {
  if (!is_wanted || !atomic_load(&is_keeping)) return true;
  if (!atomic_exchange(&is_first_there, true)) {
    wait_until(&may_first_go);
  } else if (atomic_fetch_add(&others_count, 1) == others_max) {
    atomic_store(&may_first_go, true);
  }
  return false;
}

static inline void begin_keeping(size_t max) {
  others_max = max;
  atomic_store(&others_count, 0);
  atomic_store(&is_first_there, false);
  atomic_store(&may_first_go, false);
  atomic_store(&is_keeping, true);
}

#endif /* FERROC_TESTS_PATIENCE_H */
