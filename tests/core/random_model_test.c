/* A random walk over the whole interface against a shadow map: which blocks live, where, with which
 * content and in which heap. FERROC_TEST_SEED repeats a walk, FERROC_TEST_STEPS sets its length.
 */
#include "tests/core/support.h"

enum { BLOCK_MAX = 1500, HEAP_COUNT = 4, CONTENT_MAX = 70000, THREAD_HEAP = 0 };

/* A live block. Its content is checked up to CONTENT_MAX bytes, and its last 8 bytes. */
typedef struct shadow_block {
  char *block;
  size_t size;
  uint64_t seed;
  int heap_index;
  bool is_aligned; /* wider than the granule */
} shadow_block_t;

/* Heap 0 is the thread's; the others come and go. */
typedef struct shadow {
  random_source_t source;
  fe_heap_t *heaps[HEAP_COUNT];
  size_t granules[HEAP_COUNT];
  shadow_block_t blocks[BLOCK_MAX];
  size_t block_count;
  const shadow_block_t *by_address[BLOCK_MAX];
  size_t base_used_bytes; /* of the thread's heap before the walk */
  size_t step;
} shadow_t;

static shadow_t shadow;

#define assert_step(condition)                                                                \
  do {                                                                                        \
    if (!(condition)) {                                                                       \
      fail_msg("step %zu, %s:%d: not true: %s", shadow.step, __FILE__, __LINE__, #condition); \
    }                                                                                         \
  } while (0)

/* -- Content ---------------------------------------------------------------------------------- */

static size_t content_size(size_t size) { return size < CONTENT_MAX ? size : CONTENT_MAX; }

static void write_content(shadow_block_t *entry) {
  entry->seed = random_next(&shadow.source);
  pattern_fill(entry->block, content_size(entry->size), entry->seed);
  if (entry->size > CONTENT_MAX + 8) {
    memcpy(entry->block + entry->size - 8, &entry->seed, 8);
  }
}

static bool content_holds(const shadow_block_t *entry) {
  return pattern_holds(entry->block, content_size(entry->size), entry->seed) &&
         (entry->size <= CONTENT_MAX + 8 ||
          memcmp(entry->block + entry->size - 8, &entry->seed, 8) == 0);
}

/* -- The map ---------------------------------------------------------------------------------- */

static int compare_addresses(const void *left, const void *right) {
  const shadow_block_t *a = *(const shadow_block_t *const *)left;
  const shadow_block_t *b = *(const shadow_block_t *const *)right;
  return (a->block > b->block) - (a->block < b->block);
}

/* No two live blocks share a byte, and their contents are as they were written. */
static void check_all_blocks(void) {
  for (size_t i = 0; i < shadow.block_count; i++) {
    shadow.by_address[i] = &shadow.blocks[i];
    assert_step(content_holds(&shadow.blocks[i]));
  }
  qsort(shadow.by_address, shadow.block_count, sizeof(shadow.by_address[0]), compare_addresses);
  for (size_t i = 0; i + 1 < shadow.block_count; i++) {
    const shadow_block_t *lower = shadow.by_address[i];
    assert_step(lower->block < shadow.by_address[i + 1]->block);
    assert_step(lower->block + lower->size <= shadow.by_address[i + 1]->block);
  }
}

static size_t most_counted(const shadow_block_t *entry) {
  size_t size = entry->size + TRAILER;
  size_t most = size + size / 8 < size + 16 ? size + 16 : size + size / 8;
  return entry->is_aligned ? SIZE_MAX / 2 / BLOCK_MAX : most;
}

static void check_used_bytes_of(int heap_index) {
  size_t least = heap_index == THREAD_HEAP ? shadow.base_used_bytes : 0;
  size_t most = least;
  for (size_t i = 0; i < shadow.block_count; i++) {
    if (shadow.blocks[i].heap_index == heap_index) {
      least += shadow.blocks[i].size;
      most += most_counted(&shadow.blocks[i]);
    }
  }
  size_t used = fe_heap_used_bytes(shadow.heaps[heap_index]);
  if (used < least || used > most) {
    fail_msg("step %zu: heap %d uses %zu bytes, its blocks need %zu to %zu", shadow.step,
             heap_index, used, least, most);
  }
}

/* The heaps answer for any byte of a block that shares a shard, and for the first of a bigger one,
 * or of one that is aligned so widely that it is made like a bigger one. */
static void check_owner(const shadow_block_t *entry) {
  size_t offset = entry->size > 0 ? random_below(&shadow.source, entry->size) : 0;
  assert_step(fe_owns(entry->block + offset));
  offset = entry->size > MEDIUM_MAX || entry->is_aligned ? 0 : offset;
  for (int i = 0; i < HEAP_COUNT; i++) {
    bool is_owner = i == entry->heap_index;
    assert_step(fe_heap_contains(shadow.heaps[i], entry->block + offset) == is_owner);
  }
}

static void enter(void *block, size_t size, int heap_index, size_t alignment) {
  assert_step(block != NULL);
  assert_step(aligned_to(block, alignment));
  assert_step(aligned_to(block, shadow.granules[heap_index]));
  assert_step(fe_malloc_size(block) >= size);
  shadow_block_t *entry = &shadow.blocks[shadow.block_count++];
  *entry = (shadow_block_t){.block = block,
                            .size = size,
                            .heap_index = heap_index,
                            .is_aligned = alignment > shadow.granules[heap_index]};
  write_content(entry);
}

static void forget(shadow_block_t *entry) { *entry = shadow.blocks[--shadow.block_count]; }

/* -- Steps ------------------------------------------------------------------------------------ */

/* Mostly small, seldom large, hardly ever huge. */
static size_t any_size(void) {
  size_t kind = random_below(&shadow.source, 1000);
  return random_size(&shadow.source, kind < 900   ? 2048
                                     : kind < 980 ? 40000
                                     : kind < 998 ? MIB
                                                  : 9 * MIB);
}

static int any_heap(void) { return (int)random_below(&shadow.source, HEAP_COUNT); }

static void step_allocate(void) {
  int i = any_heap();
  size_t size = any_size();
  fe_heap_t *heap = shadow.heaps[i];
  void *block;
  if (i == THREAD_HEAP) {
    block = random_below(&shadow.source, 2) == 0 ? fe_malloc(size) : fe_realloc(NULL, size);
  } else {
    block = random_below(&shadow.source, 2) == 0 ? fe_heap_alloc(heap, size)
                                                 : fe_heap_realloc(heap, NULL, size);
  }
  enter(block, size, i, 1);
}

static void step_allocate_zeroed(void) {
  int i = any_heap();
  size_t size = any_size();
  size_t count = 1 + random_below(&shadow.source, 3);
  void *block = i == THREAD_HEAP ? fe_calloc(count, size / count)
                                 : fe_heap_calloc(shadow.heaps[i], count, size / count);
  assert_step(block != NULL && all_zero(block, count * (size / count)));
  enter(block, count * (size / count), i, 1);
}

static void step_allocate_aligned(void) {
  int i = any_heap();
  size_t size = any_size();
  bool is_rarely_wide = random_below(&shadow.source, 200) == 0;
  size_t alignment = (size_t)8 << random_below(&shadow.source, is_rarely_wide ? 20 : 11);
  void *block = NULL;
  if (i != THREAD_HEAP) {
    block = fe_heap_aligned_alloc(shadow.heaps[i], alignment, size);
  } else if (random_below(&shadow.source, 2) == 0) {
    block = fe_aligned_alloc(alignment, size);
  } else {
    assert_step(fe_posix_memalign(&block, alignment, size) == 0);
  }
  enter(block, size, i, alignment);
}

/* fe_heap_resize wants a heap that was created, or NULL for the thread's. */
static fe_heap_t *heap_to_resize_in(int heap_index) {
  return heap_index == THREAD_HEAP ? NULL : shadow.heaps[heap_index];
}

/* It wants an old size of at least 1. */
static size_t old_size(const shadow_block_t *entry) { return entry->size > 0 ? entry->size : 1; }

/* The Lua shape: the type of an object to be comes as its old size. */
static void step_allocate_by_resize(void) {
  int i = any_heap();
  size_t size = 1 + any_size();
  fe_heap_t *heap = heap_to_resize_in(i);
  enter(fe_heap_resize(heap, NULL, random_below(&shadow.source, 9), size), size, i, 1);
}

static void step_free(shadow_block_t *entry) {
  switch (random_below(&shadow.source, 6)) {
    case 0:
      fe_heap_free(shadow.heaps[entry->heap_index], entry->block);
      break;
    case 1:
      fe_heap_free(shadow.heaps[any_heap()], entry->block);
      break;
    case 2: {
      fe_heap_t *heap = heap_to_resize_in(entry->heap_index);
      assert_step(fe_heap_resize(heap, entry->block, old_size(entry), 0) == NULL);
      break;
    }
    case 3:
      if (entry->heap_index == THREAD_HEAP) {
        assert_step(fe_heap_resize(NULL, entry->block, old_size(entry), 0) == NULL);
        break;
      }
      fe_free(entry->block);
      break;
    default:
      fe_free(entry->block);
      break;
  }
  forget(entry);
}

static void step_any_allocation(void) {
  static void (*const steps[])(void) = {step_allocate, step_allocate, step_allocate_zeroed,
                                        step_allocate_aligned, step_allocate_by_resize};
  steps[random_below(&shadow.source, sizeof(steps) / sizeof(steps[0]))]();
}

static void after_resize(shadow_block_t *entry, void *block, size_t size, int heap_index) {
  assert_step(block != NULL);
  size_t kept = content_size(entry->size < size ? entry->size : size);
  assert_step(pattern_holds(block, kept, entry->seed));
  bool is_aligned = entry->is_aligned && entry->block == block;
  forget(entry);
  enter(block, size, heap_index, 1);
  shadow.blocks[shadow.block_count - 1].is_aligned = is_aligned;
}

static void step_realloc(shadow_block_t *entry) {
  int i = entry->heap_index;
  size_t size = 1 + any_size();
  switch (random_below(&shadow.source, 3)) {
    case 0:
      i = any_heap();
      after_resize(entry, fe_heap_realloc(shadow.heaps[i], entry->block, size), size, i);
      break;
    case 1:
      if (i == THREAD_HEAP) {
        after_resize(entry, fe_realloc(entry->block, size), size, i);
      }
      break;
    default: {
      fe_heap_t *heap = heap_to_resize_in(i);
      after_resize(entry, fe_heap_resize(heap, entry->block, old_size(entry), size), size, i);
      break;
    }
  }
}

/* A request that cannot be met leaves everything as it was. */
static void step_impossible(shadow_block_t *entry) {
  size_t size = SIZE_MAX - random_size(&shadow.source, SIZE_MAX / 4);
  fe_heap_t *heap = shadow.heaps[entry->heap_index];
  assert_step(fe_realloc(entry->block, size) == NULL);
  assert_step(fe_heap_realloc(heap, entry->block, size) == NULL);
  assert_step(fe_heap_alloc(heap, size) == NULL);
  heap = heap_to_resize_in(entry->heap_index);
  assert_step(fe_heap_resize(heap, entry->block, old_size(entry), size) == NULL);
  assert_step(content_holds(entry));
}

static void step_limit(void) {
  int i = any_heap();
  size_t used = fe_heap_used_bytes(shadow.heaps[i]);
  fe_heap_set_limit(shadow.heaps[i], used + 1000);
  assert_step(fe_heap_alloc(shadow.heaps[i], 1001) == NULL);
  assert_step(fe_heap_used_bytes(shadow.heaps[i]) == used);
  fe_heap_set_limit(shadow.heaps[i], 0);
}

static void create_heap(int i) {
  fe_heap_options_t options = {.granule = random_below(&shadow.source, 2) == 0 ? 8 : 16};
  shadow.heaps[i] = fe_heap_create(&options);
  shadow.granules[i] = options.granule;
  assert_step(shadow.heaps[i] != NULL);
}

/* The heap goes with all its blocks, and a new one takes its place. */
static void step_destroy_heap(void) {
  int heap_index = 1 + (int)random_below(&shadow.source, HEAP_COUNT - 1);
  for (size_t i = shadow.block_count; i > 0; i--) {
    if (shadow.blocks[i - 1].heap_index == heap_index) {
      assert_step(content_holds(&shadow.blocks[i - 1]));
      forget(&shadow.blocks[i - 1]);
    }
  }
  fe_heap_destroy(shadow.heaps[heap_index]);
  create_heap(heap_index);
}

static void step_collect(void) {
  bool is_forced = random_below(&shadow.source, 20) == 0;
  int i = any_heap();
  if (i == THREAD_HEAP) {
    fe_collect(is_forced);
  } else {
    fe_heap_collect(shadow.heaps[i], is_forced);
  }
}

static void random_step(void) {
  shadow_block_t *entry = shadow.block_count == 0
                              ? NULL
                              : &shadow.blocks[random_below(&shadow.source, shadow.block_count)];
  bool is_full = shadow.block_count == BLOCK_MAX;
  /* Phases of growth and of decline, so that shards fill up and empty again. */
  size_t kind = random_below(&shadow.source, (shadow.step / 4000) % 2 == 0 ? 850 : 1000);
  if (entry != NULL) {
    assert_step(content_holds(entry));
  }
  if (kind < 600 && !is_full) {
    step_any_allocation();
  } else if (entry == NULL) {
    return;
  } else if (kind < 700) {
    step_realloc(entry);
  } else if (kind < 705) {
    step_impossible(entry);
  } else if (kind < 710) {
    step_collect();
  } else if (kind < 713) {
    step_limit();
  } else if (kind < 725) {
    check_owner(entry);
  } else if (kind < 730) {
    check_used_bytes_of(any_heap());
  } else if (kind < 731) {
    step_destroy_heap();
  } else {
    step_free(entry);
  }
}

static void a_random_walk_agrees_with_its_shadow(void **state) {
  (void)state;
  shadow.source.state = random_seed();
  const char *steps_given = getenv("FERROC_TEST_STEPS");
  size_t steps = steps_given != NULL ? strtoull(steps_given, NULL, 10) : 120000;
  shadow.heaps[THREAD_HEAP] = fe_thread_heap();
  shadow.granules[THREAD_HEAP] = GRANULE;
  shadow.base_used_bytes = fe_heap_used_bytes(shadow.heaps[THREAD_HEAP]);
  for (int i = 1; i < HEAP_COUNT; i++) {
    create_heap(i);
  }
  for (shadow.step = 0; shadow.step < steps; shadow.step++) {
    random_step();
    if (shadow.step % 1000 == 0) {
      check_all_blocks();
    }
  }
  check_all_blocks();
  while (shadow.block_count > 0) {
    step_free(&shadow.blocks[random_below(&shadow.source, shadow.block_count)]);
  }
  for (int i = 0; i < HEAP_COUNT; i++) {
    check_used_bytes_of(i);
  }
  for (int i = 1; i < HEAP_COUNT; i++) {
    fe_heap_destroy(shadow.heaps[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(a_random_walk_agrees_with_its_shadow),
  };
  return cmocka_run_group_tests_name("random_model", tests, NULL, NULL);
}
