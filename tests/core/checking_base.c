/* See checking_base.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mremap */
#endif

#include "tests/core/checking_base.h"

#include <sys/mman.h>

enum { GARBAGE = 0xc7 };

static checking_base_t *checking_of(const fe_base_t *base) {
  checking_base_t *checking = base->user_data;
  require(base == &checking->base);
  return checking;
}

static bool is_failing(checking_base_t *checking) {
  if (checking->failing_call == 0) {
    return false;
  }
  if (checking->failing_call > 1) {
    checking->failing_call--;
    return false;
  }
  checking->failing_call = checking->fails_for_good;
  return true;
}

/* The chunk that holds the bytes; start NULL: a free place for one. */
static checked_chunk_t *find_chunk(checking_base_t *checking, const char *start, size_t size) {
  for (size_t i = 0; i < CHUNKS_MAX; i++) {
    checked_chunk_t *chunk = &checking->chunks[i];
    bool is_inside = start >= chunk->start && start + size <= chunk->start + chunk->size;
    if (start == NULL ? chunk->start == NULL : chunk->start != NULL && is_inside) {
      return chunk;
    }
  }
  require_failed(__FILE__, __LINE__, "the base was asked about a chunk of its own");
}

static char *map_aligned(size_t size, size_t alignment, int protection) {
  char *start =
      mmap(NULL, size + alignment, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) {
    return NULL;
  }
  size_t before = -(uintptr_t)start & (alignment - 1);
  if (before > 0) {
    munmap(start, before);
  }
  munmap(start + before + size, alignment - before);
  return start + before;
}

static void *allocate_chunk(checking_base_t *checking, size_t size, size_t alignment,
                            bool is_reserved) {
  require(size > 0 && size % SLAB_BYTES == 0);
  require(alignment >= SLAB_BYTES && (alignment & (alignment - 1)) == 0);
  checking->allocate_count++;
  if (is_failing(checking) || size > checking->bytes_max - checking->chunk_bytes) {
    return NULL;
  }
  bool is_untouchable = checking->base.commit != NULL || is_reserved;
  checked_chunk_t *chunk = find_chunk(checking, NULL, 0);
  size_t page_count = size / checking->base.page_size;
  chunk->start = map_aligned(size, alignment, is_untouchable ? PROT_NONE : PROT_READ | PROT_WRITE);
  require(chunk->start != NULL);
  chunk->size = size;
  chunk->is_committed = calloc(page_count, 1);
  chunk->is_reserved = calloc(page_count, 1);
  require(chunk->is_committed != NULL && chunk->is_reserved != NULL);
  memset(chunk->is_reserved, is_reserved, page_count);
  if (!is_untouchable) {
    memset(chunk->is_committed, 1, page_count);
    checking->committed_bytes += size;
  }
  checking->chunk_count++;
  checking->chunk_bytes += size;
  return chunk->start;
}

static void release_chunk(checking_base_t *checking, char *start, size_t size) {
  checked_chunk_t *chunk = find_chunk(checking, start, size);
  require(chunk->start == start && chunk->size == size);
  checking->release_count++;
  checking->chunk_count--;
  checking->chunk_bytes -= size;
  for (size_t page = 0; page < size / checking->base.page_size; page++) {
    checking->committed_bytes -= chunk->is_committed[page] * checking->base.page_size;
  }
  free(chunk->is_committed);
  free(chunk->is_reserved);
  chunk->is_committed = chunk->is_reserved = NULL;
  chunk->start = NULL;
  require(munmap(start, size) == 0);
}

/* The chunk of whole pages; first: the number of the first of them. */
static checked_chunk_t *whole_pages(checking_base_t *checking, char *start, size_t size,
                                    size_t *first) {
  size_t page_size = checking->base.page_size;
  require(size > 0 && size % page_size == 0 && aligned_to(start, page_size));
  checked_chunk_t *chunk = find_chunk(checking, start, size);
  *first = (size_t)(start - chunk->start) / page_size;
  return chunk;
}

static void put_memory_behind(checking_base_t *checking, checked_chunk_t *chunk, size_t page) {
  size_t page_size = checking->base.page_size;
  if (chunk->is_committed[page]) {
    return;
  }
  chunk->is_committed[page] = 1;
  checking->committed_bytes += page_size;
  if (!checking->base.is_zeroed) {
    memset(chunk->start + page * page_size, GARBAGE, page_size < 4096 ? page_size : 4096);
  }
}

/* Pages that are there already keep what they hold, and Valgrind what it knows of it: it takes all
 * that it sees made accessible for in use. */
static void make_accessible(const checked_chunk_t *chunk, size_t first, size_t end, size_t page) {
  for (size_t i = first; i < end; i++) {
    if (chunk->is_committed[i]) continue;
    size_t start = i;
    while (i < end && !chunk->is_committed[i]) i++;
    require(mprotect(chunk->start + start * page, (i - start) * page, PROT_READ | PROT_WRITE) == 0);
  }
}

static bool commit_pages(checking_base_t *checking, char *start, size_t size) {
  size_t first;
  checked_chunk_t *chunk = whole_pages(checking, start, size, &first);
  size_t page_size = checking->base.page_size;
  checking->commit_count++;
  if (is_failing(checking) || checking->committed_bytes + size > checking->committed_max) {
    return false;
  }
  make_accessible(chunk, first, first + size / page_size, page_size);
  for (size_t i = 0; i < size / page_size; i++) {
    require(!chunk->is_reserved[first + i]);
    put_memory_behind(checking, chunk, first + i);
  }
  return true;
}

static bool decommit_pages(checking_base_t *checking, char *start, size_t size) {
  size_t first;
  checked_chunk_t *chunk = whole_pages(checking, start, size, &first);
  size_t page_size = checking->base.page_size;
  checking->decommit_count++;
  if (is_failing(checking)) {
    return false;
  }
  require(madvise(start, size, MADV_DONTNEED) == 0);
  if (checking->base.commit == NULL) {
    return true;
  }
  require(mprotect(start, size, PROT_NONE) == 0);
  for (size_t i = 0; i < size / page_size; i++) {
    checking->committed_bytes -= chunk->is_committed[first + i] * page_size;
    chunk->is_committed[first + i] = 0;
  }
  return true;
}

/* The pages move to another place; without commit, those that are new have memory. */
static void *grow_chunk(checking_base_t *checking, char *start, size_t size, size_t new_size,
                        size_t alignment) {
  checked_chunk_t *chunk = find_chunk(checking, start, size);
  require(chunk->start == start && chunk->size == size);
  require(new_size > size && new_size % SLAB_BYTES == 0);
  require(checking->base.release != NULL && checking->base.commit == NULL);
  checking->grow_count++;
  size_t more = new_size - size;
  if (is_failing(checking) || more > checking->bytes_max - checking->chunk_bytes) {
    return NULL;
  }
  char *place = map_aligned(new_size, alignment, PROT_READ | PROT_WRITE);
  require(place != NULL);
  require(mremap(start, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
  size_t page_count = new_size / checking->base.page_size;
  chunk->start = place;
  chunk->size = new_size;
  chunk->is_committed = realloc(chunk->is_committed, page_count);
  chunk->is_reserved = realloc(chunk->is_reserved, page_count);
  require(chunk->is_committed != NULL && chunk->is_reserved != NULL);
  memset(chunk->is_committed, 1, page_count);
  memset(chunk->is_reserved, 0, page_count);
  checking->chunk_bytes += more;
  checking->committed_bytes += more;
  return place;
}

/* What was reserved becomes accessible; with commit, it has no memory then. */
static bool open_reserved(checking_base_t *checking, char *start, size_t size) {
  size_t first;
  checked_chunk_t *chunk = whole_pages(checking, start, size, &first);
  bool has_memory = checking->base.commit == NULL;
  require(size % SLAB_BYTES == 0 && aligned_to(start, SLAB_BYTES));
  if (is_failing(checking) ||
      (has_memory && checking->committed_bytes + size > checking->committed_max)) {
    return false;
  }
  if (has_memory) {
    require(mprotect(start, size, PROT_READ | PROT_WRITE) == 0);
  }
  for (size_t i = 0; i < size / checking->base.page_size; i++) {
    chunk->is_reserved[first + i] = 0;
    if (has_memory) {
      put_memory_behind(checking, chunk, first + i);
    }
  }
  return true;
}

static bool protect_pages(checking_base_t *checking, char *start, size_t size, bool is_accessible) {
  require(size > 0 && size % 4096 == 0 && aligned_to(start, 4096));
  checked_chunk_t *chunk = find_chunk(checking, start, size);
  size_t first = (size_t)(start - chunk->start) / checking->base.page_size;
  if (chunk->is_reserved[first]) {
    require(is_accessible);
    return open_reserved(checking, start, size);
  }
  if (!is_accessible && is_failing(checking)) {
    return false;
  }
  require(mprotect(start, size, is_accessible ? PROT_READ | PROT_WRITE : PROT_NONE) == 0);
  return true;
}

/* -- The table: the same, one thread at a time ------------------------------------------------- */

static void *base_allocate(const fe_base_t *base, size_t size, size_t alignment) {
  checking_base_t *checking = checking_of(base);
  pthread_mutex_lock(&checking->mutex);
  void *chunk = allocate_chunk(checking, size, alignment, false);
  pthread_mutex_unlock(&checking->mutex);
  return chunk;
}

static void *base_reserve(const fe_base_t *base, size_t size, size_t alignment) {
  checking_base_t *checking = checking_of(base);
  pthread_mutex_lock(&checking->mutex);
  void *chunk = allocate_chunk(checking, size, alignment, true);
  pthread_mutex_unlock(&checking->mutex);
  return chunk;
}

static void base_release(const fe_base_t *base, void *chunk, size_t size) {
  checking_base_t *checking = checking_of(base);
  pthread_mutex_lock(&checking->mutex);
  release_chunk(checking, chunk, size);
  pthread_mutex_unlock(&checking->mutex);
}

static bool base_commit(const fe_base_t *base, void *start, size_t size) {
  checking_base_t *checking = checking_of(base);
  pthread_mutex_lock(&checking->mutex);
  bool has_memory = commit_pages(checking, start, size);
  pthread_mutex_unlock(&checking->mutex);
  return has_memory;
}

static bool base_decommit(const fe_base_t *base, void *start, size_t size) {
  checking_base_t *checking = checking_of(base);
  pthread_mutex_lock(&checking->mutex);
  bool is_done = decommit_pages(checking, start, size);
  pthread_mutex_unlock(&checking->mutex);
  return is_done;
}

static void *base_grow(const fe_base_t *base, void *chunk, size_t size, size_t new_size,
                       size_t alignment) {
  checking_base_t *checking = checking_of(base);
  pthread_mutex_lock(&checking->mutex);
  void *place = grow_chunk(checking, chunk, size, new_size, alignment);
  pthread_mutex_unlock(&checking->mutex);
  return place;
}

static bool base_protect(const fe_base_t *base, void *start, size_t size, bool is_accessible) {
  checking_base_t *checking = checking_of(base);
  pthread_mutex_lock(&checking->mutex);
  bool is_done = protect_pages(checking, start, size, is_accessible);
  pthread_mutex_unlock(&checking->mutex);
  return is_done;
}

static void base_advise_huge(const fe_base_t *base, void *start, size_t size, bool is_wanted) {
  (void)is_wanted;
  checking_base_t *checking = checking_of(base);
  pthread_mutex_lock(&checking->mutex);
  size_t first;
  whole_pages(checking, start, size, &first);
  pthread_mutex_unlock(&checking->mutex);
}

void checking_base_init(checking_base_t *checking, size_t page_size) {
  memset(checking, 0, sizeof(*checking));
  checking->base = (fe_base_t){.allocate = base_allocate,
                               .release = base_release,
                               .commit = base_commit,
                               .decommit = base_decommit,
                               .page_size = page_size,
                               .user_data = checking};
  checking->bytes_max = SIZE_MAX;
  checking->committed_max = SIZE_MAX;
  require(pthread_mutex_init(&checking->mutex, NULL) == 0);
}

void checking_base_add_rare(checking_base_t *checking) {
  checking->base.grow = base_grow;
  checking->base.protect = base_protect;
  checking->base.reserve = base_reserve;
  checking->base.advise_huge = base_advise_huge;
}

void checking_base_release_all(checking_base_t *checking) {
  for (size_t i = 0; i < CHUNKS_MAX; i++) {
    checked_chunk_t *chunk = &checking->chunks[i];
    if (chunk->start != NULL) {
      release_chunk(checking, chunk->start, chunk->size);
    }
  }
}

void checking_base_end(checking_base_t *checking) {
  require(checking->chunk_count == 0);
  require(checking->chunk_bytes == 0);
  require(checking->committed_bytes == 0);
  pthread_mutex_destroy(&checking->mutex);
}
