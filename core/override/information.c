/* What glibc's allocator can be asked about itself, and told how to behave. The figures are those
 * of the calling thread's heap, as glibc's mallinfo gives those of its main arena alone; what lies
 * free in its shards is not counted apart. */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

#include "core/global/global.h"
#include "core/thread/registry.h"

static size_t used_bytes(void) {
  fe_heap_t *heap = fe_registry_heap();
  return heap == &fe_heap_empty ? 0 : fe_heap_used_bytes(heap);
}

FE_API struct mallinfo2 mallinfo2(void) {
  size_t bytes = used_bytes();
  return (struct mallinfo2){.arena = bytes, .uordblks = bytes};
}

static struct mallinfo old_mallinfo(void) {
  size_t bytes = used_bytes();
  int figure = bytes > INT_MAX ? INT_MAX : (int)bytes;
  return (struct mallinfo){.arena = figure, .uordblks = figure};
}

FE_API struct mallinfo mallinfo(void) { return old_mallinfo(); }

FE_API struct mallinfo __libc_mallinfo(void) { return old_mallinfo(); }

FE_API void malloc_stats(void) { fe_warn("this thread's heap: %zu bytes in use", used_bytes()); }

FE_API int malloc_info(int options, FILE *stream) {
  if (options != 0) {
    errno = EINVAL;
    return -1;
  }
  int written = fprintf(stream,
                        "<malloc version=\"1\">\n"
                        "<heap nr=\"0\">\n"
                        "<total type=\"used\" size=\"%zu\"/>\n"
                        "</heap>\n"
                        "</malloc>\n",
                        used_bytes());
  return written < 0 ? -1 : 0;
}

/* Whether memory went back. There is no end of the heap at which `pad` bytes could stay. */
FE_API int malloc_trim(size_t pad) {
  (void)pad;
  return fe_trim() > 0;
}

/* What tells glibc how to lay out its memory has no meaning here, and counts as done. What the
 * program could see the effect of is refused. */
FE_API int mallopt(int parameter, int value) {
  (void)value;
  switch (parameter) {
    case M_MXFAST:
    case M_TRIM_THRESHOLD:
    case M_TOP_PAD:
    case M_MMAP_THRESHOLD:
    case M_MMAP_MAX:
    case M_ARENA_TEST:
    case M_ARENA_MAX:
      return 1;
    default:
      return 0;
  }
}

FE_API int __libc_mallopt(int parameter, int value) { return mallopt(parameter, value); }
