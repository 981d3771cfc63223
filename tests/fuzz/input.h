/* The fuzzer's input: bytes that are read one after the other, and say what is done next. After the
 * last one there are zeros, so that every input is a valid one. */
#ifndef FERROC_TESTS_FUZZ_INPUT_H
#define FERROC_TESTS_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct input {
  const uint8_t *at;
  const uint8_t *end;
} input_t;

static inline bool input_is_over(const input_t *input) { return input->at == input->end; }

static inline unsigned input_byte(input_t *input) {
  return input_is_over(input) ? 0 : *input->at++;
}

/* 0 to bound - 1; bound: 1 to 256. */
static inline unsigned input_below(input_t *input, unsigned bound) {
  return input_byte(input) % bound;
}

static inline bool input_flag(input_t *input) { return (input_byte(input) & 1) != 0; }

static inline size_t input_word(input_t *input) {
  size_t high = input_byte(input);
  return high << 8 | input_byte(input);
}

/* Sizes of all kinds: many small ones, those around the bounds of classes, shards and slabs. Up to
 * INPUT_SIZE_MAX. */
size_t input_size(input_t *input);

/* Sizes that no allocator can serve. */
size_t input_impossible_size(input_t *input);

/* A power of two from 1 on, up to four slabs. */
size_t input_alignment(input_t *input);

#endif /* FERROC_TESTS_FUZZ_INPUT_H */
