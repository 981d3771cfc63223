/* figures_program FORMAT: makes some heaps and blocks, writes the figures in the format to stdout,
 * and what must be in them to stderr, as JSON. For figures_text_test.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ferroc.h"

#define HEAP_COUNT 3

static const char *const names[HEAP_COUNT] = {"plain", "\"quoted\" \\ back\nline \xc3\xa9\t\x01",
                                              "cut \xe2\x82 \xff </script>"};

static fe_heap_t *heaps[HEAP_COUNT];

static void make_heaps(void) {
  for (size_t i = 0; i < HEAP_COUNT; i++) {
    fe_heap_options_t options = {.name = names[i], .memory_limit = i * ((size_t)64 << 20)};
    heaps[i] = fe_heap_create(&options);
    if (heaps[i] == NULL) exit(1);
    for (size_t j = 0; j < 3000 * (i + 1); j++) {
      void *block = fe_heap_alloc(heaps[i], 1 + j * 37 % 700);
      if (block == NULL) exit(1);
      if (j % 4 == 0) fe_heap_free(heaps[i], block);
    }
    if (fe_heap_alloc(heaps[i], 1000000 + i) == NULL) exit(1);
  }
  if (fe_heap_alloc(heaps[0], (size_t)200 << 20) == NULL) exit(1); /* in a chunk of its own */
}

static void write_to_stdout(void *user_data, const char *text, size_t length) {
  (void)user_data;
  fwrite(text, 1, length, stdout);
}

static bool write_figures(const char *format) {
  if (strcmp(format, "json") == 0) {
    return fe_stats_write(NULL, FE_FORMAT_JSON, write_to_stdout, NULL);
  }
  if (strcmp(format, "prometheus") == 0) {
    return fe_stats_write(NULL, FE_FORMAT_PROMETHEUS, write_to_stdout, NULL) &&
           fe_heap_stats_write(heaps, HEAP_COUNT, FE_FORMAT_PROMETHEUS, write_to_stdout, NULL);
  }
  if (strcmp(format, "heaps-json") == 0) {
    return fe_heap_stats_write(heaps, HEAP_COUNT, FE_FORMAT_JSON, write_to_stdout, NULL);
  }
  if (strcmp(format, "map") == 0) {
    fe_heap_map_write(NULL, write_to_stdout, NULL);
    return true;
  }
  return false;
}

int main(int argc, char **argv) {
  make_heaps();
  fprintf(stderr, "{");
  for (size_t i = 0; i < HEAP_COUNT; i++) {
    fprintf(stderr, "\"%p\":%zu,", (void *)heaps[i], fe_heap_used_bytes(heaps[i]));
  }
  fprintf(stderr, "\"thread\":%zu}", fe_heap_used_bytes(fe_thread_heap()));
  return argc == 2 && write_figures(argv[1]) ? 0 : 2;
}
