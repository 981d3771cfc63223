/* launcher REPORT NAME=VALUE... PROGRAM ARGUMENT...: runs one program, measures it, and writes what
 * it cost to the file REPORT.
 *
 * The peak resident memory that the kernel reports for a child starts with its parent's, because
 * the peak is inherited through fork and exec. The runner is a Python process of tens of MiB; this
 * program is so small that what it adds is always less than what the child takes by itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long microseconds(struct timeval time) {
  return time.tv_sec * 1000000LL + time.tv_usec;
}

/* Settings such as LD_PRELOAD are made here, in the child, so that they do not touch the launcher.
 */
static void run(char **arguments) {
  while (*arguments && strchr(*arguments, '=')) {
    putenv(*arguments++);
  }
  if (*arguments) {
    execv(*arguments, arguments);
  }
  fprintf(stderr, "launcher: %s: %s\n", *arguments ? *arguments : "(no program)", strerror(errno));
  _exit(127);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: launcher REPORT [NAME=VALUE...] PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  long long start_ns = now_ns();
  pid_t child = fork();
  if (child == 0) {
    run(argv + 2);
  }
  int status;
  struct rusage usage;
  if (child < 0 || wait4(child, &status, 0, &usage) != child) {
    fprintf(stderr, "launcher: cannot start a process: %s\n", strerror(errno));
    return 2;
  }
  long long wall_ns = now_ns() - start_ns;
  FILE *report = fopen(argv[1], "w");
  if (!report) {
    fprintf(stderr, "launcher: %s: %s\n", argv[1], strerror(errno));
    return 2;
  }
  int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  fprintf(report,
          "{\"exit_code\": %d, \"wall_ns\": %lld, \"user_us\": %lld, \"system_us\": %lld, "
          "\"peak_kib\": %ld, \"minor_faults\": %ld, \"major_faults\": %ld}\n",
          exit_code, wall_ns, microseconds(usage.ru_utime), microseconds(usage.ru_stime),
          usage.ru_maxrss, usage.ru_minflt, usage.ru_majflt);
  return fclose(report) == 0 ? 0 : 2;
}
