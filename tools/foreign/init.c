/* The first and only process that the kernel starts: runs each program in /tests, says how it
 * ended, and switches the machine off. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROGRAM_SECONDS_MAX = 3600 };

static void prepare(void) {
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
  setenv("TEST_TMPDIR", "/tmp", 1);
  setenv("PATH", "/bin", 1);
}

/* Where the kernel puts what asks for no place. */
static void show_addresses(void) {
  void *place = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  printf("# mmap gives %p\n", place);
  munmap(place, 4096);
}

static int run(const char *program) {
  char path[300];
  snprintf(path, sizeof path, "/tests/%s", program);
  printf("# %s\n", program);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(PROGRAM_SECONDS_MAX);
    execl(path, path, (char *)NULL);
    _exit(127);
  }
  int status;
  while (waitpid(child, &status, 0) < 0) {
  }
  printf("%s - %s (status %#x)\n", status == 0 ? "ok" : "not ok", program, (unsigned)status);
  fflush(stdout);
  return status;
}

static int is_program(const struct dirent *entry) { return entry->d_name[0] != '.'; }

int main(void) {
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
