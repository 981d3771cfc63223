/* Freed blocks that wait where others can get them back: see stock.h. */
#include "core/heap/stock.h"

#include "core/heap/counting.h"
#include "core/heap/heap.h"
#include "core/slab/remote.h"

static fe_stock_t *stock_of(const fe_heap_t *heap) { return &fe_heap_more_figures(heap)->stock; }

static fe_block_t *first_of(const fe_stock_t *stock, unsigned index) {
  return atomic_load_explicit(&((fe_stock_t *)stock)->first[index], memory_order_relaxed);
}

static void set_first(fe_stock_t *stock, unsigned index, fe_block_t *block) {
  atomic_store_explicit(&stock->first[index], block, memory_order_relaxed);
}

static inline void count(fe_stock_t *stock, size_t bytes, size_t by) {
  fe_figure_add(&stock->bytes, bytes);
  fe_figure_add(&stock->count, by);
}

static inline void *pop(fe_stock_t *stock, unsigned index) {
  fe_block_t *block = first_of(stock, index);
  if (block == NULL) return NULL;
  set_first(stock, index, fe_block_next(block));
  count(stock, -fe_class_size(index + FE_MIXED_FIRST_CLASS), (size_t)-1);
  stock->was_used = true;
  return block;
}

/* Messages come first, as on the slow ways. The clock is looked at when the block is freed. */
void *fe_stock_take(fe_heap_t *heap, size_t size) {
  if (FE_IS_TRACKED || size <= FE_MIXED_FROM || size > FE_MEDIUM_MAX) return NULL;
  if (fe_heap_stock_bytes(heap) == 0) return NULL;
  fe_stock_t *stock = stock_of(heap);
  unsigned index = fe_class_of_larger(size) - FE_MIXED_FIRST_CLASS;
  if (!fe_stock_has(stock, index) && !fe_stock_has(stock, index + 1)) return NULL;
  uint32_t gate = fe_gate_enter(&heap->gate);
  void *block = NULL;
  if (FE_LIKELY(!fe_inbox_has_some(&heap->inbox))) {
    block = pop(stock, index);
    if (block == NULL) block = pop(stock, index + 1);
  }
  fe_gate_leave(&heap->gate, gate);
  return block;
}

/* Whether nothing but one block of that size lives in mixed shards. */
static inline bool is_last(const fe_more_figures_t *figures, size_t size) {
  size_t waiting = fe_figure_get(&figures->bins.bytes) + fe_figure_get(&figures->stock.bytes);
  return waiting + size >= fe_figure_get(&figures->mixed_bytes);
}

/* Whether there is room for so many bytes more. */
static inline bool has_room(fe_more_figures_t *figures, size_t size) {
  fe_stock_t *stock = &figures->stock;
  size_t all = fe_figure_get(&figures->mixed_bytes);
  if (all > stock->most_bytes) stock->most_bytes = all;
  return fe_figure_get(&stock->count) < FE_STOCK_BLOCKS_MAX &&
         fe_figure_get(&stock->bytes) + size <= stock->most_bytes / FE_STOCK_SHARE;
}

/* Frees a list of blocks of a class that were taken out of the stock. */
static void free_list(fe_heap_t *heap, fe_stock_t *stock, fe_block_t *block, unsigned class_index) {
  size_t freed = fe_mixed_free_list(heap, block, class_index);
  count(stock, -freed * fe_class_size(class_index), -freed);
}

/* The last block of the first half of a list; NULL: it is one block. */
static fe_block_t *last_to_stay(fe_block_t *block) {
  fe_block_t *last = NULL;
  bool is_second = false;
  for (fe_block_t *next = fe_block_next(block); next != NULL; next = fe_block_next(next)) {
    is_second = !is_second;
    if (is_second) last = last == NULL ? block : fe_block_next(last);
  }
  return last;
}

/* Frees the half of each list that waited longest, or one block more. */
static void halve(fe_heap_t *heap) {
  fe_stock_t *stock = stock_of(heap);
  for (unsigned i = 0; i < FE_MIXED_CLASSES; i++) {
    fe_block_t *block = first_of(stock, i);
    if (block == NULL) continue;
    fe_block_t *last = last_to_stay(block);
    fe_block_t *rest = last == NULL ? block : fe_block_next(last);
    if (last == NULL) {
      set_first(stock, i, NULL);
    } else {
      fe_block_set_next(last, NULL);
    }
    free_list(heap, stock, rest, i + FE_MIXED_FIRST_CLASS);
  }
}

/* Makes room for so many bytes if it can. */
static FE_COLD bool make_room(fe_heap_t *heap, size_t size) {
  fe_more_figures_t *figures = fe_heap_more_figures(heap);
  if (fe_figure_get(&figures->stock.count) == 0) return false;
  halve(heap);
  return has_room(figures, size);
}

/* Once it is told of, the ticks of others see to the stock until it is empty. */
static inline bool put(fe_heap_t *heap, fe_block_t *block, size_t size) {
  fe_more_figures_t *figures = fe_heap_more_figures(heap);
  fe_stock_t *stock = &figures->stock;
  bool is_open = fe_account_state(&heap->account) == FE_ACCOUNT_OPEN;
  if (FE_UNLIKELY(!is_open || is_last(figures, size))) return false;
  /* Above a limit that was lowered, the next block has to ask. */
  if (FE_UNLIKELY(fe_budget_is_passed(&heap->budget))) return false;
  if (FE_UNLIKELY(!has_room(figures, size)) && !make_room(heap, size)) return false;
  fe_count_peak(heap, NULL);
  unsigned index = fe_class_of_larger(size) - FE_MIXED_FIRST_CLASS;
  fe_block_set_next(block, first_of(stock, index));
  set_first(stock, index, block);
  count(stock, size, 1);
  fe_bins_settle_below(heap);
  if (FE_UNLIKELY(fe_figure_get(&stock->count) == 1)) fe_heap_after_kept(heap);
  return true;
}

void *fe_stock_take_larger(fe_heap_t *heap, unsigned class_index) {
  if (fe_heap_stock_bytes(heap) == 0) return NULL;
  fe_stock_t *stock = stock_of(heap);
  for (unsigned i = class_index - FE_MIXED_FIRST_CLASS; i < FE_MIXED_CLASSES; i++) {
    if (fe_stock_has(stock, i)) return pop(stock, i);
  }
  return NULL;
}

bool fe_stock_put(fe_heap_t *heap, fe_shard_t *shard, void *ptr) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  bool is_put = put(heap, ptr, fe_mixed_block_size(shard, ptr));
  fe_gate_leave(&heap->gate, gate);
  if (is_put) fe_heap_pulse(heap);
  return is_put;
}

void fe_stock_empty(fe_heap_t *heap) {
  if (fe_heap_stock_bytes(heap) == 0) return;
  fe_stock_t *stock = stock_of(heap);
  for (unsigned i = 0; i < FE_MIXED_CLASSES; i++) {
    fe_block_t *block = first_of(stock, i);
    if (block == NULL) continue;
    set_first(stock, i, NULL);
    free_list(heap, stock, block, i + FE_MIXED_FIRST_CLASS);
  }
  fe_bins_settle(heap);
}

void fe_stock_tick(fe_heap_t *heap) {
  fe_stock_t *stock = stock_of(heap);
  if (stock->was_used) {
    halve(heap);
    fe_bins_settle(heap);
  } else {
    fe_stock_empty(heap);
  }
  stock->was_used = false;
  stock->most_bytes = 0;
}
