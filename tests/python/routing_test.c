/* Routing before initialisation is complete: every block of the three domains is ferroc's, from the
 * first allocation to the last free, and pymalloc is never asked.
 */
#include "tests/python/embedding.h"

/* Python.h comes before the standard headers. */
#include <dlfcn.h>
#include <stdatomic.h>

#include "bindings/python/ferroc_python.h"
#include "tests/python/checking_allocator.h"

enum { RAW, MEM, OBJ };

/* C's own free and realloc, under the names that Python and its libraries call. glibc's manual
 * ("Replacing malloc") has the inner names for this purpose. */
extern void __libc_free(void *block);
extern void *__libc_realloc(void *block, size_t size);

static atomic_size_t misdirected;

void free(void *block) {
  if (fe_owns(block)) {
    misdirected++;
  } else {
    __libc_free(block);
  }
}

void *realloc(void *block, size_t size) {
  misdirected += fe_owns(block);
  return __libc_realloc(block, size);
}

static void print_counts(const char *when) {
  static const char *const names[] = {"raw", "mem", "obj"};
  for (int i = RAW; i <= OBJ; i++) {
    domain_counts_t counts = checking_allocators_counts(i);
    printf("%s %s: %zu allocations, %zu frees, of unknown blocks %zu ours and %zu foreign\n", when,
           names[i], counts.allocations, counts.frees, counts.unknown_ours, counts.unknown_foreign);
  }
}

/* The raw domain alone may see blocks that it did not hand out: those that Python allocated while
 * it had put C's allocator there. */
static void require_all_blocks_ours(void) {
  for (int i = RAW; i <= OBJ; i++) {
    domain_counts_t counts = checking_allocators_counts(i);
    require(counts.allocations > 100);
    require(counts.not_ours == 0);
    require(counts.badly_made == 0);
    require(counts.unknown_ours == 0);
    require(i == RAW || counts.unknown_foreign == 0);
  }
  require(pymalloc_arenas() == 0);
  require(dlsym(RTLD_DEFAULT, "free") == (void *)free);
  require(misdirected == 0);
}

static void whole_life_of_python(void) {
  count_pymalloc_arenas();
  require_done(fe_python_install_before_init(FE_PYTHON_ALL));
  checking_allocators_install();
  initialize_python();
  require(fe_python_domains() == FE_PYTHON_ALL);
  run_python(varied_work);
  finalize_python();
  print_counts("whole life");
  require_all_blocks_ours();
}

static void every_block_is_ours_from_start_to_end(void **state) {
  (void)state;
  assert_child_succeeds(whole_life_of_python);
}

static void life_after_preinitialization(void) {
  PyPreConfig preconfig;
  PyPreConfig_InitIsolatedConfig(&preconfig);
  require(!PyStatus_Exception(Py_PreInitialize(&preconfig)));
  count_pymalloc_arenas();
  require_done(fe_python_install_before_init(FE_PYTHON_ALL));
  checking_allocators_install();
  initialize_python();
  run_python(varied_work);
  finalize_python();
  require_all_blocks_ours();
}

static void every_block_is_ours_when_installed_after_preinitialization(void **state) {
  (void)state;
  assert_child_succeeds(life_after_preinitialization);
}

/* From Python 3.12 on a second initialisation starts with Python's own allocators. */
static void two_lives_of_python(void) {
  for (int life = 0; life < 2; life++) {
    PyPreConfig preconfig;
    PyPreConfig_InitIsolatedConfig(&preconfig);
    require(!PyStatus_Exception(Py_PreInitialize(&preconfig)));
    require_done(fe_python_install_before_init(FE_PYTHON_ALL));
    initialize_python();
    require(fe_python_domains() == FE_PYTHON_ALL);
    run_python(varied_work);
    finalize_python();
  }
  require(misdirected == 0);
}

static void python_can_be_initialized_again(void **state) {
  (void)state;
  assert_child_succeeds(two_lives_of_python);
}

static void only_raw(void) {
  require_done(fe_python_install_before_init(FE_PYTHON_RAW));
  initialize_python();
  require(fe_python_domains() == FE_PYTHON_RAW);
  PyObject *object = PyList_New(0);
  require(!fe_owns(object));
  Py_DECREF(object);
  void *block = PyMem_RawMalloc(100);
  require(fe_owns(block));
  PyMem_RawFree(block);
  run_python(varied_work);
  finalize_python();
}

static void mem_and_obj(void) {
  require_done(fe_python_install_before_init(FE_PYTHON_MEM));
  require_done(fe_python_install_before_init(FE_PYTHON_OBJ));
  initialize_python();
  require(fe_python_domains() == (FE_PYTHON_MEM | FE_PYTHON_OBJ));
  void *block = PyMem_RawMalloc(100);
  require(!fe_owns(block));
  PyMem_RawFree(block);
  run_python(varied_work);
  finalize_python();
}

static void only_the_chosen_domains_are_routed(void **state) {
  (void)state;
  assert_child_succeeds(only_raw);
  assert_child_succeeds(mem_and_obj);
}

typedef struct domain_functions {
  void *(*malloc)(size_t size);
  void *(*calloc)(size_t count, size_t size);
  void *(*realloc)(void *block, size_t size);
  void (*free)(void *block);
} domain_functions_t;

static const domain_functions_t functions_of_domains[] = {
    {PyMem_RawMalloc, PyMem_RawCalloc, PyMem_RawRealloc, PyMem_RawFree},
    {PyMem_Malloc, PyMem_Calloc, PyMem_Realloc, PyMem_Free},
    {PyObject_Malloc, PyObject_Calloc, PyObject_Realloc, PyObject_Free},
};

static void require_block(const void *block) { require(block != NULL && fe_owns(block)); }

static void zero_bytes_in_domain(const domain_functions_t *functions) {
  void *first = functions->malloc(0);
  void *second = functions->malloc(0);
  void *cleared = functions->calloc(0, 8);
  void *also_cleared = functions->calloc(8, 0);
  void *shrunk = functions->realloc(functions->malloc(100), 0);
  void *grown_from_null = functions->realloc(NULL, 0);
  void *blocks[] = {first, second, cleared, also_cleared, shrunk, grown_from_null};
  for (size_t i = 0; i < 6; i++) {
    require_block(blocks[i]);
    for (size_t j = 0; j < i; j++) {
      require(blocks[i] != blocks[j]);
    }
  }
  for (size_t i = 0; i < 6; i++) {
    functions->free(blocks[i]);
  }
  functions->free(NULL);
}

static void impossible_sizes_in_domain(const domain_functions_t *functions) {
  require(functions->malloc((size_t)PY_SSIZE_T_MAX) == NULL);
  require(functions->malloc(SIZE_MAX) == NULL);
  require(functions->calloc((size_t)PY_SSIZE_T_MAX / 2, 2) == NULL);
  require(functions->calloc(SIZE_MAX / 2, 4) == NULL);
  unsigned char *block = functions->malloc(64);
  require_block(block);
  memset(block, 7, 64);
  require(functions->realloc(block, (size_t)PY_SSIZE_T_MAX) == NULL);
  for (int i = 0; i < 64; i++) {
    require(block[i] == 7);
  }
  functions->free(block);
}

static void sizes_in_all_domains(void) {
  require_done(fe_python_install_before_init(FE_PYTHON_ALL));
  initialize_python();
  for (int i = RAW; i <= OBJ; i++) {
    zero_bytes_in_domain(&functions_of_domains[i]);
    impossible_sizes_in_domain(&functions_of_domains[i]);
  }
  finalize_python();
}

static void zero_bytes_give_blocks_and_impossible_sizes_none(void **state) {
  (void)state;
  assert_child_succeeds(sizes_in_all_domains);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_block_is_ours_from_start_to_end),
      cmocka_unit_test(every_block_is_ours_when_installed_after_preinitialization),
      cmocka_unit_test(python_can_be_initialized_again),
      cmocka_unit_test(only_the_chosen_domains_are_routed),
      cmocka_unit_test(zero_bytes_give_blocks_and_impossible_sizes_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
