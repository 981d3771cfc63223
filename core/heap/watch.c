/* Looking at the clock on the way of ordinary work, so that what is free for long goes back to the
 * system, and no thread of ferroc's own is needed for it while the program works
 * (thread/background.h is for the time when it does not).
 *
 * The slow ways count, and look now and then. That is not enough after a peak: a program that then
 * works lightly may never leave the short ways. So while much memory waits to go back, the heap
 * watches: its current shards do not show their owner, and each free into them goes a slow way, or
 * into a bin, and counts. */
#include "core/base/settings.h"
#include "core/heap/counting.h"
#include "core/heap/heap.h"

/* Watching begins when so much waits, and more than the heap has in use. */
#define FE_WATCH_FROM_BYTES ((size_t)16 << 20)

/* By this time idle heaps have been collected, and what was idle since then has gone back also if
 * it was part of huge pages, unless it is too little for that. */
static uint32_t watch_ms(void) {
  uint32_t ticks = 2 * FE_HUGE_PATIENCE_TICKS + 4;
  return ticks * (uint32_t)fe_setting(FE_SETTING_PURGE_DELAY_MS) + 300;
}

void (*_Atomic fe_heap_on_tick)(void);
void (*_Atomic fe_heap_on_alloc)(size_t size);

/* Others may change it at the same time, so it is read inside. */
static size_t held_bytes(fe_heap_t *heap) {
  uint32_t gate = fe_gate_enter(&heap->gate);
  size_t bytes = heap->account.held_bytes;
  fe_gate_leave(&heap->gate, gate);
  return bytes + fe_heap_large_bytes(heap);
}

static void watch(fe_heap_t *heap, bool is_wanted) {
  if (is_wanted) heap->watch.since_ms = fe_clock_ms();
  if (is_wanted == heap->watch.is_on) return;
  uint32_t gate = fe_gate_enter(&heap->gate);
  if (is_wanted) fe_bins_empty(heap);
  if (is_wanted) fe_kept_give_all(heap);
  heap->watch.is_on = is_wanted;
  fe_heap_resettle(heap);
  fe_gate_leave(&heap->gate, gate);
}

static void start_or_stop(fe_heap_t *heap) {
  fe_watch_t *state = &heap->watch;
  size_t waiting = fe_arenas_waiting_bytes(heap->context->arenas);
  if (waiting < FE_WATCH_FROM_BYTES) state->stuck_bytes = 0;
  if (!state->is_on) {
    bool is_much = waiting >= state->stuck_bytes + FE_WATCH_FROM_BYTES;
    if (is_much && waiting > held_bytes(heap)) watch(heap, true);
  } else if (fe_clock_ms() - state->since_ms > watch_ms()) {
    state->stuck_bytes = waiting;
    watch(heap, false);
  }
}

FE_COLD void fe_heap_look_at_clock(fe_heap_t *heap) {
  fe_arenas_tick(heap->context->arenas);
  void (*on_tick)(void) = atomic_load_explicit(&fe_heap_on_tick, memory_order_relaxed);
  if (on_tick != NULL) on_tick();
  fe_kept_tick(heap);
  start_or_stop(heap);
}

void fe_heap_pulse_before_alloc(fe_heap_t *heap, size_t size) {
  void (*on_alloc)(size_t) = atomic_load_explicit(&fe_heap_on_alloc, memory_order_relaxed);
  if (FE_UNLIKELY(on_alloc != NULL)) on_alloc(size);
  fe_heap_pulse(heap);
}

/* What is freed in an idle heap and is not worth a look (reclaim.c) waits until the idle ones are
 * collected. */
void fe_heap_pulse_before_remote(fe_heap_t *heap, const fe_heap_t *other) {
  if (heap == &fe_heap_empty || !fe_heap_is_time_to_look(heap)) return;
  if (fe_gate_is_free(&other->gate)) fe_arenas_tell_given(other->context->arenas);
  fe_heap_look_at_clock(heap);
}
