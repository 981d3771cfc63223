/* ferroc-python: python3 with its raw, mem and obj domains in ferroc heaps from the start.
 *
 * It is Python's own main program (Py_BytesMain) taken apart at the one place where allocators may
 * be replaced, and tells Python where the interpreter lies that it stands for: FE_PYTHON_PROGRAM,
 * set by the build. The module _ferroc is built in, so that the package `ferroc` sees this
 * program's heaps.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/python/environment.h"
#include "bindings/python/ferroc_module.h"
#include "bindings/python/ferroc_python.h"
#include "bindings/users_folder.h"

#ifdef Py_GIL_DISABLED
static const unsigned routable_domains = FE_PYTHON_RAW;
#else
static const unsigned routable_domains = FE_PYTHON_ALL;
#endif

static void route_domains(void) {
  const char *refusal = fe_python_install_before_init(routable_domains);
  if (refusal != NULL) {
    fprintf(stderr, "ferroc-python: %s\n", refusal);
    exit(1);
  }
}

static bool wants_default_allocators(void) {
  const char *wish = getenv("PYTHONMALLOC");
  return wish == NULL || *wish == '\0' || !strcmp(wish, "default") || !strcmp(wish, "debug");
}

/* PYTHONMALLOC and -X dev make Python set allocators of its own while it is pre-initialised. Who
 * asks for a certain allocator keeps it; who asks for the default one gets ferroc, and who asks for
 * debug hooks gets them around ferroc. */
static void route_domains_again(PyMemAllocatorEx routed) {
  PyMemAllocatorEx current;
  PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &current);
  if (current.malloc == routed.malloc || !wants_default_allocators()) {
    return;
  }
  route_domains();
  bool had_debug_hooks = current.ctx != NULL;
  if (had_debug_hooks) {
    PyMem_SetupDebugHooks();
  }
}

static void end_if_failed(PyStatus status, PyConfig *config) {
  if (!PyStatus_Exception(status)) {
    return;
  }
  if (config != NULL) {
    PyConfig_Clear(config);
  }
  if (PyStatus_IsExit(status)) {
    exit(status.exitcode);
  }
  Py_ExitStatusException(status);
}

static void preinitialize(int argc, char **argv) {
  PyPreConfig preconfig;
  PyPreConfig_InitPythonConfig(&preconfig);
  end_if_failed(Py_PreInitializeFromBytesArgs(&preconfig, argc, argv), NULL);
}

static void initialize(int argc, char **argv) {
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  end_if_failed(PyConfig_SetBytesArgv(&config, argc, argv), &config);
  end_if_failed(PyConfig_SetBytesString(&config, &config.base_executable, FE_PYTHON_PROGRAM),
                &config);
  char executable[PATH_MAX];
  if (fe_python_active_environment(argv[0], executable, sizeof executable)) {
    end_if_failed(PyConfig_SetBytesString(&config, &config.executable, executable), &config);
  }
  end_if_failed(Py_InitializeFromConfig(&config), &config);
  PyConfig_Clear(&config);
}

int main(int argc, char **argv) {
  fe_go_to_users_folder();
  route_domains();
  PyMemAllocatorEx routed_raw;
  PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &routed_raw);
  preinitialize(argc, argv);
  route_domains_again(routed_raw);
  if (PyImport_AppendInittab("_ferroc", PyInit__ferroc) != 0) {
    fputs("ferroc-python: there is no memory for the module table\n", stderr);
    return 1;
  }
  initialize(argc, argv);
  return Py_RunMain();
}
