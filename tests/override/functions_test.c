/* Every allocation function of the C library is ferroc's, for the program itself and for what the C
 * library allocates for it, with the semantics that the standard and the manual pages give it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "tests/override/support.h"

#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>

/* Not in every C library, so a program that is linked without ferroc has to look for them: two of
 * C23's, which some headers declare, and one that glibc had once. */
static void (*c23_free_sized)(void *ptr, size_t size);
static void (*c23_free_aligned_sized)(void *ptr, size_t alignment, size_t size);
static void (*cfree)(void *ptr);

/* In no header. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *__libc_valloc(size_t size);
void *__libc_pvalloc(size_t size);
void __libc_free(void *ptr);
int __libc_mallopt(int parameter, int value);

static bool aligned_to(const void *ptr, size_t alignment) {
  return ((uintptr_t)ptr & (alignment - 1)) == 0;
}

/* Asserts that ptr is a block of ferroc's with that many bytes, and writes to all of them. */
static void *checked(void *ptr, size_t size) {
  assert_non_null(ptr);
  assert_true(is_ferrocs(ptr));
  assert_true(aligned_to(ptr, _Alignof(max_align_t)));
  assert_true(malloc_usable_size(ptr) >= size);
  memset(ptr, 0xa5, malloc_usable_size(ptr));
  return ptr;
}

static void every_function_gives_blocks_of_ferrocs(void **state) {
  (void)state;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  for (size_t size = 0; size < 6 * 1024 * 1024; size = size * 2 + 1) {
    free(checked(malloc(size), size));
    free(checked(calloc(1, size), size));
    free(checked(realloc(NULL, size), size));
    free(checked(realloc(checked(malloc(100), 100), size + 1), size + 1));
    free(checked(reallocarray(NULL, 3, size), 3 * size));
    free(checked(aligned_alloc(64, size), size));
    free(checked(memalign(4096, size), size));
    void *out = NULL;
    assert_int_equal(posix_memalign(&out, 256, size), 0);
    free(checked(out, size));
    void *pages = checked(valloc(size), size);
    assert_true(aligned_to(pages, page));
    free(pages);
    pages = checked(pvalloc(size), (size + page - 1) / page * page);
    assert_true(aligned_to(pages, page));
    free(pages);
  }
}

static void glibcs_second_names_are_ferrocs_too(void **state) {
  (void)state;
  __libc_free(checked(__libc_malloc(100), 100));
  __libc_free(checked(__libc_calloc(10, 10), 100));
  __libc_free(checked(__libc_realloc(__libc_malloc(10), 100), 100));
  __libc_free(checked(__libc_memalign(64, 100), 100));
  __libc_free(checked(__libc_valloc(100), 100));
  __libc_free(checked(__libc_pvalloc(100), 100));
}

static void what_the_c_library_allocates_is_ferrocs(void **state) {
  (void)state;
  free(checked(strdup("text"), 5));
  free(checked(strndup("text", 2), 3));
  char *text = NULL;
  assert_int_equal(asprintf(&text, "%0200d", 7), 200);
  free(checked(text, 201));
  free(checked(realpath("/", NULL), 2));
  free(checked(getcwd(NULL, 0), 2));
  char *line = NULL;
  size_t line_size = 0;
  FILE *file = fopen("/proc/self/status", "r");
  assert_non_null(file);
  assert_true(is_ferrocs(file));
  assert_true(getline(&line, &line_size, file) > 0);
  fclose(file);
  free(checked(line, line_size));
  char *memory = NULL;
  size_t memory_size = 0;
  FILE *stream = open_memstream(&memory, &memory_size);
  assert_non_null(stream);
  for (int i = 0; i < 10000; i++) fprintf(stream, "%d ", i);
  fclose(stream);
  free(checked(memory, memory_size));
}

static void every_kind_of_free_frees(void **state) {
  (void)state;
  for (int round = 0; round < 1000; round++) {
    free(malloc(5000));
    cfree(malloc(5000));
    c23_free_sized(malloc(5000), 5000);
    c23_free_aligned_sized(aligned_alloc(64, 5000), 64, 5000);
    assert_null(realloc(malloc(5000), 0));
    assert_null(reallocarray(malloc(5000), 0, 8));
  }
  assert_true(mallinfo2().uordblks < 1000 * 5000);
}

static void null_is_freed_by_all(void **state) {
  (void)state;
  free(NULL);
  cfree(NULL);
  c23_free_sized(NULL, 0);
  c23_free_aligned_sized(NULL, 64, 0);
  __libc_free(NULL);
  assert_int_equal(malloc_usable_size(NULL), 0);
}

static void errno_is_left_alone_by_free(void **state) {
  (void)state;
  for (size_t size = 1; size < 80u << 20; size *= 3) {
    void *block = malloc(size);
    errno = 1234;
    free(block);
    assert_int_equal(errno, 1234);
  }
}

static void calloc_gives_zeros(void **state) {
  (void)state;
  for (size_t size = 1; size < 100000; size = size * 2 + 1) {
    free(checked(malloc(size), size));
    unsigned char *block = calloc(size, 1);
    assert_non_null(block);
    for (size_t i = 0; i < size; i++) assert_int_equal(block[i], 0);
    free(block);
  }
}

static void zero_bytes_are_a_block_of_their_own(void **state) {
  (void)state;
  void *blocks[] = {malloc(0),       malloc(0), calloc(0, 8), calloc(8, 0),        realloc(NULL, 0),
                    memalign(16, 0), valloc(0), pvalloc(0),   aligned_alloc(64, 0)};
  enum { COUNT = sizeof(blocks) / sizeof(blocks[0]) };
  for (size_t i = 0; i < COUNT; i++) {
    assert_non_null(blocks[i]);
    for (size_t j = 0; j < i; j++) assert_ptr_not_equal(blocks[i], blocks[j]);
  }
  for (size_t i = 0; i < COUNT; i++) free(blocks[i]);
}

static void assert_no_memory(void *block) {
  assert_null(block);
  assert_int_equal(errno, ENOMEM);
  errno = 0;
}

static void impossible_sizes_are_no_memory(void **state) {
  (void)state;
  static const size_t impossible[] = {SIZE_MAX, SIZE_MAX - 100, SIZE_MAX / 2 + 1, PTRDIFF_MAX};
  /* Volatile, so that the compiler does not warn of what is to be tried. */
  void *volatile old = malloc(100);
  volatile size_t four_gib = (size_t)1 << 32;
  errno = 0;
  for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
    volatile size_t size = impossible[i];
    assert_no_memory(malloc(size));
    assert_no_memory(calloc(1, size));
    assert_no_memory(calloc(size, 3));
    assert_no_memory(realloc(old, size));
    assert_no_memory(reallocarray(old, size, 3));
    assert_no_memory(reallocarray(old, four_gib, four_gib));
    assert_no_memory(aligned_alloc(64, size));
    assert_no_memory(memalign(64, size));
    assert_no_memory(valloc(size));
    assert_no_memory(pvalloc(size));
    void *out = &out;
    assert_int_equal(posix_memalign(&out, 64, size), ENOMEM);
    assert_ptr_equal(out, &out);
  }
  free(old);
}

static void wrong_alignments_are_refused(void **state) {
  (void)state;
  static const size_t wrong[] = {0, 3, 24, SIZE_MAX};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    errno = 0;
    assert_null(aligned_alloc(wrong[i], 100));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(memalign(wrong[i], 100));
    assert_int_equal(errno, EINVAL);
    void *out = &out;
    assert_int_equal(posix_memalign(&out, wrong[i], 100), EINVAL);
    assert_int_equal(posix_memalign(&out, 4, 100), EINVAL);
    assert_ptr_equal(out, &out);
  }
}

/* -- Blocks of others -- */

static char foreign_block[64] __attribute__((aligned(16)));

/* Hides from the compiler that it is no block, which it would warn about. */
static void *foreign(void) {
  void *volatile ptr = foreign_block;
  return ptr;
}

static void hand_a_foreign_block_to_all(void) {
  errno = 77;
  free(foreign());
  cfree(foreign());
  c23_free_sized(foreign(), 64);
  c23_free_aligned_sized(foreign(), 16, 64);
  require(errno == 77);
  require(realloc(foreign(), 100) == NULL && errno == ENOMEM);
  require(reallocarray(foreign(), 100, 2) == NULL);
  require(malloc_usable_size(foreign()) == 0);
  free((void *)8);
  free((void *)UINTPTR_MAX);
  free(malloc(100));
}

static void a_foreign_block_is_left_alone_with_a_message(void **state) {
  (void)state;
  char errors[2000];
  assert_int_equal(run_in_child(hand_a_foreign_block_to_all, errors, sizeof(errors)), 0);
  static const char *const functions[] = {"free", "free_sized", "free_aligned_sized", "realloc"};
  for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
    char message[100];
    snprintf(message, sizeof(message), "ferroc: %s: %p is not a block of ferroc's", functions[i],
             foreign());
    if (strstr(errors, message) == NULL) fail_msg("no \"%s\" in: %s", message, errors);
  }
}

/* -- What glibc's allocator is asked and told -- */

static void mallinfo_counts_what_is_in_use(void **state) {
  (void)state;
  size_t before = mallinfo2().uordblks;
  void *block = malloc(1000000);
  size_t between = mallinfo2().uordblks;
  assert_in_range(between - before, 1000000, 1125000);
  assert_true(mallinfo2().arena >= between);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  assert_int_equal(mallinfo().uordblks, between);
#pragma GCC diagnostic pop
  free(block);
  assert_int_equal(mallinfo2().uordblks, before);
}

static size_t resident_bytes(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  assert_non_null(file);
  assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
  fclose(file);
  return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void malloc_trim_gives_memory_back(void **state) {
  (void)state;
  enum { COUNT = 40000, SIZE = 1000 };
  static void *blocks[COUNT];
  for (int i = 0; i < COUNT; i++) blocks[i] = checked(malloc(SIZE), SIZE);
  size_t full = resident_bytes();
  for (int i = 0; i < COUNT; i++) free(blocks[i]);
  assert_int_equal(malloc_trim(0), 1);
  assert_true(resident_bytes() < full - (size_t)COUNT * SIZE / 2);
  assert_int_equal(malloc_trim(0), 0); /* nothing was left */
}

static void mallopt_answers_as_glibc_does(void **state) {
  (void)state;
  assert_int_equal(mallopt(M_ARENA_MAX, 1), 1);
  assert_int_equal(mallopt(M_MMAP_THRESHOLD, 65536), 1);
  assert_int_equal(__libc_mallopt(M_TRIM_THRESHOLD, 65536), 1);
  assert_int_equal(mallopt(M_PERTURB, 1), 1);
  assert_int_equal(mallopt(12345, 1), 1);
  assert_int_equal(mallopt(M_MXFAST, 160), 1);
  assert_int_equal(mallopt(M_MXFAST, 161), 0);
  assert_int_equal(mallopt(M_MXFAST, -1), 0);
}

static void malloc_info_writes_xml(void **state) {
  (void)state;
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  assert_int_equal(malloc_info(0, stream), 0);
  errno = 0;
  assert_int_equal(malloc_info(1, stream), -1);
  assert_int_equal(errno, EINVAL);
  fclose(stream);
  assert_int_equal(strncmp(text, "<malloc version=\"1\">", 20), 0);
  assert_string_equal(text + size - 10, "</malloc>\n");
  free(text);
}

static void say_statistics(void) { malloc_stats(); }

static void malloc_stats_writes_to_stderr(void **state) {
  (void)state;
  char errors[1000];
  assert_int_equal(run_in_child(say_statistics, errors, sizeof(errors)), 0);
  assert_non_null(strstr(errors, "bytes in use"));
}

static int find_functions(void **state) {
  (void)state;
  c23_free_sized = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
  c23_free_aligned_sized =
      (void (*)(void *, size_t, size_t))dlsym(RTLD_DEFAULT, "free_aligned_sized");
  cfree = (void (*)(void *))dlsym(RTLD_DEFAULT, "cfree");
  return c23_free_sized != NULL && c23_free_aligned_sized != NULL && cfree != NULL ? 0 : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_function_gives_blocks_of_ferrocs),
      cmocka_unit_test(glibcs_second_names_are_ferrocs_too),
      cmocka_unit_test(what_the_c_library_allocates_is_ferrocs),
      cmocka_unit_test(every_kind_of_free_frees),
      cmocka_unit_test(null_is_freed_by_all),
      cmocka_unit_test(errno_is_left_alone_by_free),
      cmocka_unit_test(calloc_gives_zeros),
      cmocka_unit_test(zero_bytes_are_a_block_of_their_own),
      cmocka_unit_test(impossible_sizes_are_no_memory),
      cmocka_unit_test(wrong_alignments_are_refused),
      cmocka_unit_test(a_foreign_block_is_left_alone_with_a_message),
      cmocka_unit_test(mallinfo_counts_what_is_in_use),
      cmocka_unit_test(malloc_trim_gives_memory_back),
      cmocka_unit_test(mallopt_answers_as_glibc_does),
      cmocka_unit_test(malloc_info_writes_xml),
      cmocka_unit_test(malloc_stats_writes_to_stderr),
  };
  return cmocka_run_group_tests_name("override: functions", tests, find_functions, NULL);
}
