/* What ferroc asks the kernel for: a filter of system calls that knows what an allocator needs ends
 * the process at any other. core/ENVIRONMENT.md has the list.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/core/support.h"

#ifdef SYS_mmap2
#define CALL_MMAP SYS_mmap2
#else
#define CALL_MMAP SYS_mmap
#endif

/* Those of ferroc's; and those of the test, which says what went wrong, and ends. */
static const int allowed[] = {
    CALL_MMAP, SYS_munmap,        SYS_mremap, SYS_madvise,    SYS_mprotect,
    SYS_futex, SYS_clock_gettime, SYS_write,  SYS_exit_group, SYS_rt_sigreturn,
};
enum { ALLOWED_COUNT = sizeof allowed / sizeof allowed[0] };

static bool forbid_the_rest(void) {
  struct sock_filter filter[2 + 2 * ALLOWED_COUNT];
  size_t count = 0;
  filter[count++] =
      (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (size_t i = 0; i < ALLOWED_COUNT; i++) {
    filter[count++] =
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], 0, 1);
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  struct sock_fprog program = {.len = (unsigned short)count, .filter = filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void touch(char *block, size_t size) {
  require(block != NULL);
  for (size_t i = 0; i < size; i += UNIT_BYTES) block[i] = 1;
}

/* Blocks of all kinds, each of which grows, and a heap of the program's. */
static void allocate_and_free(void) {
  enum { COUNT = 200 };
  static char *blocks[COUNT];
  for (size_t round = 0; round < 3; round++) {
    for (size_t i = 0; i < COUNT; i++) {
      size_t size = i % 100 == 99 ? 140 * MIB : i % 10 == 9 ? i * 20000 : 1 + i * 50;
      blocks[i] = fe_malloc(size);
      touch(blocks[i], size);
      blocks[i] = fe_realloc(blocks[i], 2 * size);
      touch(blocks[i], 2 * size);
    }
    for (size_t i = 0; i < COUNT; i++) fe_free(blocks[i]);
    fe_trim();
    fe_heap_t *heap = fe_heap_create(NULL);
    require(heap != NULL);
    for (size_t i = 0; i < 10000; i++) require(fe_heap_alloc(heap, i % 3000) != NULL);
    fe_heap_destroy(heap);
  }
}

static void work_under_the_filter(void *unused) {
  (void)unused;
  require(forbid_the_rest());
  allocate_and_free();
}

static void open_a_file(void *unused) {
  (void)unused;
  require(forbid_the_rest());
  require(fopen("/dev/null", "r") != NULL);
}

static void there_is_a_filter(void *unused) {
  (void)unused;
  require(forbid_the_rest());
}

static void only_calls_for_memory_are_made(void **state) {
  (void)state;
  child_result_t result;
  run_in_child(&result, there_is_a_filter, NULL);
  if (HAS_SANITIZER_MEMORY || result.status != 0) skip(); /* with calls, or without filters */
  run_in_child(&result, open_a_file, NULL);
  assert_int_not_equal(result.status, 0); /* the filter filters */
  assert_child_succeeds(work_under_the_filter, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(only_calls_for_memory_are_made),
  };
  return cmocka_run_group_tests_name("system_calls", tests, NULL, NULL);
}
