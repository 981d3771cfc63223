/* The rules of the reference. */
#include "tests/fuzz/reference.h"

#include <errno.h>
#include <string.h>

#include "tests/fuzz/check.h"

/* -- Sizes --------------------------------------------------------------------------------------
 */

static size_t round_up(size_t size, size_t step) { return (size + step - 1) / step * step; }

size_t reference_full_size(size_t size, size_t granule) {
  if (size <= 128) return round_up(size == 0 ? 1 : size, granule);
  if (size > FE_MEDIUM_MAX) return round_up(size, FE_UNIT_SIZE / 16);
  size_t step = 16; /* an eighth of the power of two below the size */
  while (size > 16 * step) step *= 2;
  return round_up(size, step);
}

/* The same for a block that may need room for its alignment. */
static size_t full_size_at_most(const attempt_t *attempt, size_t granule) {
  size_t full = reference_full_size(attempt->size, granule);
  if (attempt->alignment <= granule) return full;
  size_t padded = reference_full_size(attempt->size + attempt->alignment + 16, granule);
  size_t large = round_up(attempt->size, FE_UNIT_SIZE / 16);
  return padded < FE_MEDIUM_MAX ? padded : large > FE_MEDIUM_MAX ? large : FE_UNIT_SIZE;
}

/* -- Contents -----------------------------------------------------------------------------------
 */

/* Large blocks are looked at where they begin, where they end, and once in each 64 KiB. */
enum { WHOLE_MAX = 16384, EDGE = 256, STRIDE = 65536 };

static size_t next_place(size_t place, size_t size) {
  if (size <= WHOLE_MAX || place < EDGE || place >= size - EDGE) return place + 1;
  size_t next = round_up(place + 1, STRIDE);
  return next < size - EDGE ? next : size - EDGE;
}

static unsigned char pattern(uint64_t seed, size_t place) {
  return (unsigned char)((seed + place * 0x9e3779b97f4a7c15u) >> 56);
}

static void fill(block_entry_t *entry) {
  size_t size = entry->size;
  for (size_t i = 0; i < size; i = next_place(i, size)) entry->block[i] = pattern(entry->seed, i);
}

/* The content as it was filled for a block of `filled` bytes, up to `size`. */
static void check_content(const unsigned char *block, size_t filled, size_t size, uint64_t seed) {
  for (size_t i = 0; i < size; i = next_place(i, filled)) {
    check(block[i] == pattern(seed, i), "byte %zu of a block of %zu was overwritten", i, filled);
  }
}

static void check_disjoint(const world_t *world, int slot) {
  const block_entry_t *entry = &world->blocks[slot];
  const unsigned char *end = entry->block + (entry->usable > 0 ? entry->usable : 1);
  for (int i = 0; i < BLOCKS; i++) {
    const block_entry_t *other = &world->blocks[i];
    if (i == slot || other->block == NULL) continue;
    const unsigned char *other_end = other->block + (other->usable > 0 ? other->usable : 1);
    check(end <= other->block || other_end <= entry->block,
          "blocks of %zu bytes at %p and %zu bytes at %p overlap", entry->usable,
          (void *)entry->block, other->usable, (void *)other->block);
  }
}

/* -- Heaps --------------------------------------------------------------------------------------
 */

size_t reference_granule(const world_t *world, int heap) {
  return heap == NO_HEAP ? FE_GRANULE_SIZE : world->heaps[heap].granule;
}

place_t *reference_place(world_t *world, int heap) {
  if (heap == NO_HEAP || world->heaps[heap].context < 0) return NULL;
  int place = world->contexts[world->heaps[heap].context].place;
  return place < 0 ? NULL : &world->places[place];
}

/* What an allocation may make a heap pay for beyond its own block: a step of its lease. */
#define MOST_PAID_AHEAD ((size_t)128 << 10)

static bool is_under(const world_t *world, int heap, int above) {
  while (heap != above && heap != NO_HEAP) heap = world->heaps[heap].parent;
  return heap == above;
}

size_t reference_used_under(const world_t *world, int heap) {
  size_t used = 0;
  for (int i = 0; i < HEAPS; i++) {
    if (world->heaps[i].heap != NULL && is_under(world, i, heap)) used += world->heaps[i].used;
  }
  return used;
}

size_t reference_charge_bound_under(const world_t *world, int heap) {
  size_t bound = 0;
  for (int i = 0; i < HEAPS; i++) {
    if (world->heaps[i].heap == NULL || !is_under(world, i, heap)) continue;
    bound += world->heaps[i].charge_bound;
  }
  return bound;
}

/* Whether a limit may forbid the attempt. A heap's own limit is exact; what a heap has in its hands
 * for later counts in the limits above it, and those under a heap make its own inexact. */
static bool may_meet_limit(const world_t *world, const attempt_t *attempt) {
  if (attempt->heap == NO_HEAP) return false;
  size_t granule = world->heaps[attempt->heap].granule;
  size_t full = full_size_at_most(attempt, granule);
  for (int i = attempt->heap; i != NO_HEAP; i = world->heaps[i].parent) {
    const heap_entry_t *entry = &world->heaps[i];
    if (entry->limit == 0) continue;
    bool is_exact = i == attempt->heap && entry->child_count == 0;
    size_t charged = is_exact ? entry->used + entry->slack : reference_charge_bound_under(world, i);
    if (charged + full + (is_exact ? 0 : MOST_PAID_AHEAD) > entry->limit) return true;
  }
  return false;
}

static void check_limits(const world_t *world, int heap) {
  for (int i = heap; i != NO_HEAP; i = world->heaps[i].parent) {
    const heap_entry_t *entry = &world->heaps[i];
    if (entry->limit == 0) continue;
    size_t most = entry->limit > entry->paid_before ? entry->limit : entry->paid_before;
    check(reference_used_under(world, i) <= most,
          "%zu bytes are in use in and under heap %d, by way of %d, and the limit is %zu",
          reference_used_under(world, i), i, heap, entry->limit);
  }
}

static size_t refusal_count(world_t *world, int heap) {
  place_t *place = reference_place(world, heap);
  return place == NULL ? 0 : place->refusal_count;
}

attempt_t reference_begin(world_t *world, int heap, size_t size, size_t alignment) {
  attempt_t attempt = {
      .heap = heap,
      .size = size,
      .alignment = alignment,
      .is_possible = size < (size_t)1 << 40,
      .errors_before = heap == NO_HEAP ? 0 : world->heaps[heap].error_count,
      .refusals_before = refusal_count(world, heap),
      .warnings_before = warning_count,
  };
  attempt.may_meet_limit = attempt.is_possible && may_meet_limit(world, &attempt);
  if (world->is_traced) {
    fprintf(stderr, "  %zu bytes aligned to %zu in heap %d (in use %zu + %zu)\n", size, alignment,
            heap, heap == NO_HEAP ? 0 : world->heaps[heap].used,
            heap == NO_HEAP ? 0 : world->heaps[heap].slack);
  }
  errno = 0;
  return attempt;
}

/* Whether the memory under a heap may have come to its end: regions may be full at any time. */
static bool may_lack_memory(world_t *world, const attempt_t *attempt) {
  place_t *place = reference_place(world, attempt->heap);
  if (!attempt->is_possible) return true;
  if (place == NULL) return false;
  return !place->has_base || place->refusal_count > attempt->refusals_before;
}

static void check_callback(const heap_entry_t *entry, const attempt_t *attempt, bool may_lack) {
  check(entry->error_count == attempt->errors_before + 1, "on_error was called %zu times",
        entry->error_count - attempt->errors_before);
  check(entry->last_error_bytes == attempt->size, "on_error was told %zu bytes, not %zu",
        entry->last_error_bytes, attempt->size);
  if (!may_lack) check(entry->last_error == FE_ERROR_LIMIT, "the limit was met, and not named");
  if (attempt->is_possible && !attempt->may_meet_limit) {
    check(entry->last_error == FE_ERROR_NO_MEMORY, "a limit was named, and none was met");
  }
}

void reference_check_failure(world_t *world, const attempt_t *attempt) {
  bool may_lack = may_lack_memory(world, attempt);
  check(may_lack || attempt->may_meet_limit, "%zu bytes, aligned to %zu, were refused",
        attempt->size, attempt->alignment);
  check(errno == ENOMEM, "errno is %d after a failure", errno);
  check(warning_count == attempt->warnings_before, "a message about lack of memory");
  if (attempt->heap != NO_HEAP) check_callback(&world->heaps[attempt->heap], attempt, may_lack);
}

/* -- Blocks -------------------------------------------------------------------------------------
 */

static void enter(world_t *world, block_entry_t *entry) {
  if (entry->heap == NO_HEAP) return;
  world->heaps[entry->heap].used += entry->usable;
  world->heaps[entry->heap].slack += entry->slack;
}

/* A heap without others under it never gets back to what it had above its limit. */
static void leave(world_t *world, const block_entry_t *entry) {
  if (entry->heap == NO_HEAP) return;
  heap_entry_t *heap = &world->heaps[entry->heap];
  heap->used -= entry->usable;
  heap->slack -= entry->slack;
  size_t held = heap->used + heap->slack;
  if (heap->child_count == 0 && held < heap->paid_before) heap->paid_before = held;
}

/* Above 512 bytes, a freed block of the next class may be at hand. */
static size_t next_full_size(size_t full, size_t granule) {
  return full > 512 && full < FE_MEDIUM_MAX ? reference_full_size(full + 1, granule) : full;
}

/* grown_from: what the block had before, if it has moved. One that grows by little may get a
 * half more, above a sixteenth of a unit a quarter. */
static void check_new_size(const world_t *world, const attempt_t *attempt, size_t grown_from,
                           size_t usable) {
  size_t granule = reference_granule(world, attempt->heap);
  size_t full = full_size_at_most(attempt, granule);
  bool grows = attempt->size > grown_from && attempt->size - grown_from <= grown_from / 4;
  size_t more = attempt->size / (attempt->size <= FE_UNIT_SIZE / 16 ? 2 : 4);
  size_t wanted = grows ? attempt->size + more : attempt->size;
  bool is_medium = attempt->alignment <= granule && wanted <= FE_MEDIUM_MAX;
  size_t most = is_medium ? next_full_size(reference_full_size(wanted, granule), granule) : full;
  check(usable <= most, "a block of %zu bytes takes %zu", attempt->size, usable);
  if (attempt->alignment > granule || attempt->size > FE_MEDIUM_MAX || grows) return;
  size_t least = round_up(attempt->size == 0 ? 1 : attempt->size, granule); /* in a nursery */
  check(usable == full || usable == least || usable == most,
        "a block of %zu bytes takes %zu instead of %zu, %zu or %zu", attempt->size, usable, least,
        full, most);
}

/* A block that is new or has moved. */
static void place_block(world_t *world, const attempt_t *attempt, size_t grown_from, int slot,
                        void *block) {
  block_entry_t *entry = &world->blocks[slot];
  size_t granule = reference_granule(world, attempt->heap);
  size_t alignment = attempt->alignment > granule ? attempt->alignment : granule;
  check(attempt->is_possible, "%zu bytes were handed out", attempt->size);
  check(((uintptr_t)block & (alignment - 1)) == 0, "%p is not aligned to %zu", block, alignment);
  *entry = (block_entry_t){
      .block = block,
      .size = attempt->size,
      .usable = fe_malloc_size(block),
      .slack = attempt->alignment > granule ? attempt->alignment : 0,
      .seed = world->next_seed,
      .heap = attempt->heap,
  };
  check(entry->usable >= entry->size, "a block of %zu bytes can hold %zu", entry->size,
        entry->usable);
  check_new_size(world, attempt, grown_from, entry->usable);
  world->next_seed = world->next_seed * 0x5851f42d4c957f2d + 0x14057b7ef767814f;
  enter(world, entry);
  fill(entry);
}

static void check_after_success(world_t *world, const attempt_t *attempt, size_t used_before) {
  check(warning_count == attempt->warnings_before, "a message though it went well");
  if (attempt->heap == NO_HEAP) return;
  heap_entry_t *heap = &world->heaps[attempt->heap];
  heap->charge_bound += full_size_at_most(attempt, heap->granule) + MOST_PAID_AHEAD;
  if (heap->used > used_before) check_limits(world, attempt->heap);
}

static size_t used_by(const world_t *world, int heap) {
  return heap == NO_HEAP ? 0 : world->heaps[heap].used;
}

void reference_add(world_t *world, const attempt_t *attempt, int slot, void *block) {
  size_t used_before = used_by(world, attempt->heap);
  place_block(world, attempt, 0, slot, block);
  check_disjoint(world, slot);
  reference_check_block(world, slot);
  check_after_success(world, attempt, used_before);
}

void reference_change(world_t *world, const attempt_t *attempt, int slot, void *block) {
  block_entry_t *entry = &world->blocks[slot];
  block_entry_t old = *entry;
  size_t used_before = used_by(world, attempt->heap);
  size_t kept = old.size < attempt->size ? old.size : attempt->size;
  check_content(block, old.size, kept, old.seed);
  leave(world, &old);
  if ((unsigned char *)block == old.block) {
    entry->size = attempt->size;
    entry->usable = fe_malloc_size(block);
    check(entry->usable >= entry->size, "a block of %zu bytes can hold %zu", entry->size,
          entry->usable);
    enter(world, entry);
    fill(entry);
  } else {
    place_block(world, attempt, old.usable, slot, block);
  }
  check_disjoint(world, slot);
  reference_check_block(world, slot);
  check_after_success(world, attempt, used_before);
}

void reference_check_block(const world_t *world, int slot) {
  const block_entry_t *entry = &world->blocks[slot];
  if (entry->block == NULL) return;
  check_content(entry->block, entry->size, entry->size, entry->seed);
  check(fe_owns(entry->block), "%p is not ferroc's", (void *)entry->block);
  check(fe_malloc_size(entry->block) == entry->usable, "a block's size changed from %zu to %zu",
        entry->usable, fe_malloc_size(entry->block));
  for (int i = 0; i < HEAPS; i++) {
    const heap_entry_t *heap = &world->heaps[i];
    if (heap->heap == NULL) continue;
    check(fe_heap_contains(heap->heap, entry->block) == (i == entry->heap),
          "a block of heap %d is said to be of heap %d, or not", entry->heap, i);
  }
}

void *reference_remove(world_t *world, int slot) {
  block_entry_t *entry = &world->blocks[slot];
  reference_check_block(world, slot);
  leave(world, entry);
  void *block = entry->block;
  entry->block = NULL;
  return block;
}

void reference_remove_all(world_t *world, int heap) {
  for (int i = 0; i < BLOCKS; i++) {
    if (world->blocks[i].block != NULL && world->blocks[i].heap == heap) {
      world->blocks[i].block = NULL;
    }
  }
}

void reference_check_heap(world_t *world, int heap) {
  const heap_entry_t *entry = &world->heaps[heap];
  size_t used = fe_heap_used_bytes(entry->heap);
  check(used >= entry->used && used <= entry->used + entry->slack,
        "a heap says that it uses %zu bytes; its blocks take %zu to %zu", used, entry->used,
        entry->used + entry->slack);
  fe_heap_stats_t seen = {.struct_size = sizeof seen};
  check(fe_heap_stats_peek(entry->heap, &seen) && seen.used_bytes == used,
        "a heap uses %zu bytes, and others see %zu", used, seen.used_bytes);
  check(fe_heap_limit(entry->heap) == entry->limit, "the limit is %zu, not %zu",
        fe_heap_limit(entry->heap), entry->limit);
  check(strcmp(fe_heap_name(entry->heap), entry->name) == 0, "the name is \"%s\", not \"%s\"",
        fe_heap_name(entry->heap), entry->name);
  check(!fe_heap_contains(entry->heap, NULL) && !fe_heap_contains(entry->heap, world),
        "a heap contains what is not its own");
}
