/* Bases with every combination of functions that a table may leave out, on chunks of their own, on
 * a region of the program's, or on both; each function may fail at any call, once or for good. The
 * work gets as far as the memory goes, and nothing is lost. See checking_base.c for what is checked
 * at each call.
 */
#include "tests/core/ground.h"

/* -- A combination ----------------------------------------------------------------------------- */

enum {
  HAS_RELEASE = 1,
  HAS_COMMIT = 2,
  HAS_DECOMMIT = 4,
  HAS_GROW = 8,
  HAS_PROTECT = 16,
  HAS_ADVISE_HUGE = 32,
  IS_ZEROED = 64,
  HAS_ALLOCATE = 128,
  HAS_REGION = 256,
  HAS_RESERVE = 512,
  COMBINATION_COUNT = 1024,
};

/* Begins and ends inside of slabs. */
static char region[12 * ((size_t)1 << FE_SLAB_SHIFT)];
#define REGION_START (region + 4096)
#define REGION_BYTES (11 * SLAB_BYTES + 3 * UNIT_BYTES)

/* Addresses are reserved only where they can be made accessible; with what has to do with chunks of
 * single runs and huge pages, that has nothing to do. */
static bool is_possible(unsigned combination) {
  unsigned needed = HAS_ALLOCATE | HAS_PROTECT;
  bool can_reserve = (combination & (needed | HAS_GROW | HAS_ADVISE_HUGE)) == needed;
  if ((combination & HAS_RESERVE) && !can_reserve) return false;
  return (combination & (HAS_ALLOCATE | HAS_REGION)) != 0;
}

static void set_up(unsigned combination, size_t page_size) {
  checking_base_init(&ground.checking, page_size);
  checking_base_add_rare(&ground.checking);
  fe_base_t *base = &ground.checking.base;
  if (!(combination & HAS_RELEASE)) base->release = NULL;
  if (!(combination & HAS_COMMIT)) base->commit = NULL;
  if (!(combination & HAS_DECOMMIT)) base->decommit = NULL;
  if (!(combination & HAS_GROW)) base->grow = NULL;
  if (!(combination & HAS_PROTECT)) base->protect = NULL;
  if (!(combination & HAS_ADVISE_HUGE)) base->advise_huge = NULL;
  if (!(combination & HAS_ALLOCATE)) base->allocate = NULL;
  if (!(combination & HAS_RESERVE)) base->reserve = NULL;
  base->is_zeroed = (combination & IS_ZEROED) != 0;
}

/* -- The work: few bytes of a block are written, but some of each unit ------------------------- */

static void touch(char *block, size_t size, size_t seed) {
  for (size_t i = 0; i < size; i += UNIT_BYTES) block[i] = (char)(seed + i / UNIT_BYTES);
  block[size - 1] = (char)seed;
}

/* Whether the first `kept` bytes are as touch left them in a block of `size`. */
static bool is_touched(const char *block, size_t size, size_t kept, size_t seed) {
  size_t end = kept < size ? kept : size - 1;
  for (size_t i = 0; i < end; i += UNIT_BYTES) {
    if (block[i] != (char)(seed + i / UNIT_BYTES)) return false;
  }
  return kept < size || block[size - 1] == (char)seed;
}

static bool is_clear(const char *block, size_t size) {
  size_t step = size < 4 * UNIT_BYTES ? 1 : UNIT_BYTES / 4;
  for (size_t i = 0; i < size; i += step) {
    if (block[i] != 0) return false;
  }
  return block[size - 1] == 0;
}

/* block NULL: there was no memory. */
static bool is_there(const char *block) {
  require(block != NULL || errno == ENOMEM);
  return block != NULL;
}

static bool use_cleared_blocks(fe_heap_t *heap) {
  char *blocks[SIZE_COUNT];
  bool is_complete = true;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    blocks[i] = fe_heap_calloc(heap, 1, sizes[i]);
    if (!is_there(blocks[i])) {
      is_complete = false;
      continue;
    }
    require(is_clear(blocks[i], sizes[i]));
    touch(blocks[i], sizes[i], i);
  }
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    if (blocks[i] == NULL) continue;
    require(fe_heap_contains(heap, blocks[i]));
    require(is_touched(blocks[i], sizes[i], sizes[i], i));
    fe_heap_free(heap, blocks[i]);
  }
  return is_complete;
}

/* Takes a block from size to size, as far as there is memory. A smaller size is always there. */
static bool resize(fe_heap_t *heap, const size_t *steps, size_t step_count) {
  char *block = fe_heap_alloc(heap, steps[0]);
  if (!is_there(block)) return false;
  size_t size = steps[0];
  bool is_complete = true;
  for (size_t i = 1; i < step_count; i++) {
    touch(block, size, i);
    char *moved = i % 2 == 0 ? fe_heap_resize(heap, block, size, steps[i])
                             : fe_heap_realloc(heap, block, steps[i]);
    if (!is_there(moved)) {
      require(is_touched(block, size, size, i));
      is_complete = false;
      continue;
    }
    require(is_touched(moved, size, size < steps[i] ? size : steps[i], i));
    block = moved;
    size = steps[i];
  }
  touch(block, size, 1);
  fe_heap_free(heap, block);
  return is_complete;
}

static bool resize_blocks(fe_heap_t *heap) {
  static const size_t steps[] = {100,
                                 3 * UNIT_BYTES,
                                 SLAB_BYTES / 3,
                                 SLAB_BYTES * 2 / 3,
                                 SLAB_BYTES + 1,
                                 SLAB_BYTES * 5 / 4,
                                 SLAB_BYTES * 9 / 4,
                                 SLAB_BYTES * 4 / 3,
                                 SLAB_BYTES / 4,
                                 5 * UNIT_BYTES,
                                 7 * UNIT_BYTES,
                                 UNIT_BYTES,
                                 50};
  return resize(heap, steps, sizeof steps / sizeof *steps);
}

/* A block that has a chunk of its own, if the base takes it back. */
static bool use_a_huge_block(fe_heap_t *heap) {
  char *block = fe_heap_alloc(heap, 129 * MIB);
  if (!is_there(block)) return false;
  block[0] = block[129 * MIB - 1] = 1;
  const fe_base_t *base = &ground.checking.base;
  bool can_grow = base->grow != NULL && base->release != NULL && base->commit == NULL;
  char *moved = can_grow ? fe_heap_realloc(heap, block, 140 * MIB) : block; /* a copy takes long */
  if (!is_there(moved)) moved = block;
  require(moved[0] == 1 && moved[129 * MIB - 1] == 1);
  fe_heap_free(heap, moved);
  return true;
}

static bool use_heap(fe_heap_t *heap, bool is_huge_possible) {
  bool is_complete = use_cleared_blocks(heap);
  is_complete = resize_blocks(heap) && is_complete;
  if (is_huge_possible) is_complete = use_a_huge_block(heap) && is_complete;
  return is_complete;
}

/* Whatever lies there is answered, in use or not. */
static void ask_everywhere(const fe_heap_t *heap, const char *start, size_t size) {
  for (size_t i = 1; i < size; i += UNIT_BYTES / 2) fe_heap_contains(heap, start + i);
}

/* A round leaves some blocks to the heap's end. */
static bool do_a_round(bool is_huge_possible) {
  if (!make_heap()) return false;
  bool is_complete = use_heap(ground.heap, is_huge_possible);
  fe_heap_collect(ground.heap, true);
  is_complete = use_cleared_blocks(ground.heap) && is_complete;
  for (size_t i = 0; i < SIZE_COUNT; i++) {
    is_complete = is_there(fe_heap_alloc(ground.heap, sizes[i])) && is_complete;
  }
  for (size_t i = 0; i < CHUNKS_MAX; i++) {
    checked_chunk_t *chunk = &ground.checking.chunks[i];
    if (chunk->start != NULL) ask_everywhere(ground.heap, chunk->start, chunk->size);
  }
  fe_heap_destroy(ground.heap);
  return is_complete;
}

static fe_arenas_t *create_arenas(unsigned combination) {
  errno = 0;
  bool has_region = (combination & HAS_REGION) != 0;
  fe_arenas_t *arenas = fe_arenas_create(&ground.checking.base, has_region ? REGION_START : NULL,
                                         has_region ? REGION_BYTES : 0);
  require(arenas != NULL || errno == ENOMEM);
  return arenas;
}

/* Whether there was memory for everything. What a round does, the next one does with the memory
 * that is there, unless there is more of it by then. */
static bool do_the_work(unsigned combination) {
  /* Where memory is not zeroed the base fills it, and without release it comes slab by slab; both
   * take long. */
  unsigned has_huge = HAS_ALLOCATE | HAS_RELEASE | IS_ZEROED;
  ground.arenas = create_arenas(combination);
  if (ground.arenas == NULL) return false;
  bool is_complete = false;
  ground.context = fe_context_create(ground.arenas);
  if (ground.context != NULL) {
    is_complete = do_a_round((combination & has_huge) == has_huge);
    is_complete = do_a_round(false) && is_complete;
    size_t chunk_bytes = ground.checking.chunk_bytes;
    is_complete = do_a_round(false) && is_complete;
    require(ground.checking.chunk_bytes == chunk_bytes);
    fe_arenas_stats_t stats = {.struct_size = sizeof stats};
    require(fe_arenas_stats(ground.arenas, &stats));
    size_t region_bytes = (combination & HAS_REGION) != 0 ? REGION_BYTES : 0;
    require(stats.reserved_bytes <= chunk_bytes + region_bytes);
  }
  require(fe_context_destroy(ground.context));
  require(fe_arenas_destroy(ground.arenas));
  return is_complete;
}

static void end_base(unsigned combination) {
  if (!(combination & HAS_RELEASE)) checking_base_release_all(&ground.checking);
  checking_base_end(&ground.checking);
}

static const char *describe(unsigned combination) {
  static char text[200];
  snprintf(text, sizeof text, "%s%s%s%s%s%s%s%s%s%s", combination & HAS_RESERVE ? "reserve " : "",
           combination & HAS_RELEASE ? "release " : "", combination & HAS_COMMIT ? "commit " : "",
           combination & HAS_DECOMMIT ? "decommit " : "", combination & HAS_GROW ? "grow " : "",
           combination & HAS_PROTECT ? "protect " : "",
           combination & HAS_ADVISE_HUGE ? "advise_huge " : "",
           combination & IS_ZEROED ? "is_zeroed " : "",
           combination & HAS_ALLOCATE ? "allocate " : "", combination & HAS_REGION ? "region" : "");
  return text;
}

/* -- Tests ------------------------------------------------------------------------------------- */

static size_t page_size_count(void) {
  size_t count = 0;
  while (page_size_at(count) != 0) count++;
  return count;
}

/* Where all would take too long, every so many; odd, so that each bit changes. */
static unsigned step(void) { return is_slow() ? 7 : 1; }

static void every_combination_works(void **state) {
  (void)state;
  for (unsigned combination = 0; combination < COMBINATION_COUNT; combination += step()) {
    if (!is_possible(combination)) continue;
    size_t i = combination % page_size_count();
    set_up(combination, page_size_at(i));
    bool is_complete = do_the_work(combination);
    if (!is_complete) fail_msg("no memory with: %s", describe(combination));
    unsigned what_grows = HAS_GROW | HAS_RELEASE | HAS_ALLOCATE | IS_ZEROED;
    bool can_grow = (combination & (what_grows | HAS_COMMIT)) == what_grows && !IS_CHECKED;
    if (combination & IS_ZEROED) assert_int_equal(ground.checking.grow_count > 0, can_grow);
    end_base(combination);
  }
}

/* Those that differ in what may fail; in builds that check, which take longer, those that commit.
 */
static bool is_failing_differently(unsigned combination) {
  bool has_reserve = (combination & HAS_RESERVE) != 0;
  bool has_protect = (combination & HAS_PROTECT) != 0;
  unsigned same = HAS_ADVISE_HUGE | (IS_CHECKED ? HAS_GROW : 0);
  if (IS_CHECKED ? (combination & HAS_COMMIT) == 0 : has_protect != has_reserve) return false;
  return is_possible(combination) && (combination & (same | IS_ZEROED)) == IS_ZEROED;
}

/* The n-th call fails, for n = 1, 2, ... until the work gets through without one. Builds that check
 * take longer for more calls, so they leave more and more out. */
static void each_call_may_fail(unsigned combination, bool fails_for_good) {
  bool has_failed = true;
  for (size_t n = 1; has_failed; n += IS_CHECKED ? 1 + n / 2 : 1) {
    set_up(combination, page_size_at((combination + n) % page_size_count()));
    ground.checking.failing_call = n;
    ground.checking.fails_for_good = fails_for_good;
    bool is_complete = do_the_work(combination);
    has_failed = ground.checking.failing_call == (fails_for_good ? 1 : 0);
    if (!has_failed && !is_complete) fail_msg("no memory with: %s", describe(combination));
    end_base(combination);
  }
}

static void each_function_may_fail_at_any_call(void **state) {
  (void)state;
  for (unsigned combination = 0; combination < COMBINATION_COUNT; combination += step()) {
    if (is_failing_differently(combination)) each_call_may_fail(combination, false);
  }
}

static void each_function_may_fail_for_good(void **state) {
  (void)state;
  for (unsigned combination = 0; combination < COMBINATION_COUNT; combination += step()) {
    if (is_failing_differently(combination)) each_call_may_fail(combination, true);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(every_combination_works),
      test_that(each_function_may_fail_at_any_call),
      test_that(each_function_may_fail_for_good),
  };
  return cmocka_run_group_tests_name("base combinations", tests, NULL, NULL);
}
