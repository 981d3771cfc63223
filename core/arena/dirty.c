/* Noting how many free units are dirty: see dirty.h. */
#include "core/arena/dirty.h"

#include "core/arena/bitmap.h"

/* So many units more than what is noted are worth another note. */
#define FE_DIRTY_STEP (FE_UNITS_PER_SLAB / 8)

static unsigned count_now(const fe_slab_t *slab) {
  fe_units_t free = fe_bitmap_look_again(&slab->free);
  return fe_bitmap_count(free &
                         atomic_load_explicit(&((fe_slab_t *)slab)->dirty, memory_order_relaxed));
}

static bool is_enough(unsigned noted, unsigned now) {
  return now <= noted || (noted > 0 && now - noted < FE_DIRTY_STEP);
}

static bool change(fe_slab_t *slab, uint8_t noted, unsigned now) {
  return atomic_compare_exchange_strong_explicit(&slab->noted, &noted, (uint8_t)now,
                                                 memory_order_seq_cst, memory_order_relaxed);
}

static bool note_more(fe_arenas_t *arenas, fe_slab_t *slab, uint8_t noted, unsigned now) {
  atomic_fetch_add_explicit(&arenas->dirty_unit_count, now - noted, memory_order_relaxed);
  if (change(slab, noted, now)) return true;
  atomic_fetch_sub_explicit(&arenas->dirty_unit_count, now - noted, memory_order_relaxed);
  return false;
}

static bool note_less(fe_arenas_t *arenas, fe_slab_t *slab, uint8_t noted, unsigned now) {
  if (!change(slab, noted, now)) return false;
  atomic_fetch_sub_explicit(&arenas->dirty_unit_count, noted - now, memory_order_relaxed);
  return true;
}

static void note(fe_arena_t *arena, unsigned index, bool is_exact) {
  fe_slab_t *slab = &arena->slab[index];
  bool has_less = false;
  for (;;) {
    uint8_t noted = atomic_load_explicit(&slab->noted, memory_order_seq_cst);
    unsigned now = count_now(slab);
    if (is_exact ? noted == now : is_enough(noted, now)) return;
    if (now < noted) {
      has_less = note_less(arena->arenas, slab, noted, now) || has_less;
    } else if (note_more(arena->arenas, slab, noted, now) && has_less) {
      fe_arenas_tell_given(arena->arenas);
    }
    is_exact = false;
  }
}

void fe_dirty_after_give(fe_arena_t *arena, unsigned index) { note(arena, index, false); }

void fe_dirty_note(fe_arena_t *arena, unsigned index) { note(arena, index, true); }
