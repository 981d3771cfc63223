/* The first and only process that the kernel starts: runs each program in /tests, says how it
 * ended and after how many seconds, and switches the machine off.
 *
 * What the kernel's command line has of the form NAME=VALUE and does not know itself is in the
 * environment of this process, and of the programs. It minds itself
 *
 *   PROGRAM_SECONDS_MAX   a program is ended, with all that it started, after so many seconds
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t running; /* the process group of the program; 0: none */

static void end_running(int signal_number) {
  (void)signal_number;
  if (running > 0) kill(-(pid_t)running, SIGKILL);
}

static void prepare(void) {
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
  setenv("TEST_TMPDIR", "/tmp", 1);
  setenv("PATH", "/bin", 1);
  signal(SIGALRM, end_running);
}

/* Where the kernel puts what asks for no place. */
static void show_addresses(void) {
  void *place = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  printf("# mmap gives %p\n", place);
  munmap(place, 4096);
}

static unsigned seconds_max(void) {
  const char *given = getenv("PROGRAM_SECONDS_MAX");
  return given == NULL ? 3600 : (unsigned)strtoul(given, NULL, 10);
}

static _Noreturn void become(const char *path) {
  setpgid(0, 0);
  execl(path, path, (char *)NULL);
  _exit(127);
}

/* Its group may not be there yet when the program begins, nor be without processes when it ends. */
static int status_of(pid_t child) {
  setpgid(child, child);
  running = child;
  alarm(seconds_max());
  int status = -1;
  while (waitpid(child, &status, 0) < 0) {
  }
  alarm(0);
  end_running(0);
  running = 0;
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
  return status;
}

static int run(const char *program) {
  char path[300];
  snprintf(path, sizeof path, "/tests/%s", program);
  printf("# %s\n", program);
  fflush(stdout);
  time_t start = time(NULL);
  pid_t child = fork();
  if (child == 0) become(path);
  int status = status_of(child);
  printf("%s - %s (status %#x, %lld s)\n", status == 0 ? "ok" : "not ok", program, (unsigned)status,
         (long long)(time(NULL) - start));
  fflush(stdout);
  return status;
}

static int is_program(const struct dirent *entry) { return entry->d_name[0] != '.'; }

int main(void) {
  if (getpid() != 1) return 0; /* as /bin/true, which a test starts */
  prepare();
  show_addresses();
  struct dirent **entries;
  int count = scandir("/tests", &entries, is_program, alphasort);
  int passed_count = 0;
  for (int i = 0; i < count; i++) passed_count += run(entries[i]->d_name) == 0;
  printf("# %d of %d programs passed\n", passed_count, count);
  fflush(stdout);
  sync();
  reboot(RB_POWER_OFF);
}
