/* fe_heap_map_write: the page holds every shard, and needs nothing but itself. */
#include "tests/core/support.h"

#include <pthread.h>

/* -- The page as one string -- */

typedef struct page {
  char *text;
  size_t length, room;
} page_t;

static void append(void *user_data, const char *text, size_t length) {
  page_t *page = user_data;
  require(length > 0);
  if (page->length + length + 1 > page->room) {
    page->room = 2 * (page->length + length) + 1;
    page->text = realloc(page->text, page->room);
    require(page->text != NULL);
  }
  memcpy(page->text + page->length, text, length);
  page->length += length;
  page->text[page->length] = '\0';
}

static page_t map_of(fe_arenas_t *arenas) {
  page_t page = {NULL, 0, 0};
  fe_heap_map_write(arenas, append, &page);
  require(page.text != NULL);
  return page;
}

/* -- What it says about one shard -- */

typedef struct search {
  const page_t *page;
  fe_heap_t *heap;
  size_t found_count;
  size_t unit_bytes, slab_bytes;
} search_t;

static size_t number_after(const page_t *page, const char *key) {
  const char *place = strstr(page->text, key);
  require(place != NULL);
  return strtoull(place + strlen(key), NULL, 10);
}

/* The units of a cell: the number behind the kind, or one where an address or a name comes next. */
static size_t units_of_cell(const char *cell) {
  const char *rest = strchr(cell + 2, '"') + 2;
  return *rest == '"' ? 1 : strtoull(rest, NULL, 10);
}

static const char *next_cell(const char *cell) {
  const char *next = strchr(cell, ']') + 1;
  return *next == ',' ? next + 1 : NULL;
}

/* The cell of the unit at an address: ["blocks",... and so on. */
static const char *cell_at(const search_t *search, const char *address) {
  static const char slab_start[] = "{\"start\":\"";
  const char *slab = search->page->text;
  while ((slab = strstr(slab, slab_start)) != NULL) {
    slab += sizeof slab_start - 1;
    const char *start = (const char *)(uintptr_t)strtoull(slab, NULL, 16);
    if (address < start || address >= start + search->slab_bytes) continue;
    size_t unit = (size_t)(address - start) / search->unit_bytes;
    const char *cell = strstr(slab, "[[") + 1;
    for (size_t first = 0; cell != NULL; cell = next_cell(cell)) {
      first += units_of_cell(cell);
      if (unit < first) return cell;
    }
  }
  return "";
}

static void expect_cell(search_t *search, const fe_shard_view_t *shard, const char *expected) {
  const char *cell = cell_at(search, shard->start);
  if (strncmp(cell, expected, strlen(expected)) != 0) {
    print_error("at %p: expected %s, found %.60s\n", shard->start, expected, cell);
    require(false);
  }
  search->found_count++;
}

/* As many units of a shard as lie in its first slab. */
static size_t units_in_slab(const search_t *search, const fe_shard_view_t *shard) {
  size_t room = search->slab_bytes - ((uintptr_t)shard->start & (search->slab_bytes - 1));
  return (shard->bytes < room ? shard->bytes : room) / search->unit_bytes;
}

static bool look_for(const fe_shard_view_t *shard, void *user_data) {
  search_t *search = user_data;
  char expected[200];
  switch (shard->type) {
    case FE_SHARD_OF_ONE_SIZE:
      snprintf(expected, sizeof expected, "[\"blocks\",\"%p\",%zu,%zu,%zu,%zu]",
               (void *)search->heap, shard->block_size, shard->live_count, shard->carved_count,
               shard->room_count);
      break;
    case FE_SHARD_OF_LARGE:
      snprintf(expected, sizeof expected, "[\"large\",%zu,\"%p\"]", units_in_slab(search, shard),
               (void *)search->heap);
      break;
    case FE_SHARD_OF_MIXED:
      snprintf(expected, sizeof expected, "[\"mixed\",\"%p\",%zu]", (void *)search->heap,
               shard->live_bytes);
      break;
    case FE_SHARD_OF_NURSERY:
      snprintf(expected, sizeof expected, "[\"nursery\",\"%p\",\"%s\",%s,%zu,%zu,",
               (void *)search->heap, fe_heap_name(search->heap),
               search->heap == fe_thread_heap() ? "true" : "false", shard->live_bytes,
               fe_heap_used_bytes(search->heap));
      break;
  }
  expect_cell(search, shard, expected);
  return true;
}

/* Asserts that the page says of all shards of the heap what a visit says. */
static void assert_holds_heap(const page_t *page, fe_heap_t *heap) {
  search_t search = {.page = page,
                     .heap = heap,
                     .unit_bytes = number_after(page, "\"unit_bytes\":"),
                     .slab_bytes = number_after(page, "\"slab_bytes\":")};
  assert_true(fe_heap_visit(heap, &(fe_visitor_t){.shard = look_for}, &search));
  assert_true(search.found_count > 0);
}

static fe_heap_t *filled_heap(const char *name, uint64_t seed) {
  fe_heap_options_t options = {.name = name};
  fe_heap_t *heap = fe_heap_create(&options);
  random_source_t random = {seed};
  require(heap != NULL);
  for (int i = 0; i < 5000; i++) {
    void *block = fe_heap_alloc(heap, random_size(&random, 5000));
    if (i % 3 == 0) fe_heap_free(heap, block);
  }
  fe_heap_collect(heap, false); /* what waits in bins is told of by the heap's cell */
  return heap;
}

static void the_page_holds_every_shard_of_a_heap(void **state) {
  (void)state;
  fe_heap_t *heap = filled_heap("filled", 5);
  fe_heap_t *small = filled_heap("another", 6);
  for (size_t size = 40000; size < 2 * MIB; size += size / 2) {
    assert_non_null(fe_heap_alloc(heap, size));
  }
  page_t page = map_of(NULL);
  assert_holds_heap(&page, heap);
  assert_holds_heap(&page, small);
  free(page.text);
  fe_heap_destroy(heap);
  fe_heap_destroy(small);
}

static void the_page_holds_the_calling_threads_heap_as_it_is(void **state) {
  (void)state;
  static void *blocks[3000];
  for (size_t i = 0; i < 3000; i++) blocks[i] = fe_malloc(i % 700);
  page_t page = map_of(NULL);
  assert_holds_heap(&page, fe_thread_heap());
  free(page.text);
  for (size_t i = 0; i < 3000; i++) fe_free(blocks[i]);
}

static void *make_blocks(void *argument) {
  void **blocks = argument;
  for (size_t i = 0; i < 3000; i++) blocks[i] = fe_malloc(100);
  return NULL;
}

static size_t count_of(const page_t *page, const char *string) {
  size_t count = 0;
  for (const char *at = page->text; (at = strstr(at, string)) != NULL; at++) count++;
  return count;
}

static void shards_of_other_threads_are_there_with_their_size(void **state) {
  (void)state;
  static void *blocks[3000];
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, make_blocks, blocks), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  page_t page = map_of(NULL);
  size_t nursery_count = count_of(&page, "[\"nursery\",");
  fe_heap_stats_t stats = {.struct_size = sizeof stats};
  assert_true(fe_stats(NULL, &stats));
  assert_int_equal(nursery_count, stats.heap_count);
  assert_int_equal(count_of(&page, "[\"blocks\","), stats.shard_count);
  free(page.text);
  for (size_t i = 0; i < 3000; i++) fe_free(blocks[i]);
  fe_collect(true);
}

static void a_region_of_the_programs_own_has_a_page_of_its_own(void **state) {
  (void)state;
  static char region[3 * 1024 * 1024 + 4321];
  fe_arenas_t *arenas = fe_arenas_create(&fe_base_static, region + 123, sizeof region - 123);
  assert_non_null(arenas);
  fe_context_t *context = fe_context_create(arenas);
  fe_heap_options_t options = {.context = context, .name = "own"};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  while (fe_heap_alloc(heap, 900) != NULL) {
  }
  page_t page = map_of(arenas);
  assert_holds_heap(&page, heap);
  /* Small slabs may end with the region. */
  bool ends_in_a_slab = number_after(&page, "\"slab_bytes\":") > sizeof region;
  if (ends_in_a_slab) assert_non_null(strstr(page.text, "[\"none\","));
  assert_non_null(strstr(page.text, "[\"notes\","));
  assert_null(strstr(page.text, "\"clean\",")); /* the region is full */
  free(page.text);
  fe_heap_destroy(heap);
  assert_true(fe_context_destroy(context));
  assert_true(fe_arenas_destroy(arenas));
}

static void the_page_refers_to_nothing_outside(void **state) {
  (void)state;
  page_t page = map_of(NULL);
  static const char *const references[] = {"http:",   "https:", "src=",    "href=",  "url(",
                                           "@import", "fetch(", "XMLHttp", "import("};
  for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
    if (strstr(page.text, references[i]) != NULL) fail_msg("there is %s", references[i]);
  }
  free(page.text);
}

static void a_name_cannot_end_the_script(void **state) {
  (void)state;
  fe_heap_options_t options = {.name = "</script><b>\"\\\n\xff\xc3\xa9"};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  page_t page = map_of(NULL);
  assert_int_equal(count_of(&page, "</script>"), 2);
  assert_non_null(strstr(page.text,
                         "\"\\u003c/script>\\u003cb>\\u0022\\u005c\\u000a"
                         "\xef\xbf\xbd\xc3\xa9\""));
  free(page.text);
  fe_heap_destroy(heap);
}

/* Writing it takes nothing from the heaps that it shows, and works when they are full. */
static void writing_does_not_allocate(void **state) {
  (void)state;
  page_t page = map_of(NULL);
  size_t length = page.length;
  fe_heap_stats_t before = {.struct_size = sizeof before}, after = before;
  assert_true(fe_stats(NULL, &before));
  page.length = 0;
  fe_heap_map_write(NULL, append, &page);
  assert_true(fe_stats(NULL, &after));
  assert_in_range(page.length, length - 200, length + 200);
  assert_int_equal(before.used_bytes, after.used_bytes);
  assert_int_equal(before.nursery_allocs, after.nursery_allocs);
  assert_int_equal(before.refills, after.refills);
  free(page.text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(the_page_holds_every_shard_of_a_heap),
      test_that(the_page_holds_the_calling_threads_heap_as_it_is),
      test_that(shards_of_other_threads_are_there_with_their_size),
      test_that(a_region_of_the_programs_own_has_a_page_of_its_own),
      test_that(the_page_refers_to_nothing_outside),
      test_that(a_name_cannot_end_the_script),
      test_that(writing_does_not_allocate),
  };
  return cmocka_run_group_tests_name("heap_map", tests, NULL, NULL);
}
