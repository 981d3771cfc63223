/* The rules of ferroc_python.h: when Python's allocators may be replaced or wrapped, and by what.
 *
 * The state below changes before Python is initialised or under the GIL of the only interpreter; a
 * build without a GIL has a lock for it.
 */
#include "bindings/python/ferroc_python.h"

#include <string.h>

#include "bindings/python/allocators.h"

enum { DOMAIN_COUNT = 3 };

static const struct {
  unsigned flag;
  PyMemAllocatorDomain domain;
} all_domains[DOMAIN_COUNT] = {
    {FE_PYTHON_RAW, PYMEM_DOMAIN_RAW},
    {FE_PYTHON_MEM, PYMEM_DOMAIN_MEM},
    {FE_PYTHON_OBJ, PYMEM_DOMAIN_OBJ},
};

/* Domains that fe_python_install_before_init routed. */
static unsigned routed_domains;

/* Domains that fe_python_install wrapped: for good, whether new blocks are ferroc's or not. */
static unsigned wrapped_domains;

/* What the first fe_python_install found, to tell later whether somebody else has come since. */
static PyMemAllocatorEx found_allocators[DOMAIN_COUNT];

#ifdef Py_GIL_DISABLED
static PyMutex state_lock;
static void lock_state(void) { PyMutex_Lock(&state_lock); }
static void unlock_state(void) { PyMutex_Unlock(&state_lock); }
#else
static void lock_state(void) {}
static void unlock_state(void) {}
#endif

/* -- What both ways of installing refuse ----------------------------------------------------- */

#ifdef Py_GIL_DISABLED
static const char *refuse_for_this_build(unsigned domains) {
  if (domains & ~(unsigned)FE_PYTHON_RAW) {
    return "this is a free-threaded build of Python: its mem and obj domains must stay with "
           "Python's own mimalloc, in whose pages the garbage collector looks for the objects; "
           "only the raw domain can be routed to ferroc";
  }
  return NULL;
}
#else
static const char *refuse_for_this_build(unsigned domains) {
  (void)domains;
  return NULL;
}
#endif

static const char *refuse_domains(unsigned domains) {
  if (domains == 0 || (domains & ~(unsigned)FE_PYTHON_ALL)) {
    return "the domains must be FE_PYTHON_RAW, FE_PYTHON_MEM and FE_PYTHON_OBJ, or-ed together, "
           "at least one of them and nothing else";
  }
  return refuse_for_this_build(domains);
}

static const char *prepare_heaps(unsigned domains) {
  if ((domains & (FE_PYTHON_MEM | FE_PYTHON_OBJ)) && !fe_python_prepare_object_heap()) {
    return "there is no memory for a ferroc heap";
  }
  return NULL;
}

/* -- Before initialisation ------------------------------------------------------------------- */

static const char *refuse_routing(void) {
  if (Py_IsInitialized()) {
    return "Python is initialised already, its allocators can only be wrapped now: "
           "use fe_python_install";
  }
  if (wrapped_domains) {
    return "fe_python_install wrapped the allocators of an earlier interpreter in this process; "
           "blocks of both live on, so the wrapping cannot be replaced";
  }
  return NULL;
}

const char *fe_python_install_before_init(unsigned domains) {
  const char *refusal = refuse_domains(domains);
  if (refusal == NULL) {
    refusal = refuse_routing();
  }
  if (refusal == NULL) {
    refusal = prepare_heaps(domains);
  }
  if (refusal != NULL) {
    return refusal;
  }
  for (int i = 0; i < DOMAIN_COUNT; i++) {
    if (domains & all_domains[i].flag) {
      PyMemAllocatorEx allocator = fe_python_routed_allocator(all_domains[i].domain);
      PyMem_SetAllocator(all_domains[i].domain, &allocator);
    }
  }
  routed_domains |= domains;
  return NULL;
}

/* -- In a running interpreter ---------------------------------------------------------------- */

/* Python's own word for its allocators ("pymalloc", "malloc_debug" ...), NULL when they are not its
 * own. It is no documented interface, so that a later Python may lack it. */
__attribute__((weak)) extern const char *_PyMem_GetCurrentAllocatorName(void);

static bool tracemalloc_is_tracing(void) {
  PyObject *module = PyImport_ImportModule("_tracemalloc");
  PyObject *answer = module ? PyObject_CallMethod(module, "is_tracing", NULL) : NULL;
  bool is_tracing = answer == Py_True;
  Py_XDECREF(answer);
  Py_XDECREF(module);
  PyErr_Clear();
  return is_tracing;
}

static const char *refuse_hooks(void) {
  if (tracemalloc_is_tracing()) {
    return "tracemalloc is tracing, and its stop() would undo the installation silently: call "
           "tracemalloc.stop() first, and start() it again after the installation";
  }
  return "another hook of Python's allocators is active (a memory profiler?); when it ends, it "
         "would undo the installation silently: install ferroc before it starts";
}

static const char *refuse_first_wrapping(void) {
  if (_PyMem_GetCurrentAllocatorName == NULL) {
    return "this version of Python does not tell whether a hook of its allocators is active: only "
           "installing before its initialisation (ferroc-python) is safe";
  }
  const char *name = _PyMem_GetCurrentAllocatorName();
  if (name == NULL) {
    return refuse_hooks();
  }
  if (strstr(name, "_debug") != NULL) {
    return "Python's debug hooks are active (PYTHONMALLOC, -X dev or a debug build), and new "
           "blocks "
           "would escape them: run without them, or use ferroc-python, which puts them around "
           "ferroc";
  }
  return NULL;
}

/* Whether the domains that shall be wrapped now are still as the first installation found them. */
static const char *refuse_further_wrapping(unsigned new_domains) {
  for (int i = 0; i < DOMAIN_COUNT; i++) {
    PyMemAllocatorEx current;
    PyMem_GetAllocator(all_domains[i].domain, &current);
    if ((new_domains & all_domains[i].flag) &&
        memcmp(&current, &found_allocators[i], sizeof current) != 0) {
      return refuse_hooks();
    }
  }
  return NULL;
}

#if PY_VERSION_HEX >= 0x030C0000
/* Interpreters with a GIL of their own could be calling the allocators at this moment. */
static const char *refuse_several_interpreters(void) {
  if (PyInterpreterState_Next(PyInterpreterState_Head()) != NULL) {
    return "there are several interpreters in this process: install ferroc before the second one "
           "is made";
  }
  return NULL;
}
#else
static const char *refuse_several_interpreters(void) { return NULL; }
#endif

static const char *refuse_wrapping(unsigned domains) {
  if (!Py_IsInitialized() || !PyGILState_Check()) {
    return "the caller must hold the GIL of an initialised Python; before initialisation use "
           "fe_python_install_before_init";
  }
  if (routed_domains) {
    return "ferroc has served this Python since its start; the domains cannot be changed any more";
  }
  if (fe_python_domains()) {
    return "ferroc is installed already; to change the domains, uninstall it first";
  }
  unsigned new_domains = domains & ~wrapped_domains;
  if (new_domains == 0) {
    return NULL;
  }
  const char *refusal = refuse_several_interpreters();
  if (refusal != NULL) {
    return refusal;
  }
  return wrapped_domains ? refuse_further_wrapping(new_domains) : refuse_first_wrapping();
}

static void wrap(unsigned domains) {
  bool is_first = wrapped_domains == 0;
  for (int i = 0; i < DOMAIN_COUNT; i++) {
    if (is_first) {
      PyMem_GetAllocator(all_domains[i].domain, &found_allocators[i]);
    }
    if (domains & ~wrapped_domains & all_domains[i].flag) {
      PyMemAllocatorEx allocator =
          fe_python_wrapped_allocator(all_domains[i].domain, found_allocators[i]);
      PyMem_SetAllocator(all_domains[i].domain, &allocator);
    }
  }
  wrapped_domains |= domains;
}

static const char *install_locked(unsigned domains) {
  const char *refusal = refuse_domains(domains);
  if (refusal == NULL) {
    refusal = refuse_wrapping(domains);
  }
  if (refusal == NULL) {
    refusal = prepare_heaps(domains);
  }
  if (refusal != NULL) {
    return refusal;
  }
  wrap(domains);
  for (int i = 0; i < DOMAIN_COUNT; i++) {
    if (domains & all_domains[i].flag) {
      fe_python_serve_wrapped(all_domains[i].domain, true);
    }
  }
  return NULL;
}

static const char *uninstall_locked(void) {
  if (routed_domains) {
    return "ferroc has served this Python since its start, so there is no older allocator to go "
           "back to";
  }
  if (!fe_python_domains()) {
    return "ferroc is not installed";
  }
  for (int i = 0; i < DOMAIN_COUNT; i++) {
    if (wrapped_domains & all_domains[i].flag) {
      fe_python_serve_wrapped(all_domains[i].domain, false);
    }
  }
  return NULL;
}

const char *fe_python_install(unsigned domains) {
  lock_state();
  const char *refusal = install_locked(domains);
  unlock_state();
  return refusal;
}

const char *fe_python_uninstall(void) {
  lock_state();
  const char *refusal = uninstall_locked();
  unlock_state();
  return refusal;
}

/* -- What is so at present ------------------------------------------------------------------- */

/* Asks a block instead of the state above: whoever replaced the allocators since (PYTHONMALLOC, a
 * second initialisation), the answer is true. */
static bool serves_raw(void) {
  void *block = PyMem_RawMalloc(1);
  bool serves = fe_owns(block);
  PyMem_RawFree(block);
  return serves;
}

static bool serves_mem(void) {
  void *block = PyMem_Malloc(1);
  bool serves = fe_owns(block);
  PyMem_Free(block);
  return serves;
}

static bool serves_obj(void) {
  void *block = PyObject_Malloc(1);
  bool serves = fe_owns(block);
  PyObject_Free(block);
  return serves;
}

unsigned fe_python_domains(void) {
  if (!Py_IsInitialized()) {
    return routed_domains;
  }
  unsigned candidates = routed_domains | wrapped_domains;
  unsigned domains = 0;
  if ((candidates & FE_PYTHON_RAW) && serves_raw()) {
    domains |= FE_PYTHON_RAW;
  }
  if ((candidates & FE_PYTHON_MEM) && serves_mem()) {
    domains |= FE_PYTHON_MEM;
  }
  if ((candidates & FE_PYTHON_OBJ) && serves_obj()) {
    domains |= FE_PYTHON_OBJ;
  }
  return domains;
}
