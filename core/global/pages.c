/* Blocks that start at a page, and consist of pages: names from before posix_memalign. */
#include <errno.h>
#include <unistd.h>

#include "core/global/global.h"

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

void *fe_valloc(size_t size) { return fe_aligned_alloc(page_size(), size); }

void *fe_pvalloc(size_t size) {
  size_t page = page_size();
  if (size > SIZE_MAX - (page - 1)) {
    errno = ENOMEM;
    return NULL;
  }
  return fe_aligned_alloc(page, fe_align_up(size, page));
}
