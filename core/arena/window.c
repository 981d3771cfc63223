/* The list of windows. */
#include "core/arena/window.h"

static _Atomic(fe_window_t *) first_window;

static fe_window_t *find_from(fe_window_t *window, uintptr_t number) {
  while (window != NULL && window->number != number) window = window->next;
  return window;
}

fe_ownership_table_t *fe_window_find(uintptr_t number) {
  /* Acquire: all windows that are found are as they were made. */
  fe_window_t *first = atomic_load_explicit(&first_window, memory_order_acquire);
  fe_window_t *window = find_from(first, number);
  return window == NULL ? NULL : &window->table;
}

static size_t window_bytes(const fe_base_t *base) {
  return fe_align_up(sizeof(fe_window_t), base->page_size);
}

static fe_window_t *allocate_window(const fe_base_t *base, uintptr_t number) {
  fe_window_t *window = base->allocate(base, window_bytes(base), base->page_size);
  if (window == NULL) return NULL;
  base->advise_huge(base, window, window_bytes(base), false);
  window->number = number;
  return window;
}

bool fe_window_make(uintptr_t number) {
  if (fe_window_find(number) != NULL) return true;
  const fe_base_t *base = &fe_base_mmap;
  fe_window_t *window = allocate_window(base, number);
  if (window == NULL) return false;
  fe_window_t *first = NULL;
  /* Release: whoever finds the window finds it as it was made. Acquire: so are those behind it,
   * among which another thread's may have the same number. */
  while (!atomic_compare_exchange_strong_explicit(&first_window, &first, window,
                                                  memory_order_acq_rel, memory_order_acquire)) {
    if (find_from(first, number) != NULL) {
      base->release(base, window, window_bytes(base));
      return true;
    }
    window->next = first;
  }
  return true;
}
