/* Mixed shards: see mixed.h. */
#include "core/heap/mixed.h"

#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/slab/census.h"
#include "core/slab/remote.h"

/* What a mixed shard has behind its header. */
typedef struct mixed {
  uint32_t used_granules;
  uint32_t longest_max; /* no run of free granules is longer */
  /* A bit for each granule that is in a block or can be in none; owner. */
  uintptr_t used[FE_MIXED_WORDS];
  /* A bit for the last granule of each block. Written by the owner; whoever holds a block may read
   * from its first granule on: its last one was marked before it was handed out. Relaxed. */
  _Atomic(uintptr_t) ends[FE_MIXED_WORDS];
} mixed_t;

/* Granule n begins at byte 64 n + 48 of the unit, like the blocks of other shards. */
#define GRANULE_START 48
#define FIRST_GRANULE ((sizeof(fe_shard_t) + sizeof(mixed_t) + 15) / FE_MIXED_GRANULE)
#define LAST_GRANULE (FE_MIXED_GRANULES - 2)

static_assert(FE_SHARD_BLOCKS_START % FE_MIXED_GRANULE == GRANULE_START, "one start for all");

static mixed_t *mixed_of(const fe_shard_t *shard) { return (mixed_t *)(shard + 1); }

static char *granule_address(const fe_shard_t *shard, size_t granule) {
  return (char *)shard + granule * FE_MIXED_GRANULE + GRANULE_START;
}

static size_t granule_of(const fe_shard_t *shard, const void *ptr) {
  return (size_t)((const char *)ptr - (const char *)shard) / FE_MIXED_GRANULE;
}

/* -- Bits -- */

#define WORD_BITS FE_MIXED_WORD_BITS

static size_t highest_bit(uintptr_t bits) { return 63 - (size_t)__builtin_clzll(bits); }

static void set_used(mixed_t *mixed, size_t first, size_t count, bool is_used) {
  while (count > 0) {
    size_t here = WORD_BITS - first % WORD_BITS < count ? WORD_BITS - first % WORD_BITS : count;
    uintptr_t mask = (UINTPTR_MAX >> (WORD_BITS - here)) << (first % WORD_BITS);
    uintptr_t *word = &mixed->used[first / WORD_BITS];
    *word = is_used ? *word | mask : *word & ~mask;
    first += here;
    count -= here;
  }
}

/* The first granule from `from` on that is used, or is not. The last granule of all is used. */
static size_t find(const mixed_t *mixed, size_t from, bool is_used) {
  uintptr_t flip = is_used ? 0 : UINTPTR_MAX;
  size_t word = from / WORD_BITS;
  uintptr_t bits = (mixed->used[word] ^ flip) & (UINTPTR_MAX << (from % WORD_BITS));
  while (bits == 0) {
    if (++word == FE_MIXED_WORDS) return FE_MIXED_GRANULES;
    bits = mixed->used[word] ^ flip;
  }
  return word * WORD_BITS + fe_lowest_bit(bits);
}

/* The first free granule of the run that ends right before `end`, or `end`. */
static size_t find_back(const mixed_t *mixed, size_t end) {
  size_t word = (end - 1) / WORD_BITS;
  uintptr_t bits = mixed->used[word] & (UINTPTR_MAX >> (WORD_BITS - 1 - (end - 1) % WORD_BITS));
  while (bits == 0) bits = mixed->used[--word]; /* granule 0 is used */
  return word * WORD_BITS + highest_bit(bits) + 1;
}

static uintptr_t ends_at(const mixed_t *mixed, size_t word) {
  return atomic_load_explicit(&((mixed_t *)mixed)->ends[word], memory_order_relaxed);
}

static void flip_end(mixed_t *mixed, size_t granule) {
  size_t word = granule / WORD_BITS;
  uintptr_t bits = ends_at(mixed, word) ^ (uintptr_t)1 << (granule % WORD_BITS);
  atomic_store_explicit(&mixed->ends[word], bits, memory_order_relaxed);
}

/* The last granule of the block that begins at `first`. */
static size_t last_granule(const mixed_t *mixed, size_t first) {
  size_t word = first / WORD_BITS;
  uintptr_t bits = ends_at(mixed, word) & (UINTPTR_MAX << (first % WORD_BITS));
  while (bits == 0) bits = ends_at(mixed, ++word);
  return word * WORD_BITS + fe_lowest_bit(bits);
}

/* -- Shards -- */

static fe_shard_t *add_shard(fe_heap_t *heap) {
  fe_mixed_list_t *list = &heap->mixed;
  if (list->shard_count == FE_MIXED_SHARDS_MAX) return NULL;
  fe_run_t run;
  if (!fe_context_take(heap->context, 1, &run)) return NULL;
  fe_shard_t *shard = fe_shard_init(&run, 0, &heap->inbox, FE_SHARD_MIXED);
  mixed_t *mixed = mixed_of(shard);
  *mixed = (mixed_t){.longest_max = LAST_GRANULE + 1 - FIRST_GRANULE};
  set_used(mixed, 0, FIRST_GRANULE, true);
  set_used(mixed, LAST_GRANULE + 1, FE_MIXED_GRANULES - 1 - LAST_GRANULE, true);
  shard->prev = list->last;
  if (list->last != NULL) list->last->next = shard;
  if (list->first == NULL) list->first = shard;
  list->last = shard;
  list->shard_count++;
  fe_count_mixed_taken(heap);
  fe_census_enter(shard);
  return shard;
}

/* No block is in it. What others free is taken in when the shard comes out of the inbox and not
 * before, so nobody is about to free one, or to send the shard to the inbox. */
static void give_up(fe_heap_t *heap, fe_shard_t *shard) {
  fe_mixed_list_t *list = &heap->mixed;
  if (shard->prev != NULL) shard->prev->next = shard->next;
  if (shard->next != NULL) shard->next->prev = shard->prev;
  if (list->first == shard) list->first = shard->next;
  if (list->last == shard) list->last = shard->prev;
  list->shard_count--;
  fe_account_after_give_up(heap);
  fe_count_mixed_given(heap);
  fe_run_t run = fe_shard_run(shard);
  if (fe_census_leave(shard)) fe_context_give(heap->context, &run);
}

/* A block of so many granules at the lowest place that has room; NULL: there is none. */
static void *place(fe_shard_t *shard, size_t count) {
  mixed_t *mixed = mixed_of(shard);
  if (mixed->longest_max < count) return NULL;
  size_t longest = 0;
  for (size_t first = find(mixed, FIRST_GRANULE, false); first < LAST_GRANULE;) {
    size_t end = find(mixed, first, true);
    if (end - first >= count) {
      set_used(mixed, first, count, true);
      flip_end(mixed, first + count - 1);
      mixed->used_granules += (uint32_t)count;
      return granule_address(shard, first);
    }
    if (end - first > longest) longest = end - first;
    first = find(mixed, end, false);
  }
  mixed->longest_max = (uint32_t)longest;
  return NULL;
}

/* -- Blocks -- */

void *fe_mixed_alloc(fe_heap_t *heap, unsigned class_index, size_t requested) {
  if (class_index < FE_MIXED_FIRST_CLASS) return NULL;
  fe_mixed_list_t *list = &heap->mixed;
  uint8_t *block_count = &list->block_count[class_index - FE_MIXED_FIRST_CLASS];
  size_t size = fe_class_size(class_index);
  if (*block_count == FE_MIXED_BLOCKS_MAX || !fe_heap_may_hand_out(heap, size)) return NULL;
  size_t count = size / FE_MIXED_GRANULE;
  void *block = NULL;
  fe_shard_t *shard = list->first;
  for (; shard != NULL && block == NULL; shard = shard->next) block = place(shard, count);
  if (block == NULL) {
    shard = add_shard(heap);
    if (shard == NULL) {
      fe_heap_refund(heap, size);
      return NULL;
    }
    block = place(shard, count);
  }
  heap->account.held_bytes += size;
  ++*block_count;
  fe_count_mixed_alloc(heap, fe_shard_of(block), size, requested);
  return block;
}

void fe_mixed_free(fe_heap_t *heap, fe_shard_t *shard, void *ptr) {
  mixed_t *mixed = mixed_of(shard);
  size_t first = granule_of(shard, ptr);
  size_t last = last_granule(mixed, first);
  size_t count = last + 1 - first;
  size_t size = count * FE_MIXED_GRANULE;
  flip_end(mixed, last);
  set_used(mixed, first, count, false);
  size_t longest = find(mixed, last, true) - find_back(mixed, first);
  if (longest > mixed->longest_max) mixed->longest_max = (uint32_t)longest;
  mixed->used_granules -= (uint32_t)count;
  heap->account.held_bytes -= size;
  fe_heap_refund(heap, size);
  fe_count_mixed_free(heap, shard, size);
  heap->mixed.block_count[fe_class_of_larger(size) - FE_MIXED_FIRST_CLASS]--;
  bool is_last = shard == heap->mixed.first && shard == heap->mixed.last;
  if (mixed->used_granules == 0 && (!is_last || fe_heap_spares_mixed(heap))) {
    give_up(heap, shard);
  }
}

size_t fe_heap_mixed_bytes(const fe_heap_t *heap) {
  if (!fe_heap_has_more_figures(heap)) return 0;
  return fe_figure_get(&fe_heap_more_figures(heap)->mixed_bytes);
}

size_t fe_mixed_block_size(const fe_shard_t *shard, const void *ptr) {
  size_t first = granule_of(shard, ptr);
  return (last_granule(mixed_of(shard), first) + 1 - first) * FE_MIXED_GRANULE;
}

const void *fe_mixed_next(const fe_shard_t *shard, size_t *place, size_t *size) {
  const mixed_t *mixed = mixed_of(shard);
  size_t first = find(mixed, *place > FIRST_GRANULE ? *place : FIRST_GRANULE, true);
  if (first > LAST_GRANULE) return NULL;
  *place = last_granule(mixed, first) + 1;
  *size = (*place - first) * FE_MIXED_GRANULE;
  return granule_address(shard, first);
}

void fe_mixed_collect(fe_heap_t *heap) {
  for (fe_shard_t *shard = heap->mixed.first, *next; shard != NULL; shard = next) {
    next = shard->next;
    if (mixed_of(shard)->used_granules == 0) give_up(heap, shard);
  }
}
