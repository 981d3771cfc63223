/* Chunks that are a single run each: straight from the base, and back to it with their block. */
#ifndef FERROC_CORE_ARENA_OWN_CHUNK_H
#define FERROC_CORE_ARENA_OWN_CHUNK_H

#include "core/arena/arena.h"

/* Gets a chunk of so many slabs; whether there is one. A passing (passing.h). */
bool fe_own_chunk_take(fe_arenas_t *arenas, size_t slab_count, fe_run_t *run);

/* Gives it back. Any thread. */
void fe_own_chunk_give(fe_arenas_t *arenas, const fe_run_t *run);

#endif /* FERROC_CORE_ARENA_OWN_CHUNK_H */
