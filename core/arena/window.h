/* Which addresses are ferroc's beyond those that the table of ownership covers.
 *
 * As many addresses as the table covers make a window, and the table is that of window 0. Others
 * have a table of their own, from the kernel, once something is noted there. Programs that ask
 * their kernel for addresses beyond its default have one or two.
 *
 * Windows stay for good, in a list that grows at its head only, so whoever goes along it needs no
 * lock and compares nothing that could have been there before. */
#ifndef FERROC_CORE_ARENA_WINDOW_H
#define FERROC_CORE_ARENA_WINDOW_H

#include "core/arena/ownership.h"

/* Constant but for the table's bits, once others see the window. */
typedef struct fe_window {
  struct fe_window *next;
  uintptr_t number;
  fe_ownership_table_t table;
} fe_window_t;

/* The table of a window, or NULL. Any thread. */
fe_ownership_table_t *fe_window_find(uintptr_t number);

/* Makes the window if it is not there. False: there is no memory. Any thread. */
bool fe_window_make(uintptr_t number);

#endif /* FERROC_CORE_ARENA_WINDOW_H */
