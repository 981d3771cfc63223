/* The functions of the calling thread's heap: fe_malloc and its family. */
#include "core/ferroc.h"

#include <errno.h>
#include <string.h>

#include "core/global/global.h"
#include "core/global/options.h"
#include "core/heap/roll.h"
#include "core/thread/background.h"
#include "core/thread/held.h"
#include "core/thread/registry.h"

__attribute__((constructor)) static void start(void) {
  fe_limits_read();
  fe_environment_read();
  fe_registry_mind_forks();
}

__attribute__((destructor)) static void end(void) {
  fe_background_end();
  fe_environment_at_exit();
  fe_registry_end();
}

static FE_COLD void *alloc_inside(size_t size) {
  fe_heap_t *heap = fe_registry_attach();
  void *block = heap == NULL ? NULL : fe_heap_alloc_inside(heap, size);
  if (block == NULL) errno = ENOMEM;
  return block;
}

void *fe_global_alloc_slowly(size_t size) {
  void *block = fe_heap_alloc_medium(fe_registry_heap(), size);
  return FE_LIKELY(block != NULL) ? block : alloc_inside(size);
}

void *fe_malloc(size_t size) {
  void *block = fe_heap_alloc_quickly(fe_registry_heap(), size);
  if (FE_LIKELY(block != NULL)) return block;
  return fe_global_alloc_slowly(size);
}

static __attribute__((noinline)) void free_remotely(fe_heap_t *heap, fe_shard_t *shard, void *ptr) {
  /* Before: the block keeps the other heap alive. */
  fe_heap_pulse_before_remote(heap, fe_heap_of(shard));
  fe_heap_free_remotely(shard, ptr);
}

void fe_global_free_slowly(fe_heap_t *heap, void *ptr) {
  fe_global_check(ptr, "free");
  fe_shard_t *shard = fe_shard_of(ptr);
  if (fe_heap_of(shard) == heap) {
    fe_heap_free_slowly(heap, shard, ptr);
  } else {
    free_remotely(heap, shard, ptr);
  }
}

void fe_free(void *ptr) {
  if (FE_UNLIKELY(ptr == NULL)) return;
  fe_global_check(ptr, "fe_free");
  fe_heap_t *heap = fe_registry_heap();
  if (FE_LIKELY(fe_heap_free_quickly(heap, ptr))) return;
  fe_global_free_slowly(heap, ptr);
}

fe_heap_t *fe_thread_heap(void) {
  fe_heap_t *heap = fe_registry_attach();
  if (heap == NULL) errno = ENOMEM;
  return heap;
}

void *fe_calloc(size_t count, size_t size) {
  fe_heap_t *heap = fe_registry_heap();
  if (FE_UNLIKELY(heap == &fe_heap_empty)) heap = fe_thread_heap();
  return heap == NULL ? NULL : fe_heap_calloc(heap, count, size);
}

/* The calling thread may have no heap, and get none. */
static FE_COLD void *realloc_without_heap(void *ptr, size_t size) {
  if (ptr == NULL) return fe_malloc(size);
  if (size == 0) {
    fe_free(ptr);
    return NULL;
  }
  fe_heap_t *heap = fe_thread_heap();
  if (heap != NULL) return fe_heap_realloc(heap, ptr, size);
  return size <= fe_malloc_size(ptr) ? ptr : NULL;
}

void *fe_realloc(void *ptr, size_t size) {
  fe_heap_t *heap = fe_registry_heap();
  if (FE_LIKELY(ptr != NULL) && FE_LIKELY(size != 0)) {
    fe_global_check(ptr, "fe_realloc");
    if (FE_LIKELY(fe_global_has_size(heap, ptr, size))) return ptr;
  }
  if (FE_LIKELY(heap != &fe_heap_empty)) return fe_global_realloc_slowly(heap, ptr, size);
  return realloc_without_heap(ptr, size);
}

size_t fe_malloc_size(const void *ptr) {
  if (ptr == NULL) return 0;
  fe_global_check(ptr, "fe_malloc_size");
  return fe_block_usable_size(ptr);
}

void fe_collect(bool force) {
  if (force) {
    fe_trim();
  } else {
    fe_held_collect();
  }
}

static size_t returned_units(fe_arenas_t *arenas) {
  return atomic_load_explicit(&arenas->figures.decommitted_units, memory_order_relaxed);
}

static void give_back(fe_arenas_t *arenas, void *units) {
  size_t before = returned_units(arenas);
  fe_arenas_give_all_back(arenas);
  *(size_t *)units += returned_units(arenas) - before;
}

size_t fe_trim(void) {
  size_t before = returned_units(&fe_arenas_default);
  size_t units = 0;
  fe_held_collect();
  fe_heap_reclaim_all(FE_ROLL_PATIENCE_MS);
  fe_registry_collect_idle(FE_ROLL_PATIENCE_MS);
  fe_heap_for_own_arenas(give_back, &units, FE_ROLL_PATIENCE_MS);
  fe_arenas_give_all_back(&fe_arenas_default);
  return (units + returned_units(&fe_arenas_default) - before) * FE_UNIT_SIZE;
}

bool fe_owns(const void *ptr) { return fe_owns_address(ptr); }
