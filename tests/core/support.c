/* See support.h. */
#include "tests/core/support.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void require_failed(const char *file, int line, const char *condition) {
  fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
  fflush(stderr);
  abort();
}

/* -- Content ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t value) {
  value ^= value >> 30;
  value *= UINT64_C(0xbf58476d1ce4e5b9);
  value ^= value >> 27;
  value *= UINT64_C(0x94d049bb133111eb);
  return value ^ (value >> 31);
}

static uint64_t pattern_word(uint64_t mixed_seed, size_t index) {
  return mixed_seed + index * UINT64_C(0x9e3779b97f4a7c15);
}

void pattern_fill(void *block, size_t size, uint64_t seed) {
  uint64_t mixed_seed = mix(seed);
  uint64_t *words = block;
  size_t word_count = size / sizeof(uint64_t);
  for (size_t i = 0; i < word_count; i++) {
    words[i] = pattern_word(mixed_seed, i);
  }
  size_t tail = size % sizeof(uint64_t);
  uint64_t last = pattern_word(mixed_seed, word_count);
  if (tail > 0) {
    memcpy(words + word_count, &last, tail);
  }
}

size_t pattern_check(const void *block, size_t size, uint64_t seed) {
  uint64_t mixed_seed = mix(seed);
  const uint64_t *words = block;
  size_t word_count = size / sizeof(uint64_t);
  for (size_t i = 0; i < word_count; i++) {
    if (words[i] != pattern_word(mixed_seed, i)) {
      return i * sizeof(uint64_t);
    }
  }
  size_t tail = size % sizeof(uint64_t);
  uint64_t last = pattern_word(mixed_seed, word_count);
  bool tail_holds = tail == 0 || memcmp(words + word_count, &last, tail) == 0;
  return tail_holds ? size : word_count * sizeof(uint64_t);
}

bool pattern_holds(const void *block, size_t size, uint64_t seed) {
  return pattern_check(block, size, seed) == size;
}

bool all_zero(const void *block, size_t size) {
  const unsigned char *bytes = block;
  return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

bool aligned_to(const void *block, size_t alignment) {
  return ((uintptr_t)block & (alignment - 1)) == 0;
}

static int compare_extents(const void *left, const void *right) {
  const extent_t *a = left;
  const extent_t *b = right;
  return (a->start > b->start) - (a->start < b->start);
}

void assert_disjoint(extent_t *extents, size_t count) {
  qsort(extents, count, sizeof(extents[0]), compare_extents);
  for (size_t i = 0; i + 1 < count; i++) {
    assert_true(extents[i].start < extents[i + 1].start);
    assert_true(extents[i].start + extents[i].size <= extents[i + 1].start);
  }
}

/* -- Random numbers --------------------------------------------------------------------------- */

uint64_t random_next(random_source_t *source) {
  source->state += UINT64_C(0x9e3779b97f4a7c15);
  return mix(source->state);
}

size_t random_below(random_source_t *source, size_t bound) {
  return (size_t)(random_next(source) % bound);
}

size_t random_size(random_source_t *source, size_t limit) {
  int bits = 0;
  while ((limit >> bits) > 1) {
    bits++;
  }
  size_t scale = (size_t)2 << random_below(source, (size_t)bits + 1);
  size_t size = random_below(source, scale);
  return size <= limit ? size : limit;
}

uint64_t random_seed(void) {
  const char *given = getenv("FERROC_TEST_SEED");
  uint64_t seed;
  if (given != NULL) {
    seed = strtoull(given, NULL, 0);
  } else {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    seed = mix((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
  }
  print_message("FERROC_TEST_SEED=0x%llx\n", (unsigned long long)seed);
  return seed;
}

void shuffle(void **pointers, size_t count, random_source_t *source) {
  for (size_t i = count; i > 1; i--) {
    size_t other = random_below(source, i);
    void *kept = pointers[i - 1];
    pointers[i - 1] = pointers[other];
    pointers[other] = kept;
  }
}

/* -- The process ------------------------------------------------------------------------------ */

/* Field 0 of statm is what is mapped, field 1 what is resident, both in pages. */
static size_t statm_bytes(int field) {
  char text[256];
  int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  ssize_t length = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
  require(length > 0);
  close(file);
  text[length] = '\0';
  char *rest = text;
  size_t pages = strtoull(rest, &rest, 10);
  for (int i = 0; i < field; i++) {
    pages = strtoull(rest, &rest, 10);
  }
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

size_t resident_bytes(void) { return statm_bytes(1); }

size_t mapped_bytes(void) { return statm_bytes(0); }

/* Never returns: the child's exit must not run the parent's exit handlers. */
static _Noreturn void child_main(int errors, void (*body)(void *argument), void *argument) {
  static const int fatal_signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  for (size_t i = 0; i < sizeof(fatal_signals) / sizeof(fatal_signals[0]); i++) {
    signal(fatal_signals[i], SIG_DFL);
  }
  struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  dup2(errors, STDERR_FILENO);
  body(argument);
  _exit(0);
}

void run_in_child(child_result_t *result, void (*body)(void *argument), void *argument) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    child_main(ends[1], body, argument);
  }
  close(ends[1]);
  size_t length = 0;
  char rest[512];
  ssize_t got;
  while ((got = read(ends[0], rest, sizeof(rest))) > 0) {
    size_t room = sizeof(result->errors) - 1 - length;
    size_t kept = (size_t)got < room ? (size_t)got : room;
    memcpy(result->errors + length, rest, kept);
    length += kept;
  }
  result->errors[length] = '\0';
  close(ends[0]);
  assert_int_equal(waitpid(child, &result->status, 0), child);
}

void assert_child_succeeds(void (*body)(void *argument), void *argument) {
  child_result_t result;
  run_in_child(&result, body, argument);
  if (result.status != 0) {
    fail_msg("the child ended with status 0x%x and said: %s", (unsigned)result.status,
             result.errors);
  }
}

void assert_child_says(void (*body)(void *argument), void *argument, ...) {
  child_result_t result;
  run_in_child(&result, body, argument);
  const char *said = result.errors;
  if (result.status != 0) {
    fail_msg("the child ended with status 0x%x and said: %s", (unsigned)result.status, said);
  }
  const char *line_end = strchr(said, '\n');
  if (strncmp(said, "ferroc: ", 8) != 0 || line_end == NULL || line_end[1] != '\0') {
    fail_msg("not one line of ferroc's, but: \"%s\"", said);
  }
  va_list texts;
  va_start(texts, argument);
  for (const char *text; (text = va_arg(texts, const char *)) != NULL;) {
    if (strstr(said, text) == NULL) {
      fail_msg("nothing about \"%s\", but: %s", text, said);
    }
  }
  va_end(texts);
}

typedef struct thread_call {
  void (*body)(void *argument);
  void *argument;
} thread_call_t;

static void *thread_main(void *argument) {
  thread_call_t *call = argument;
  call->body(call->argument);
  return NULL;
}

void run_in_thread(void (*body)(void *argument), void *argument) {
  thread_call_t call = {body, argument};
  pthread_t thread;
  require(pthread_create(&thread, NULL, thread_main, &call) == 0);
  require(pthread_join(thread, NULL) == 0);
}

/* -- Around every test ------------------------------------------------------------------------ */

static size_t used_bytes_before;

static size_t thread_used_bytes(void) {
  fe_collect(false);
  fe_heap_t *heap = fe_thread_heap();
  require(heap != NULL);
  return fe_heap_used_bytes(heap);
}

int remember_used_bytes(void **state) {
  (void)state;
  used_bytes_before = thread_used_bytes();
  return 0;
}

int check_used_bytes(void **state) {
  (void)state;
  size_t now = thread_used_bytes();
  if (now != used_bytes_before) {
    print_error("the thread's heap held %zu bytes before the test, and holds %zu after it\n",
                used_bytes_before, now);
    return -1;
  }
  return 0;
}
