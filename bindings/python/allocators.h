/* The functions that Python's memory manager calls, as tables for PyMem_SetAllocator.
 *
 * A domain is either routed (from before Python's initialisation on: nearly every block is
 * ferroc's, and the functions are as bare as can be) or wrapped (blocks of ferroc and of the
 * allocator found there live side by side, and each free and realloc goes to the owner of the
 * address).
 */
#ifndef FERROC_PYTHON_ALLOCATORS_H
#define FERROC_PYTHON_ALLOCATORS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stddef.h>

/* Makes what the tables of the mem and obj domains need: before Python 3.12 the heap that is used
 * under the one GIL. Returns false when there is no memory. May be called again. */
bool fe_python_prepare_object_heap(void);

/* The table of a routed domain. For mem and obj only after fe_python_prepare_object_heap. */
PyMemAllocatorEx fe_python_routed_allocator(PyMemAllocatorDomain domain);

/* The table of a wrapped domain whose allocator was `old`; new blocks come from old until
 * fe_python_serve_wrapped says otherwise. Called once for each domain, under the GIL. */
PyMemAllocatorEx fe_python_wrapped_allocator(PyMemAllocatorDomain domain, PyMemAllocatorEx old);

/* Whether new blocks of a wrapped domain are ferroc's or the old allocator's. Any thread. */
void fe_python_serve_wrapped(PyMemAllocatorDomain domain, bool from_ferroc);

/* Bytes in live blocks of the heap that mem and obj share, and of the calling thread's heap. The
 * caller holds the GIL. */
size_t fe_python_used_bytes(void);

#endif /* FERROC_PYTHON_ALLOCATORS_H */
