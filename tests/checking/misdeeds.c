/* One misdeed for each argument, so that a test can see what a checking build says about it.
 * "clean" does nothing wrong, and must not be reported. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ferroc.h"

#define MIB ((size_t)1 << 20)

/* What is read or written by mistake; volatile, so that the compiler leaves it alone, and it does
 * not see where. */
static char read_byte(const volatile char *place) {
  __asm__("" : "+r"(place));
  return *place;
}

static void write_byte(volatile char *place) {
  __asm__("" : "+r"(place));
  *place = 'x';
}

static volatile char sink;

/* -- After the end -- */

static void read_after_free(void) {
  char *block = fe_malloc(40);
  memset(block, 1, 40);
  fe_free(block);
  sink = read_byte(block + 20);
}

static void read_after_free_in_heap(void) {
  fe_heap_t *heap = fe_heap_create(NULL);
  char *block = fe_heap_alloc(heap, 500);
  memset(block, 1, 500);
  fe_heap_free(heap, block);
  sink = read_byte(block + 499);
}

static void read_after_resize(void) {
  fe_heap_t *heap = fe_heap_create(NULL);
  char *block = fe_heap_resize(heap, NULL, 0, 40);
  memset(block, 1, 40);
  fe_heap_resize(heap, block, 40, 100);
  sink = read_byte(block);
}

static void read_after_realloc(void) {
  char *block = fe_malloc(40);
  memset(block, 1, 40);
  sink = *(char *)fe_realloc(block, 41);
  sink = read_byte(block);
}

static void read_large_after_free(void) {
  char *block = fe_malloc(MIB);
  memset(block, 1, MIB);
  fe_free(block);
  sink = read_byte(block + MIB / 2);
}

static void read_after_heap_destroy(void) {
  fe_heap_t *heap = fe_heap_create(NULL);
  char *block = fe_heap_alloc(heap, 40);
  memset(block, 1, 40);
  fe_heap_destroy(heap);
  sink = read_byte(block);
}

static void *free_it(void *block) {
  fe_free(block);
  return NULL;
}

static void read_after_free_by_other_thread(void) {
  char *block = fe_malloc(40);
  memset(block, 1, 40);
  pthread_t thread;
  pthread_create(&thread, NULL, free_it, block);
  pthread_join(thread, NULL);
  sink = read_byte(block + 20);
}

/* The link in the block becomes what it must not be. */
static void write_link_after_free(void) {
  char *block = fe_malloc(40);
  fe_free(block);
  memset(block, 0x41, 8);
  sink = *(char *)memset(fe_malloc(40), 1, 40);
  sink = *(char *)memset(fe_malloc(40), 1, 40);
}

static void write_after_free(void) {
  char *block = fe_malloc(40);
  fe_free(block);
  write_byte(block + 20);
  sink = *(char *)memset(fe_malloc(40), 1, 40);
}

/* -- Beyond the ends -- */

static void overrun(char *block, size_t size) {
  memset(block, 1, size);
  write_byte(block + size);
}

static void overrun_by_one(void) {
  char *block = fe_malloc(41);
  overrun(block, 41);
  fe_free(block);
}

static void overrun_by_one_in_heap(void) {
  fe_heap_t *heap = fe_heap_create(NULL);
  char *block = fe_heap_alloc(heap, 48);
  overrun(block, 48);
  fe_heap_free(heap, block);
}

static void overrun_by_one_in_resize(void) {
  fe_heap_options_t options = {.granule = 8};
  fe_heap_t *heap = fe_heap_create(&options);
  char *block = fe_heap_resize(heap, NULL, 0, 24);
  overrun(block, 24);
  fe_heap_resize(heap, block, 24, 0);
}

static void overrun_by_one_after_realloc(void) {
  char *block = fe_realloc(fe_malloc(100), 90);
  overrun(block, 90);
  fe_free(block);
}

static void overrun_by_one_aligned(void) {
  char *block = fe_aligned_alloc(256, 300);
  overrun(block, 300);
  fe_free(block);
}

static void overrun_by_one_large(void) {
  char *block = fe_malloc(MIB + 5);
  overrun(block, MIB + 5);
  fe_free(block);
}

/* Far beyond: nothing waits for the free. */
static void overrun_large_far(void) {
  char *block = fe_malloc(MIB);
  for (size_t i = 0; i < 4096; i++) write_byte(block + MIB + i);
}

/* From the last block of a unit up to the next one's header. */
static void overrun_unit(void) {
  char *block = fe_malloc(1000);
  size_t left = 65536 - ((uintptr_t)block & 65535);
  for (size_t i = 0; i <= left; i++) write_byte(block + i);
}

static void underrun_by_one(void) {
  char *block = fe_malloc(40);
  memset(block, 1, 40);
  sink = read_byte(block - 1);
}

/* From a block down to the header of its unit. */
static void underrun_unit(void) {
  char *block = fe_malloc(1000);
  for (size_t i = 0; i < ((uintptr_t)block & 65535); i++) write_byte(block - i);
}

/* -- Blocks that are none -- */

static void double_free(void) {
  char *block = fe_malloc(40);
  fe_free(block);
  fe_free(block);
}

static void double_free_in_heap(void) {
  fe_heap_t *heap = fe_heap_create(NULL);
  void *other = fe_heap_alloc(heap, 1000);
  void *block = fe_heap_alloc(heap, 1000);
  fe_heap_free(heap, block);
  fe_heap_free(heap, other);
  fe_heap_free(heap, block);
}

static void double_free_in_resize(void) {
  fe_heap_t *heap = fe_heap_create(NULL);
  char *block = fe_heap_resize(heap, NULL, 0, 40);
  fe_heap_resize(heap, block, 40, 0);
  fe_heap_resize(heap, block, 40, 0);
}

static void double_free_aligned(void) {
  char *block = fe_aligned_alloc(128, 40);
  fe_free(block);
  fe_free(block);
}

static void double_free_large(void) {
  char *block = fe_malloc(MIB);
  fe_free(block);
  fe_free(block);
}

static void double_free_by_other_thread(void) {
  char *block = fe_malloc(40);
  fe_free(block);
  pthread_t thread;
  pthread_create(&thread, NULL, free_it, block);
  pthread_join(thread, NULL);
}

static void free_after_heap_destroy(void) {
  fe_heap_t *heap = fe_heap_create(NULL);
  char *block = fe_heap_alloc(heap, 40);
  fe_heap_destroy(heap);
  fe_free(block);
}

static void free_inside(void) {
  char *block = fe_malloc(4000);
  fe_free(block + 16);
}

static void free_inside_large(void) {
  char *block = fe_malloc(MIB);
  memset(block, 1, MIB);
  fe_free(block + MIB / 2);
}

static void free_odd(void) {
  char *block = fe_malloc(40);
  fe_free(block + 3);
}

static void free_never_allocated(void) {
  char *block = fe_malloc(48);
  fe_free(block + 64 * 16);
}

static void free_of_other_allocator(void) { fe_free(malloc(40)); }

static void realloc_after_free(void) {
  char *block = fe_malloc(40);
  fe_free(block);
  block = fe_realloc(block, 80);
}

static void size_after_free(void) {
  char *block = fe_malloc(40);
  fe_free(block);
  sink = (char)fe_malloc_size(block);
}

/* -- Contents nobody wrote, blocks nobody freed -- */

static void print_if(bool is_true) {
  if (is_true) puts("yes");
}

static void branch_on_unwritten(void) {
  char *block = fe_malloc(40);
  print_if(read_byte(block + 7) == 7);
  fe_free(block);
}

static void branch_on_unwritten_after_reuse(void) {
  char *block = fe_malloc(40);
  memset(block, 1, 40);
  fe_free(block);
  block = fe_malloc(40);
  print_if(read_byte(block + 7) == 7);
  fe_free(block);
}

static void leak(void) { memset(fe_malloc(40), 1, 40); }
static void leak_large(void) { memset(fe_malloc(MIB), 1, MIB); }

static fe_heap_t *kept_heap;

static void leak_in_heap(void) {
  kept_heap = fe_heap_create(NULL);
  memset(fe_heap_alloc(kept_heap, 40), 1, 40);
}

/* -- Nothing of that -- */

static void use_family(void) {
  int *numbers = fe_calloc(10, sizeof *numbers);
  print_if(numbers[9] != 0);
  numbers = fe_realloc(numbers, 100 * sizeof *numbers);
  numbers[99] = numbers[9];
  numbers = fe_realloc(numbers, sizeof *numbers);
  print_if(numbers[0] != 0 || fe_malloc_size(numbers) != sizeof *numbers);
  fe_free(numbers);
  char *zeros = fe_calloc(1, 3 * MIB);
  print_if(zeros[3 * MIB - 1] != 0);
  fe_free(zeros);
  char *aligned = fe_aligned_alloc(4096, 5000);
  memset(aligned, 1, 5000);
  fe_free(aligned);
}

/* More blocks than a page or a shard has, freed in another order, half of them by another thread.
 */
static void use_many(fe_heap_t *heap) {
  enum { COUNT = 3000 };
  static char *blocks[COUNT];
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < COUNT; i++) {
      size_t size = i * 7 % 300 + 1;
      blocks[i] = fe_heap_alloc(heap, size);
      memset(blocks[i], (int)i, size);
    }
    for (size_t i = 0; i < COUNT; i++) {
      char *block = blocks[i * 7 % COUNT];
      if (i % 100 == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, free_it, block);
        pthread_join(thread, NULL);
      } else {
        fe_heap_free(heap, block);
      }
    }
  }
}

static void clean(void) {
  use_family();
  use_many(fe_thread_heap());
  fe_heap_t *heap = fe_heap_create(NULL);
  use_many(heap);
  memset(fe_heap_alloc(heap, 100), 1, 100); /* destroyed with the heap, so no leak */
  char *text = fe_heap_resize(heap, NULL, 0, 10);
  memset(text, 'x', 10);
  text = fe_heap_resize(heap, text, 10, 2000);
  print_if(text[9] != 'x');
  text = fe_heap_resize(heap, text, 2000, 5);
  print_if(text[4] != 'x');
  fe_heap_resize(heap, text, 5, 0);
  fe_heap_destroy(heap);
  fe_collect(true);
}

#define MISDEED(name) \
  { #name, name }

static const struct {
  const char *name;
  void (*act)(void);
} misdeeds[] = {
    MISDEED(read_after_free),
    MISDEED(read_after_free_in_heap),
    MISDEED(read_after_resize),
    MISDEED(read_after_realloc),
    MISDEED(read_large_after_free),
    MISDEED(read_after_heap_destroy),
    MISDEED(read_after_free_by_other_thread),
    MISDEED(write_link_after_free),
    MISDEED(write_after_free),
    MISDEED(overrun_by_one),
    MISDEED(overrun_by_one_in_heap),
    MISDEED(overrun_by_one_in_resize),
    MISDEED(overrun_by_one_after_realloc),
    MISDEED(overrun_by_one_aligned),
    MISDEED(overrun_by_one_large),
    MISDEED(overrun_large_far),
    MISDEED(overrun_unit),
    MISDEED(underrun_by_one),
    MISDEED(underrun_unit),
    MISDEED(double_free),
    MISDEED(double_free_in_heap),
    MISDEED(double_free_in_resize),
    MISDEED(double_free_aligned),
    MISDEED(double_free_large),
    MISDEED(double_free_by_other_thread),
    MISDEED(free_after_heap_destroy),
    MISDEED(free_inside),
    MISDEED(free_inside_large),
    MISDEED(free_odd),
    MISDEED(free_never_allocated),
    MISDEED(free_of_other_allocator),
    MISDEED(realloc_after_free),
    MISDEED(size_after_free),
    MISDEED(branch_on_unwritten),
    MISDEED(branch_on_unwritten_after_reuse),
    MISDEED(leak),
    MISDEED(leak_large),
    MISDEED(leak_in_heap),
    MISDEED(clean),
};

int main(int argument_count, char **arguments) {
  for (size_t i = 0; i < sizeof misdeeds / sizeof misdeeds[0]; i++) {
    if (argument_count == 2 && strcmp(arguments[1], misdeeds[i].name) == 0) {
      misdeeds[i].act();
      return 0;
    }
  }
  fprintf(stderr, "usage: %s MISDEED; these are known:\n", arguments[0]);
  for (size_t i = 0; i < sizeof misdeeds / sizeof misdeeds[0]; i++) {
    fprintf(stderr, "  %s\n", misdeeds[i].name);
  }
  return 2;
}
