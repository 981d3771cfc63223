/* The C module under the package `ferroc`: built into ferroc-python, and an extension elsewhere. */
#ifndef FERROC_PYTHON_FERROC_MODULE_H
#define FERROC_PYTHON_FERROC_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

PyMODINIT_FUNC PyInit__ferroc(void);

#endif /* FERROC_PYTHON_FERROC_MODULE_H */
