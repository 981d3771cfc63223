/* What sizes and alignments the bytes stand for. */
#include "tests/fuzz/input.h"

#include "core/base/config.h"

/* A size close to `bound`, on either side of it. */
static size_t around(input_t *input, size_t bound) { return bound - 40 + input_below(input, 80); }

size_t input_size(input_t *input) {
  switch (input_below(input, 16)) {
    case 0:
      return around(input, FE_MEDIUM_MAX);
    case 1:
      return around(input, FE_UNIT_SIZE * (1 + input_below(input, FE_LARGE_UNITS_MAX + 1)));
    case 2:
      return input_word(input) * (FE_UNIT_SIZE / 4096);
    case 3:
      return input_word(input) * FE_SLAB_SIZE / (1 << 14); /* up to 4 slabs */
    case 4:
      return input_word(input) % FE_MEDIUM_MAX;
    case 5:
    case 6:
      return input_word(input) % 2048;
    case 7:
      return (size_t)16 << input_below(input, 8);
    case 8:
      return input_below(input, 2);
    default:
      return 1 + input_below(input, 128);
  }
}

size_t input_impossible_size(input_t *input) {
  static const size_t sizes[] = {
      SIZE_MAX,          SIZE_MAX - 15,           SIZE_MAX - 4096,  PTRDIFF_MAX,
      PTRDIFF_MAX - 100, (size_t)PTRDIFF_MAX + 1, SIZE_MAX / 4 * 3, (size_t)1 << FE_ADDRESS_BITS};
  return sizes[input_below(input, sizeof sizes / sizeof *sizes)];
}

size_t input_alignment(input_t *input) {
  return (size_t)1 << input_below(input, FE_SLAB_SHIFT + 3);
}
