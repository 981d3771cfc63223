/* core-malloc and core-ferroc: WORKLOAD [SCALE] runs one workload and prints its checksum.
 *
 * Three more words serve the runner: whose-malloc prints the file that each function of the
 * process's malloc comes from, which tells whether a preloaded library really loaded; build prints
 * whether this is a release; version prints that of the allocator that the program is compiled for.
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/core/allocator.h"
#include "bench/core/workload.h"

#ifdef BENCH_FERROC

static const char *allocator_version(void) { return fe_version_string(); }

#else

#include <gnu/libc-version.h>

static const char *allocator_version(void) { return gnu_get_libc_version(); }

#endif

typedef struct workload {
  const char *name;
  workload_run_t *run;
} workload_t;

static const workload_t workloads[] = {
    {"mixed_sizes", run_mixed_sizes},
    {"small_lifetimes", run_small_lifetimes},
    {"full_cache", run_full_cache},
    {"random_frees", run_random_frees},
    {"growing_arrays", run_growing_arrays},
    {"growing_strings", run_growing_strings},
    {"buffers", run_buffers},
    {"large_blocks", run_large_blocks},
    {"producer_consumer", run_producer_consumer},
    {"threads_come_and_go", run_threads_come_and_go},
    {"server_threads", run_server_threads},
    {"large_threads", run_large_threads},
};

static int print_owners(void) {
  static const char *const functions[] = {"malloc", "calloc", "realloc", "free"};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    Dl_info info;
    void *address = dlsym(RTLD_DEFAULT, functions[i]);
    if (!address || !dladdr(address, &info)) {
      fprintf(stderr, "whose-malloc: %s was not found\n", functions[i]);
      return 1;
    }
    puts(info.dli_fname);
  }
  return 0;
}

static int print_build(void) {
#ifdef NDEBUG
  puts("release");
#else
  puts("debug");
#endif
  return 0;
}

static int print_version(void) {
  puts(allocator_version());
  return 0;
}

static int run(const char *name, double scale) {
  for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
    if (strcmp(name, workloads[i].name) == 0) {
      printf("checksum %s %016" PRIx64 "\n", name, workloads[i].run(scale));
      return 0;
    }
  }
  fprintf(stderr, "%s: no such workload; there are:", name);
  for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
    fprintf(stderr, " %s", workloads[i].name);
  }
  fprintf(stderr, " (and whose-malloc, build, version)\n");
  return 2;
}

int main(int argc, char **argv) {
  if (argc < 2 || argc > 3) {
    fprintf(stderr, "usage: %s WORKLOAD [SCALE]\n", argv[0]);
    return 2;
  }
  if (strcmp(argv[1], "whose-malloc") == 0) {
    return print_owners();
  }
  if (strcmp(argv[1], "build") == 0) {
    return print_build();
  }
  if (strcmp(argv[1], "version") == 0) {
    return print_version();
  }
  double scale = argc > 2 ? atof(argv[2]) : 1;
  if (scale <= 0) {
    fprintf(stderr, "%s: the scale must be a number above 0\n", argv[2]);
    return 2;
  }
  return run(argv[1], scale);
}
