/* Units that stay with their heap: see kept.h. */
#include "core/heap/kept.h"

#include "core/base/settings.h"
#include "core/heap/counting.h"
#include "core/heap/heap.h"

static fe_kept_t *kept_of(const fe_heap_t *heap) { return &fe_heap_more_figures(heap)->kept; }

static size_t count_units(const fe_heap_t *heap) {
  return fe_heap_has_more_figures(heap) ? fe_figure_get(&kept_of(heap)->unit_count) : 0;
}

static fe_run_t pop(fe_kept_t *kept) {
  fe_kept_unit_t *unit = kept->first;
  kept->first = unit->next;
  fe_figure_add(&kept->unit_count, (size_t)-1);
  return (fe_run_t){.arena = unit->arena, .start = (char *)unit, .unit_count = 1};
}

static void note_taken(fe_heap_t *heap) {
  if (!fe_heap_has_more_figures(heap)) return;
  fe_kept_t *kept = kept_of(heap);
  if (kept->again_count < fe_small_figure_get(&kept->given_count)) kept->again_count++;
}

bool fe_kept_take_unit(fe_heap_t *heap, fe_run_t *run) {
  note_taken(heap);
  if (count_units(heap) > 0) {
    kept_of(heap)->was_used = true;
    *run = pop(kept_of(heap));
    return true;
  }
  fe_large_bins_empty(heap);
  return fe_context_take(heap->context, 1, run);
}

/* Where a limit is near, none stays. */
static bool may_stay(const fe_heap_t *heap) {
  if (FE_IS_TRACKED) return false;
  if (fe_account_state(&heap->account) != FE_ACCOUNT_OPEN) return false;
  size_t shards = fe_heap_shard_count(heap) + fe_mixed_shard_count(&heap->mixed);
  size_t by_shards = 1 + shards / FE_KEPT_UNITS_SHARE;
  size_t again = kept_of(heap)->again_count;
  size_t by_need = again < FE_KEPT_UNITS_MAX ? again : FE_KEPT_UNITS_MAX;
  return count_units(heap) < (by_shards > by_need ? by_shards : by_need);
}

void fe_kept_give_unit(fe_heap_t *heap, const fe_run_t *run) {
  fe_small_figure_add(&fe_count_more(heap)->kept.given_count, 1);
  if (!may_stay(heap)) {
    fe_context_give(heap->context, run);
    return;
  }
  fe_kept_t *kept = kept_of(heap);
  fe_kept_unit_t *unit = (fe_kept_unit_t *)run->start;
  *unit = (fe_kept_unit_t){.next = kept->first, .arena = run->arena};
  kept->first = unit;
  fe_figure_add(&kept->unit_count, 1);
  fe_heap_after_kept(heap);
}

static void give_units(fe_heap_t *heap) {
  while (count_units(heap) > 0) {
    fe_run_t run = pop(kept_of(heap));
    fe_context_give(heap->context, &run);
  }
}

void fe_kept_give_all(fe_heap_t *heap) {
  fe_large_bins_empty(heap);
  give_units(heap);
}

void fe_kept_tick(fe_heap_t *heap) {
  if (!fe_heap_has_more_figures(heap)) return;
  fe_kept_t *kept = kept_of(heap);
  bool has_some = fe_heap_kept_units(heap) > 0 || fe_heap_stock_bytes(heap) > 0;
  if (!has_some && fe_small_figure_get(&kept->given_count) == 0) return;
  uint32_t now = fe_clock_ms();
  if (now - kept->since_ms < fe_setting(FE_SETTING_PURGE_DELAY_MS)) return;
  uint32_t gate = fe_gate_enter(&heap->gate);
  fe_stock_tick(heap);
  fe_large_bins_give_aged(heap);
  if (!kept->was_used) give_units(heap);
  kept->was_used = false;
  atomic_store_explicit(&kept->given_count, 0, memory_order_relaxed);
  kept->again_count = 0;
  kept->since_ms = now;
  fe_gate_leave(&heap->gate, gate);
}
