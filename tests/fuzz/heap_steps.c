/* Steps that deal with heaps and what they stand on. */
#include <errno.h>
#include <string.h>

#include "tests/fuzz/check.h"
#include "tests/fuzz/lanes.h"
#include "tests/fuzz/operations.h"

int choose_any_heap(world_t *world) {
  int first = (int)input_below(world->input, HEAPS);
  for (int i = 0; i < HEAPS; i++) {
    int heap = (first + i) % HEAPS;
    if (world->heaps[heap].heap != NULL) return heap;
  }
  return NO_HEAP;
}

int choose_heap(world_t *world) {
  int heap = (int)input_below(world->input, HEAPS + 1);
  if (heap == HEAPS || world->heaps[heap].heap == NULL) return NO_HEAP;
  return world->heaps[heap].is_handed_over ? NO_HEAP : heap;
}

static void note_error(fe_heap_t *heap, fe_error_t error, size_t bytes, void *user_data) {
  heap_entry_t *entry = user_data;
  check(entry->heap == heap, "on_error was called for a heap that is not the entry's");
  entry->error_count++;
  entry->last_error = error;
  entry->last_error_bytes = bytes;
}

/* -- Making and ending heaps --------------------------------------------------------------------
 */

static int choose_context(world_t *world) {
  int context = (int)input_below(world->input, CONTEXTS * 2);
  return context < CONTEXTS && world->contexts[context].context != NULL ? context : -1;
}

static void copy_name(world_t *world, char *name, size_t size) {
  size_t length = input_below(world->input, (unsigned)size);
  for (size_t i = 0; i < length; i++) name[i] = (char)('a' + i % 26);
  name[length] = '\0';
}

/* Whether the heap's first unit may be refused. */
static bool may_refuse_heap(const place_t *place, size_t refusals_before) {
  if (place == NULL) return false;
  return !place->has_base || place->refusal_count > refusals_before;
}

static void create_at(world_t *world, int slot, int context, int parent, bool is_permanent) {
  heap_entry_t *entry = &world->heaps[slot];
  char name[FE_NAME_MAX + 10];
  copy_name(world, name, sizeof name - 1);
  static const size_t granules[] = {0, 8, 16};
  fe_heap_options_t options = {
      .granule = granules[input_below(world->input, 3)],
      .memory_limit = input_flag(world->input) ? input_size(world->input) * 4 : 0,
      .context = context < 0 ? NULL : world->contexts[context].context,
      .parent = parent == NO_HEAP ? NULL : world->heaps[parent].heap,
      .name = name,
      .is_permanent = is_permanent,
      .on_error = note_error,
      .user_data = entry,
  };
  if (is_permanent) options.memory_limit = 0;
  int place_number = context < 0 ? -1 : world->contexts[context].place;
  place_t *place = place_number < 0 ? NULL : &world->places[place_number];
  size_t refusals = place == NULL ? 0 : place->refusal_count;
  errno = 0;
  fe_heap_t *heap = fe_heap_create(&options);
  if (heap == NULL) {
    check(may_refuse_heap(place, refusals) && errno == ENOMEM, "a heap was refused");
    return;
  }
  *entry = (heap_entry_t){
      .heap = heap,
      .granule = options.granule == 0 ? FE_GRANULE_SIZE : options.granule,
      .limit = options.memory_limit,
      .parent = parent,
      .context = context,
      .is_permanent = is_permanent,
  };
  strncpy(entry->name, name, FE_NAME_MAX);
  if (context >= 0) world->contexts[context].heap_count++;
  if (parent != NO_HEAP) world->heaps[parent].child_count++;
  if (world->is_traced) {
    fprintf(stderr, "  heap %d under %d on context %d: limit %zu\n", slot, parent, context,
            entry->limit);
  }
  reference_check_heap(world, slot);
}

void step_create_heap(world_t *world) {
  int slot = (int)input_below(world->input, HEAPS);
  if (world->heaps[slot].heap != NULL) return;
  int context = choose_context(world);
  int parent = input_flag(world->input) ? choose_any_heap(world) : NO_HEAP;
  bool is_permanent = slot < PERMANENT_HEAPS;
  if (is_permanent) {
    context = -1;
    parent = NO_HEAP;
  }
  create_at(world, slot, context, parent, is_permanent);
}

static void destroy(world_t *world, int slot) {
  heap_entry_t *entry = &world->heaps[slot];
  size_t warnings = warning_count;
  errno = 0;
  fe_heap_destroy(entry->heap);
  int expected = entry->is_permanent                               ? EINVAL
                 : entry->is_handed_over || entry->child_count > 0 ? EBUSY
                                                                   : 0;
  check(errno == expected, "fe_heap_destroy set errno to %d, not to %d", errno, expected);
  check(warning_count == warnings + (expected != 0), "%zu messages", warning_count - warnings);
  if (expected != 0) return;
  reference_remove_all(world, slot);
  if (entry->context >= 0) world->contexts[entry->context].heap_count--;
  if (entry->parent != NO_HEAP) world->heaps[entry->parent].child_count--;
  *entry = (heap_entry_t){.heap = NULL};
}

void step_destroy_heap(world_t *world) {
  int slot = choose_any_heap(world);
  if (slot != NO_HEAP) destroy(world, slot);
}

/* -- Hand-over ----------------------------------------------------------------------------------
 */

void step_hand_over(world_t *world) {
  int slot = choose_any_heap(world);
  if (slot == NO_HEAP) return;
  heap_entry_t *entry = &world->heaps[slot];
  size_t warnings = warning_count;
  errno = 0;
  fe_heap_hand_over(entry->heap);
  check((errno == EINVAL) == entry->is_handed_over, "errno is %d after a hand-over", errno);
  check(warning_count == warnings + entry->is_handed_over, "a message, or none");
  entry->is_handed_over = true;
}

void step_take_over(world_t *world) {
  int slot = choose_any_heap(world);
  if (slot == NO_HEAP) return;
  heap_entry_t *entry = &world->heaps[slot];
  check(fe_heap_take_over(entry->heap) == entry->is_handed_over, "a heap that was%s handed over",
        entry->is_handed_over ? "" : " not");
  entry->is_handed_over = false;
}

/* -- Limits, collecting -------------------------------------------------------------------------
 */

static size_t choose_limit(world_t *world, int heap) {
  size_t used = reference_used_under(world, heap);
  switch (input_below(world->input, 5)) {
    case 0:
      return 0;
    case 1: /* the next blocks fit just so, or just not */
      return used + input_size(world->input) + 1;
    case 2:
      return used + reference_full_size(input_size(world->input), world->heaps[heap].granule);
    case 3: /* too low for what is there */
      return used / 2 + 1;
    default:
      return input_size(world->input) * 16 + 1;
  }
}

void step_set_limit(world_t *world) {
  int heap = choose_heap(world);
  if (heap == NO_HEAP) return;
  heap_entry_t *entry = &world->heaps[heap];
  entry->limit = choose_limit(world, heap);
  /* Those under it go on with what they have paid for. */
  entry->paid_before = entry->child_count > 0 ? reference_charge_bound_under(world, heap)
                                              : entry->used + entry->slack;
  fe_heap_set_limit(entry->heap, entry->limit);
  if (world->is_traced) fprintf(stderr, "  heap %d: limit %zu\n", heap, entry->limit);
  reference_check_heap(world, heap);
}

void step_collect(world_t *world) {
  bool force = input_below(world->input, 4) == 0;
  int heap = choose_heap(world);
  if (heap == NO_HEAP) {
    fe_collect(force);
  } else {
    fe_heap_collect(world->heaps[heap].heap, force);
    reference_check_heap(world, heap);
  }
}

void step_check(world_t *world) {
  for (int i = 0; i < BLOCKS; i++) reference_check_block(world, i);
  for (int i = 0; i < HEAPS; i++) {
    const heap_entry_t *entry = &world->heaps[i];
    if (entry->heap != NULL && !entry->is_handed_over) reference_check_heap(world, i);
  }
}

/* -- Contexts and places ------------------------------------------------------------------------
 */

/* Whether anything stands on the place. */
static bool is_place_busy(const world_t *world, int place) {
  for (int i = 0; i < CONTEXTS; i++) {
    if (world->contexts[i].context != NULL && world->contexts[i].place == place) return true;
  }
  return false;
}

static void destroy_context(world_t *world, int number) {
  context_entry_t *entry = &world->contexts[number];
  size_t warnings = warning_count;
  bool is_busy = entry->heap_count > 0;
  check(fe_context_destroy(entry->context) == !is_busy, "a context with %d heaps was%s ended",
        entry->heap_count, is_busy ? "" : " not");
  check(warning_count == warnings + is_busy, "a message, or none");
  if (!is_busy) entry->context = NULL;
}

void step_create_context(world_t *world) {
  int number = (int)input_below(world->input, CONTEXTS);
  context_entry_t *entry = &world->contexts[number];
  if (entry->context != NULL) {
    destroy_context(world, number);
    return;
  }
  int place = (int)input_below(world->input, PLACES + 1) - 1;
  if (place >= 0 && world->places[place].arenas == NULL) place = -1;
  place_t *used = place < 0 ? NULL : &world->places[place];
  size_t refusals = used == NULL ? 0 : used->refusal_count;
  errno = 0;
  entry->context = fe_context_create(used == NULL ? NULL : used->arenas);
  entry->place = place;
  entry->heap_count = 0;
  if (entry->context != NULL) return;
  check(may_refuse_heap(used, refusals) && errno == ENOMEM, "a context was refused");
}

/* Makes one, or ends it if it is there and can be ended. */
void step_create_place(world_t *world) {
  unsigned number = input_below(world->input, PLACES);
  place_t *place = &world->places[number];
  if (place->arenas == NULL) {
    place_create(place, number, world->input);
    return;
  }
  if (!is_place_busy(world, (int)number)) {
    place_destroy(place);
    return;
  }
  size_t warnings = warning_count;
  errno = 0;
  check(!fe_arenas_destroy(place->arenas) && errno == EBUSY, "arenas in use were ended");
  check(warning_count == warnings + 1, "no word about arenas in use");
}

void step_trouble(world_t *world) {
  place_t *place = &world->places[input_below(world->input, PLACES)];
  if (place->arenas == NULL) return;
  if (place->has_base && input_flag(world->input)) {
    place_refuse_soon(place, world->input);
  } else {
    place_add_region(place, world->input);
  }
}

/* -- Threads and mistakes -----------------------------------------------------------------------
 */

void step_lane(world_t *world) { world->lane = (int)input_below(world->input, LANES); }

static void expect_refusal(const void *result, int error, size_t warnings_before, size_t warnings) {
  check(result == NULL, "%p came back for bad arguments", result);
  check(errno == error, "errno is %d, not %d", errno, error);
  check(warning_count == warnings_before + warnings, "%zu messages, not %zu",
        warning_count - warnings_before, warnings);
}

void step_misuse(world_t *world) {
  size_t warnings = warning_count;
  size_t bad_alignment = input_word(world->input) | 3; /* no power of two */
  fe_heap_options_t options = {.granule = 24};
  fe_base_t base = fe_base_static;
  base.page_size = bad_alignment;
  void *out = NULL;
  errno = 0;
  switch (input_below(world->input, 8)) {
    case 0:
      expect_refusal(fe_aligned_alloc(bad_alignment, 100), EINVAL, warnings, 0);
      break;
    case 1:
      expect_refusal(fe_aligned_alloc(0, 100), EINVAL, warnings, 0);
      break;
    case 2:
      check(fe_posix_memalign(&out, bad_alignment, 100) == EINVAL, "a bad alignment was taken");
      expect_refusal(out, 0, warnings, 0);
      break;
    case 3:
      check(fe_posix_memalign(&out, 4, 100) == EINVAL, "an alignment below a pointer's was taken");
      expect_refusal(out, 0, warnings, 0);
      break;
    case 4:
      expect_refusal(fe_heap_create(&options), EINVAL, warnings, 1);
      break;
    case 5:
      expect_refusal(fe_arenas_create(&base, &base, sizeof base), EINVAL, warnings, 1);
      break;
    case 6:
      expect_refusal(fe_arenas_create(NULL, NULL, 0), EINVAL, warnings, 1);
      break;
    default:
      expect_refusal(fe_calloc(SIZE_MAX / 16, 17), ENOMEM, warnings, 0);
      break;
  }
}

/* -- Around an input ----------------------------------------------------------------------------
 */

/* The heaps that live for good, from input to input. */
static heap_entry_t permanent_heaps[PERMANENT_HEAPS];

void world_begin(world_t *world, input_t *input) {
  memset(world, 0, sizeof *world);
  world->input = input;
  world->next_seed = 1;
  world->frees_before_end = input_flag(input);
  memcpy(world->heaps, permanent_heaps, sizeof permanent_heaps);
  for (int i = 0; i < HEAPS; i++) {
    if (world->heaps[i].heap == NULL) world->heaps[i].parent = NO_HEAP;
  }
}

/* With only its first unit, which a heap always keeps, and nothing else in the regions, there is
 * room for a small block, if there was memory for one more unit at all. */
static void check_room_after_free(world_t *world, int heap) {
  const heap_entry_t *entry = &world->heaps[heap];
  place_t *place = reference_place(world, heap);
  if (place == NULL || place->has_base || entry->parent != NO_HEAP) return;
  fe_heap_set_limit(entry->heap, 0);
  void *block = fe_heap_alloc(entry->heap, 64);
  check(block != NULL, "a region is full after everything in it was freed");
  fe_heap_free(entry->heap, block);
  check(fe_heap_used_bytes(entry->heap) == 0, "an empty heap uses something");
}

static void free_all_blocks(world_t *world) {
  for (int i = 0; i < BLOCKS; i++) {
    if (world->blocks[i].block != NULL) fe_free(reference_remove(world, i));
  }
}

static void collect_all(world_t *world) {
  for (int i = 0; i < HEAPS; i++) {
    heap_entry_t *entry = &world->heaps[i];
    if (entry->heap == NULL) continue;
    if (entry->is_handed_over) {
      check(fe_heap_take_over(entry->heap), "a heap that was handed over is not to be had");
      entry->is_handed_over = false;
    }
    fe_heap_collect(entry->heap, true);
    check(fe_heap_used_bytes(entry->heap) == 0, "an empty heap uses %zu bytes",
          fe_heap_used_bytes(entry->heap));
  }
}

/* Those under others first. */
static void destroy_all_heaps(world_t *world) {
  bool is_any_left = true;
  while (is_any_left) {
    is_any_left = false;
    for (int i = PERMANENT_HEAPS; i < HEAPS; i++) {
      heap_entry_t *entry = &world->heaps[i];
      if (entry->heap == NULL) continue;
      is_any_left = true;
      if (entry->child_count == 0) destroy(world, i);
    }
  }
}

static void keep_permanent_heaps(world_t *world) {
  for (int i = 0; i < PERMANENT_HEAPS; i++) {
    heap_entry_t *entry = &world->heaps[i];
    if (entry->heap == NULL) continue;
    fe_heap_set_limit(entry->heap, 0);
    entry->limit = 0;
    entry->paid_before = 0;
    entry->charge_bound = FE_UNIT_SIZE;
    permanent_heaps[i] = *entry;
  }
}

void world_end(world_t *world) {
  step_check(world);
  for (int i = 1; i < LANES; i++) lane_end(i);
  if (world->frees_before_end) { /* else heaps end with what is in them */
    free_all_blocks(world);
    collect_all(world);
    for (int i = 0; i < HEAPS; i++) {
      if (world->heaps[i].heap != NULL) check_room_after_free(world, i);
    }
  }
  for (int i = 0; i < HEAPS; i++) {
    if (world->heaps[i].is_handed_over) check(fe_heap_take_over(world->heaps[i].heap), "taken");
    world->heaps[i].is_handed_over = false;
  }
  destroy_all_heaps(world);
  free_all_blocks(world);
  collect_all(world);
  keep_permanent_heaps(world);
  for (int i = 0; i < CONTEXTS; i++) {
    if (world->contexts[i].context != NULL) destroy_context(world, i);
  }
  for (int i = 0; i < PLACES; i++) place_destroy(&world->places[i]);
  fe_collect(false);
  check(fe_heap_used_bytes(fe_thread_heap()) == 0, "the thread's heap still holds %zu bytes",
        fe_heap_used_bytes(fe_thread_heap()));
}
