/* Chunks that are a single run each. */
#include "core/arena/own_chunk.h"

#include "core/arena/counting.h"
#include "core/arena/huge.h"

bool fe_own_chunk_take(fe_arenas_t *arenas, size_t slab_count, fe_run_t *run) {
  const fe_base_t *base = arenas->base;
  size_t size = slab_count * FE_SLAB_SIZE;
  char *chunk = fe_chunk_allocate(base, size);
  if (chunk == NULL) return false;
  if (!fe_chunk_commit(base, chunk, size) || !fe_ownership_set(chunk, size)) {
    fe_chunk_release(base, chunk, size);
    return false;
  }
  fe_ownership_set_single(chunk, size, true);
  if (fe_huge_is_rule() && base->advise_huge != NULL) base->advise_huge(base, chunk, size, true);
  *run = (fe_run_t){.arena = NULL,
                    .start = chunk,
                    .unit_count = slab_count * FE_UNITS_PER_SLAB,
                    .open_count = slab_count * FE_UNITS_PER_SLAB,
                    .is_zero = base->is_zeroed};
  fe_arenas_count_take_chunk(arenas, run->unit_count);
  return true;
}

void fe_own_chunk_give(fe_arenas_t *arenas, const fe_run_t *run) {
  size_t size = run->unit_count * FE_UNIT_SIZE;
  fe_ownership_set_single(run->start, size, false);
  fe_ownership_clear(run->start, size);
  fe_track_open(run->start, size);
  fe_chunk_release(arenas->base, run->start, size);
  fe_arenas_count_give_chunk(arenas, run->unit_count, run->open_count);
}

/* How many units of a chunk of its own are open when so many must be: whole pages, or whole slabs
 * where what is not open cannot be touched, so that the table tells which that is. */
static size_t open_units_for(const fe_base_t *base, size_t unit_count) {
  size_t step = base->commit != NULL ? FE_SLAB_SIZE : base->page_size;
  return step <= FE_UNIT_SIZE ? unit_count : fe_align_up(unit_count, step >> FE_SHARD_SHIFT);
}

bool fe_arenas_grow(fe_arenas_t *arenas, fe_run_t *run, size_t unit_count) {
  const fe_base_t *base = arenas->base;
  if (run->arena != NULL || !fe_base_can_grow(base)) return false;
  size_t size = run->unit_count * FE_UNIT_SIZE;
  size_t new_size = fe_align_up(unit_count * FE_UNIT_SIZE, FE_SLAB_SIZE);
  /* From the moment on at which the chunk has moved, its old place may be somebody else's. */
  fe_ownership_set_single(run->start, size, false);
  fe_ownership_clear(run->start, size);
  char *place = base->grow(base, run->start, size, new_size, FE_SLAB_SIZE);
  if (place != NULL) {
    size_t new_count = new_size >> FE_SHARD_SHIFT;
    fe_arenas_count_grow_chunk(arenas, new_count - run->unit_count);
    fe_arenas_count_open(arenas, new_count - run->open_count);
    run->start = place;
    run->unit_count = run->open_count = new_count;
  }
  if (!fe_ownership_set(run->start, run->unit_count * FE_UNIT_SIZE)) {
    fe_warn("the block at %p moved to where it cannot be noted as ferroc's", (void *)run->start);
  }
  fe_ownership_set_single(run->start, run->unit_count * FE_UNIT_SIZE, true);
  return place != NULL;
}

bool fe_arenas_open(fe_arenas_t *arenas, fe_run_t *run, size_t unit_count) {
  if (unit_count <= run->open_count) return true;
  if (unit_count > run->unit_count) return false;
  size_t open_count = open_units_for(arenas->base, unit_count);
  size_t more = open_count - run->open_count;
  char *end = run->start + run->open_count * FE_UNIT_SIZE;
  if (!fe_chunk_commit(arenas->base, end, more * FE_UNIT_SIZE)) return false;
  fe_ownership_set_single(end, more * FE_UNIT_SIZE, true);
  fe_arenas_count_open(arenas, more);
  run->open_count = open_count;
  return true;
}

bool fe_arenas_close(fe_arenas_t *arenas, fe_run_t *run, size_t unit_count) {
  const fe_base_t *base = arenas->base;
  size_t open_count = open_units_for(base, unit_count);
  if (open_count >= run->open_count || base->decommit == NULL) return false;
  size_t fewer = run->open_count - open_count;
  char *end = run->start + open_count * FE_UNIT_SIZE;
  if (!base->decommit(base, end, fewer * FE_UNIT_SIZE)) return false;
  if (base->commit != NULL) fe_ownership_set_single(end, fewer * FE_UNIT_SIZE, false);
  fe_arenas_count_close(arenas, fewer);
  run->open_count = open_count;
  return true;
}
