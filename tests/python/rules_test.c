/* When the C library installs and when it refuses, and that a refusal changes nothing. */
#include "bindings/python/ferroc_python.h"
#include "tests/python/checking_allocator.h"
#include "tests/python/embedding.h"

static void wrong_domains(void) {
  static const unsigned wrong[] = {0, 8, FE_PYTHON_ALL | 16, 1U << 31};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    require_refused(fe_python_install_before_init(wrong[i]), "FE_PYTHON_RAW");
  }
  initialize_python();
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    require_refused(fe_python_install(wrong[i]), "FE_PYTHON_RAW");
  }
  require(fe_python_domains() == 0);
  finalize_python();
}

static void unknown_domains_are_refused(void **state) {
  (void)state;
  assert_child_succeeds(wrong_domains);
}

static void routing_too_late(void) {
  initialize_python();
  require_refused(fe_python_install_before_init(FE_PYTHON_ALL), "fe_python_install");
  require(fe_python_domains() == 0);
  finalize_python();
}

static void routing_an_initialized_python_is_refused(void **state) {
  (void)state;
  assert_child_succeeds(routing_too_late);
}

static void wrapping_too_early_or_without_gil(void) {
  require_refused(fe_python_install(FE_PYTHON_ALL), "GIL");
  initialize_python();
  PyThreadState *thread = PyEval_SaveThread();
  require_refused(fe_python_install(FE_PYTHON_ALL), "GIL");
  PyEval_RestoreThread(thread);
  require(fe_python_domains() == 0);
  finalize_python();
}

static void wrapping_needs_the_gil(void **state) {
  (void)state;
  assert_child_succeeds(wrapping_too_early_or_without_gil);
}

static void wrapping_and_unwrapping(void) {
  initialize_python();
  require_refused(fe_python_uninstall(), "not installed");
  for (int round = 0; round < 3; round++) {
    require_done(fe_python_install(FE_PYTHON_ALL));
    require(fe_python_domains() == FE_PYTHON_ALL);
    require_refused(fe_python_install(FE_PYTHON_ALL), "installed already");
    require_refused(fe_python_install(FE_PYTHON_RAW), "installed already");
    run_python(varied_work);
    require_done(fe_python_uninstall());
    require(fe_python_domains() == 0);
    require_refused(fe_python_uninstall(), "not installed");
    run_python(varied_work);
  }
  finalize_python();
}

static void wrapping_can_end_and_begin_again(void **state) {
  (void)state;
  assert_child_succeeds(wrapping_and_unwrapping);
}

static void one_domain_after_the_other(void) {
  static const unsigned rounds[] = {FE_PYTHON_MEM, FE_PYTHON_OBJ | FE_PYTHON_RAW, FE_PYTHON_RAW,
                                    FE_PYTHON_MEM | FE_PYTHON_OBJ};
  initialize_python();
  for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
    require_done(fe_python_install(rounds[i]));
    require(fe_python_domains() == rounds[i]);
    run_python(varied_work);
    require_done(fe_python_uninstall());
  }
  finalize_python();
}

static void other_domains_can_be_chosen_after_an_uninstall(void **state) {
  (void)state;
  assert_child_succeeds(one_domain_after_the_other);
}

static void hook_there_before(void) {
  initialize_python();
  checking_allocators_install();
  require_refused(fe_python_install(FE_PYTHON_ALL), "another hook");
  require(fe_python_domains() == 0);
  finalize_python();
}

static void hook_there_since(void) {
  initialize_python();
  require_done(fe_python_install(FE_PYTHON_RAW));
  require_done(fe_python_uninstall());
  checking_allocators_install();
  require_refused(fe_python_install(FE_PYTHON_ALL), "another hook");
  require_done(fe_python_install(FE_PYTHON_RAW));
  require(fe_python_domains() == FE_PYTHON_RAW);
  finalize_python();
}

static void another_hook_of_the_allocators_is_refused(void **state) {
  (void)state;
  assert_child_succeeds(hook_there_before);
  assert_child_succeeds(hook_there_since);
}

static void debug_hooks(void) {
  PyPreConfig preconfig;
  PyPreConfig_InitIsolatedConfig(&preconfig);
  preconfig.allocator = PYMEM_ALLOCATOR_DEBUG;
  require(!PyStatus_Exception(Py_PreInitialize(&preconfig)));
  initialize_python();
  require_refused(fe_python_install(FE_PYTHON_ALL), "debug hooks");
  finalize_python();
}

static void debug_hooks_are_refused(void **state) {
  (void)state;
  assert_child_succeeds(debug_hooks);
}

static void debug_hooks_around_ferroc(void) {
  require_done(fe_python_install_before_init(FE_PYTHON_ALL));
  PyMem_SetupDebugHooks();
  initialize_python();
  require(fe_python_domains() == FE_PYTHON_ALL);
  run_python(varied_work);
  finalize_python();
}

static void debug_hooks_can_lie_around_routed_domains(void **state) {
  (void)state;
  assert_child_succeeds(debug_hooks_around_ferroc);
}

static void wrapping_what_is_routed(void) {
  require_done(fe_python_install_before_init(FE_PYTHON_OBJ));
  initialize_python();
  require_refused(fe_python_install(FE_PYTHON_ALL), "since its start");
  require_refused(fe_python_uninstall(), "since its start");
  require(fe_python_domains() == FE_PYTHON_OBJ);
  finalize_python();
}

static void routed_python_cannot_be_wrapped(void **state) {
  (void)state;
  assert_child_succeeds(wrapping_what_is_routed);
}

static void routing_what_was_wrapped(void) {
  initialize_python();
  require_done(fe_python_install(FE_PYTHON_ALL));
  run_python(varied_work);
  finalize_python();
  require_refused(fe_python_install_before_init(FE_PYTHON_ALL), "wrapped");
}

static void wrapped_python_cannot_be_routed_later(void **state) {
  (void)state;
  assert_child_succeeds(routing_what_was_wrapped);
}

/* Every allocator that Python can be told to use may be the old one. */
static void old_allocator_of_libc(void) {
  PyPreConfig preconfig;
  PyPreConfig_InitIsolatedConfig(&preconfig);
  preconfig.allocator = PYMEM_ALLOCATOR_MALLOC;
  require(!PyStatus_Exception(Py_PreInitialize(&preconfig)));
  wrapping_and_unwrapping();
}

static void wrapping_works_around_libc(void **state) {
  (void)state;
  assert_child_succeeds(old_allocator_of_libc);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(unknown_domains_are_refused),
      cmocka_unit_test(routing_an_initialized_python_is_refused),
      cmocka_unit_test(wrapping_needs_the_gil),
      cmocka_unit_test(wrapping_can_end_and_begin_again),
      cmocka_unit_test(other_domains_can_be_chosen_after_an_uninstall),
      cmocka_unit_test(another_hook_of_the_allocators_is_refused),
      cmocka_unit_test(debug_hooks_are_refused),
      cmocka_unit_test(debug_hooks_can_lie_around_routed_domains),
      cmocka_unit_test(routed_python_cannot_be_wrapped),
      cmocka_unit_test(wrapped_python_cannot_be_routed_later),
      cmocka_unit_test(wrapping_works_around_libc),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
