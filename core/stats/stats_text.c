/* Figures as JSON and as Prometheus text, both by the same tables of what there is. */
#include <errno.h>

#include "core/base/base.h"
#include "core/stats/stats.h"

typedef enum kind {
  LEVEL,     /* may go up and down: a gauge */
  EVENTS,    /* only goes up: a counter */
  STATEMENT, /* a bool: a gauge of 0 or 1 */
} kind_t;

/* Which structs a member says something in. */
typedef enum scope { EVERYWHERE, IN_SUMS, IN_ONE_HEAP } scope_t;

typedef struct figure {
  const char *name;   /* of the member, and the key in JSON */
  const char *metric; /* for Prometheus, without prefix and "_total"; NULL: as the name */
  const char *help;
  uint16_t offset;
  uint8_t kind;
  uint8_t scope;
} figure_t;

#define HEAP(member, metric, kind, scope, help) \
  { #member, metric, help, offsetof(fe_heap_stats_t, member), kind, scope }

static const figure_t heap_figures[] = {
    HEAP(heap_count, "alive", LEVEL, IN_SUMS, "Heaps that exist."),
    HEAP(ended_heaps, "ended", EVENTS, IN_SUMS, "Heaps that were destroyed."),
    HEAP(requested_bytes, NULL, LEVEL, EVERYWHERE, "Live blocks, as asked for."),
    HEAP(requested_is_estimate, NULL, STATEMENT, EVERYWHERE,
         "1: requested_bytes is inferred from samples."),
    HEAP(used_bytes, NULL, LEVEL, EVERYWHERE, "Live blocks, with the size that they have."),
    HEAP(peak_used_bytes, NULL, LEVEL, IN_ONE_HEAP, "The most that used_bytes ever was."),
    HEAP(limit_bytes, NULL, LEVEL, IN_ONE_HEAP, "The most that used_bytes may be; 0: no limit."),
    HEAP(committed_bytes, NULL, LEVEL, EVERYWHERE, "Shards and large blocks."),
    HEAP(nursery_used_bytes, NULL, LEVEL, EVERYWHERE, "Live blocks in nurseries."),
    HEAP(nursery_block_count, "nursery_blocks", LEVEL, EVERYWHERE, "Live blocks in nurseries."),
    HEAP(mixed_used_bytes, NULL, LEVEL, EVERYWHERE, "Live blocks in mixed shards."),
    HEAP(mixed_block_count, "mixed_blocks", LEVEL, EVERYWHERE, "Live blocks in mixed shards."),
    HEAP(mixed_shard_count, "mixed_shards", LEVEL, EVERYWHERE, "Shards of blocks of many sizes."),
    HEAP(large_used_bytes, NULL, LEVEL, EVERYWHERE, "Live large blocks."),
    HEAP(large_block_count, "large_blocks", LEVEL, EVERYWHERE, "Live large blocks."),
    HEAP(shard_count, "shards", LEVEL, EVERYWHERE, "Shards of blocks of one size."),
    HEAP(full_shard_count, "full_shards", LEVEL, EVERYWHERE, "Shards without a free block."),
    HEAP(nursery_allocs, NULL, EVENTS, EVERYWHERE, "Blocks taken from nurseries."),
    HEAP(nursery_frees, NULL, EVENTS, EVERYWHERE, "Blocks given back to nurseries."),
    HEAP(mixed_allocs, NULL, EVENTS, EVERYWHERE, "Blocks taken from mixed shards."),
    HEAP(mixed_frees, NULL, EVENTS, EVERYWHERE, "Blocks given back to mixed shards."),
    HEAP(graduations, NULL, EVENTS, EVERYWHERE, "Sizes that got a first shard of their own."),
    HEAP(shards_taken, NULL, EVENTS, EVERYWHERE, "Shards taken from the arenas."),
    HEAP(shards_given_back, NULL, EVENTS, EVERYWHERE, "Shards given back to the arenas."),
    HEAP(refills, NULL, EVENTS, EVERYWHERE, "Allocations that found no free block at hand."),
    HEAP(extends, NULL, EVENTS, EVERYWHERE, "Pages of blocks that came into use."),
    HEAP(large_allocs, NULL, EVENTS, EVERYWHERE, "Large blocks allocated."),
    HEAP(large_frees, NULL, EVENTS, EVERYWHERE, "Large blocks freed."),
    HEAP(large_resizes_in_place, NULL, EVENTS, EVERYWHERE, "Large blocks resized where they were."),
    HEAP(large_resizes_not_in_place, NULL, EVENTS, EVERYWHERE, "Large blocks that could not be."),
    HEAP(drains, NULL, EVENTS, EVERYWHERE, "Times that woken shards were found in an inbox."),
    HEAP(remote_batches, NULL, EVENTS, EVERYWHERE, "Lists of remotely freed blocks taken in."),
    HEAP(remote_blocks, NULL, EVENTS, EVERYWHERE, "Blocks in these lists."),
    HEAP(limit_refusals, NULL, EVENTS, EVERYWHERE, "Times that a limit forbade an allocation."),
    HEAP(tight_phases, NULL, EVENTS, EVERYWHERE, "Times that a heap came near its limit."),
    HEAP(failed_allocs, NULL, EVENTS, EVERYWHERE, "Allocations that returned NULL."),
};

#define ARENAS(member, metric, kind, help) \
  { #member, metric, help, offsetof(fe_arenas_stats_t, member), kind, EVERYWHERE }

static const figure_t arenas_figures[] = {
    ARENAS(reserved_bytes, NULL, LEVEL, "Address space."),
    ARENAS(committed_bytes, NULL, LEVEL, "Memory in use, or free and not given back yet."),
    ARENAS(taken_bytes, NULL, LEVEL, "Memory in use by heaps and contexts."),
    ARENAS(purgeable_bytes, NULL, LEVEL, "Free memory that was not given back yet."),
    ARENAS(peak_reserved_bytes, NULL, LEVEL, "The most that reserved_bytes ever was."),
    ARENAS(peak_committed_bytes, NULL, LEVEL, "The most that committed_bytes ever was."),
    ARENAS(arena_count, "chunks", LEVEL, "Chunks and regions that are cut into slabs."),
    ARENAS(slab_count, "slabs", LEVEL, "Slabs."),
    ARENAS(free_slab_count, "free_slabs", LEVEL, "Slabs that nothing is in use of."),
    ARENAS(longest_free_run_bytes, NULL, LEVEL, "The longest free piece."),
    ARENAS(units_taken, NULL, EVENTS, "Units handed to heaps."),
    ARENAS(units_given_back, NULL, EVENTS, "Units that came back from heaps."),
    ARENAS(chunks_mapped, NULL, EVENTS, "Chunks that the base gave."),
    ARENAS(chunks_released, NULL, EVENTS, "Chunks that went back to the base."),
    ARENAS(purges, NULL, EVENTS, "Searches for memory to give back."),
    ARENAS(decommitted_bytes, NULL, EVENTS, "Memory given back; may come into use again."),
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static size_t value_of(const figure_t *figure, const void *stats) {
  const char *member = (const char *)stats + figure->offset;
  return figure->kind == STATEMENT ? *(const bool *)member : *(const size_t *)member;
}

static bool is_in(const figure_t *figure, scope_t scope) {
  return figure->scope == EVERYWHERE || figure->scope == scope;
}

/* -- JSON -- */

static void put_json_value(fe_text_t *text, const figure_t *figure, const void *stats) {
  size_t value = value_of(figure, stats);
  if (figure->kind == STATEMENT) {
    fe_text_put(text, value ? "true" : "false");
  } else {
    fe_text_number(text, value);
  }
}

static void put_json_figures(fe_text_t *text, const figure_t *figures, size_t count, scope_t scope,
                             bool is_first, const void *stats) {
  for (size_t i = 0; i < count; i++) {
    if (!is_in(&figures[i], scope)) continue;
    fe_text_json_key(text, is_first, figures[i].name);
    put_json_value(text, &figures[i], stats);
    is_first = false;
  }
}

static void put_json_number(fe_text_t *text, const char *key, size_t number) {
  fe_text_json_key(text, false, key);
  fe_text_number(text, number);
}

/* All classes that have shards. */
static void put_json_classes(fe_text_t *text, const fe_heap_stats_t *stats) {
  bool is_first = true;
  fe_text_json_key(text, false, "classes");
  fe_text_put(text, "[");
  for (size_t i = 0; i < stats->class_count; i++) {
    const fe_class_stats_t *of_class = &stats->classes[i];
    if (of_class->shard_count == 0) continue;
    if (!is_first) fe_text_put(text, ",");
    is_first = false;
    fe_text_put(text, "{\"block_size\":");
    fe_text_number(text, of_class->block_size);
    put_json_number(text, "shard_count", of_class->shard_count);
    put_json_number(text, "full_shard_count", of_class->full_shard_count);
    put_json_number(text, "carved_count", of_class->carved_count);
    put_json_number(text, "live_count", of_class->live_count);
    fe_text_put(text, "}");
  }
  fe_text_put(text, "]");
}

void fe_stats_put_json(fe_text_t *text, fe_arenas_t *arenas) {
  fe_arenas_stats_t arenas_stats;
  fe_heap_stats_t heap_stats;
  fe_stats_of_all(arenas, &heap_stats);
  fe_stats_of_arenas(arenas, &arenas_stats);
  fe_text_put(text, "\"arenas\":{");
  put_json_figures(text, arenas_figures, COUNT_OF(arenas_figures), IN_SUMS, true, &arenas_stats);
  fe_text_put(text, "},\"heaps\":{");
  put_json_figures(text, heap_figures, COUNT_OF(heap_figures), IN_SUMS, true, &heap_stats);
  put_json_classes(text, &heap_stats);
  fe_text_put(text, "}");
}

static void put_json_heap(fe_text_t *text, const fe_heap_t *heap) {
  fe_heap_stats_t stats;
  fe_stats_of_heap(heap, &stats);
  fe_text_put(text, "{\"name\":");
  fe_text_json_string(text, fe_heap_name(heap));
  fe_text_put(text, ",\"address\":\"");
  fe_text_address(text, heap);
  fe_text_put(text, "\"");
  put_json_figures(text, heap_figures, COUNT_OF(heap_figures), IN_ONE_HEAP, false, &stats);
  put_json_classes(text, &stats);
  fe_text_put(text, "}");
}

static void put_json_heaps(fe_text_t *text, fe_heap_t *const *heaps, size_t heap_count) {
  fe_text_put(text, "{\"version\":1,\"heaps\":[");
  for (size_t i = 0; i < heap_count; i++) {
    if (i > 0) fe_text_put(text, ",");
    put_json_heap(text, heaps[i]);
  }
  fe_text_put(text, "]}\n");
}

/* -- Prometheus -- */

/* prefix_metric_total or prefix_metric */
static void put_metric_name(fe_text_t *text, const char *prefix, const figure_t *figure) {
  fe_text_put(text, prefix);
  fe_text_put(text, figure->metric != NULL ? figure->metric : figure->name);
  if (figure->kind == EVENTS) fe_text_put(text, "_total");
}

static void put_header(fe_text_t *text, const char *prefix, const figure_t *figure) {
  fe_text_put(text, "# HELP ");
  put_metric_name(text, prefix, figure);
  fe_text_put(text, " ");
  fe_text_put(text, figure->help);
  fe_text_put(text, "\n# TYPE ");
  put_metric_name(text, prefix, figure);
  fe_text_put(text, figure->kind == EVENTS ? " counter\n" : " gauge\n");
}

static void put_value(fe_text_t *text, size_t value) {
  fe_text_put(text, " ");
  fe_text_number(text, value);
  fe_text_put(text, "\n");
}

static void put_metrics(fe_text_t *text, const char *prefix, const figure_t *figures, size_t count,
                        const void *stats) {
  for (size_t i = 0; i < count; i++) {
    if (!is_in(&figures[i], IN_SUMS)) continue;
    put_header(text, prefix, &figures[i]);
    put_metric_name(text, prefix, &figures[i]);
    put_value(text, value_of(&figures[i], stats));
  }
}

#define CLASS(member, metric, help) \
  { #member, metric, help, offsetof(fe_class_stats_t, member), LEVEL, EVERYWHERE }

static const figure_t class_figures[] = {
    CLASS(shard_count, "shards", "Shards for blocks of this size."),
    CLASS(full_shard_count, "full_shards", "Shards for this size without a free block."),
    CLASS(carved_count, "carved_blocks", "Blocks of this size that were ever in use."),
    CLASS(live_count, "live_blocks", "Live blocks of this size in shards."),
};

/* The heap's labels without closing brace; none for a sum. */
static void put_heap_labels(fe_text_t *text, const fe_heap_t *heap) {
  fe_text_put(text, "{");
  if (heap == NULL) return;
  fe_text_put(text, "heap=");
  fe_text_label_value(text, fe_heap_name(heap));
  fe_text_put(text, ",address=\"");
  fe_text_address(text, heap);
  fe_text_put(text, "\"");
}

static void put_class_lines(fe_text_t *text, const char *prefix, const figure_t *figure,
                            const fe_heap_t *heap, const fe_heap_stats_t *stats) {
  for (size_t i = 0; i < stats->class_count; i++) {
    if (stats->classes[i].shard_count == 0) continue;
    put_metric_name(text, prefix, figure);
    put_heap_labels(text, heap);
    fe_text_put(text, heap == NULL ? "block_size=\"" : ",block_size=\"");
    fe_text_number(text, stats->classes[i].block_size);
    fe_text_put(text, "\"}");
    put_value(text, value_of(figure, &stats->classes[i]));
  }
}

static void put_prometheus(fe_text_t *text, fe_arenas_t *arenas) {
  fe_arenas_stats_t arenas_stats;
  fe_heap_stats_t heap_stats;
  fe_stats_of_all(arenas, &heap_stats);
  fe_stats_of_arenas(arenas, &arenas_stats);
  put_metrics(text, "ferroc_arenas_", arenas_figures, COUNT_OF(arenas_figures), &arenas_stats);
  put_metrics(text, "ferroc_heaps_", heap_figures, COUNT_OF(heap_figures), &heap_stats);
  for (size_t i = 0; i < COUNT_OF(class_figures); i++) {
    put_header(text, "ferroc_heaps_class_", &class_figures[i]);
    put_class_lines(text, "ferroc_heaps_class_", &class_figures[i], NULL, &heap_stats);
  }
}

static void put_heap_line(fe_text_t *text, const figure_t *figure, const fe_heap_t *heap) {
  fe_heap_stats_t stats;
  fe_stats_of_heap(heap, &stats);
  put_metric_name(text, "ferroc_heap_", figure);
  put_heap_labels(text, heap);
  fe_text_put(text, "}");
  put_value(text, value_of(figure, &stats));
}

static void put_heap_class_lines(fe_text_t *text, const figure_t *figure, const fe_heap_t *heap) {
  fe_heap_stats_t stats;
  fe_stats_of_heap(heap, &stats);
  put_class_lines(text, "ferroc_heap_class_", figure, heap, &stats);
}

static void put_prometheus_heaps(fe_text_t *text, fe_heap_t *const *heaps, size_t heap_count) {
  if (heap_count == 0) return;
  for (size_t i = 0; i < COUNT_OF(heap_figures); i++) {
    if (!is_in(&heap_figures[i], IN_ONE_HEAP)) continue;
    put_header(text, "ferroc_heap_", &heap_figures[i]);
    for (size_t j = 0; j < heap_count; j++) put_heap_line(text, &heap_figures[i], heaps[j]);
  }
  for (size_t i = 0; i < COUNT_OF(class_figures); i++) {
    put_header(text, "ferroc_heap_class_", &class_figures[i]);
    for (size_t j = 0; j < heap_count; j++) put_heap_class_lines(text, &class_figures[i], heaps[j]);
  }
}

/* -- The interface -- */

static bool is_format(const char *function, fe_format_t format) {
  if (format == FE_FORMAT_JSON || format == FE_FORMAT_PROMETHEUS) return true;
  fe_warn("%s: there is no format %d; FE_FORMAT_JSON and FE_FORMAT_PROMETHEUS are allowed",
          function, (int)format);
  errno = EINVAL;
  return false;
}

bool fe_stats_write(fe_arenas_t *arenas, fe_format_t format, fe_write_t *write, void *user_data) {
  if (!is_format("fe_stats_write", format)) return false;
  fe_text_t text = fe_text_begin(write, user_data);
  arenas = fe_arenas_or_default(arenas);
  fe_stats_refresh_thread_heap(arenas);
  if (format == FE_FORMAT_PROMETHEUS) {
    put_prometheus(&text, arenas);
  } else {
    fe_text_put(&text, "{\"version\":1,");
    fe_stats_put_json(&text, arenas);
    fe_text_put(&text, "}\n");
  }
  fe_text_end(&text);
  return true;
}

bool fe_heap_stats_write(fe_heap_t *const *heaps, size_t heap_count, fe_format_t format,
                         fe_write_t *write, void *user_data) {
  if (!is_format("fe_heap_stats_write", format)) return false;
  fe_text_t text = fe_text_begin(write, user_data);
  for (size_t i = 0; i < heap_count; i++) fe_heap_look_at_figures(heaps[i]);
  if (format == FE_FORMAT_PROMETHEUS) {
    put_prometheus_heaps(&text, heaps, heap_count);
  } else {
    put_json_heaps(&text, heaps, heap_count);
  }
  fe_text_end(&text);
  return true;
}
