/* From before main to after exit: allocation works in constructors and destructors, at threads'
 * ends, in children of busy programs, and while libraries come and go.
 *
 * The libraries' paths are in PLUGIN and PLUGIN_CXX.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "tests/override/support.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- Before main, and after exit -- */

static void *from_preinit;
static void *from_constructor;

static void allocate_before_constructors(void) { from_preinit = malloc(100); }

__attribute__((section(".preinit_array"),
               used)) static void (*const preinit)(void) = allocate_before_constructors;

__attribute__((constructor(101))) static void allocate_in_constructor(void) {
  from_constructor = calloc(10, 100);
}

static bool checks_end; /* in children only */

__attribute__((destructor(101))) static void allocate_in_destructor(void) {
  free(from_preinit);
  free(from_constructor);
  if (checks_end) {
    void *block = malloc(200000);
    require(is_ferrocs(block));
    free(block);
    fprintf(stderr, "the last destructor ran");
  }
}

static void blocks_from_before_main_are_ferrocs(void **state) {
  (void)state;
  assert_true(is_ferrocs(from_preinit));
  assert_true(is_ferrocs(from_constructor));
}

static void allocate_at_exit(void) {
  char *text = strdup("at exit");
  require(is_ferrocs(text));
  free(text);
}

static void exit_with_handlers(void) {
  checks_end = true;
  require(atexit(allocate_at_exit) == 0);
  exit(0);
}

static void blocks_are_given_until_after_the_last_destructor(void **state) {
  (void)state;
  char errors[1000];
  assert_int_equal(run_in_child(exit_with_handlers, errors, sizeof(errors)), 0);
  assert_string_equal(errors, "the last destructor ran");
}

static void *go_on_alone(void *argument) {
  pthread_join(*(pthread_t *)argument, NULL);
  for (size_t size = 1; size < 1000000; size *= 2) free(malloc(size));
  exit(0);
}

static void leave_main_to_a_thread(void) {
  static pthread_t first;
  static pthread_t second;
  first = pthread_self();
  require(pthread_create(&second, NULL, go_on_alone, &first) == 0);
  pthread_exit(NULL);
}

static void the_main_thread_may_end_first(void **state) {
  (void)state;
  assert_child_succeeds(leave_main_to_a_thread);
}

/* -- Threads -- */

enum { KEYS = 60, THREADS = 150 }; /* more keys than the C library has room for in a thread */

static pthread_key_t keys[KEYS];
static pthread_once_t keys_once = PTHREAD_ONCE_INIT;
static atomic_int rounds_seen;

/* Allocates at the thread's end, and once more in the next round of destructors. */
static void end_with_allocations(void *value) {
  char *text = value;
  require(is_ferrocs(text));
  bool is_first_round = strcmp(text, "first") == 0;
  free(text);
  free(malloc(3000));
  if (is_first_round) {
    require(pthread_setspecific(keys[KEYS - 1], strdup("second")) == 0);
  } else {
    atomic_fetch_add(&rounds_seen, 1);
  }
}

static void make_keys(void) {
  for (int i = 0; i < KEYS; i++) {
    require(pthread_key_create(&keys[i], i == KEYS - 1 ? end_with_allocations : free) == 0);
  }
}

static void *use_keys(void *argument) {
  for (int i = 0; i < KEYS - 1; i++) require(pthread_setspecific(keys[i], malloc(50)) == 0);
  require(pthread_setspecific(keys[KEYS - 1], strdup("first")) == 0);
  free(argument);
  return malloc(777);
}

static void threads_come_and_go(void **state) {
  (void)state;
  pthread_once(&keys_once, make_keys);
  for (int i = 0; i < THREADS; i += 3) {
    pthread_t threads[3];
    for (int j = 0; j < 3; j++) {
      assert_int_equal(pthread_create(&threads[j], NULL, use_keys, malloc(99)), 0);
    }
    for (int j = 0; j < 3; j++) {
      void *block;
      assert_int_equal(pthread_join(threads[j], &block), 0);
      assert_true(is_ferrocs(block));
      free(block);
    }
  }
  assert_int_equal(rounds_seen, THREADS);
}

/* A thread whose very first allocation is the C library's own, for a key. */
static void *only_set_a_key(void *argument) {
  require(pthread_setspecific(keys[KEYS - 2], argument) == 0);
  return NULL;
}

static void a_threads_first_block_may_be_the_c_librarys(void **state) {
  (void)state;
  pthread_once(&keys_once, make_keys);
  for (int i = 0; i < THREADS; i++) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, only_set_a_key, malloc(10)), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
  }
}

/* -- Busy threads, for what follows -- */

enum { BUSY_THREADS = 3, MAILBOXES = 16 };

static atomic_bool is_over;
static _Atomic(char *) mailboxes[MAILBOXES];

static void *keep_busy(void *argument) {
  size_t number = (size_t)(uintptr_t)argument;
  while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
    number = number * 6364136223846793005u + 1442695040888963407u;
    size_t size = (number >> 33) % (number % 301 == 0 ? 300000 : 3000);
    char *letter = malloc(size + 1);
    require(letter != NULL);
    letter[0] = letter[size] = 1;
    free(atomic_exchange(&mailboxes[(number >> 20) % MAILBOXES], letter));
  }
  return NULL;
}

static void with_busy_threads(void (*body)(void)) {
  pthread_t threads[BUSY_THREADS];
  is_over = false;
  for (size_t i = 0; i < BUSY_THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, keep_busy, (void *)(i + 1)), 0);
  }
  body();
  is_over = true;
  for (size_t i = 0; i < BUSY_THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  for (size_t i = 0; i < MAILBOXES; i++) free(atomic_exchange(&mailboxes[i], NULL));
}

/* -- fork -- */

enum { CHILDREN = 200 };

static void *allocate_in_a_thread_of_the_child(void *argument) {
  for (size_t size = 1; size < 500000; size *= 3) free(malloc(size));
  return argument;
}

static void live_in_a_child(void) {
  for (size_t i = 0; i < MAILBOXES; i++) free(atomic_exchange(&mailboxes[i], NULL));
  void *blocks[500];
  for (size_t i = 0; i < 500; i++) {
    blocks[i] = calloc(1, i * 37 % 4000 + (i % 100 == 0 ? 100000 : 0));
    require(blocks[i] != NULL);
  }
  for (size_t i = 0; i < 500; i++) free(blocks[i]);
  pthread_t thread;
  require(pthread_create(&thread, NULL, allocate_in_a_thread_of_the_child, NULL) == 0);
  require(pthread_join(thread, NULL) == 0);
}

static void fork_children(void) {
  for (int i = 0; i < CHILDREN; i++) assert_child_succeeds(live_in_a_child);
}

static void children_of_a_busy_program_allocate_and_free(void **state) {
  (void)state;
  with_busy_threads(fork_children);
}

/* -- Libraries -- */

/* The path is that from the workspace's root, where tests run. */
static void *load(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) fail_msg("%s", dlerror());
  return library;
}

static void *call_plugin(void *function) {
  char *(*plugin_block)(size_t) = (char *(*)(size_t))function;
  return plugin_block(1000);
}

static void load_and_unload(void) {
  for (int i = 0; i < 200; i++) {
    void *library = load("tests/override/plugin.so");
    void *function = dlsym(library, "plugin_block");
    assert_non_null(function);
    pthread_t thread;
    void *block_of_thread;
    assert_int_equal(pthread_create(&thread, NULL, call_plugin, function), 0);
    void *block = call_plugin(function);
    assert_int_equal(pthread_join(thread, &block_of_thread), 0);
    assert_int_equal(dlclose(library), 0);
    assert_true(is_ferrocs(block) && is_ferrocs(block_of_thread));
    memset(block, 1, 1000);
    free(block);
    free(block_of_thread);
  }
}

static void libraries_come_and_go(void **state) {
  (void)state;
  with_busy_threads(load_and_unload);
}

/* Blocks go back and forth, as between PHP and its extensions. */
static void libraries_may_be_bound_deeply(void **state) {
  (void)state;
  void *library = dlopen("tests/override/plugin.so", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (library == NULL) fail_msg("%s", dlerror());
  void *function = dlsym(library, "plugin_block");
  void (*plugin_free)(void *) = (void (*)(void *))dlsym(library, "plugin_free");
  assert_true(function != NULL && plugin_free != NULL);
  for (size_t i = 0; i < 100; i++) {
    void *block = call_plugin(function);
    assert_true(is_ferrocs(block));
    free(block);
    plugin_free(malloc(1000 * i));
    plugin_free(strdup("from the program"));
  }
  assert_int_equal(dlclose(library), 0);
  assert_null(dlopen("tests/override/none.so", RTLD_NOW | RTLD_DEEPBIND));
  assert_non_null(strstr(dlerror(), "none.so"));
}

/* This program does not have the C++ library until now. */
static void cxx_code_may_come_late(void **state) {
  (void)state;
  void *library = load("tests/override/plugin_cxx.so");
  void *(*create)(void) = (void *(*)(void))dlsym(library, "plugin_cxx_new");
  void (*delete)(void *) = (void (*)(void *))dlsym(library, "plugin_cxx_delete");
  int (*throws)(void) = (int (*)(void))dlsym(library, "plugin_cxx_throws");
  int (*gives_null)(void) = (int (*)(void))dlsym(library, "plugin_cxx_gives_null");
  assert_true(create != NULL && delete != NULL && throws != NULL && gives_null != NULL);
  void *text = create();
  assert_true(is_ferrocs(text));
  delete (text);
  assert_int_equal(throws(), 1);
  assert_int_equal(gives_null(), 1);
  assert_int_equal(dlclose(library), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_from_before_main_are_ferrocs),
      cmocka_unit_test(blocks_are_given_until_after_the_last_destructor),
      cmocka_unit_test(the_main_thread_may_end_first),
      cmocka_unit_test(threads_come_and_go),
      cmocka_unit_test(a_threads_first_block_may_be_the_c_librarys),
      cmocka_unit_test(children_of_a_busy_program_allocate_and_free),
      cmocka_unit_test(libraries_come_and_go),
      cmocka_unit_test(libraries_may_be_bound_deeply),
      cmocka_unit_test(cxx_code_may_come_late),
  };
  return cmocka_run_group_tests_name("override: life", tests, NULL, NULL);
}
