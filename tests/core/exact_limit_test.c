/* A heap's own limit is exact to the byte, at any mixture of operations, of its holder and of
 * others, and while the limit itself changes: what is in use never passes it, and a refusal is
 * right only if the block would.
 */
#include "tests/core/support.h"

#include <pthread.h>

enum { SLOTS = 300, STEPS = 20000 };

typedef struct slot {
  unsigned char *block;
  size_t size;
} slot_t;

typedef struct model {
  fe_heap_t *heap;
  slot_t slots[SLOTS];
  random_source_t random;
  size_t limit; /* SIZE_MAX: none */
  bool looks_always;
  size_t refusals;
} model_t;

static model_t model;

static size_t used_bytes(void) { return fe_heap_used_bytes(model.heap); }

/* What a block counts at most: large ones count in steps of a sixteenth of a unit. */
static size_t counted(size_t size, size_t alignment) {
  size_t wanted = alignment == 0 ? size : (size + 15) / 16 * 16 + (alignment > 16 ? alignment : 0);
  size_t bytes = fe_heap_good_size(model.heap, wanted) + TRAILER;
  size_t step = bytes > MEDIUM_MAX || alignment > MEDIUM_MAX ? UNIT_BYTES / 16 : 1;
  return (bytes + step - 1) / step * step;
}

static void check(const slot_t *slot) {
  size_t number = (size_t)(slot - model.slots);
  require(slot->block == NULL || pattern_holds(slot->block, slot->size, number));
}

static void set(slot_t *slot, void *block, size_t size) {
  *slot = (slot_t){block, size};
  if (block != NULL) pattern_fill(block, size, (size_t)(slot - model.slots));
}

/* The heap refused a block that would have counted so much. */
static void check_refusal(size_t bytes) {
  model.refusals++;
  size_t used = used_bytes();
  if (used + bytes > model.limit) return;
  fail_msg("refused at a limit of %zu bytes, with %zu in use, a block of up to %zu", model.limit,
           used, bytes);
}

/* -- Steps ---------------------------------------------------------------------------------------
 */

static size_t any_size(void) {
  size_t kind = random_below(&model.random, 100);
  size_t most = kind < 50 ? 300 : kind < 80 ? 3000 : kind < 97 ? MEDIUM_MAX : 6 * UNIT_BYTES;
  return 1 + random_size(&model.random, most);
}

static void allocate(slot_t *slot) {
  size_t size = any_size();
  size_t alignment = 0; /* none is asked for */
  void *block = NULL;
  switch (random_below(&model.random, 4)) {
    case 0:
      block = fe_heap_calloc(model.heap, size, 1);
      require(block == NULL || all_zero(block, size));
      break;
    case 1:
      alignment = (size_t)16 << random_below(&model.random, 7);
      block = fe_heap_aligned_alloc(model.heap, alignment, size);
      require(aligned_to(block, alignment));
      break;
    case 2:
      block = fe_heap_resize(model.heap, NULL, 0, size);
      break;
    default:
      block = fe_heap_alloc(model.heap, size);
      break;
  }
  if (block == NULL) check_refusal(counted(size, alignment));
  set(slot, block, size);
}

static void release(slot_t *slot) {
  check(slot);
  if (random_below(&model.random, 2) == 0) {
    fe_heap_free(model.heap, slot->block);
  } else {
    fe_heap_resize(model.heap, slot->block, slot->size, 0);
  }
  slot->block = NULL;
}

/* The block stays as it was if it is refused another size. */
static void change_size(slot_t *slot) {
  check(slot);
  size_t size = any_size();
  bool is_resize = random_below(&model.random, 2) == 0;
  void *block = is_resize ? fe_heap_resize(model.heap, slot->block, slot->size, size)
                          : fe_heap_realloc(model.heap, slot->block, size);
  if (block == NULL) {
    require(!is_resize || size > slot->size);
    check_refusal(counted(size, 0));
    check(slot);
    return;
  }
  require(
      pattern_holds(block, size < slot->size ? size : slot->size, (size_t)(slot - model.slots)));
  set(slot, block, size);
}

static void free_some(void *step) {
  for (size_t i = 0; i < SLOTS; i += *(size_t *)step) {
    check(&model.slots[i]);
    fe_free(model.slots[i].block);
    model.slots[i].block = NULL;
  }
}

static void collect(void *argument) {
  (void)argument;
  fe_trim();
}

static void set_limit(size_t limit) {
  fe_heap_set_limit(model.heap, limit);
  model.limit = limit == 0 ? SIZE_MAX : limit;
}

/* Of what is in use, more or less, or none at all. */
static void change_limit(void) {
  size_t used = used_bytes();
  size_t kind = random_below(&model.random, 5);
  size_t limit = kind == 0   ? 0
                 : kind == 1 ? used
                             : 1 + random_below(&model.random, 2 * used + 1000);
  set_limit(limit);
}

static void step(void) {
  slot_t *slot = &model.slots[random_below(&model.random, SLOTS)];
  size_t kind = random_below(&model.random, 2000);
  if (kind == 0) {
    change_limit();
  } else if (kind < 8) {
    run_in_thread(free_some, (size_t[]){2 + random_below(&model.random, 20)});
  } else if (kind < 12) {
    run_in_thread(collect, NULL);
  } else if (kind < 14) {
    fe_heap_collect(model.heap, false);
  } else if (slot->block == NULL) {
    allocate(slot);
  } else if (kind % 4 == 0) {
    change_size(slot);
  } else if (kind % 4 == 1) {
    release(slot);
  }
}

/* After each step, or seldom, since to look is to bring the figures up to date. */
static void run(bool looks_always) {
  for (size_t i = 0; i < STEPS; i++) {
    bool looks = looks_always || i % 97 == 0;
    size_t before = looks ? used_bytes() : 0;
    step();
    if (!looks) continue;
    size_t used = used_bytes();
    if (used > model.limit && used > before) {
      fail_msg("step %zu: %zu bytes in use, %zu before, with a limit of %zu", i, used, before,
               model.limit);
    }
  }
}

static void a_mixture_keeps_to_the_limit(size_t granule, bool looks_always, uint64_t seed) {
  memset(&model, 0, sizeof model);
  model.random.state = seed;
  model.limit = 700000;
  fe_heap_options_t options = {.granule = granule, .memory_limit = model.limit};
  model.heap = fe_heap_create(&options);
  assert_non_null(model.heap);
  run(looks_always);
  run_in_thread(free_some, (size_t[]){1});
  assert_int_equal(used_bytes(), 0);
  set_limit(1);
  allocate(&model.slots[0]);
  assert_true(model.refusals > 0);
  fe_heap_set_limit(model.heap, 700000);
  void *block = fe_heap_alloc(model.heap, 600000);
  assert_non_null(block);
  fe_heap_destroy(model.heap);
}

static void looked_at_after_each_step(void **state) {
  (void)state;
  uint64_t seed = random_seed();
  for (size_t granule = 8; granule <= 16; granule += 8) {
    a_mixture_keeps_to_the_limit(granule, true, seed + granule);
  }
}

static void looked_at_seldom(void **state) {
  (void)state;
  uint64_t seed = random_seed();
  for (size_t granule = 8; granule <= 16; granule += 8) {
    for (uint64_t i = 0; i < 5; i++) a_mixture_keeps_to_the_limit(granule, false, seed + i);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(looked_at_after_each_step),
      test_that(looked_at_seldom),
  };
  return cmocka_run_group_tests_name("exact_limit", tests, NULL, NULL);
}
