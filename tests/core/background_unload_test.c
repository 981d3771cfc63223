/* A library that brings ferroc into a running program and is unloaded again takes the thread of
 * background_purge with it. Threads that used it end without it. */
#include <dirent.h>
#include <dlfcn.h>
#include <libgen.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/core/support.h"

static int thread_count(void) {
  DIR *folder = opendir("/proc/self/task");
  require(folder != NULL);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) count += entry->d_name[0] != '.';
  closedir(folder);
  return count;
}

/* A thread that was waited for may be seen for a moment more. */
static bool has_one_thread(void) {
  for (int i = 0; i < 5000 && thread_count() > 1; i++) usleep(1000);
  return thread_count() == 1;
}

typedef struct library {
  void *handle;
  bool (*option_set)(const char *name, const char *value);
  void *(*malloc)(size_t size);
  void (*free)(void *ptr);
} library_t;

static const char *path;

static library_t load(void) {
  library_t library = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};
  if (library.handle == NULL) fail_msg("%s", dlerror());
  *(void **)&library.option_set = dlsym(library.handle, "fe_option_set");
  *(void **)&library.malloc = dlsym(library.handle, "fe_malloc");
  *(void **)&library.free = dlsym(library.handle, "fe_free");
  assert_true(library.option_set != NULL && library.malloc != NULL && library.free != NULL);
  return library;
}

static void fork_once(void) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) _exit(0);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

static void the_thread_goes_with_its_library(void **state) {
  (void)state;
  for (int i = 0; i < 20; i++) {
    library_t library = load();
    assert_true(library.option_set("background_purge", "1"));
    assert_int_equal(thread_count(), 2);
    library.free(memset(library.malloc(10 * MIB), 1, 10 * MIB));
    usleep((useconds_t)i * 8000);
    fork_once();
    assert_int_equal(dlclose(library.handle), 0);
    assert_null(dlopen(path, RTLD_NOW | RTLD_NOLOAD));
    assert_true(has_one_thread());
    fork_once();
  }
}

/* -- Threads that are there still -- */

static pthread_barrier_t steps;

static void *use_and_end_later(void *library) {
  const library_t *used = library;
  used->free(used->malloc(100));
  pthread_barrier_wait(&steps); /* the library goes */
  pthread_barrier_wait(&steps);
  return NULL;
}

static void a_thread_that_used_it_ends_without_it(void **state) {
  (void)state;
  assert_int_equal(pthread_barrier_init(&steps, NULL, 2), 0);
  for (int i = 0; i < 5; i++) {
    library_t library = load();
    library.free(library.malloc(100));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, use_and_end_later, &library), 0);
    pthread_barrier_wait(&steps);
    assert_int_equal(dlclose(library.handle), 0);
    assert_null(dlopen(path, RTLD_NOW | RTLD_NOLOAD));
    pthread_barrier_wait(&steps);
    assert_int_equal(pthread_join(thread, NULL), 0);
    fork_once();
  }
  pthread_barrier_destroy(&steps);
}

int main(int argument_count, char **arguments) {
  (void)argument_count;
  static char place[4096];
  snprintf(place, sizeof place, "%s/ferroc_to_unload.so", dirname(arguments[0]));
  path = place;
  const struct CMUnitTest tests[] = {
      test_that(the_thread_goes_with_its_library),
      test_that(a_thread_that_used_it_ends_without_it),
  };
  return cmocka_run_group_tests_name("background_unload", tests, NULL, NULL);
}
