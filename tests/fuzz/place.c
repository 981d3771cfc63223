/* The base that refuses, and the regions. */
#include "tests/fuzz/place.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/fuzz/check.h"

/* -- The base -----------------------------------------------------------------------------------
 */

static place_t *place_of(const fe_base_t *base) { return base->user_data; }

static bool is_refused(place_t *place) {
  if (place->refusals_left == 0) return false;
  if (place->calls_until_refusal > 0) {
    place->calls_until_refusal--;
    return false;
  }
  place->refusals_left--;
  place->refusal_count++;
  return true;
}

static char *map_aligned(size_t size, size_t alignment, int protection) {
  size_t mapped = size + alignment;
  char *start = mmap(NULL, mapped, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check(start != MAP_FAILED, "there are no addresses left");
  char *aligned = (char *)fe_align_up((uintptr_t)start, alignment);
  if (aligned > start) munmap(start, (size_t)(aligned - start));
  munmap(aligned + size, (size_t)(start + mapped - (aligned + size)));
  return aligned;
}

/* Something else than zeros, where whoever takes memory for zero would look first. */
static void soil(char *start, size_t size) {
  for (size_t offset = 0; offset < size; offset += FE_UNIT_SIZE) memset(start + offset, 0xa5, 4096);
}

static void *allocate(const fe_base_t *base, size_t size, size_t alignment) {
  place_t *place = place_of(base);
  check(size % FE_SLAB_SIZE == 0 && size > 0, "a chunk of %zu bytes was asked for", size);
  check(fe_is_power_of_two(alignment), "a chunk aligned to %zu was asked for", alignment);
  if (is_refused(place)) return NULL;
  place_chunk_t *chunk = place->chunks;
  while (chunk < place->chunks + PLACE_CHUNKS && chunk->start != NULL) chunk++;
  size_t slabs = size / FE_SLAB_SIZE;
  if (slabs > place->slabs_left || slabs > 16 || chunk == place->chunks + PLACE_CHUNKS) {
    place->refusal_count++;
    return NULL;
  }
  place->slabs_left -= slabs;
  *chunk = (place_chunk_t){.size = size};
  int protection = base->commit == NULL ? PROT_READ | PROT_WRITE : PROT_NONE;
  chunk->start = map_aligned(size, alignment, protection);
  if (base->commit == NULL && !base->is_zeroed) soil(chunk->start, size);
  return chunk->start;
}

static void release(const fe_base_t *base, void *start, size_t size) {
  place_t *place = place_of(base);
  place_chunk_t *chunk = place->chunks;
  while (chunk < place->chunks + PLACE_CHUNKS && chunk->start != start) chunk++;
  check(chunk < place->chunks + PLACE_CHUNKS, "%p is released, which is no chunk", start);
  check(chunk->size == size, "of a chunk of %zu bytes, %zu are released", chunk->size, size);
  munmap(start, size);
  place->slabs_left += size / FE_SLAB_SIZE;
  chunk->start = NULL;
}

/* Notes that pages are committed now, or are not; they must not have been before. */
static void set_committed(place_t *place, char *start, size_t size, bool is_committed) {
  check(((uintptr_t)start | size) % place->base.page_size == 0, "no whole pages: %p, %zu",
        (void *)start, size);
  place_chunk_t *chunk = place->chunks;
  while (chunk < place->chunks + PLACE_CHUNKS &&
         (chunk->start == NULL || start < chunk->start || start >= chunk->start + chunk->size)) {
    chunk++;
  }
  check(chunk < place->chunks + PLACE_CHUNKS, "%p is in no chunk", (void *)start);
  size_t first = (size_t)(start - chunk->start) / FE_UNIT_SIZE;
  check(start + size <= chunk->start + chunk->size, "pages behind the chunk's end");
  for (size_t unit = first; unit < first + size / FE_UNIT_SIZE; unit++) {
    check(chunk->is_committed[unit] != is_committed, "unit %zu is %s twice", unit,
          is_committed ? "committed" : "decommitted");
    chunk->is_committed[unit] = is_committed;
  }
}

static bool commit(const fe_base_t *base, void *start, size_t size) {
  place_t *place = place_of(base);
  if (is_refused(place)) return false;
  set_committed(place, start, size, true);
  check(mprotect(start, size, PROT_READ | PROT_WRITE) == 0, "mprotect: %s", strerror(errno));
  if (!base->is_zeroed) soil(start, size);
  return true;
}

static bool decommit(const fe_base_t *base, void *start, size_t size) {
  place_t *place = place_of(base);
  if (is_refused(place)) return false;
  if (base->commit != NULL) {
    set_committed(place, start, size, false);
    check(mprotect(start, size, PROT_NONE) == 0, "mprotect: %s", strerror(errno));
  }
  madvise(start, size, MADV_DONTNEED);
  return true;
}

static void advise_huge(const fe_base_t *base, void *start, size_t size, bool is_wanted) {
  (void)base;
  (void)is_wanted;
  check(((uintptr_t)start | size) % base->page_size == 0, "no whole pages: %p, %zu", start, size);
}

static void make_base(place_t *place, input_t *input) {
  unsigned has = input_byte(input);
  place->base = (fe_base_t){
      .allocate = allocate,
      .release = release,
      .commit = has & 1 ? commit : NULL,
      .decommit = has & 2 ? decommit : NULL,
      .advise_huge = has & 4 ? advise_huge : NULL,
      .is_zeroed = has & 8,
      .page_size = FE_UNIT_SIZE < 16384 || has & 16 ? 4096 : 16384,
      .user_data = place,
  };
  place->slabs_left = 2 + input_below(input, 20);
}

void place_refuse_soon(place_t *place, input_t *input) {
  place->calls_until_refusal = input_below(input, 12);
  place->refusals_left = input_below(input, 6);
}

/* -- Regions ------------------------------------------------------------------------------------
 */

/* Each region has a third of the place's room, at any offset, with bytes around it that must stay
 * as they are. */
#define REGION_ROOM (FE_SLAB_SIZE * 3)
enum { MARGIN = 64, MARGIN_BYTE = 0x5c };

/* One for each number of a place, for good. */
static char *room_of(unsigned number) {
  static char *rooms[8];
  if (rooms[number] == NULL) {
    rooms[number] = map_aligned(REGION_ROOM * PLACE_REGIONS, FE_SLAB_SIZE, PROT_READ | PROT_WRITE);
  }
  return rooms[number];
}

/* A region from one or a few units up to more than two slabs. */
static place_region_t new_region(place_t *place, unsigned index, input_t *input) {
  size_t offset = MARGIN + input_word(input) * (FE_UNIT_SIZE / 2048);
  size_t size = input_flag(input) ? input_word(input) * (FE_SLAB_SIZE / 32768)
                                  : (1 + input_below(input, 24)) * FE_UNIT_SIZE;
  if (offset >= FE_SLAB_SIZE / 2) offset %= FE_SLAB_SIZE / 2;
  if (offset < MARGIN) offset = MARGIN;
  unsigned char *start = (unsigned char *)place->room + index * REGION_ROOM + offset;
  soil((char *)start, size);
  memset(start - MARGIN, MARGIN_BYTE, MARGIN);
  memset(start + size, MARGIN_BYTE, MARGIN);
  return (place_region_t){.start = start, .size = size};
}

static void check_margins(const place_region_t *region) {
  if (region->start == NULL) return;
  for (int i = 0; i < MARGIN; i++) {
    check(region->start[-1 - i] == MARGIN_BYTE, "the byte %d before a region was written", 1 + i);
    check(region->start[region->size + (size_t)i] == MARGIN_BYTE,
          "the byte %d behind a region was written", i);
  }
}

/* Whether a region can be refused: it has not even two whole units. */
static bool is_small(const place_region_t *region) { return region->size < 4 * FE_UNIT_SIZE; }

void place_add_region(place_t *place, input_t *input) {
  unsigned index = 0;
  while (index < PLACE_REGIONS && place->regions[index].start != NULL) index++;
  if (index == PLACE_REGIONS || place->arenas == NULL) return;
  place_region_t region = new_region(place, index, input);
  size_t warnings = warning_count;
  errno = 0;
  if (fe_arenas_manage(place->arenas, region.start, region.size)) {
    check(warning_count == warnings, "a message though it went well");
    place->regions[index] = region;
    check(!fe_arenas_manage(place->arenas, region.start, region.size), "managed twice");
    check(errno == EINVAL && warning_count == warnings + 1, "no word about a region in use");
  } else {
    check(is_small(&region) && errno == EINVAL, "a region of %zu bytes was refused", region.size);
    check(warning_count == warnings + 1, "no word about a region that is too small");
  }
}

/* -- Beginning and end --------------------------------------------------------------------------
 */

void place_create(place_t *place, unsigned number, input_t *input) {
  *place = (place_t){.has_base = input_flag(input), .room = room_of(number)};
  size_t warnings = warning_count;
  errno = 0;
  if (place->has_base) {
    make_base(place, input);
    place_refuse_soon(place, input);
    place->arenas = fe_arenas_create(&place->base, NULL, 0);
    check(place->arenas != NULL || (place->refusal_count > 0 && errno == ENOMEM),
          "no arenas though the base refused nothing");
    check(warning_count == warnings, "a message though nothing was wrong");
    return;
  }
  place->regions[0] = new_region(place, 0, input);
  place->arenas =
      fe_arenas_create(&fe_base_static, place->regions[0].start, place->regions[0].size);
  if (place->arenas != NULL) return;
  check(is_small(&place->regions[0]) && errno == EINVAL && warning_count == warnings + 1,
        "a region of %zu bytes was refused", place->regions[0].size);
}

void place_destroy(place_t *place) {
  if (place->arenas == NULL) return;
  check(fe_arenas_destroy(place->arenas), "arenas without heaps could not be ended");
  place->arenas = NULL;
  for (int i = 0; i < PLACE_CHUNKS; i++) {
    check(place->chunks[i].start == NULL, "a chunk was not released");
  }
  for (int i = 0; i < PLACE_REGIONS; i++) {
    check_margins(&place->regions[i]);
    check(place->regions[i].start == NULL || !fe_owns(place->regions[i].start + FE_UNIT_SIZE),
          "a region is ferroc's after its arenas' end");
  }
}
