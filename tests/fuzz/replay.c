/* The fuzzer without libFuzzer, for any compiler: runs the inputs in files, or random ones.
 *
 *   replay FILE...                     each file is an input: a crash, or one of the corpus
 *   replay --random FIRST COUNT [LENGTH]   inputs made from the seeds FIRST, FIRST + 1, ...
 *
 * A failed check ends the program by abort, with a line that says what was wrong. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 16 };

static uint8_t input[INPUT_MAX];

static int run_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    perror(path);
    return 1;
  }
  size_t size = fread(input, 1, sizeof input, file);
  fclose(file);
  printf("%s\n", path);
  fflush(stdout);
  LLVMFuzzerTestOneInput(input, size);
  return 0;
}

static uint64_t next_random(uint64_t *state) {
  *state += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t mixed = *state;
  mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
  return mixed ^ (mixed >> 31);
}

static void run_random(unsigned long seed, size_t length) {
  uint64_t state = seed;
  size_t size = length != 0 ? length : 1 + next_random(&state) % 2048;
  for (size_t i = 0; i < size; i++) input[i] = (uint8_t)next_random(&state);
  LLVMFuzzerTestOneInput(input, size);
}

/* Seeds that go wrong can be run again alone: the last line says which one it was. */
static int run_seeds(unsigned long first, unsigned long count, size_t length) {
  for (unsigned long seed = first; seed < first + count; seed++) {
    printf("\rseed %lu", seed);
    fflush(stdout);
    run_random(seed, length);
  }
  printf("\n");
  return 0;
}

int main(int argc, char **argv) {
  if (argc >= 4 && argc <= 5 && strcmp(argv[1], "--random") == 0) {
    size_t length = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
    if (length <= INPUT_MAX) {
      return run_seeds(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10), length);
    }
  }
  if (argc < 2 || argv[1][0] == '-') {
    fprintf(stderr, "usage: %s FILE... | --random FIRST COUNT [LENGTH, up to %d]\n", argv[0],
            INPUT_MAX);
    return 2;
  }
  int status = 0;
  for (int i = 1; i < argc; i++) status |= run_file(argv[i]);
  return status;
}
