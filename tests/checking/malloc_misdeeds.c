/* Misdeeds with malloc and free, in a program whose malloc is ferroc's; see misdeeds.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ferroc.h"

/* The compiler, which knows what malloc gives, does not see where. */
static char read_byte(const volatile char *place) {
  __asm__("" : "+r"(place));
  return *place;
}

static void write_byte(volatile char *place) {
  __asm__("" : "+r"(place));
  *place = 'x';
}

static volatile char sink;

static void read_after_free(void) {
  char *block = malloc(40);
  memset(block, 1, 40);
  free(block);
  sink = read_byte(block + 20);
}

static void overrun_by_one(void) {
  char *block = malloc(41);
  memset(block, 1, 41);
  write_byte(block + 41);
  free(block);
}

static void overrun_by_one_in_string(void) {
  char *text = strdup("text");
  write_byte(text + 5);
  free(text);
}

static void double_free(void) {
  char *block = malloc(40);
  free(block);
  free(block);
}

/* In memory of the program's that is no whole slab: no table says whose it is. */
static void double_free_in_region(void) {
  static char region[(size_t)3 << 20];
  if (!fe_arenas_manage(NULL, region, sizeof region)) return;
  double_free();
}

static void branch_on_unwritten(void) {
  char *block = malloc(40);
  if (read_byte(block + 7) == 7) puts("yes");
  free(block);
}

static void leak(void) { memset(malloc(40), 1, 40); }

static void clean(void) {
  char *numbers = calloc(100, 8);
  numbers = realloc(numbers, 5000);
  memset(numbers + 800, 1, 4200);
  printf("%zu\n", strlen(numbers));
  free(numbers);
}

static const struct {
  const char *name;
  void (*act)(void);
} misdeeds[] = {
    {"read_after_free", read_after_free},
    {"overrun_by_one", overrun_by_one},
    {"overrun_by_one_in_string", overrun_by_one_in_string},
    {"double_free", double_free},
    {"double_free_in_region", double_free_in_region},
    {"branch_on_unwritten", branch_on_unwritten},
    {"leak", leak},
    {"clean", clean},
};

int main(int argument_count, char **arguments) {
  for (size_t i = 0; i < sizeof misdeeds / sizeof misdeeds[0]; i++) {
    if (argument_count == 2 && strcmp(arguments[1], misdeeds[i].name) == 0) {
      misdeeds[i].act();
      return 0;
    }
  }
  fprintf(stderr, "usage: %s MISDEED\n", arguments[0]);
  return 2;
}
