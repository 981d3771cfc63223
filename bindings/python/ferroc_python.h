/* CPython on ferroc heaps, for programs that embed it.
 *
 * The mem and obj domains live in one heap that is used under the GIL (in interpreters that may
 * have several GILs, Python 3.12 and later, in per-thread heaps); raw, which is called without the
 * GIL, lives in per-thread heaps.
 */
#ifndef FERROC_PYTHON_H
#define FERROC_PYTHON_H

#include <stdbool.h>

#include "core/ferroc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The three domains of Python's memory manager, to be or-ed together. */
enum {
  FE_PYTHON_RAW = 1,
  FE_PYTHON_MEM = 2,
  FE_PYTHON_OBJ = 4,
  FE_PYTHON_ALL = FE_PYTHON_RAW | FE_PYTHON_MEM | FE_PYTHON_OBJ
};

/* Routes the chosen domains to ferroc before Python is initialised: call it after Py_PreInitialize
 * (or before anything of Python's was called) and before Py_InitializeFromConfig. Every block of
 * these domains is then ferroc's from the first on. Returns NULL, or a message that says what was
 * wrong: no domain or an unknown one, Python already initialised, no memory, or a build of
 * Python whose object domain cannot be replaced. Nothing is changed then.
 *
 * A Python that was finalised and shall be initialised again needs it again, after
 * Py_PreInitialize: from 3.12 on, that puts Python's own allocators back. */
FE_API const char *fe_python_install_before_init(unsigned domains);

/* Wraps the allocators of a running interpreter; the caller holds the GIL. New blocks are
 * ferroc's; a free or realloc goes to the owner of the block's address. Returns NULL, or a message:
 * already installed, tracemalloc or another hook is active, several interpreters exist (Python 3.12
 * and later), or as above. */
FE_API const char *fe_python_install(unsigned domains);

/* After fe_python_install: new blocks come from the old allocators again. Ferroc's hooks stay,
 * since blocks of both live side by side. The caller holds the GIL. Returns NULL or a message. */
FE_API const char *fe_python_uninstall(void);

/* Which domains new blocks of ferroc's serve at present: FE_PYTHON_* or-ed together. The caller
 * holds the GIL. Before initialisation: which were routed. */
FE_API unsigned fe_python_domains(void);

#ifdef __cplusplus
}
#endif

#endif /* FERROC_PYTHON_H */
