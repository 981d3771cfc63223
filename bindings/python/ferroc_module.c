/* The module _ferroc: ferroc_python.h for Python code. Domains are numbers here (RAW, MEM, OBJ
 * or-ed together); names, defaults and documentation are the package's.
 */
#include "bindings/python/ferroc_module.h"

#include "bindings/python/allocators.h"
#include "bindings/python/ferroc_python.h"
#include "core/ferroc.h"

static PyObject *none_or_runtime_error(const char *refusal) {
  if (refusal != NULL) {
    PyErr_SetString(PyExc_RuntimeError, refusal);
    return NULL;
  }
  Py_RETURN_NONE;
}

static PyObject *module_install(PyObject *module, PyObject *domains) {
  (void)module;
  unsigned long flags = PyLong_AsUnsignedLong(domains);
  if (PyErr_Occurred()) {
    return NULL;
  }
  return none_or_runtime_error(fe_python_install(flags > FE_PYTHON_ALL ? 0 : (unsigned)flags));
}

static PyObject *module_uninstall(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return none_or_runtime_error(fe_python_uninstall());
}

static PyObject *module_domains(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return PyLong_FromUnsignedLong(fe_python_domains());
}

static PyObject *module_owns(PyObject *module, PyObject *object) {
  (void)module;
  return PyBool_FromLong(fe_owns(object));
}

static PyObject *module_used_memory(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return PyLong_FromSize_t(fe_python_used_bytes());
}

static PyMethodDef methods[] = {
    {"install", module_install, METH_O, NULL},
    {"uninstall", module_uninstall, METH_NOARGS, NULL},
    {"domains", module_domains, METH_NOARGS, NULL},
    {"owns", module_owns, METH_O, NULL},
    {"used_memory", module_used_memory, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int add_constants(PyObject *module) {
  if (PyModule_AddStringConstant(module, "VERSION", FE_VERSION_STRING) < 0 ||
      PyModule_AddIntConstant(module, "RAW", FE_PYTHON_RAW) < 0 ||
      PyModule_AddIntConstant(module, "MEM", FE_PYTHON_MEM) < 0) {
    return -1;
  }
  return PyModule_AddIntConstant(module, "OBJ", FE_PYTHON_OBJ);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, add_constants},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_ferroc",
    .m_doc = "Routes Python's allocators to ferroc heaps; use the package ferroc.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__ferroc(void) { return PyModuleDef_Init(&definition); }
