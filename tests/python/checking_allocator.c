/* The checking allocators: a table each for raw, mem and obj around the allocator that was there,
 * and one hash set of live blocks for all, since some code of Python frees in another domain.
 */
#define PY_SSIZE_T_CLEAN
#include "tests/python/checking_allocator.h"

#include <Python.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/ferroc.h"

enum { DOMAIN_COUNT = 3, SET_BITS = 22 };

typedef struct checked_domain {
  PyMemAllocatorEx below;
  domain_counts_t counts;
} checked_domain_t;

static checked_domain_t domains[DOMAIN_COUNT];

/* -- The set: open addressing, in C's own memory; the raw domain comes without the GIL -------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t *slots;

static const uintptr_t removed = 1;

static size_t slot_of(uintptr_t block) {
  return (size_t)((block * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - SET_BITS));
}

static size_t next_slot(size_t slot) { return (slot + 1) & (((size_t)1 << SET_BITS) - 1); }

static bool set_remove(void *block) {
  for (size_t slot = slot_of((uintptr_t)block); slots[slot] != 0; slot = next_slot(slot)) {
    if (slots[slot] == (uintptr_t)block) {
      slots[slot] = removed;
      return true;
    }
  }
  return false;
}

/* Returns false when the block is there already. */
static bool set_add(void *block) {
  bool was_there = set_remove(block);
  size_t slot = slot_of((uintptr_t)block);
  while (slots[slot] > removed) {
    slot = next_slot(slot);
  }
  slots[slot] = (uintptr_t)block;
  return !was_there;
}

/* -- One block comes or goes ------------------------------------------------------------------ */

static void note_new(checked_domain_t *domain, void *block) {
  if (block == NULL) {
    return;
  }
  pthread_mutex_lock(&lock);
  domain->counts.allocations++;
  domain->counts.not_ours += !fe_owns(block);
  domain->counts.badly_made += (uintptr_t)block % 16 != 0 || !set_add(block);
  pthread_mutex_unlock(&lock);
}

/* Before the allocator below has it: another thread may get the same address straight away. */
static void note_gone(checked_domain_t *domain, void *block) {
  if (block == NULL) {
    return;
  }
  pthread_mutex_lock(&lock);
  domain->counts.frees++;
  if (!set_remove(block)) {
    if (fe_owns(block)) {
      domain->counts.unknown_ours++;
    } else {
      domain->counts.unknown_foreign++;
    }
  }
  pthread_mutex_unlock(&lock);
}

/* -- The tables -------------------------------------------------------------------------------- */

static void *checking_malloc(void *ctx, size_t size) {
  checked_domain_t *domain = ctx;
  void *block = domain->below.malloc(domain->below.ctx, size);
  note_new(domain, block);
  if (block != NULL) {
    memset(block, 0xa5, size);
  }
  return block;
}

static bool is_zero(const unsigned char *block, size_t size) {
  return size == 0 || (block[0] == 0 && memcmp(block, block + 1, size - 1) == 0);
}

static void *checking_calloc(void *ctx, size_t count, size_t size) {
  checked_domain_t *domain = ctx;
  void *block = domain->below.calloc(domain->below.ctx, count, size);
  note_new(domain, block);
  if (block != NULL && !is_zero(block, count * size)) {
    pthread_mutex_lock(&lock);
    domain->counts.badly_made++;
    pthread_mutex_unlock(&lock);
  }
  return block;
}

static void *checking_realloc(void *ctx, void *block, size_t size) {
  checked_domain_t *domain = ctx;
  note_gone(domain, block);
  void *moved = domain->below.realloc(domain->below.ctx, block, size);
  note_new(domain, moved != NULL ? moved : block);
  return moved;
}

static void checking_free(void *ctx, void *block) {
  checked_domain_t *domain = ctx;
  note_gone(domain, block);
  domain->below.free(domain->below.ctx, block);
}

static const PyMemAllocatorDomain python_domains[DOMAIN_COUNT] = {
    PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};

void checking_allocators_install(void) {
  if (slots == NULL) {
    slots = calloc((size_t)1 << SET_BITS, sizeof *slots);
  }
  for (int i = 0; i < DOMAIN_COUNT; i++) {
    PyMem_GetAllocator(python_domains[i], &domains[i].below);
    PyMemAllocatorEx checking = {
        .ctx = &domains[i],
        .malloc = checking_malloc,
        .calloc = checking_calloc,
        .realloc = checking_realloc,
        .free = checking_free,
    };
    PyMem_SetAllocator(python_domains[i], &checking);
  }
}

domain_counts_t checking_allocators_counts(int domain) { return domains[domain].counts; }

/* -- pymalloc's arenas ------------------------------------------------------------------------- */

static PyObjectArenaAllocator arenas_below;
static size_t arena_count;

/* Python takes the stacks for its frames from the same functions, in pieces of 16 KiB and up; an
 * arena has 1 MiB, or 256 KiB before Python 3.10. */
static bool is_arena_size(size_t size) {
  return size == (size_t)1 << 20 || size == (size_t)1 << 18;
}

static void *counting_arena_alloc(void *ctx, size_t size) {
  (void)ctx;
  arena_count += is_arena_size(size);
  return arenas_below.alloc(arenas_below.ctx, size);
}

static void counting_arena_free(void *ctx, void *arena, size_t size) {
  (void)ctx;
  arenas_below.free(arenas_below.ctx, arena, size);
}

void count_pymalloc_arenas(void) {
  PyObject_GetArenaAllocator(&arenas_below);
  PyObjectArenaAllocator counting = {.alloc = counting_arena_alloc, .free = counting_arena_free};
  PyObject_SetArenaAllocator(&counting);
}

size_t pymalloc_arenas(void) { return arena_count; }
