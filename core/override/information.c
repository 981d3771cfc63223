/* What glibc's allocator can be asked about itself, and told how to behave. The figures are those
 * of all heaps together, of threads and explicit ones, as fe_stats gives them. */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

#include "core/base/base.h"

typedef struct figures {
  fe_heap_stats_t heaps;
  fe_arenas_stats_t arenas;
} figures_t;

static void read_figures(figures_t *figures) {
  figures->heaps.struct_size = sizeof figures->heaps;
  figures->arenas.struct_size = sizeof figures->arenas;
  fe_stats(NULL, &figures->heaps);
  fe_arenas_stats(NULL, &figures->arenas);
}

static size_t free_bytes(const figures_t *figures) {
  size_t committed = figures->arenas.committed_bytes;
  size_t used = figures->heaps.used_bytes;
  return committed > used ? committed - used : 0;
}

FE_API struct mallinfo2 mallinfo2(void) {
  figures_t figures;
  read_figures(&figures);
  return (struct mallinfo2){.arena = figures.arenas.committed_bytes,
                            .hblks = figures.heaps.large_block_count,
                            .hblkhd = figures.heaps.large_used_bytes,
                            .uordblks = figures.heaps.used_bytes,
                            .fordblks = free_bytes(&figures),
                            .keepcost = figures.arenas.purgeable_bytes};
}

static int to_int(size_t figure) { return figure > INT_MAX ? INT_MAX : (int)figure; }

static struct mallinfo old_mallinfo(void) {
  struct mallinfo2 info = mallinfo2();
  return (struct mallinfo){.arena = to_int(info.arena),
                           .hblks = to_int(info.hblks),
                           .hblkhd = to_int(info.hblkhd),
                           .uordblks = to_int(info.uordblks),
                           .fordblks = to_int(info.fordblks),
                           .keepcost = to_int(info.keepcost)};
}

FE_API struct mallinfo mallinfo(void) { return old_mallinfo(); }

FE_API struct mallinfo __libc_mallinfo(void) { return old_mallinfo(); }

FE_API void malloc_stats(void) {
  figures_t figures;
  read_figures(&figures);
  fe_note("%zu heaps, %zu bytes in use, %zu committed, %zu purgeable, %zu reserved",
          figures.heaps.heap_count, figures.heaps.used_bytes, figures.arenas.committed_bytes,
          figures.arenas.purgeable_bytes, figures.arenas.reserved_bytes);
}

FE_API int malloc_info(int options, FILE *stream) {
  if (options != 0) {
    errno = EINVAL;
    return -1;
  }
  figures_t figures;
  read_figures(&figures);
  int written = fprintf(stream,
                        "<malloc version=\"1\">\n"
                        "<total type=\"used\" size=\"%zu\"/>\n"
                        "<total type=\"rest\" size=\"%zu\"/>\n"
                        "<system type=\"current\" size=\"%zu\"/>\n"
                        "<system type=\"max\" size=\"%zu\"/>\n"
                        "</malloc>\n",
                        figures.heaps.used_bytes, free_bytes(&figures),
                        figures.arenas.committed_bytes, figures.arenas.peak_committed_bytes);
  return written < 0 ? -1 : 0;
}

/* Whether memory went back. There is no end of the heap at which `pad` bytes could stay. */
FE_API int malloc_trim(size_t pad) {
  (void)pad;
  return fe_trim() > 0;
}

/* What tells glibc how to lay out its memory, or to fill it, has no meaning here, and is answered
 * as there: all is well but for fast blocks above its limit. */
FE_API int mallopt(int parameter, int value) {
  enum { FAST_MAX = 80 * sizeof(size_t) / 4 };
  return parameter != M_MXFAST || (unsigned)value <= FAST_MAX;
}

FE_API int __libc_mallopt(int parameter, int value) { return mallopt(parameter, value); }
