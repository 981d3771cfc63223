/* The part of support.h that asks the operating system; content.c has the other. */
#include "tests/core/support.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t random_seed(void) {
  const char *given = getenv("FERROC_TEST_SEED");
  uint64_t seed;
  if (given != NULL) {
    seed = strtoull(given, NULL, 0);
  } else {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    random_source_t clock = {(uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec};
    seed = random_next(&clock);
  }
  print_message("FERROC_TEST_SEED=0x%llx\n", (unsigned long long)seed);
  return seed;
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

size_t slowness(void) {
#if defined(FE_TRACK_VALGRIND)
  static const size_t usual = 10;
#else
  static const size_t usual = 1;
#endif
  const char *given = getenv("FERROC_TEST_SLOWNESS");
  size_t slowness = given == NULL ? usual : strtoull(given, NULL, 10);
  return slowness == 0 ? 1 : slowness;
}

size_t rounds_of(size_t usual) {
  size_t rounds = usual / slowness();
  return rounds == 0 ? 1 : rounds;
}

bool is_emulated(void) { return getenv("FERROC_TEST_EMULATOR") != NULL; }

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
