/* The allocator that the workloads are compiled for: ferroc with BENCH_FERROC, else the process's
 * malloc, which is glibc's or that of a preloaded library.
 */
#ifndef FERROC_BENCH_CORE_ALLOCATOR_H
#define FERROC_BENCH_CORE_ALLOCATOR_H

#ifdef BENCH_FERROC

#include "core/ferroc.h"

#define bench_malloc fe_malloc
#define bench_calloc fe_calloc
#define bench_realloc fe_realloc
#define bench_free fe_free

#else

#include <stdlib.h>

#define bench_malloc malloc
#define bench_calloc calloc
#define bench_realloc realloc
#define bench_free free

#endif

#endif /* FERROC_BENCH_CORE_ALLOCATOR_H */
