/* Heaps: what callers allocate from. One thread at a time holds a heap; others leave messages in
 * its inbox, and may go inside by its gate (gate.h). A heap lies in its own first unit, together
 * with its nursery: the blocks of a heap that is still small. */
#ifndef FERROC_CORE_HEAP_HEAP_H
#define FERROC_CORE_HEAP_HEAP_H

#ifndef FE_FREESTANDING
#include <pthread.h>
#endif

#include "core/ferroc.h"
#include "core/heap/account.h"
#include "core/heap/budget.h"
#include "core/heap/context.h"
#include "core/heap/figures.h"
#include "core/heap/gate.h"
#include "core/heap/mixed.h"
#include "core/heap/size_class.h"
#include "core/slab/shard.h"

/* The nursery serves blocks of up to 2 KiB, until it is used up or a class gets busy. */
#define FE_NURSERY_CLASSES (FE_CLASS_COUNT < 48 ? FE_CLASS_COUNT : 48)
#define FE_NURSERY_END (FE_UNIT_SIZE - FE_UNIT_SIZE / 4) /* where it ends in its unit: 48 KiB */
#define FE_NURSERY_GRANULES (FE_NURSERY_END / 8)
#define FE_NURSERY_WORD_BITS (sizeof(uintptr_t) * 8)
#define FE_NURSERY_WORDS (FE_NURSERY_GRANULES / FE_NURSERY_WORD_BITS)
/* Words of bits for the unit's beginning, where no block lies. */
#define FE_NURSERY_FIRST_WORD (FE_UNIT_SIZE < 8192 ? 0 : 2048 / 8 / FE_NURSERY_WORD_BITS)

/* After so many blocks of one class the class gets a shard of its own, which is faster. */
#define FE_NURSERY_BUSY_COUNT 255

typedef struct fe_nursery {
  char *bump; /* the first byte that was never handed out */
  char *end;
  _Atomic(size_t) used_bytes; /* as the heap's figures */
  uint64_t has_free;          /* a bit for each list that has a block */
  /* The first free block of each list, counted in 8 bytes from the unit's start; 0: none. */
  uint16_t free[FE_NURSERY_CLASSES];
  uint8_t alloc_count[FE_NURSERY_CLASSES]; /* stays at FE_NURSERY_BUSY_COUNT */
  /* A bit for each 8 bytes of the unit at which a block starts or, at `bump`, will start. Blocks
   * lie side by side, so that the distance to the next bit, or to the end, is a block's size.
   * Whoever holds a block may read: the two bits were there before the block was handed out.
   * Relaxed. */
  _Atomic(uintptr_t) starts[FE_NURSERY_WORDS - FE_NURSERY_FIRST_WORD];
} fe_nursery_t;

/* The bits of the unit's granules from word * FE_NURSERY_WORD_BITS on. */
static inline _Atomic(uintptr_t) *fe_nursery_starts(const fe_nursery_t *nursery, size_t word) {
  return &((fe_nursery_t *)nursery)->starts[word - FE_NURSERY_FIRST_WORD];
}

/* See watch.c. */
typedef struct fe_watch {
  size_t stuck_bytes; /* what did not go back while the heap watched */
  uint32_t since_ms;
  /* Slow calls of the holder, which writes it; and so many there were at the last tick, with the
   * roll's lock. Relaxed. */
  _Atomic(uint8_t) count;
  uint8_t count_at_tick;
  bool is_on; /* the current shards do not show their owner */
} fe_watch_t;

struct fe_heap {
  /* -- touched by others -- */
  alignas(FE_CACHE_LINE) fe_inbox_t inbox;
  fe_gate_t gate;
  /* So many shards were left without a block in anybody's hands by others, since somebody was
   * inside to look for them. Relaxed, a hint. */
  _Atomic(uint32_t) emptied_count;
  fe_heap_t *roll_next, *roll_prev; /* all heaps; the roll's lock */
  /* Nothing changed since all was given back that could be, but for what the inbox tells. Set
   * inside, cleared by whoever claims the heap; read by all, relaxed. */
  atomic_bool has_rested;
  fe_budget_t budget;
  fe_large_freed_t large_freed;
  /* Heaps whose parent this is. Any thread counts up, relaxed; down by release, read by acquire. */
  _Atomic(size_t) child_count;

  /* -- of whoever is inside; the quick ways read `table` and `current`, hence relaxed -- */
  /* The current shard for each size up to FE_TINY_MAX: the class of the size, or
   * fe_shard_empty. Entry 0 is always empty: a size of 0 takes the cold path. */
  alignas(FE_CACHE_LINE) _Atomic(fe_shard_t *) table[FE_TINY_MAX + 1];
  /* For each class the queue of shards that have, or soon will have, a free block; the first is
   * the current one, and its `prev` is the last. fe_shard_empty: none. */
  _Atomic(fe_shard_t *) current[FE_CLASS_COUNT];
  fe_shard_t *full;  /* shards without a free block */
  fe_shard_t *large; /* large and huge blocks, unless the heap is permanent */
  /* Bytes in large blocks, with those in large_freed; read by all, relaxed. */
  _Atomic(size_t) large_taken_bytes;
  fe_mixed_list_t mixed;
  fe_account_t account;
  _Atomic(size_t) shard_count; /* with the nursery; read by all, relaxed */
  uint8_t granule;             /* constant */
  bool is_visited;             /* by fe_heap_visit: shards stay while they are walked over */
  bool is_permanent;           /* lives for good; constant */
  bool is_thread_heap;         /* permanent, and handed on from thread to thread; constant */
  unsigned colour;             /* of the next shard */
  fe_context_t *context;       /* constant */
  fe_context_t own_context;    /* if it does not share one */
  bool has_annex;              /* constant */
  fe_watch_t watch;
  /* Others go by more figures only after they have seen this set. Release, acquire. */
  atomic_bool has_more_figures;
  fe_heap_figures_t figures;
  fe_nursery_t nursery;
};

/* What few heaps have. It lies behind the nursery, so that other heaps touch no page for it. */
typedef struct fe_heap_annex {
  void (*on_error)(fe_heap_t *heap, fe_error_t error, size_t bytes, void *user_data);
  void *user_data;
  char name[FE_NAME_MAX + 1];
} fe_heap_annex_t;

/* What heaps of threads have besides, behind the figures. */
typedef struct fe_thread_part {
  fe_heap_t *idle_next; /* heaps without a thread; the roll's lock */
  fe_heap_t *held_next; /* those of one thread on arenas of the program's own; its own */
  /* An address that only this thread has; NULL: none. Set to it with the roll's lock; relaxed. */
  _Atomic(const void *) holder;
  bool is_torn; /* the fork that made this process left its thread behind; see mend.c */
  bool is_late; /* the holder has locked the mutex; see thread/late.h for these */
#ifndef FE_FREESTANDING
  fe_heap_t *late_next;
  pthread_mutex_t late_mutex;
#endif
} fe_thread_part_t;

static_assert(FE_NURSERY_END + sizeof(fe_heap_annex_t) + sizeof(fe_more_figures_t) +
                      sizeof(fe_thread_part_t) <=
                  FE_UNIT_SIZE,
              "an annex, figures and a thread's part have room");
static_assert(offsetof(struct fe_heap, inbox) == 0, "an inbox is its heap");

/* What a thread without a heap has: no memory, so that every allocation takes the cold path. */
extern fe_heap_t fe_heap_empty;

static inline char *fe_heap_unit(const fe_heap_t *heap) {
  return (char *)((uintptr_t)heap & ~(uintptr_t)(FE_UNIT_SIZE - 1));
}

static inline fe_heap_annex_t *fe_heap_annex(const fe_heap_t *heap) {
  return (fe_heap_annex_t *)(fe_heap_unit(heap) + FE_NURSERY_END);
}

static inline fe_more_figures_t *fe_heap_more_figures(const fe_heap_t *heap) {
  return (fe_more_figures_t *)(fe_heap_annex(heap) + 1);
}

static inline fe_thread_part_t *fe_heap_thread_part(const fe_heap_t *heap) {
  return (fe_thread_part_t *)(fe_heap_more_figures(heap) + 1);
}

static inline fe_heap_t *fe_heap_of(const fe_shard_t *shard) { return (fe_heap_t *)shard->inbox; }

/* What a heap is made of: as in fe_heap_options_t, and right. */
typedef struct fe_heap_plan {
  size_t granule; /* 8 or 16 */
  bool is_permanent;
  bool is_thread_heap;
  fe_context_t *context; /* NULL: one of its own */
  fe_arenas_t *arenas;   /* which that is on; NULL: fe_arenas_default */
  fe_heap_t *parent;
  const fe_heap_options_t *options; /* what an annex holds; NULL: no annex */
} fe_heap_plan_t;

/* A heap that the caller holds; not on the roll yet. NULL: no memory. */
fe_heap_t *fe_heap_new(const fe_heap_plan_t *plan);

/* Takes in what others freed, and gives empty shards up, but for the current one of each class: a
 * heap that is used again soon goes on with the memory that it had. Holder. */
void fe_heap_rest(fe_heap_t *heap);

/* The heap was taken off the roll and is about to end: its arenas keep what it counted. Inside,
 * with the roll's lock. */
void fe_heap_note_end(fe_heap_t *heap);

/* Gives back all that the heap has, its own memory too. Inside. */
void fe_heap_end(fe_heap_t *heap);

static inline fe_shard_t *fe_heap_current(const fe_heap_t *heap, unsigned class_index) {
  return atomic_load_explicit(&((fe_heap_t *)heap)->current[class_index], memory_order_relaxed);
}

/* The same for a size up to FE_TINY_MAX; in one instruction where compilers make two of it. */
static inline fe_shard_t *fe_heap_current_of_size(const fe_heap_t *heap, size_t size) {
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
  fe_shard_t *shard;
  __asm__ volatile("movq %1, %0" : "=r"(shard) : "m"(heap->table[size]));
  return shard;
#else
  return atomic_load_explicit(&((fe_heap_t *)heap)->table[size], memory_order_relaxed);
#endif
}

/* Inside: one of the places that these two read. */
static inline void fe_heap_set_place(_Atomic(fe_shard_t *) *place, fe_shard_t *shard) {
  atomic_store_explicit(place, shard, memory_order_relaxed);
}

static inline size_t fe_heap_shard_count(const fe_heap_t *heap) {
  return atomic_load_explicit(&((fe_heap_t *)heap)->shard_count, memory_order_relaxed);
}

static inline void fe_heap_add_shard_count(fe_heap_t *heap, size_t by) {
  size_t count = fe_heap_shard_count(heap) + by; /* wraps around for less */
  atomic_store_explicit(&heap->shard_count, count, memory_order_relaxed);
}

/* -- Slow ways: those that go inside by themselves -- */

/* Allocates when the short way did not do: any size, any heap but fe_heap_empty. NULL: no memory;
 * errno is left alone. */
void *fe_heap_alloc_inside(fe_heap_t *heap, size_t size);

/* The same, for who can do without the block: a failure is told to nobody, and nothing is taken
 * from other heaps for its sake. */
void *fe_heap_alloc_if_possible(fe_heap_t *heap, size_t size);

/* As fe_heap_aligned_alloc, with an alignment that is right. */
void *fe_heap_alloc_aligned(fe_heap_t *heap, size_t size, size_t alignment);

/* Frees a block of this heap's own that cannot go the short way. */
void fe_heap_free_slowly(fe_heap_t *heap, fe_shard_t *shard, void *ptr);

/* The same where no bin does. */
void fe_heap_free_inside(fe_heap_t *heap, fe_shard_t *shard, void *ptr);

/* The last block of a shard was freed that waits or is eager: gives it up. */
void fe_heap_shard_emptied(fe_heap_t *heap, fe_shard_t *shard);

/* Frees a block of somebody else's heap. Any thread. */
void fe_heap_free_remotely(fe_shard_t *shard, void *ptr);

/* A large block, if a run waits for one of that size, and nothing else is to be done first. */
void *fe_large_alloc_quickly(fe_heap_t *heap, size_t size);
/* Frees a large block, whose run waits for the next one from now on, if it can. */
void fe_large_free_by_holder(fe_heap_t *heap, fe_shard_t *shard, void *ptr);

/* Whether the block has the new size where it is. */
bool fe_large_resize(fe_heap_t *heap, fe_shard_t *shard, void *ptr, size_t size);
/* The same for a block of a heap that the caller does not hold. */
bool fe_large_resize_elsewhere(fe_shard_t *shard, void *ptr, size_t size);
/* Makes a huge block of this heap larger at another place, with what it holds. NULL: it is as it
 * was, or not such a block, or not to become larger. */
void *fe_large_move(fe_heap_t *heap, void *ptr, size_t size);

/* Takes in what others freed, and publishes the counts of all shards. Holder. */
void fe_heap_refresh_figures(fe_heap_t *heap);

/* Publishes them without that; any thread, while the heap stays. */
void fe_heap_look_at_figures(fe_heap_t *heap);

/* -- reclaim.c: for those who do not hold the heap, outside of all gates -- */

/* Gets back what the heap keeps and nobody uses; whether there was anything. Waits so long for
 * whoever is inside, who may be the caller himself, if a base's function asks for memory. The
 * caller has the roll's lock, so that the heap stays meanwhile. */
bool fe_heap_reclaim(fe_heap_t *heap, unsigned patience_ms);
#define FE_RECLAIM_PATIENCE_MS 1000

/* Others have freed all blocks of a shard of the heap, whose holder may be asleep. */
void fe_heap_after_emptied(fe_heap_t *heap);

/* Others have freed something in the heap that is for its holder, or a tick, to find. */
void fe_heap_after_woken(fe_heap_t *heap);

/* The heap keeps something that a tick may give back if its holder sleeps by then. Inside. */
void fe_heap_after_kept(fe_heap_t *heap);

/* An allocation of the heap failed for want of memory: gets back what the heaps on its arenas keep.
 * Whether there was anything, or others gave something back since `given` was the count of units
 * that were (fe_arenas_units_given, before the try that failed), so that it is worth another try.
 */
bool fe_heap_make_room(fe_heap_t *heap, size_t given);

/* Takes a unit for a heap or a context that begins, for which room is made as well. */
bool fe_heap_take_first_unit(fe_context_t *context, fe_run_t *run);

/* The same as fe_heap_make_room after a limit forbade the heap so many bytes: gets back what heaps
 * under it keep; what the heap itself keeps as well, if the caller does not hold it. */
bool fe_heap_make_room_in_budget(fe_heap_t *heap, size_t bytes, bool is_holder);

/* After a limit was changed: if less is allowed than what heaps may have without asking, they ask
 * from now on. */
void fe_heap_after_limit(const fe_budget_t *budget);

/* Sets the limit of the process, 0: none, and has all heaps count there from now on. */
void fe_heap_set_process_limit(size_t memory_limit);

/* Gets back what is left of fe_heap_after_emptied and _woken; cheap if that is nothing. */
void fe_heap_reclaim_emptied(void);

/* Gets back what all heaps keep; this and the next: false if somebody else had the roll for longer
 * than that. */
bool fe_heap_reclaim_all(unsigned patience_ms);

/* For each heap that is on arenas of the program's own, does something with these. */
bool fe_heap_for_own_arenas(void (*action)(fe_arenas_t *arenas, void *argument), void *argument,
                            unsigned patience_ms);

/* -- watch.c: what is called by all slow ways, and looks at the clock now and then -- */

/* So many slow calls come between two looks. */
#define FE_LOOK_EVERY 16

void fe_heap_look_at_clock(fe_heap_t *heap);

/* Whether the heap's user, at a slow call, shall look now. */
static inline bool fe_heap_is_time_to_look(fe_heap_t *heap) {
  uint8_t count = atomic_load_explicit(&heap->watch.count, memory_order_relaxed);
  atomic_store_explicit(&heap->watch.count, ++count, memory_order_relaxed);
  return count % FE_LOOK_EVERY == 0;
}

/* After a slow call of the heap's user. */
static inline void fe_heap_pulse(fe_heap_t *heap) {
  if (FE_UNLIKELY(fe_heap_is_time_to_look(heap))) fe_heap_look_at_clock(heap);
}
/* Before a slow allocation of `size` bytes. */
void fe_heap_pulse_before_alloc(fe_heap_t *heap, size_t size);
/* Before the user of `heap`, which may be fe_heap_empty, frees a block of another heap. */
void fe_heap_pulse_before_remote(fe_heap_t *heap, const fe_heap_t *other);

/* Called at each look: for what the floor above has to do. NULL: nothing. */
extern void (*_Atomic fe_heap_on_tick)(void);

/* Called before each slow allocation, when the heaps of the calling thread are in order, so that it
 * may allocate itself. NULL: nothing. */
extern void (*_Atomic fe_heap_on_alloc)(size_t size);

/* -- All that follows is for who is inside -- */

/* The account, of which account.h tells. First before anything is handed out. */
static inline void fe_heap_settle(fe_heap_t *heap) {
  if (FE_UNLIKELY(fe_account_state(&heap->account) != FE_ACCOUNT_OPEN)) fe_account_settle(heap);
}

/* The same before the holder frees on a slow way; what is tight stays so. */
static inline void fe_heap_end_trim(fe_heap_t *heap) {
  if (FE_UNLIKELY(fe_account_state(&heap->account) == FE_ACCOUNT_TRIMMED)) fe_account_settle(heap);
}

/* Whether blocks of so many bytes may be carved, none of them because it must be. */
static inline bool fe_heap_may_carve(fe_heap_t *heap, size_t bytes) {
  return fe_account_has(&heap->account, bytes) || fe_account_extend(heap, bytes);
}

/* Whether a block that is wanted may be handed out, which no quick way can reach yet. */
static inline bool fe_heap_may_hand_out(fe_heap_t *heap, size_t bytes) {
  return fe_account_has(&heap->account, bytes) || fe_account_pay(heap, bytes);
}

/* Blocks of so many bytes are free again, or were not handed out after all. */
static inline void fe_heap_refund(fe_heap_t *heap, size_t bytes) {
  if (FE_UNLIKELY(fe_account_is_tight(&heap->account))) fe_account_refund(heap, bytes);
}

/* Whether nothing lives in the heap, and no heap stands under it. */
bool fe_heap_is_empty(fe_heap_t *heap);

/* Takes in the shards in the inbox, and what others freed in them. */
void fe_heap_drain(fe_heap_t *heap);

/* Somebody holds the heap again: he will come by the shards in queues, so that nobody needs to tell
 * of them. */
void fe_heap_resume(fe_heap_t *heap);

/* Takes in what others freed, and gives up what is empty. */
void fe_heap_collect_inside(fe_heap_t *heap);

/* The same, and from then on whatever others free is told to the inbox: nobody will look for it. */
void fe_heap_collect_for_nobody(fe_heap_t *heap);

/* Puts right what a fork cut off. */
void fe_heap_mend(fe_heap_t *heap);

/* Publishes the counts of all shards in queues but one, without a look at peaks. */
void fe_heap_publish_shards(fe_heap_t *heap, const fe_shard_t *but);

/* Takes in what others freed, and publishes the counts of all shards. */
void fe_heap_refresh_figures_inside(fe_heap_t *heap);

/* Bytes in live blocks of mixed shards. */
size_t fe_heap_mixed_bytes(const fe_heap_t *heap);

/* -- queue.c: which shards of a class a heap has, and which is the current one -- */

/* Adds a shard with free blocks to the queue of its class. */
void fe_heap_list_shard(fe_heap_t *heap, fe_shard_t *shard);

/* Makes a shard of its class's queue the current one. */
void fe_heap_prefer_shard(fe_heap_t *heap, fe_shard_t *shard);

/* The current shard of its class is full and asleep: the next one becomes current. */
void fe_heap_shelve_shard(fe_heap_t *heap, fe_shard_t *shard);

/* A full shard has a free block again. */
void fe_heap_unshelve_shard(fe_heap_t *heap, fe_shard_t *shard);

/* A pointer into a block of a shard in a queue is about to be handed out. */
void fe_heap_mark_interior(fe_heap_t *heap, fe_shard_t *shard);

/* Gives the units of a shard in a queue back, unless somebody is about to wake it. It is empty. */
void fe_heap_give_up_shard(fe_heap_t *heap, fe_shard_t *shard);

/* The same for one on the list of full ones that came out of the inbox. */
void fe_heap_give_up_full_shard(fe_heap_t *heap, fe_shard_t *shard);

/* A shard came out of the inbox: takes in what others freed there. */
void fe_heap_wake_shard(fe_heap_t *heap, fe_shard_t *shard);

/* A block of a shard is free: puts it where the next allocation finds it, or, while the account is
 * tight, where no quick way does. */
static inline void fe_heap_put_back(const fe_heap_t *heap, fe_shard_t *shard, fe_block_t *block) {
  if (FE_UNLIKELY(fe_account_is_tight(&heap->account))) {
    fe_shard_keep(shard, block);
  } else {
    fe_shard_push(shard, block);
  }
}

/* The quick ways into the heap's shards are to be closed, or to be opened: shows which. */
void fe_heap_resettle(fe_heap_t *heap);

/* Puts a list of blocks that others freed on the shard's free list. */
void fe_heap_take_in(fe_heap_t *heap, fe_shard_t *shard, fe_block_t *block);

/* Puts the blocks that others freed on the shard's free list; whether there were any. */
bool fe_heap_take_remote(fe_heap_t *heap, fe_shard_t *shard);

/* -- spare.c: empty shards that the heap would go on with -- */

/* Whether the next current shard of a class shall tell when it is empty. */
bool fe_heap_is_eager(fe_heap_t *heap, unsigned class_index);

/* An eager shard is empty: gives it up. */
void fe_heap_spare(fe_heap_t *heap, fe_shard_t *shard);

/* Whether the heap's last mixed shard, which is empty, shall be given up. */
bool fe_heap_spares_mixed(fe_heap_t *heap);

/* -- nursery.c, large.c, large_bins.c -- */

/* NULL for a class that is busy: shards are faster. */
void *fe_nursery_alloc(fe_heap_t *heap, unsigned class_index, size_t size);
/* When all else has failed: a block that was freed in the nursery, whatever the class. */
void *fe_nursery_alloc_freed(fe_heap_t *heap, unsigned class_index, size_t size);
void fe_nursery_free(fe_heap_t *heap, void *ptr);
size_t fe_nursery_block_size(const fe_heap_t *heap, const void *ptr);

/* Blocks above FE_MEDIUM_MAX, or aligned so that no shard of blocks can hold them. */
void *fe_large_alloc(fe_heap_t *heap, size_t size, size_t alignment);
/* Whether memory went back to the arenas. */
bool fe_large_free(fe_heap_t *heap, fe_shard_t *shard);
/* Gives back the run of a block that is not counted any more. */
void fe_large_give(fe_heap_t *heap, fe_shard_t *shard);
/* Outside, by anybody: a block of a permanent heap. */
void fe_large_free_elsewhere(fe_shard_t *shard);
/* The same as the first two with a run that waits; NULL, false: there is none, it may not wait. */
void *fe_large_alloc_waiting(fe_heap_t *heap, size_t size, size_t alignment);
bool fe_large_keep(fe_heap_t *heap, fe_shard_t *shard);
/* The bytes that the block at ptr can hold; any thread that holds it. */
size_t fe_block_usable_size(const void *ptr);

#endif /* FERROC_CORE_HEAP_HEAP_H */
