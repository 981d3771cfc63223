/* The slow ways of blocks that change their size, for fe_heap_realloc and fe_heap_resize. */
#ifndef FERROC_CORE_GLOBAL_REALLOC_H
#define FERROC_CORE_GLOBAL_REALLOC_H

#include "core/global/global.h"

/* Whether a block of the heap's mixed memory, which can hold `usable` bytes, has its new size where
 * it is. Holder. */
bool fe_realloc_in_mixed(fe_heap_t *heap, void *ptr, size_t usable, size_t size);

/* Moves a block, of which `used` bytes are in use, to where its new size has room, and frees the
 * old one; where there is no memory, a block that becomes smaller stays. NULL: no memory, and
 * ENOMEM; the block is as it was. */
void *fe_realloc_elsewhere(fe_heap_t *heap, void *ptr, size_t usable, size_t used, size_t size);

#endif /* FERROC_CORE_GLOBAL_REALLOC_H */
