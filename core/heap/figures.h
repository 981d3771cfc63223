/* What a heap counts about itself.
 *
 * Written by whoever is inside of the heap's gate (relaxed loads and stores), but for what is said
 * to be shared; read by any thread, relaxed. No two of them need to fit together at any moment.
 *
 * The quick ways of allocating and freeing count in their shard and nowhere else. Whenever a slow
 * way has to do with a shard, it publishes the shard's counts: adds what they changed by since they
 * were published last. Whoever wants to know what is live now goes inside and has all shards
 * publish: the holder after it took in what others freed (fe_heap_refresh_figures), others without
 * (fe_heap_look_at_figures). */
#ifndef FERROC_CORE_HEAP_FIGURES_H
#define FERROC_CORE_HEAP_FIGURES_H

#include <stdatomic.h>

#include "core/heap/kept.h"
#include "core/heap/large_bins.h"
#include "core/heap/mixed.h"
#include "core/heap/size_class.h"
#include "core/heap/stock.h"

typedef enum fe_heap_event {
  FE_HEAP_NURSERY_ALLOC,
  FE_HEAP_NURSERY_FREE,
  FE_HEAP_MIXED_ALLOC,
  FE_HEAP_MIXED_FREE,
  FE_HEAP_GRADUATION,
  FE_HEAP_SHARD_TAKEN,
  FE_HEAP_SHARD_GIVEN,
  FE_HEAP_REFILL,
  FE_HEAP_EXTEND,
  FE_HEAP_LARGE_ALLOC,
  FE_HEAP_LARGE_FREE, /* without what fe_large_freed_t tells */
  FE_HEAP_LARGE_IN_PLACE,
  FE_HEAP_LARGE_NOT_IN_PLACE,
  FE_HEAP_DRAIN,
  FE_HEAP_REMOTE_BATCH,
  FE_HEAP_REMOTE_BLOCK,
  FE_HEAP_LIMIT_REFUSAL,
  FE_HEAP_TIGHT_PHASE,
  FE_HEAP_FAILURE,
  FE_HEAP_EVENT_COUNT
} fe_heap_event_t;

/* What the smallest heap counts, too. */
typedef struct fe_heap_figures {
  _Atomic(size_t) nursery_allocs; /* events */
  _Atomic(size_t) nursery_frees;
  _Atomic(size_t) nursery_freed;     /* bytes of all blocks that were ever freed there */
  _Atomic(size_t) nursery_requested; /* what was asked for, for these and the live ones */
  _Atomic(size_t) shard_bytes;       /* live, in shards of blocks and mixed ones */
  _Atomic(size_t) peak_bytes;        /* of all live blocks */
} fe_heap_figures_t;

/* Large blocks of a permanent heap that others freed, who do not go inside. Shared: what the heap's
 * other figures say of large blocks counts these as if they were live. */
typedef struct fe_large_freed {
  _Atomic(size_t) bytes; /* up by release, as the last that is done with the heap */
  _Atomic(size_t) slack; /* above what was asked for */
  _Atomic(size_t) count;
} fe_large_freed_t;

typedef struct fe_class_figures {
  _Atomic(uint32_t) shard_count;
  _Atomic(uint32_t) full_count; /* of these, on the list of full ones */
  _Atomic(uint32_t) carved_count;
  _Atomic(uint32_t) live_count;
  /* What callers ask for, in 1 / FE_MEAN_ONE bytes: a running mean of the requests that found no
   * free block at hand. 0: there was none yet. */
  _Atomic(uint32_t) requested_mean;
} fe_class_figures_t;

#define FE_MEAN_ONE 64u

/* How often the heap gave back a shard that it would have gone on with; see spare.c. Of whoever is
 * inside. */
typedef struct fe_spares {
  uint32_t since_ms;
  uint8_t given_up[FE_CLASS_COUNT + 1]; /* since then, for each class; at last mixed shards */
} fe_spares_t;

/* Where units are small, all classes are counted as one, so that the nursery has room. */
#if FE_SHARD_SHIFT >= 14
#define FE_FIGURED_CLASSES FE_CLASS_COUNT
#else
#define FE_FIGURED_CLASSES 1
#endif

/* All that happens to a heap that is more than a nursery. It lies behind the annex, so that a heap
 * to which none of it has happened touches no page for it; has_more_figures of the heap says so. */
typedef struct fe_more_figures {
  _Atomic(size_t) event[FE_HEAP_EVENT_COUNT]; /* but those of the nursery */
  _Atomic(size_t) large_slack;                /* bytes of large blocks above what was asked for */
  _Atomic(size_t) mixed_bytes;                /* in mixed shards: live, or in bins */
  _Atomic(size_t) mixed_taken;                /* bytes of all blocks that were ever taken there */
  _Atomic(size_t) mixed_requested;            /* what was asked for them */
  _Atomic(uint32_t) mixed_count;              /* shards */
  fe_class_figures_t of_class[FE_FIGURED_CLASSES];
  fe_spares_t spares;
  fe_bins_t bins;
  fe_stock_t stock;
  fe_large_bins_t large_bins;
  fe_kept_t kept;
} fe_more_figures_t;

/* The order in arenas' figures: events, then the heaps that ended. */
#define FE_ENDED_HEAPS FE_HEAP_EVENT_COUNT

#endif /* FERROC_CORE_HEAP_FIGURES_H */
