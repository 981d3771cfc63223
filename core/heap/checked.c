/* Marking and checking blocks; see checked.h. */
#include "core/heap/checked.h"

#if FE_IS_TRACKED

/* Where a block lies. */
typedef struct place {
  fe_shard_t *shard;
  char *start;
  size_t size;
  fe_trailer_t *trailer;
} place_t;

static const char not_ours[] =
    "is not a block of ferroc's: it must come from one of ferroc's own functions";
static const char no_block[] = "is no block: there is none at that address";
static const char inside[] = "points into the middle of a block";
static const char freed[] = "was freed already";
static const char overrun[] =
    "is a block whose end was overwritten: something wrote past its last byte, or into the block "
    "behind it";

static void set_place(place_t *place, fe_shard_t *shard, char *start) {
  *place = (place_t){.shard = shard, .start = start, .size = shard->block_size};
  place->trailer = fe_trailer_at(start, shard->block_size);
}

static const char *find_in_blocks(place_t *place, fe_shard_t *shard, char *ptr) {
  char *end = (char *)shard + shard->start + shard->reserved * shard->block_size;
  if (ptr < (char *)shard + shard->start || ptr >= end) return no_block;
  char *start = fe_shard_has_interior(shard) ? (char *)fe_shard_block_start(shard, ptr) : ptr;
  if (start + shard->block_size > end) return inside;
  set_place(place, shard, start);
  return NULL;
}

/* Where the block at ptr lies, live or not. Returns NULL, or what is wrong with ptr. */
static const char *find(place_t *place, const void *ptr) {
  if (!fe_owns_address((const char *)ptr - 1)) return not_ours; /* where its header must be */
  fe_shard_t *shard = fe_shard_of(ptr);
  if (!fe_shard_is_sealed(shard) || shard->kind == FE_SHARD_NURSERY) return no_block;
  if (((uintptr_t)ptr & 7) != 0) return inside;
  if (shard->kind == FE_SHARD_BLOCKS) return find_in_blocks(place, shard, (char *)ptr);
  char *start = (char *)shard + shard->check.large_offset;
  if (ptr != start) return inside;
  set_place(place, shard, start);
  return NULL;
}

/* -- The bytes between what was asked for and the trailer: the first of them are known -- */

#define FE_SLACK_BYTES 8

static size_t slack_after(const place_t *place, const char *end) {
  size_t slack = (size_t)((const char *)place->trailer - end);
  return slack < FE_SLACK_BYTES ? slack : FE_SLACK_BYTES;
}

static unsigned char slack_byte(void) { return (unsigned char)(fe_track_secret() >> 24 | 1); }

static void mark_slack(const place_t *place, char *end) {
  if (!FE_IS_HARDENED) return;
  size_t count = slack_after(place, end);
  for (size_t i = 0; i < count; i++) end[i] = (char)slack_byte();
}

static bool is_slack_whole(const place_t *place, const char *end) {
  if (!FE_IS_HARDENED) return true;
  size_t count = slack_after(place, end);
  for (size_t i = 0; i < count; i++) {
    if ((unsigned char)end[i] != slack_byte()) return false;
  }
  return true;
}

/* -- Live blocks -- */

/* What is wrong with a block whose trailer is not that of a live one. */
static FE_COLD const char *diagnose(const place_t *place, const char *ptr) {
  uintptr_t check = fe_track_get_word(&place->trailer->check);
  if (check == fe_trailer_freed(place->start)) return freed;
  if (place->shard->kind == FE_SHARD_BLOCKS) {
    if ((char *)fe_shard_block_start(place->shard, ptr) != place->start) return inside;
  }
  return check == 0 ? no_block : overrun;
}

/* As find, for a block that must be live; its size is what was asked for. */
static const char *find_live(place_t *place, const void *ptr, size_t *size) {
  const char *wrong = find(place, ptr);
  if (wrong != NULL) return wrong;
  uintptr_t skipped = fe_trailer_size(0, (size_t)((const char *)ptr - place->start));
  *size = fe_track_get_word(&place->trailer->size) - skipped;
  bool is_live = fe_track_get_word(&place->trailer->check) == fe_trailer_live(ptr, *size);
  if (FE_UNLIKELY(!is_live)) return diagnose(place, ptr);
  return is_slack_whole(place, (const char *)ptr + *size) ? NULL : overrun;
}

static void note_size(const place_t *place, char *ptr, size_t size) {
  size_t skipped = (size_t)(ptr - place->start);
  fe_track_set_word(&place->trailer->size, fe_trailer_size(size, skipped));
  fe_track_set_word(&place->trailer->check, fe_trailer_live(ptr, size));
  mark_slack(place, ptr + size);
}

/* A block that was freed before has not been touched since. */
static void look_at_freed(const place_t *place) {
  if (place->shard->kind != FE_SHARD_BLOCKS) return;
  if (fe_track_get_word(&place->trailer->check) != fe_trailer_freed(place->start)) return;
  fe_track_look(place->start, place->size);
}

/* Where a block lies that the heap has just given. */
static void find_new(place_t *place, void *block) {
  fe_shard_t *shard = fe_shard_of(block);
  if (shard->kind == FE_SHARD_LARGE) {
    set_place(place, shard, (char *)shard + shard->check.large_offset);
  } else {
    bool is_inside = fe_shard_has_interior(shard);
    set_place(place, shard, is_inside ? (char *)fe_shard_block_start(shard, block) : block);
  }
}

void *fe_checked_alloc(void *block, size_t size) {
  if (block == NULL) return NULL;
  place_t place;
  find_new(&place, block);
  look_at_freed(&place);
  note_size(&place, block, size);
  fe_track_alloc(block, size);
  return block;
}

/* What memset would take too long to fill goes back to the system. */
#define FE_FILL_MAX ((size_t)256 << 10)

static bool drop_contents(const place_t *place) {
  if (!FE_IS_HARDENED || place->size <= FE_FILL_MAX) return false;
  const fe_base_t *base = fe_heap_of(place->shard)->context->arenas->base;
  const fe_arena_t *arena = place->shard->arena;
  if (base->decommit == NULL || base->commit != NULL) return false; /* it must stay committed */
  if (arena != NULL && arena->is_lent) return false;
  char *first = (char *)fe_align_up((uintptr_t)place->start, base->page_size);
  uintptr_t end = (uintptr_t)(place->start + place->size) & ~(base->page_size - 1);
  if ((uintptr_t)first >= end) return false; /* pages may be large */
  return base->decommit(base, first, end - (uintptr_t)first);
}

/* The trailer stays readable: it says that the block was freed. */
static void end_contents(const place_t *place, void *ptr) {
  fe_track_set_word(&place->trailer->check, fe_trailer_freed(place->start));
  if (!drop_contents(place)) fe_track_free(ptr, place->start, place->size);
}

bool fe_checked_free(void *ptr) {
  place_t place;
  size_t size;
  const char *wrong = find_live(&place, ptr, &size);
  if (FE_UNLIKELY(wrong != NULL)) {
    fe_track_misdeed(ptr, "free", wrong);
    return false;
  }
  end_contents(&place, ptr);
  return true;
}

size_t fe_checked_requested(const void *ptr) {
  place_t place;
  size_t size;
  const char *wrong = find_live(&place, ptr, &size);
  if (FE_LIKELY(wrong == NULL)) return size;
  fe_track_misdeed(ptr, "size", wrong);
  return 0;
}

void fe_checked_shrink(void *ptr, size_t size) {
  place_t place;
  size_t old_size;
  if (find_live(&place, ptr, &old_size) != NULL) return;
  note_size(&place, ptr, size);
  fe_track_shrink(ptr, old_size, size);
}

/* Where the block at `place` was handed out, if it is live; else NULL. */
static char *live_block(const place_t *place) {
  uintptr_t word = fe_track_get_word(&place->trailer->size);
  bool is_large = place->shard->kind == FE_SHARD_LARGE;
  size_t skipped = is_large ? 0 : word >> (sizeof word * 4);
  char *ptr = place->start + skipped;
  uintptr_t live = fe_trailer_live(ptr, word - fe_trailer_size(0, skipped));
  return fe_track_get_word(&place->trailer->check) == live ? ptr : NULL;
}

static void end_block(fe_shard_t *shard, char *start) {
  place_t place;
  set_place(&place, shard, start);
  char *ptr = live_block(&place);
  if (ptr != NULL) fe_track_end(ptr);
}

void fe_checked_end_shard(fe_shard_t *shard) {
  if (!FE_TRACK_COUNTS_BLOCKS || shard->kind == FE_SHARD_NURSERY) return;
  if (shard->kind == FE_SHARD_LARGE) {
    end_block(shard, (char *)shard + shard->check.large_offset);
    return;
  }
  char *first = (char *)shard + shard->start;
  for (size_t i = 0; i < shard->capacity; i++) end_block(shard, first + i * shard->block_size);
}

#endif
