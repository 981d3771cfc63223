/* count-python-default and count-python-ferroc: an allocation and its free in CPython's object
 * domain, through the table that the interpreter calls. The default is pymalloc, or with
 * PYTHONMALLOC=malloc the process's malloc; ferroc's hooks are installed before initialisation.
 */
#include <Python.h>

#include "bench/instructions/counted.h"

#ifdef BENCH_FERROC

#include "bindings/python/ferroc_python.h"

static void install(void) {
  const char *error = fe_python_install_before_init(FE_PYTHON_ALL);
  if (error) {
    fprintf(stderr, "count-python-ferroc: %s\n", error);
    exit(1);
  }
}

#else

static void install(void) {}

#endif

COUNTED static void counted_loop(size_t count, const PyMemAllocatorEx *table) {
  for (; count > 0; count--) {
    table->free(table->ctx, table->malloc(table->ctx, BLOCK_BYTES));
  }
}

static void warm_up(const PyMemAllocatorEx *table) {
  void *blocks[WARM_COUNT];
  for (size_t i = 0; i < WARM_COUNT; i++) {
    blocks[i] = table->malloc(table->ctx, BLOCK_BYTES);
  }
  for (size_t i = LIVE_COUNT; i < WARM_COUNT; i++) {
    table->free(table->ctx, blocks[i]);
  }
}

int main(int argc, char **argv) {
  size_t count = read_count(argc, argv, "pair");
  install();
  Py_Initialize();
  PyMemAllocatorEx table;
  PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &table);
  warm_up(&table);
  counted_loop(count, &table);
  return 0;
}
