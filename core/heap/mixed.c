/* Mixed shards: see mixed.h. */
#include "core/heap/mixed.h"

#include "core/heap/heap.h"
#include "core/heap/heap_inline.h"
#include "core/heap/stock.h"
#include "core/slab/census.h"
#include "core/slab/remote.h"

/* Granule n begins at byte 64 n + 48 of the unit, like the blocks of other shards. */
#define GRANULE_START 48
#define FIRST_GRANULE ((sizeof(fe_shard_t) + sizeof(fe_mixed_t) + 15) / FE_MIXED_GRANULE)
#define LAST_GRANULE (FE_MIXED_GRANULES - 2)

static_assert(FE_SHARD_BLOCKS_START % FE_MIXED_GRANULE == GRANULE_START, "one start for all");

static char *granule_address(const fe_shard_t *shard, size_t granule) {
  return (char *)shard + granule * FE_MIXED_GRANULE + GRANULE_START;
}

/* -- Bits -- */

#define WORD_BITS FE_MIXED_WORD_BITS

static size_t highest_bit(uintptr_t bits) { return 63 - (size_t)__builtin_clzll(bits); }

static void set_in_word(fe_mixed_t *mixed, size_t word, uintptr_t mask, bool is_used) {
  mixed->used[word] = is_used ? mixed->used[word] | mask : mixed->used[word] & ~mask;
}

static inline FE_INLINE void set_used(fe_mixed_t *mixed, size_t first, size_t count, bool is_used) {
  size_t last = first + count - 1;
  size_t word = first / WORD_BITS;
  uintptr_t from_first = UINTPTR_MAX << (first % WORD_BITS);
  uintptr_t to_last = UINTPTR_MAX >> (WORD_BITS - 1 - last % WORD_BITS);
  if (FE_MIXED_WORDS == 1 || word == last / WORD_BITS) {
    set_in_word(mixed, word, from_first & to_last, is_used);
    return;
  }
  set_in_word(mixed, word, from_first, is_used);
  while (++word < last / WORD_BITS) mixed->used[word] = is_used ? UINTPTR_MAX : 0;
  set_in_word(mixed, word, to_last, is_used);
}

/* The first granule from `from` on that is used, or is not. The last granule of all is used. */
static inline FE_INLINE size_t find(const fe_mixed_t *mixed, size_t from, bool is_used) {
  uintptr_t flip = is_used ? 0 : UINTPTR_MAX;
  size_t word = from / WORD_BITS;
  uintptr_t bits = (mixed->used[word] ^ flip) & (UINTPTR_MAX << (from % WORD_BITS));
  while (bits == 0) {
    if (++word >= FE_MIXED_WORDS) return FE_MIXED_GRANULES;
    bits = mixed->used[word] ^ flip;
  }
  return word * WORD_BITS + fe_lowest_bit(bits);
}

/* The first free granule of the run that ends right before `end`, or `end`. */
static size_t find_back(const fe_mixed_t *mixed, size_t end) {
  size_t word = (end - 1) / WORD_BITS;
  uintptr_t bits = mixed->used[word] & (UINTPTR_MAX >> (WORD_BITS - 1 - (end - 1) % WORD_BITS));
  while (bits == 0) bits = mixed->used[--word]; /* granule 0 is used */
  return word * WORD_BITS + highest_bit(bits) + 1;
}

static void set_length(fe_shard_t *shard, size_t first, size_t count) {
  _Atomic(uint16_t) *length = &fe_mixed_of(shard)->length[first / FE_MIXED_LENGTH_GRANULES];
  atomic_store_explicit(length, (uint16_t)count, memory_order_relaxed);
}

/* -- Rooms: which shards have a run for blocks of a class. So the search for a place looks at one
 * shard, or at a few if what it knows of them was too much -- */

static fe_bins_t *bins_of(fe_heap_t *heap) { return &fe_heap_more_figures(heap)->bins; }

/* How many classes have blocks that fit into so many granules. */
static inline unsigned room_of(size_t granules) {
  if (granules <= FE_MIXED_FROM / FE_MIXED_GRANULE) return 0;
  if (granules >= FE_MEDIUM_MAX / FE_MIXED_GRANULE) return FE_MIXED_CLASSES;
  size_t size = granules * FE_MIXED_GRANULE;
  unsigned class_index = fe_class_of_larger(size);
  return class_index - FE_MIXED_FIRST_CLASS + (fe_class_size(class_index) == size);
}

static inline void leave_room(fe_heap_t *heap, const fe_mixed_t *mixed) {
  fe_bins_t *bins = bins_of(heap);
  if (mixed->room_next != NULL) fe_mixed_of(mixed->room_next)->room_prev = mixed->room_prev;
  if (mixed->room_prev != NULL) {
    fe_mixed_of(mixed->room_prev)->room_next = mixed->room_next;
  } else {
    bins->room_first[mixed->room] = mixed->room_next;
    if (mixed->room_next == NULL) bins->has_room &= ~((uint64_t)1 << mixed->room);
  }
}

static inline void enter_room(fe_heap_t *heap, fe_shard_t *shard, unsigned room) {
  fe_bins_t *bins = bins_of(heap);
  fe_mixed_t *mixed = fe_mixed_of(shard);
  mixed->room = room;
  mixed->room_prev = NULL;
  mixed->room_next = bins->room_first[mixed->room];
  if (mixed->room_next != NULL) fe_mixed_of(mixed->room_next)->room_prev = shard;
  bins->room_first[mixed->room] = shard;
  bins->has_room |= (uint64_t)1 << mixed->room;
}

static void set_longest(fe_heap_t *heap, fe_shard_t *shard, size_t longest) {
  fe_mixed_t *mixed = fe_mixed_of(shard);
  if (longest == mixed->longest_max) return;
  mixed->longest_max = (uint32_t)longest;
  unsigned room = room_of(longest);
  if (room == mixed->room) return;
  leave_room(heap, mixed);
  enter_room(heap, shard, room);
}

/* -- Shards -- */

static void count_shards(fe_mixed_list_t *list, uint32_t by) {
  atomic_store_explicit(&list->shard_count, fe_mixed_shard_count(list) + by, memory_order_relaxed);
}

static fe_shard_t *add_shard(fe_heap_t *heap) {
  fe_mixed_list_t *list = &heap->mixed;
  fe_run_t run;
  if (!fe_kept_take_unit(heap, &run)) return NULL;
  fe_shard_t *shard = fe_shard_init(&run, 0, &heap->inbox, FE_SHARD_MIXED);
  fe_shard_set_state(shard, FE_SHARD_FULL); /* nobody takes blocks out of it on a quick way */
  fe_mixed_t *mixed = fe_mixed_of(shard);
  *mixed = (fe_mixed_t){.free_from = FIRST_GRANULE,
                        .longest_max = LAST_GRANULE + 1 - FIRST_GRANULE,
                        .zero_from = run.is_zero ? FIRST_GRANULE : FE_MIXED_GRANULES};
  set_used(mixed, 0, FIRST_GRANULE, true);
  set_used(mixed, LAST_GRANULE + 1, FE_MIXED_GRANULES - 1 - LAST_GRANULE, true);
  shard->prev = list->last;
  if (list->last != NULL) list->last->next = shard;
  if (list->first == NULL) list->first = shard;
  list->last = shard;
  count_shards(list, 1);
  fe_count_mixed_taken(heap);
  enter_room(heap, shard, room_of(mixed->longest_max));
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
  count_shards(list, (uint32_t)-1);
  leave_room(heap, fe_mixed_of(shard));
  fe_account_after_give_up(heap);
  fe_count_mixed_given(heap);
  fe_run_t run = fe_shard_run(shard);
  if (fe_census_leave(shard)) fe_kept_give_unit(heap, &run);
}

/* The granules before `end` may hold anything from now on. */
static void use_up_to(fe_mixed_t *mixed, size_t end) {
  if (mixed->zero_from < end) mixed->zero_from = (uint32_t)end;
}

static void *take(fe_heap_t *heap, fe_shard_t *shard, size_t first, size_t count) {
  fe_mixed_t *mixed = fe_mixed_of(shard);
  set_used(mixed, first, count, true);
  set_length(shard, first, count);
  if (first >= mixed->zero_from) bins_of(heap)->zero_block = granule_address(shard, first);
  use_up_to(mixed, first + count);
  mixed->used_granules += (uint32_t)count;
  fe_shard_set_used(shard, fe_shard_used(shard) + 1);
  return granule_address(shard, first);
}

/* A block of so many granules at the lowest place that has room; NULL: there is none. If it is cut
 * from what may have been the longest run, the way goes on to the end, so that the next search need
 * not come here in vain. */
static void *place(fe_heap_t *heap, fe_shard_t *shard, size_t count) {
  fe_mixed_t *mixed = fe_mixed_of(shard);
  size_t found = 0; /* granule 0 is used */
  size_t longest = 0;
  size_t first = find(mixed, mixed->free_from, false);
  mixed->free_from = (uint32_t)first;
  while (first + longest <= LAST_GRANULE) {
    size_t end = find(mixed, first, true);
    size_t length = end - first;
    if (found == 0 && length >= count) {
      found = first;
      if (length < mixed->longest_max) {
        longest = mixed->longest_max;
        break;
      }
      length -= count;
    }
    if (length > longest) longest = length;
    first = find(mixed, end, false);
  }
  set_longest(heap, shard, longest);
  return found == 0 ? NULL : take(heap, shard, found, count);
}

/* The same in the shard that has the least room of those that have enough. */
static void *place_anywhere(fe_heap_t *heap, unsigned class_index, size_t count) {
  if (heap->mixed.first == NULL) return NULL;
  fe_bins_t *bins = bins_of(heap);
  for (;;) {
    uint64_t rooms = bins->has_room >> 1 >> (class_index - FE_MIXED_FIRST_CLASS);
    if (rooms == 0) return NULL;
    unsigned room = class_index - FE_MIXED_FIRST_CLASS + 1 + fe_lowest_bit(rooms);
    void *block = place(heap, bins->room_first[room], count);
    if (block != NULL) return block;
  }
}

/* -- Bins -- */

/* Puts a block into its bin if the bins have less than `limit` with it; whether they do. */
static inline bool put(fe_bins_t *bins, const fe_shard_t *shard, void *ptr, size_t limit) {
  size_t size = fe_mixed_block_size(shard, ptr);
  if (FE_UNLIKELY(fe_figure_get(&bins->bytes) + size >= limit)) return false;
  if (FE_UNLIKELY(fe_figure_get(&bins->count) >= FE_BINS_BLOCKS_MAX)) return false;
  fe_block_t **first = &bins->first[fe_class_of_larger(size) - FE_MIXED_FIRST_CLASS];
  fe_block_set_next(ptr, *first);
  *first = ptr;
  fe_bins_count(bins, size, 1);
  return true;
}

/* Apart, so that the quick way has nothing to keep for it. */
static FE_COLD void put_elsewhere(fe_heap_t *heap, fe_shard_t *shard, void *ptr) {
  if (!fe_stock_put(heap, shard, ptr)) fe_heap_free_inside(heap, shard, ptr);
}

void fe_bins_put(fe_heap_t *heap, fe_shard_t *shard, void *ptr) {
  fe_bins_t *bins = bins_of(heap);
  size_t limit = atomic_load_explicit(&bins->limit, memory_order_relaxed);
  if (FE_UNLIKELY(!put(bins, shard, ptr, limit))) {
    put_elsewhere(heap, shard, ptr);
  } else if (FE_UNLIKELY(heap->watch.is_on)) {
    fe_heap_pulse(heap);
  }
}

/* What the bins may hold, where quick ways are no matter: less than all that is not in the stock,
 * so that the last live block comes by fe_mixed_free. */
static inline size_t limit_of(const fe_heap_t *heap) {
  if (fe_account_state(&heap->account) != FE_ACCOUNT_OPEN) return 0;
  if (heap->mixed.is_kept) return FE_UNIT_SIZE;
  const fe_more_figures_t *figures = fe_heap_more_figures(heap);
  size_t all = fe_figure_get(&figures->mixed_bytes) - fe_figure_get(&figures->stock.bytes);
  size_t limit = FE_UNIT_SIZE + all / FE_BINS_SHARE;
  return limit < all ? limit : all;
}

/* -- Blocks -- */

static uint32_t *count_of_class(fe_heap_t *heap, unsigned class_index) {
  return &bins_of(heap)->block_count[class_index - FE_MIXED_FIRST_CLASS];
}

/* Whether a class of which so many fit into a shard shall have some of its own. */
static bool is_busy(fe_heap_t *heap, unsigned class_index) {
  if (fe_class_size(class_index) > FE_MIXED_ALWAYS_ABOVE) return false;
  if (!fe_heap_has_more_figures(heap)) return false;
  return *count_of_class(heap, class_index) >= FE_MIXED_BLOCKS_MAX;
}

/* Makes granules of a block free. */
static void free_granules(fe_heap_t *heap, fe_shard_t *shard, size_t first, size_t count) {
  fe_mixed_t *mixed = fe_mixed_of(shard);
  set_used(mixed, first, count, false);
  if (first < mixed->free_from) mixed->free_from = (uint32_t)first;
  size_t longest = find(mixed, first + count, true) - find_back(mixed, first);
  if (longest > mixed->longest_max) set_longest(heap, shard, longest);
  mixed->used_granules -= (uint32_t)count;
  heap->account.held_bytes -= count * FE_MIXED_GRANULE;
  fe_heap_refund(heap, count * FE_MIXED_GRANULE);
}

/* Frees a block of a class; whether the shard is empty now. */
static bool free_block(fe_heap_t *heap, fe_shard_t *shard, void *ptr, unsigned class_index) {
  size_t size = fe_class_size(class_index);
  free_granules(heap, shard, fe_mixed_granule_of(shard, ptr), size / FE_MIXED_GRANULE);
  fe_shard_set_used(shard, fe_shard_used(shard) - 1);
  fe_count_mixed_free(heap, shard, size);
  --*count_of_class(heap, class_index);
  return fe_mixed_of(shard)->used_granules == 0;
}

static unsigned class_of_block(const fe_shard_t *shard, const void *ptr) {
  return fe_class_of_larger(fe_mixed_block_size(shard, ptr));
}

static bool is_only_one(const fe_heap_t *heap, const fe_shard_t *shard) {
  return shard == heap->mixed.first && shard == heap->mixed.last;
}

/* The last shard of all goes only if that is wished. */
static void free_and_give_up(fe_heap_t *heap, void *ptr, unsigned class_index, bool with_last) {
  fe_shard_t *shard = fe_shard_of(ptr);
  bool is_empty = free_block(heap, shard, ptr, class_index);
  if (is_empty && (with_last || !is_only_one(heap, shard))) give_up(heap, shard);
}

void fe_mixed_take_in(fe_heap_t *heap, fe_shard_t *shard, void *ptr) {
  fe_count_peak(heap, NULL);
  bool is_empty = free_block(heap, shard, ptr, class_of_block(shard, ptr));
  bool is_last = is_empty && is_only_one(heap, shard);
  if (is_empty && (!is_last || fe_heap_spares_mixed(heap))) give_up(heap, shard);
  if (is_last) fe_kept_give_all(heap);
  fe_bins_settle(heap);
}

static size_t free_list(fe_heap_t *heap, fe_block_t *block, unsigned class_index, bool with_last) {
  size_t count = 0;
  while (block != NULL) {
    fe_block_t *next = fe_block_next(block);
    free_and_give_up(heap, block, class_index, with_last);
    count++;
    block = next;
  }
  return count;
}

size_t fe_mixed_free_list(fe_heap_t *heap, fe_block_t *block, unsigned class_index) {
  return free_list(heap, block, class_index, false);
}

static void empty_bins(fe_heap_t *heap, bool with_last) {
  fe_bins_t *bins = bins_of(heap);
  fe_count_peak(heap, NULL);
  for (unsigned i = 0; i < FE_MIXED_CLASSES; i++) {
    fe_block_t *block = bins->first[i];
    if (block == NULL) continue;
    bins->first[i] = NULL;
    unsigned class_index = i + FE_MIXED_FIRST_CLASS;
    size_t count = free_list(heap, block, class_index, with_last);
    fe_bins_count(bins, -count * fe_class_size(class_index), -count);
  }
  fe_bins_settle(heap);
}

/* Whether more waits than a share that stays in any case: emptied each time, the bins would have
 * nothing when they are asked. */
static bool waits_much(const fe_heap_t *heap) {
  return fe_heap_binned_bytes(heap) > fe_heap_mixed_bytes(heap) / FE_BINS_SHARE;
}

/* Cuts a block from a larger one that waits; NULL: there is none. The account and the figures count
 * the larger one as freed, and its rest is free. */
static void *cut(fe_heap_t *heap, unsigned class_index, size_t count) {
  void *block = fe_stock_take_larger(heap, class_index);
  if (block == NULL) return NULL;
  fe_shard_t *shard = fe_shard_of(block);
  size_t first = fe_mixed_granule_of(shard, block);
  size_t rest = fe_mixed_length(shard, first) - count;
  --*count_of_class(heap, class_of_block(shard, block));
  fe_count_mixed_free(heap, shard, (rest + count) * FE_MIXED_GRANULE);
  if (rest > 0) free_granules(heap, shard, first + count, rest);
  heap->account.held_bytes -= count * FE_MIXED_GRANULE;
  set_length(shard, first, count);
  return block;
}

/* A place for a block where what waits lies; NULL: there is none. First the stock is given up, then
 * the bins. */
static void *place_in_what_waits(fe_heap_t *heap, unsigned class_index, size_t count) {
  void *block = cut(heap, class_index, count);
  if (block == NULL && waits_much(heap) && fe_heap_stock_bytes(heap) > 0) {
    fe_stock_empty(heap);
    block = place_anywhere(heap, class_index, count);
  }
  if (block == NULL && waits_much(heap)) {
    empty_bins(heap, false);
    block = place_anywhere(heap, class_index, count);
  }
  return block;
}

void *fe_mixed_alloc(fe_heap_t *heap, unsigned class_index, size_t requested) {
  if (class_index < FE_MIXED_FIRST_CLASS) return NULL;
  size_t size = fe_class_size(class_index);
  if (is_busy(heap, class_index) || !fe_heap_may_hand_out(heap, size)) return NULL;
  size_t count = size / FE_MIXED_GRANULE;
  void *block = place_anywhere(heap, class_index, count);
  if (block == NULL) block = place_in_what_waits(heap, class_index, count);
  if (block == NULL) {
    fe_shard_t *shard = add_shard(heap);
    if (shard == NULL) {
      fe_heap_refund(heap, size);
      return NULL;
    }
    block = place(heap, shard, count);
  }
  heap->account.held_bytes += size;
  ++*count_of_class(heap, class_index);
  fe_count_mixed_alloc(heap, fe_shard_of(block), size, requested);
  heap->mixed.is_kept = false;
  fe_bins_settle(heap);
  return block;
}

void fe_mixed_free(fe_heap_t *heap, fe_shard_t *shard, void *ptr) {
  unsigned class_index = class_of_block(shard, ptr);
  size_t binned = fe_heap_binned_bytes(heap) + fe_class_size(class_index);
  bool is_all = binned >= fe_heap_mixed_bytes(heap);
  bool with_last = is_all && fe_heap_spares_mixed(heap);
  fe_stock_empty(heap);
  if (!with_last) {
    heap->mixed.is_kept = is_all;
    fe_bins_settle(heap);
    if (put(bins_of(heap), shard, ptr, limit_of(heap))) return;
  }
  empty_bins(heap, with_last);
  fe_count_peak(heap, NULL);
  free_and_give_up(heap, ptr, class_index, with_last);
  if (with_last) fe_kept_give_all(heap);
  fe_bins_settle(heap);
}

bool fe_mixed_is_zero(const fe_heap_t *heap, const void *block) {
  return fe_heap_has_more_figures(heap) && fe_heap_more_figures(heap)->bins.zero_block == block;
}

void fe_mixed_forget_zero(fe_heap_t *heap) {
  if (fe_heap_has_more_figures(heap)) bins_of(heap)->zero_block = NULL;
}

size_t fe_heap_mixed_bytes(const fe_heap_t *heap) {
  if (!fe_heap_has_more_figures(heap)) return 0;
  return fe_figure_get(&fe_heap_more_figures(heap)->mixed_bytes);
}

const void *fe_mixed_next(const fe_shard_t *shard, size_t *place, size_t *size) {
  const fe_mixed_t *mixed = fe_mixed_of(shard);
  size_t first = find(mixed, *place > FIRST_GRANULE ? *place : FIRST_GRANULE, true);
  if (first > LAST_GRANULE) return NULL;
  size_t count = fe_mixed_length(shard, first);
  *place = first + count;
  *size = count * FE_MIXED_GRANULE;
  return granule_address(shard, first);
}

void fe_mixed_collect(fe_heap_t *heap) {
  for (fe_shard_t *shard = heap->mixed.first, *next; shard != NULL; shard = next) {
    next = shard->next;
    if (fe_mixed_of(shard)->used_granules == 0) give_up(heap, shard);
  }
}

/* -- Blocks that change their size -- */

/* Takes the granules behind a block. */
static bool grow(fe_heap_t *heap, fe_shard_t *shard, size_t end, size_t more) {
  fe_mixed_t *mixed = fe_mixed_of(shard);
  if (find(mixed, end, true) - end < more) return false;
  if (!fe_heap_may_hand_out(heap, more * FE_MIXED_GRANULE)) return false;
  set_used(mixed, end, more, true);
  use_up_to(mixed, end + more);
  mixed->used_granules += (uint32_t)more;
  heap->account.held_bytes += more * FE_MIXED_GRANULE;
  return true;
}

static bool resize(fe_heap_t *heap, fe_shard_t *shard, size_t first, size_t before, size_t after) {
  if (after < before) {
    free_granules(heap, shard, first + after, before - after);
  } else if (!grow(heap, shard, first + before, after - before)) {
    return false;
  }
  set_length(shard, first, after);
  --*count_of_class(heap, fe_class_of_larger(before * FE_MIXED_GRANULE));
  ++*count_of_class(heap, fe_class_of_larger(after * FE_MIXED_GRANULE));
  if (after < before) fe_count_peak(heap, NULL);
  fe_publish_mixed(heap, shard, (after - before) * FE_MIXED_GRANULE);
  if (after > before) fe_count_peak(heap, NULL);
  fe_bins_settle(heap);
  return true;
}

bool fe_mixed_resize(fe_heap_t *heap, fe_shard_t *shard, void *ptr, size_t size) {
  enum { TURNS_MAX = 4 }; /* others may take what was made room for */
  if (size <= FE_MIXED_FROM || size > FE_MEDIUM_MAX) return false;
  size_t first = fe_mixed_granule_of(shard, ptr);
  size_t before = fe_mixed_length(shard, first);
  size_t after = fe_class_size(fe_class_of_larger(size)) / FE_MIXED_GRANULE;
  bool is_done = after == before;
  bool has_room = true;
  for (int turn = 0; !is_done && has_room && turn < TURNS_MAX; turn++) {
    uint32_t gate = fe_gate_enter(&heap->gate);
    heap->account.refused_bytes = 0;
    fe_heap_settle(heap);
    is_done = resize(heap, shard, first, before, after);
    size_t refused_bytes = heap->account.refused_bytes;
    fe_gate_leave(&heap->gate, gate);
    if (is_done) break;
    has_room = refused_bytes > 0 && fe_heap_make_room_in_budget(heap, refused_bytes, true);
  }
  return is_done;
}

/* -- Bins as a whole -- */

void fe_bins_empty(fe_heap_t *heap) {
  fe_stock_empty(heap);
  if (fe_heap_binned_bytes(heap) > 0) empty_bins(heap, false);
}

void fe_bins_settle(fe_heap_t *heap) {
  if (!fe_heap_has_more_figures(heap)) return;
  atomic_store_explicit(&bins_of(heap)->limit, limit_of(heap), memory_order_relaxed);
}

void fe_bins_settle_below(fe_heap_t *heap) {
  size_t limit = limit_of(heap);
  atomic_store_explicit(&bins_of(heap)->limit, limit, memory_order_relaxed);
  if (FE_UNLIKELY(fe_figure_get(&bins_of(heap)->bytes) > limit)) empty_bins(heap, false);
}

void fe_bins_mend(fe_heap_t *heap) {
  if (!fe_heap_has_more_figures(heap)) return;
  fe_bins_t *bins = bins_of(heap);
  size_t bytes = 0;
  size_t count = 0;
  for (unsigned i = 0; i < FE_MIXED_CLASSES; i++) {
    for (fe_block_t *block = bins->first[i]; block != NULL; block = fe_block_next(block)) {
      bytes += fe_class_size(i + FE_MIXED_FIRST_CLASS);
      count++;
    }
  }
  atomic_store_explicit(&bins->bytes, bytes, memory_order_relaxed);
  atomic_store_explicit(&bins->count, count, memory_order_relaxed);
}
