/* Frees by other threads (core/slab/remote.c, core/heap/heap_free.c, heap_alloc.c, heap_inline.h,
 * queue.c, reclaim.c).
 *
 * A heap with its holder, REMOTES threads that free blocks which the holder handed to them, SHARDS
 * shards of one class with BLOCKS blocks each. Inlines are named after the functions that they
 * follow; each statement, or atomic group, is one access to memory that another thread can see;
 * what only those see who are inside of the gate may be changed along with it. NURSERY: shard 1 is
 * one that is in no queue and never given up; LARGE: it is a large block, given up when it is
 * woken; MIXED: it is a mixed shard, in no queue and given up when it is empty.
 *
 * The holder allocates, frees, hands blocks on and collects as it likes, and for ever. TIGHT: it
 * also closes its quick ways and opens them again. VISITS: the last of the other threads goes
 * inside of the gate at any time, to get back what nobody uses, and trims the account; each of them
 * may do so when it has freed the last block of a shard. HANDS_OVER: the holder lets the heap go
 * and claims it again.
 *
 * Checked: no block is lost, handed out twice or freed twice; whatever others freed comes back by
 * the inbox or in a listed shard (no lost wake-up); a shard is given up only when nobody will touch
 * it any more, the holder on its quick ways included; a heap in which nothing is left, and no
 * leaver counted, is touched by nobody; nobody ever waits, but for who is inside of the gate (no
 * cycle without progress). With VISITS, when all blocks were freed and a visitor has looked, the
 * heap keeps its current shard and what its holder emptied itself; handed over, it keeps nothing.
 *
 * Each MUTATION_... leaves out or changes one step, and must be found out. */

#ifndef REMOTES
#define REMOTES 2
#endif
#ifndef SHARDS
#define SHARDS 1
#endif
#ifndef BLOCKS
#define BLOCKS 3
#endif

#define BLOCK_COUNT (SHARDS * BLOCKS)
#define SHARD_OF(block) (((block) - 1) / BLOCKS + 1)
#define FIRST_BLOCK(shard) (((shard) - 1) * BLOCKS + 1)
#define NIL 0

/* fe_remote_state_t */
#define LISTED 0
#define ASLEEP 1
#define WAKING 2

/* fe_shard_state_t */
#define CURRENT 0
#define WAITING 1
#define FULL 2

/* fe_gate_t */
#define FREE_GATE 0
#define HELD_GATE 1
#define SHUT_GATE 2

#if defined(NURSERY) || defined(LARGE) || defined(MIXED)
#define HAS_QUEUE(shard) ((shard) != 1)
#else
#define HAS_QUEUE(shard) true
#endif
#ifdef MIXED
#define IS_MIXED(shard) ((shard) == 1)
#else
#define IS_MIXED(shard) false
#endif
#ifdef LARGE
#define IS_LARGE(shard) ((shard) == 1)
#else
#define IS_LARGE(shard) false
#endif
#ifdef GOES
#define HANDS_OVER
#endif
#ifdef TIGHT
#define IS_TIGHT is_tight
#else
#define IS_TIGHT false
#endif
#ifdef VISITS
#define IS_TRIMMED is_trimmed
#else
#define IS_TRIMMED false
#endif

/* What all threads see: the word `remote` of each shard, links in blocks, the inbox, counts. */
byte remote_blocks[SHARDS + 1];
byte remote_count[SHARDS + 1];
byte remote_state[SHARDS + 1];
byte block_next[BLOCK_COUNT + 1];
byte woken_next[SHARDS + 1];
byte inbox;
bool has_emptied; /* the inbox's `emptied` is above 0 */
byte used[SHARDS + 1];
byte leavers; /* fe_remote_leavers */
byte gate = HELD_GATE;

/* Of whoever is inside; the quick ways take from and put into free lists, and read `current`. In a
 * tight heap they find no block, and no shard that shows its owner; in a trimmed one only the
 * current shard does. */
byte free_list[SHARDS + 1]; /* `free`; while the account is tight, `kept` */
byte shard_state[SHARDS + 1];
byte current = NIL;
bool is_live[SHARDS + 1];
bool is_tight;   /* FE_ACCOUNT_TIGHT */
bool is_trimmed; /* FE_ACCOUNT_TRIMMED: shards that wait do not show their owner */
bool has_rested;

/* Which block a thread is to free; NIL: none, it waits. */
byte hand[REMOTES + 1];

/* All was freed, and another thread is to look once more. */
bool is_look_wanted;

/* For the checks only: where each block is, how many threads or messages will still touch a
 * shard, how many threads the heap without having a block of it, who counted a shard down to 0. */
#define FREE 0     /* on a free list, or in a shard that is not live */
#define HELD 1     /* the holder's program has it */
#define SENT 2     /* in another thread's hand */
#define RETURNED 3 /* in the shard's list of blocks that others freed */
byte place[BLOCK_COUNT + 1];
byte touching[SHARDS + 1];
byte touching_heap;
bool is_emptied_by_holder[SHARDS + 1];
#define IS_HOLDER (_pid == 1)

/* -- gate.h, as far as it matters here -- */

#if defined(VISITS) || defined(HANDS_OVER)
inline fe_gate_enter() {
  atomic { gate != SHUT_GATE -> gate_before = gate; gate = SHUT_GATE }
}

inline fe_gate_leave() { atomic { gate = gate_before; gate_before = 0 } }
#else
inline fe_gate_enter() { skip }
inline fe_gate_leave() { skip }
#endif

/* -- remote.c ---------------------------------------------------------------------------------- */

inline fe_inbox_put(shard) {
  d_step { inbox_head = inbox; woken_next[shard] = inbox_head };
  do
  :: atomic {
       if
       :: inbox == inbox_head -> inbox = shard; inbox_head = NIL; break
       :: else -> inbox_head = inbox; woken_next[shard] = inbox_head
       fi
     }
  od
}

/* Along with what only the caller knows of yet. */
#define SEE_WORD(shard)                  \
  seen_blocks = remote_blocks[shard];    \
  seen_count = remote_count[shard];      \
  seen_state = remote_state[shard];      \
  is_last = seen_count + 1 >= seen_used; \
  block_next[block] = seen_blocks

#define WORD_IS_AS_SEEN(shard)           \
  (remote_blocks[shard] == seen_blocks && \
   remote_count[shard] == seen_count && remote_state[shard] == seen_state)

/* The word with one more block in front. Whoever has something to tell will touch the heap. */
#define SET_WITH_BLOCK(shard)                                       \
  remote_blocks[shard] = block;                                     \
  remote_count[shard] = seen_count + 1;                             \
  place[block] = RETURNED;                                          \
  if                                                                \
  :: seen_state != ASLEEP -> touching[shard]--                      \
  :: else                                                           \
  fi;                                                               \
  if                                                                \
  :: is_last || (seen_state == ASLEEP && !HAS_QUEUE(shard)) ->      \
     touching_heap++;                                               \
     has_news = true                                                \
  :: else                                                           \
  fi

/* The caller has nothing to do with it any more. */
#define LEAVE_SHARD                                                                            \
  shard = NIL;                                                                                 \
  block = NIL;                                                                                 \
  is_last = false;                                                                             \
  seen_used = 0;                                                                               \
  seen_blocks = NIL;                                                                           \
  seen_count = 0;                                                                              \
  seen_state = 0

/* A block that finds the shard asleep wakes it. */
#ifdef MUTATION_NOBODY_WAKES
#define SET_WOKEN(shard) seen_state = LISTED
#else
#define SET_WOKEN(shard) remote_state[shard] = (seen_state == ASLEEP -> WAKING : seen_state)
#endif

/* Of a current shard nobody wants to know that it is empty. */
inline fe_remote_count_of_last() {
  if
  :: IS_MIXED(shard) || (HAS_QUEUE(shard) && shard_state[shard] != CURRENT) ->
     seen_used = used[shard]
  :: else -> seen_used = 255
  fi
}

/* If the block is not pushed (shard is still set), there may be something to tell. is_last: whether
 * no block of the shard is in anybody's hands any more, as far as can be seen. */
inline fe_remote_free() {
  fe_remote_count_of_last();
  d_step { SEE_WORD(shard) };
  do
  :: is_last || seen_state == ASLEEP -> break
  :: !is_last && seen_state != ASLEEP ->
#ifdef MUTATION_PUSH_WITHOUT_COMPARISON
     skip;
     d_step { remote_state[shard] = seen_state; SET_WITH_BLOCK(shard); LEAVE_SHARD; hand[me] = NIL };
     break
#else
     atomic {
       if
       :: WORD_IS_AS_SEEN(shard) -> SET_WITH_BLOCK(shard); LEAVE_SHARD; hand[me] = NIL; break
       :: else -> SEE_WORD(shard)
       fi
     }
#endif
  od
}

/* The heap is kept by the count of leavers from before the push on. */
inline fe_remote_free_and_tell() {
  fe_remote_count_of_last();
#if defined(MUTATION_LEAVER_IS_COUNTED_LATE) || defined(MUTATION_WAKER_IS_NOT_COUNTED)
  d_step { SEE_WORD(shard) };
#else
  atomic { leavers++; SEE_WORD(shard) };
#endif
#ifdef MUTATION_WAKER_IS_NOT_COUNTED
  if
  :: is_last -> leavers++
  :: else
  fi;
#endif
  do
  :: atomic {
       if
       :: WORD_IS_AS_SEEN(shard) -> SET_WOKEN(shard); SET_WITH_BLOCK(shard); break
       :: else -> SEE_WORD(shard)
       fi
     }
  od;
#ifdef MUTATION_LEAVER_IS_COUNTED_LATE
  leavers++;
#endif
  if
  :: seen_state == ASLEEP -> fe_inbox_put(shard)
  :: else
  fi;
#ifdef MUTATION_WAKER_IS_NOT_COUNTED
  if
  :: !is_last -> leavers++
  :: else
  fi
#endif
}

/* got: whether all blocks that are handed out are in the list of blocks that others freed. */
inline fe_remote_is_all(shard) {
  number = remote_count[shard];
  atomic {
#ifdef MUTATION_NONE_IS_ALL
    got = (number == used[shard]);
#else
    got = (number > 0 && number == used[shard]);
#endif
    number = 0
  }
}

/* Puts a list of blocks that others freed on the shard's free list. */
#define PUT_BACK_LIST(shard)                                                                    \
  number = 0;                                                                                   \
  do                                                                                            \
  :: list != NIL ->                                                                             \
     assert(is_live[shard] && place[list] == RETURNED && SHARD_OF(list) == shard);              \
     next = block_next[list];                                                                   \
     block_next[list] = free_list[shard];                                                       \
     free_list[shard] = list;                                                                   \
     place[list] = FREE;                                                                        \
     number++;                                                                                  \
     list = next                                                                                \
  :: else -> break                                                                              \
  od;                                                                                           \
  next = NIL

/* The blocks are on the free list: counts them. */
inline fe_heap_take_in(shard) {
  if
  :: number > 0 ->
     used[shard] = used[shard] - number;
     number = 0;
     is_emptied_by_holder[shard] = (IS_HOLDER && used[shard] == 0)
  :: else
  fi
}

/* The blocks are taken in as well, but for their count. got: whether there were any. */
inline fe_remote_take(shard) {
  d_step {
    got = remote_count[shard] > 0;
    list = remote_blocks[shard];
    remote_blocks[shard] = NIL;
    remote_count[shard] = 0;
#ifdef MUTATION_TAKE_FORGETS_WAKING
    remote_state[shard] = (got -> LISTED : remote_state[shard]);
#endif
    PUT_BACK_LIST(shard)
  }
}

/* got: whether the shard may leave its queue. */
inline fe_remote_sleep(shard) {
#ifdef MUTATION_SLEEP_WITHOUT_COMPARISON
  if
  :: remote_count[shard] > 0 -> got = false
  :: else -> d_step { remote_blocks[shard] = NIL; remote_count[shard] = 0; remote_state[shard] = ASLEEP; got = true }
  fi
#else
  atomic {
    if
    :: remote_count[shard] > 0 -> got = false
#ifndef MUTATION_SLEEP_FORGETS_WAKING
    :: remote_count[shard] == 0 && remote_state[shard] == WAKING -> got = true
    :: remote_count[shard] == 0 && remote_state[shard] != WAKING ->
#else
    :: remote_count[shard] == 0 ->
#endif
       remote_state[shard] = ASLEEP;
       got = true
    fi
  }
#endif
}

/* The blocks stay. */
inline change_state(shard, from, to) {
  atomic {
    if
    :: remote_state[shard] == from -> remote_state[shard] = to
    :: else
    fi
  }
}

inline fe_remote_list(shard) {
#ifdef MUTATION_LIST_WITHOUT_COMPARISON
  if
  :: remote_state[shard] == ASLEEP -> remote_state[shard] = LISTED
  :: else
  fi
#else
  change_state(shard, ASLEEP, LISTED)
#endif
}

inline fe_remote_unlist(shard) { change_state(shard, LISTED, ASLEEP) }

/* The message has been consumed: whoever sent it touches the shard no more. */
inline fe_remote_doze(shard) {
#ifdef MUTATION_DOZE_DROPS_BLOCKS
  number = remote_count[shard];
  d_step {
    assert(is_live[shard] && remote_state[shard] == WAKING);
    if
    :: number == remote_count[shard]
    :: else -> remote_blocks[shard] = block_next[remote_blocks[shard]]; remote_count[shard] = number
    fi;
    number = 0;
    remote_state[shard] = ASLEEP;
    touching[shard]--
  }
#else
  d_step {
    assert(is_live[shard] && remote_state[shard] == WAKING);
    remote_state[shard] = ASLEEP;
    touching[shard]--
  }
#endif
}

/* The blocks are taken in as well, but for their count. The message has been consumed, too. */
inline fe_remote_wake(shard, state) {
  d_step {
    assert(is_live[shard] && remote_state[shard] == WAKING);
    list = remote_blocks[shard];
    remote_blocks[shard] = NIL;
    remote_count[shard] = 0;
    remote_state[shard] = state;
    touching[shard]--;
    PUT_BACK_LIST(shard)
  }
}

inline fe_inbox_take() {
#ifdef MUTATION_INBOX_WITHOUT_EXCHANGE
  woken = inbox;
  inbox = NIL
#else
  d_step { woken = inbox; inbox = NIL }
#endif
}

/* -- queue.c: which shard is the next in the queue does not matter here ------------------------ */

/* The shard leaves the queue, if it is in one: another one may be the current one now. */
inline unlist_shard(shard) {
  if
  :: current == shard ->
     current = NIL;
#if SHARDS > 1
     if
     :: is_live[3 - shard] && HAS_QUEUE(3 - shard) && shard_state[3 - shard] == WAITING ->
        current = 3 - shard;
        shard_state[3 - shard] = CURRENT
     :: else
     fi
#endif
  :: else
  fi
}

/* Its units are somebody else's now. */
inline give_up(shard) {
  d_step {
    assert(is_live[shard]);
    assert(used[shard] == 0);
    assert(remote_count[shard] == 0);
    assert(touching[shard] == 0);
    unlist_shard(shard);
    is_live[shard] = false;
    is_emptied_by_holder[shard] = false;
    shard_state[shard] = WAITING;
    free_list[shard] = NIL;
    woken_next[shard] = NIL;
    remote_state[shard] = ASLEEP;
    number = FIRST_BLOCK(shard);
    do
    :: number < FIRST_BLOCK(shard) + BLOCKS ->
       assert(place[number] == FREE);
       block_next[number] = NIL;
       number++
    :: else -> break
    od;
    number = 0
  }
}

/* A look at the state without any order: WAKING stays until somebody inside has the message. */
inline fe_heap_give_up_shard(shard) {
#ifdef MUTATION_GIVE_UP_WHILE_WAKING
  give_up(shard)
#else
  if
  :: remote_state[shard] == WAKING
  :: else -> give_up(shard)
  fi
#endif
}

inline fe_heap_give_up_full_shard(shard) { give_up(shard) }

inline fe_heap_list_shard(shard) {
  shard_state[shard] = WAITING;
#ifndef MUTATION_TIGHT_SHARD_IS_LISTED
  if
  :: IS_TIGHT
  :: else -> fe_remote_list(shard)
  fi;
#else
  fe_remote_list(shard);
#endif
  d_step {
    if
    :: current == NIL -> current = shard; shard_state[shard] = CURRENT
    :: else
    fi
  }
}

inline fe_heap_unshelve_shard(shard) { fe_heap_list_shard(shard) }
inline fe_heap_shelve_shard(shard) { d_step { assert(is_live[shard]); unlist_shard(shard); shard_state[shard] = FULL } }

/* -- heap_free.c, for who is inside ------------------------------------------------------------ */

inline give_up_if_empty(shard) {
  if
  :: shard_state[shard] == WAITING && used[shard] == 0 -> fe_heap_give_up_shard(shard)
  :: else
  fi
}

inline wake_blocks(shard) {
  atomic { fe_heap_take_in(shard) };
  atomic {
    got = false;
    if
    :: shard_state[shard] == FULL && free_list[shard] == NIL -> fe_remote_sleep(shard)
    :: else
    fi;
    if
    :: got -> got = false
    :: else ->
       if
       :: shard_state[shard] == FULL -> fe_heap_unshelve_shard(shard)
       :: else
       fi;
       give_up_if_empty(shard)
    fi
  }
}

/* No look at the state: a mixed shard whose blocks are all back has no message on its way. The
 * first one of the list is kept; whether this is it is left open. */
inline fe_mixed_after_free(shard) {
  if
  :: used[shard] == 0 && IS_MIXED(shard) -> give_up(shard)
  :: true
  fi
}

inline fe_heap_wake_shard(shard) {
#ifdef MUTATION_TIGHT_SHARD_IS_LISTED
  fe_remote_wake(shard, (HAS_QUEUE(shard) -> LISTED : ASLEEP));
#else
  fe_remote_wake(shard, (HAS_QUEUE(shard) && !IS_TIGHT -> LISTED : ASLEEP));
#endif
  if
  :: HAS_QUEUE(shard) -> wake_blocks(shard)
  :: IS_LARGE(shard) -> atomic { fe_heap_take_in(shard); give_up(shard) }
  :: else -> atomic { fe_heap_take_in(shard); fe_mixed_after_free(shard) }
  fi
}

inline fe_heap_drain() {
  fe_inbox_take();
  do
  :: woken != NIL ->
#ifndef MUTATION_NEXT_READ_AFTER_WAKE
     next_woken = woken_next[woken];
#endif
     fe_heap_wake_shard(woken);
#ifdef MUTATION_NEXT_READ_AFTER_WAKE
     next_woken = woken_next[woken];
#endif
     atomic { woken = next_woken; next_woken = NIL }
  :: else -> break
  od
}

/* -- account.c: closing and opening the quick ways; when is left open -------------------------- */

#define NEXT (each + 1)
#define IS_QUEUED(shard) (is_live[shard] && HAS_QUEUE(shard) && shard_state[shard] != FULL)
#define IS_SHELVED(shard) (is_live[shard] && HAS_QUEUE(shard) && shard_state[shard] == FULL)

/* Full shards that are none any more, of which nobody tells: they were dozing. */
inline wake_full() {
  do
  :: atomic { each < SHARDS && IS_SHELVED(NEXT) && remote_state[NEXT] != WAKING -> got = false };
     fe_remote_take(NEXT);
     if
     :: got -> atomic { fe_heap_take_in(NEXT); got = false }; fe_heap_unshelve_shard(NEXT)
     :: else
     fi;
     each++
  :: atomic { each < SHARDS && !(IS_SHELVED(NEXT) && remote_state[NEXT] != WAKING) -> each++ }
  :: atomic { each == SHARDS -> each = NIL; break }
  od
}

/* What others freed is taken in, and the shard put to sleep. */
inline sleep_empty(shard) {
  do
  :: atomic {
       fe_remote_sleep(shard);
       if
       :: got -> got = false; break
       :: else
       fi
     };
     fe_remote_take(shard);
     atomic { fe_heap_take_in(shard) }
  od
}

/* Afterwards, each shard of the queue is asleep. What is taken in of full ones is kept; they are
 * about to be told of. */
inline fe_account_tighten() {
  if
  :: is_tight
  :: else ->
     fe_heap_drain();
     wake_full();
     do
     :: atomic { each < SHARDS && IS_QUEUED(NEXT) -> got = false };
        sleep_empty(NEXT); /* close_shard */
        atomic { give_up_if_empty(NEXT); each++ }
     :: atomic { each < SHARDS && !IS_QUEUED(NEXT) -> each++ }
     :: atomic { each == SHARDS -> each = NIL; break }
     od;
     do
     :: atomic { each < SHARDS && IS_SHELVED(NEXT) -> fe_remote_take(NEXT) }; /* close_full */
        atomic { fe_heap_take_in(NEXT); got = false; each++ }
     :: atomic { each < SHARDS && !IS_SHELVED(NEXT) -> each++ }
     :: atomic { each == SHARDS -> each = NIL; is_trimmed = false; is_tight = true; break }
     od
  fi
}

inline list_all() {
  do
  :: atomic { each < SHARDS && IS_QUEUED(NEXT) -> fe_remote_list(NEXT); each++ }
  :: atomic { each < SHARDS && !IS_QUEUED(NEXT) -> each++ }
  :: atomic { each == SHARDS -> each = NIL; break }
  od
}

/* A full shard into whose `kept` blocks were taken goes back to its queue: its message may come to
 * a visitor, who finds nothing new and lets it doze. */
inline open() {
  is_tight = false;
#ifdef MUTATION_FULL_SHARDS_ARE_NOT_OPENED
  list_all()
#else
  list_all();
  do
  :: each < SHARDS && IS_SHELVED(NEXT) && free_list[NEXT] != NIL -> /* open_full */
     fe_heap_unshelve_shard(NEXT);
     each++
  :: atomic { each < SHARDS && !(IS_SHELVED(NEXT) && free_list[NEXT] != NIL) -> each++ }
  :: atomic { each == SHARDS -> each = NIL; break }
  od
#endif
}

inline end_trim() {
  is_trimmed = false;
#ifndef MUTATION_FULL_SHARDS_ARE_NOT_WOKEN
  wake_full();
#endif
#ifndef MUTATION_TRIMMED_SHARDS_STAY_ASLEEP
  list_all()
#endif
}

/* Of a trimmed account; there may be no room to open it. That a tight one opens is a call of its
 * own here. */
inline fe_heap_settle() {
#ifdef VISITS
  if
  :: is_trimmed ->
     if
     :: true -> end_trim()
#ifdef TIGHT
     :: true -> fe_account_tighten()
#endif
     fi
  :: else
  fi
#else
  skip
#endif
}

/* A budget may refuse at any time, and have room again. */
inline fe_account_settle() {
  fe_gate_enter();
  if
  :: !is_tight -> fe_account_tighten()
  :: is_tight -> open()
  fi;
  fe_gate_leave()
}

/* From outside. Quick frees into shards that wait are over first, but for one that is going on. */
inline fe_account_trim() {
  is_trimmed = true;
#ifndef MUTATION_TRIMMED_SHARDS_STAY_LISTED
  do
  :: atomic { each < SHARDS ->
       if
       :: is_live[NEXT] && HAS_QUEUE(NEXT) -> fe_remote_unlist(NEXT) /* reachable_bytes */
       :: else
       fi;
       each++
     }
  :: atomic { each == SHARDS -> each = NIL; break }
  od
#endif
}

/* -- heap.c ------------------------------------------------------------------------------------ */

/* Inside, and settled. with_current: the current shard is given up as well. */
inline collect() {
  fe_heap_drain();
  shard = 1;
  do
  :: shard <= SHARDS ->
     if
     :: is_live[shard] && HAS_QUEUE(shard) && shard_state[shard] != FULL ->
        fe_remote_take(shard);
#ifdef MUTATION_OWNER_WAITS
        do
        :: remote_state[shard] == WAKING && inbox == NIL
        :: else -> break
        od;
#endif
        atomic {
          fe_heap_take_in(shard);
          if
          :: used[shard] == 0 && (with_current || shard_state[shard] != CURRENT) ->
             fe_heap_give_up_shard(shard)
          :: else
          fi;
          shard++
        }
     :: is_live[shard] && IS_MIXED(shard) ->
#ifdef MUTATION_MIXED_TAKEN_EARLY
        fe_remote_take(shard);
        atomic { fe_heap_take_in(shard) };
#endif
        atomic {
          if
          :: used[shard] == 0 -> give_up(shard)
          :: else
          fi;
          shard++
        }
     :: else -> shard++
     fi
  :: else -> break
  od;
  atomic { shard = NIL; got = false }
}

/* -- reclaim.c --------------------------------------------------------------------------------- */

#ifdef MUTATION_FULL_SHARD_WITHOUT_MESSAGE
#define IS_TOLD(shard) false
#else
#define IS_TOLD(shard) (remote_state[shard] == WAKING)
#endif

/* A shard that others freed all of; one that is about to come to the inbox is looked at then. */
inline give_up_if_all(shard) {
#ifdef MUTATION_VISITOR_TAKES_CURRENT
  if
  :: true ->
#else
  if
  :: shard_state[shard] != CURRENT ->
#endif
#ifdef MUTATION_VISITOR_TAKES_WHAT_IS_THERE
     got = true;
#else
     fe_remote_is_all(shard);
#endif
     if
     :: got && !IS_TOLD(shard) ->
        fe_remote_take(shard);
        atomic {
          fe_heap_take_in(shard);
          got = false;
          if
#ifdef MUTATION_VISITOR_TAKES_WHAT_IS_THERE
          :: used[shard] > 0
#endif
          :: used[shard] == 0 && shard_state[shard] == FULL -> fe_heap_give_up_full_shard(shard)
          :: used[shard] == 0 && shard_state[shard] != FULL -> fe_heap_give_up_shard(shard)
          fi
        }
     :: else -> got = false
     fi
  :: else
  fi
}

inline look_through_inbox() {
  fe_inbox_take();
  do
  :: woken != NIL ->
#ifndef MUTATION_NEXT_READ_AFTER_DOZE
     next_woken = woken_next[woken];
#endif
     if
     :: HAS_QUEUE(woken) ->
#ifdef MUTATION_VISITOR_GIVES_UP_BEFORE_IT_DOZES
        give_up_if_all(woken);
        fe_remote_doze(woken)
#else
#ifndef MUTATION_MESSAGE_IS_DROPPED
        fe_remote_doze(woken);
#endif
#ifdef MUTATION_ONLY_FULL_SHARDS_ARE_LOOKED_AT
        if
        :: shard_state[woken] == FULL -> give_up_if_all(woken)
        :: else
        fi
#else
#ifdef MUTATION_ONLY_WAITING_SHARDS_ARE_LOOKED_AT
        skip
#else
        give_up_if_all(woken)
#endif
#endif
#endif
     :: else -> fe_heap_wake_shard(woken)
     fi;
#ifdef MUTATION_NEXT_READ_AFTER_DOZE
     next_woken = woken_next[woken];
#endif
     atomic { woken = next_woken; next_woken = NIL; got = false }
  :: else -> break
  od
}

inline fe_mixed_collect() {
#ifdef MIXED
  atomic {
    if
    :: is_live[1] && used[1] == 0 -> give_up(1)
    :: else
    fi
  }
#else
  skip
#endif
}

#ifdef MUTATION_VISITOR_TAKES_CURRENT
#define IS_LOOKED_AT(shard) IS_QUEUED(shard)
#else
#ifdef MUTATION_FULL_SHARD_WITHOUT_MESSAGE
#define IS_LOOKED_AT(shard) (is_live[shard] && HAS_QUEUE(shard) && shard_state[shard] != CURRENT)
#else
#ifdef MUTATION_ONLY_FULL_SHARDS_ARE_LOOKED_AT
#define IS_LOOKED_AT(shard) false
#else
#define IS_LOOKED_AT(shard) (is_live[shard] && HAS_QUEUE(shard) && shard_state[shard] == WAITING)
#endif
#endif
#endif

inline look_through_queue() {
  do
  :: atomic { each < SHARDS && IS_LOOKED_AT(NEXT) -> got = false };
     give_up_if_all(NEXT);
     each++
  :: atomic { each < SHARDS && !IS_LOOKED_AT(NEXT) -> each++ }
  :: atomic { each == SHARDS -> each = NIL; break }
  od
}

inline reclaim_of_holder() {
  if
  :: IS_TIGHT -> fe_heap_drain()
  :: else ->
     look_through_inbox();
     fe_mixed_collect();
     fe_account_trim();
     look_through_queue()
  fi
}

/* Afterwards, each shard of the queue is asleep; what empties meanwhile goes, too. */
inline put_to_sleep() {
  do
  :: atomic { each < SHARDS && IS_QUEUED(NEXT) -> got = false };
     sleep_empty(NEXT);
     atomic {
       if
       :: used[NEXT] == 0 -> fe_heap_give_up_shard(NEXT)
       :: else
       fi;
       each++
     }
  :: atomic { each < SHARDS && !IS_QUEUED(NEXT) -> each++ }
  :: atomic { each == SHARDS -> each = NIL; break }
  od
}

/* Under a limit it gets tight first; whether it stands under one is left open. */
inline reclaim_of_nobody() {
#ifdef TIGHT
  if
  :: true
  :: fe_account_tighten()
  fi;
#endif
  fe_heap_settle();
  collect();
#ifndef MUTATION_NOBODYS_HEAP_STAYS_AWAKE
  put_to_sleep();
#endif
  has_rested = true
}

/* Whoever sees that nothing is left, and no leaver, may end the heap. */
inline is_over() {
  atomic {
    if
#if SHARDS > 1
    :: !is_live[1] && !is_live[2] && leavers == 0 -> assert(touching_heap == 0)
#else
    :: !is_live[1] && leavers == 0 -> assert(touching_heap == 0)
#endif
    :: else
    fi
  }
}

/* Inside. */
inline reclaim() {
  has_emptied = false;
#ifdef HANDS_OVER
  if
  :: gate_before == FREE_GATE -> reclaim_of_nobody()
  :: else -> reclaim_of_holder()
  fi;
#else
  reclaim_of_holder();
#endif
  is_over()
}

/* got: whether a look inside would find what the last one left. */
inline is_as_it_was() {
  got = (inbox == NIL && !has_emptied);
  atomic {
#ifdef MUTATION_NOT_OPEN_HEAP_IS_AS_IT_WAS
    got = got && (IS_TIGHT || IS_TRIMMED || (gate == FREE_GATE && has_rested))
#else
#ifdef MUTATION_HELD_HEAP_IS_AS_IT_WAS
    got = got && ((gate == FREE_GATE && has_rested) || gate == HELD_GATE)
#else
    got = got && ((gate == FREE_GATE && has_rested) || (gate == HELD_GATE && (IS_TIGHT || IS_TRIMMED)))
#endif
#endif
  }
}

/* -- Other threads ----------------------------------------------------------------------------- */

proctype other_thread(byte me) {
  byte block, shard, seen_used, seen_blocks, seen_count, seen_state, inbox_head;
  byte list, next, number, woken, next_woken, gate_before, each;
  bool got, is_last, has_news, is_telling, is_asked;
  bool with_current = true;
end_waiting:
  do
  :: hand[me] != NIL -> /* fe_heap_free_remotely */
progress_free:
     atomic { block = hand[me]; shard = SHARD_OF(block) };
     fe_remote_free();
     if
     :: shard == NIL
     :: else -> /* free_and_tell */
        fe_remote_free_and_tell();
        atomic { is_telling = is_last; LEAVE_SHARD };
        if
        :: is_telling -> /* fe_heap_after_emptied: so many that it is worth a look is left open */
           has_emptied = true;
           if
           :: true -> goto done
#ifdef VISITS
           :: atomic { gate != SHUT_GATE -> gate_before = gate; gate = SHUT_GATE }; goto inside
#endif
           fi
        :: else -> goto done /* fe_heap_after_woken: a visitor looks at any time */
        fi
     fi
#ifdef VISITS
  :: atomic { me == REMOTES && hand[me] == NIL -> is_asked = is_look_wanted }; /* fe_heap_reclaim */
progress_look:
     is_as_it_was();
     if
     :: got -> atomic { got = false; is_look_wanted = is_look_wanted && !is_asked; is_asked = false }
     :: else ->
        fe_gate_enter();
inside: reclaim();
        fe_gate_leave();
        if
        :: is_telling -> goto done
        :: else -> atomic { is_look_wanted = is_look_wanted && !is_asked; is_asked = false }
        fi
     fi
#endif
  :: false ->
done:atomic {
       leavers--; /* fe_remote_leave */
       is_telling = false;
       hand[me] = NIL;
       if
       :: has_news -> has_news = false; touching_heap--
       :: else
       fi
     }
  od
}

/* -- The holder: allocations ------------------------------------------------------------------- */

/* got: whether there was a block. */
inline pop(shard) {
  d_step {
    got = false;
    if
    :: shard != NIL && free_list[shard] != NIL ->
       block = free_list[shard];
       assert(is_live[shard] && place[block] == FREE);
       free_list[shard] = block_next[block];
       block_next[block] = NIL;
       place[block] = HELD;
       held_count++;
       block = NIL;
       got = true
    :: else
    fi
  }
}

inline count_up(shard) {
  if
  :: got -> atomic { assert(is_live[shard]); used[shard]++; got = false }
  :: else
  fi
}

/* shard: a current one with a free block, or NIL. */
inline refill_current() {
  do
  :: atomic {
       shard = current;
       if
       :: shard == NIL -> break
       :: shard != NIL && free_list[shard] != NIL -> break
       :: else
       fi
     };
     fe_remote_take(shard);
     if
     :: got -> atomic { fe_heap_take_in(shard); break }
     :: else ->
        atomic {
          fe_remote_sleep(shard);
          if
          :: got -> fe_heap_shelve_shard(shard)
          :: else
          fi
        }
     fi
  od
}

/* A new shard's header is written before anybody else knows of it. */
inline add_shard() {
  d_step {
    if
    :: !is_live[1] -> shard = 1
#if SHARDS > 1
    :: is_live[1] && !is_live[2] -> shard = 2
#endif
    :: else -> shard = NIL
    fi;
    if
    :: shard != NIL ->
       is_live[shard] = true;
       remote_state[shard] = (HAS_QUEUE(shard) && !IS_TIGHT -> LISTED : ASLEEP);
       if
       :: HAS_QUEUE(shard) -> shard_state[shard] = CURRENT; current = shard
       :: else -> shard_state[shard] = FULL
       fi;
       number = FIRST_BLOCK(shard);
       free_list[shard] = number;
       do
       :: number < FIRST_BLOCK(shard) + BLOCKS - 1 -> block_next[number] = number + 1; number++
       :: else -> block_next[number] = NIL; break
       od;
       number = 0
    :: else
    fi
  }
}

/* What others freed in a full shard is known of, or about to be told. */
#define KNOWS_OF(shard) \
  (!is_live[shard] || !HAS_QUEUE(shard) || shard_state[shard] != FULL || remote_count[shard] == 0 || remote_state[shard] == WAKING)

inline fe_heap_alloc_inside() {
  fe_gate_enter();
  fe_heap_settle();
  assert(KNOWS_OF(1) && KNOWS_OF(SHARDS));
  fe_heap_drain();
  if
  :: true -> refill_current()
#if defined(NURSERY) || defined(LARGE) || defined(MIXED)
  :: is_live[1] && free_list[1] != NIL -> shard = 1
#endif
  fi;
  atomic {
    if
    :: shard == NIL -> add_shard()
    :: else
    fi;
    pop(shard);
    count_up(shard)
  };
  fe_gate_leave();
  d_step { shard = NIL; got = false }
}

/* Any size at any time takes the slow way. */
inline allocate() {
  if
  :: true -> fe_heap_alloc_inside()
  :: current != NIL && !IS_TIGHT ->
     atomic { shard = current; pop(shard) };
     atomic { count_up(shard); shard = NIL }
  fi
}

/* -- The holder: frees ------------------------------------------------------------------------- */

/* block: any one that the program holds. */
inline choose_held() {
  if
  :: place[1] == HELD -> block = 1
#if BLOCK_COUNT > 1
  :: place[2] == HELD -> block = 2
#endif
#if BLOCK_COUNT > 2
  :: place[3] == HELD -> block = 3
#endif
#if BLOCK_COUNT > 3
  :: place[4] == HELD -> block = 4
#endif
#if BLOCK_COUNT > 4
#error "choose_held knows four blocks"
#endif
  fi
}

/* The holder may be kept from going on between any two of these. */
inline push_in_steps() {
  d_step {
    assert(is_live[shard] && place[block] == HELD);
    held_count--;
    block_next[block] = free_list[shard]
  };
  atomic { assert(is_live[shard]); free_list[shard] = block; place[block] = FREE; block = NIL }
}

/* got: whether it was the last one. */
inline fe_shard_count_down() {
  atomic {
    assert(is_live[shard]);
    used[shard]--;
    got = (used[shard] == 0);
    is_emptied_by_holder[shard] = got
  }
}

inline fe_heap_shard_emptied() {
  fe_gate_enter();
#ifdef MUTATION_TRIM_ENDS_FIRST
  fe_heap_settle();
#endif
  atomic {
    assert(is_live[shard]);
    if
    :: shard_state[shard] == CURRENT -> fe_heap_give_up_shard(shard) /* fe_heap_spare */
    :: else -> give_up_if_empty(shard)
    fi
  };
#ifndef MUTATION_TRIM_ENDS_FIRST
  fe_heap_settle(); /* fe_heap_end_trim */
#endif
  fe_gate_leave()
}

inline fe_heap_free_quickly() {
#ifdef MUTATION_COUNTED_BEFORE_PUSHED
  fe_shard_count_down();
  push_in_steps();
#else
  push_in_steps();
  fe_shard_count_down();
#endif
  if
  :: got -> assert(is_live[shard]); got = shard_state[shard] != CURRENT
  :: got && shard_state[shard] == CURRENT /* FE_SHARD_EAGER; whether it is, is left open */
  :: else
  fi;
  if
  :: got -> fe_heap_shard_emptied()
  :: else
  fi
}

/* A large block is freed by its holder without asking anybody, while nobody else knows of it. */
inline fe_heap_free_slowly() {
  fe_gate_enter();
  fe_heap_settle(); /* fe_heap_end_trim */
  push_in_steps();
  fe_shard_count_down();
#ifdef MUTATION_LIST_WITHOUT_COMPARISON
  if
  :: HAS_QUEUE(shard) && shard_state[shard] == FULL -> fe_remote_list(shard)
  :: else
  fi;
#endif
  atomic {
    if
    :: IS_LARGE(shard) -> give_up(shard)
    :: !HAS_QUEUE(shard) && !IS_LARGE(shard) -> fe_mixed_after_free(shard)
    :: else ->
       if
       :: shard_state[shard] == FULL -> fe_heap_unshelve_shard(shard)
       :: else
       fi;
       give_up_if_empty(shard)
    fi
  };
  fe_gate_leave()
}

/* With pointers into blocks around, a free into any shard takes the slow way. */
inline free_own() {
  shard = SHARD_OF(block);
  if
  :: true -> fe_heap_free_slowly()
  :: HAS_QUEUE(shard) && shard_state[shard] != FULL && !IS_TIGHT &&
     (shard_state[shard] == CURRENT || !IS_TRIMMED) -> fe_heap_free_quickly()
  fi;
  d_step { shard = NIL; block = NIL; got = false }
}

/* The thread that takes the block is known to touch its shard until it is through. */
inline send(thread) {
  d_step {
    place[block] = SENT;
    held_count--;
    touching[SHARD_OF(block)]++;
    hand[thread] = block;
    block = NIL
  }
}

/* Or fe_heap_rest. */
inline fe_heap_collect() {
  if
  :: with_current = true
  :: with_current = false
  fi;
  fe_gate_enter();
  fe_heap_settle();
  collect();
  is_over();
  fe_gate_leave();
  with_current = false
}

/* -- The holder: its program ------------------------------------------------------------------- */

inline fe_heap_hand_over() {
  fe_gate_enter();
  gate_before = FREE_GATE;
  fe_gate_leave();
}

inline fe_heap_take_over() {
  atomic { gate == FREE_GATE -> gate = HELD_GATE }; /* fe_gate_claim */
  fe_gate_enter();
  if
  :: has_rested -> /* fe_heap_resume */
     has_rested = false;
     if
     :: IS_TIGHT
     :: else -> list_all()
     fi
  :: else
  fi;
  fe_gate_leave()
}

inline let_others_look() {
  is_look_wanted = true;
  !is_look_wanted
}

#define ALL_THREADS_WAIT (hand[1] == NIL && hand[REMOTES] == NIL)

/* After all frees: what others freed lies in shards that the holder looks at; unless they are to
 * tell, others free there without a message. */
inline check_no_wake_up_is_lost() {
  shard = 1;
  do
  :: shard <= SHARDS ->
     assert(touching[shard] == 0);
     assert(!is_live[shard] || remote_count[shard] == 0 ||
            (HAS_QUEUE(shard) && shard_state[shard] != FULL && !IS_TIGHT));
     assert(remote_state[shard] != WAKING);
     assert(!is_live[shard] || !HAS_QUEUE(shard) || shard_state[shard] != FULL || free_list[shard] == NIL);
     assert(!is_live[shard] || !HAS_QUEUE(shard) || shard_state[shard] == FULL || IS_TIGHT ||
            remote_state[shard] == LISTED);
     shard++
  :: else -> break
  od;
  shard = NIL
}

/* After a visit, when all was freed. */
inline check_nothing_is_kept(is_held) {
  shard = 1;
  do
  :: shard <= SHARDS ->
     assert(!is_live[shard] || (!HAS_QUEUE(shard) && !IS_MIXED(shard)) ||
            (is_held && (shard_state[shard] == CURRENT ||
                         (shard_state[shard] == WAITING && is_emptied_by_holder[shard]))));
     shard++
  :: else -> break
  od;
  shard = NIL
}

inline check_all_blocks_are_back() {
  assert(leavers == 0 && touching_heap == 0);
  block = 1;
  do
  :: block <= BLOCK_COUNT -> assert(place[block] == FREE); block++
  :: else -> break
  od;
  shard = 1;
  do
  :: shard <= SHARDS ->
     block = free_list[shard];
     number = 0;
     do
     :: block != NIL -> assert(SHARD_OF(block) == shard); block = block_next[block]; number++
     :: else -> break
     od;
     assert(number == (is_live[shard] -> BLOCKS : 0));
     assert(used[shard] == 0);
     shard++
  :: else -> break
  od;
  atomic { shard = NIL; number = 0 }
}

proctype holder() {
  byte block, shard, list, next, woken, next_woken, inbox_head, held_count, number, gate_before, each;
  bool got, with_current;
#ifdef GOES
  byte taken_count;
#endif
progress_next_call:
  do
#ifdef GOES
  :: taken_count < BLOCK_COUNT -> taken_count++; allocate()
#else
  :: allocate()
  :: fe_heap_collect()
#endif
  :: held_count > 0 ->
     choose_held();
     if
     :: true -> free_own()
     :: hand[1] == NIL -> send(1)
#if REMOTES > 1
     :: hand[2] == NIL -> send(2)
#endif
     fi
#if defined(HANDS_OVER) && !defined(GOES)
  :: fe_heap_hand_over();
     if
     :: held_count == 0 && ALL_THREADS_WAIT ->
        let_others_look();
        d_step { check_nothing_is_kept(false) }
     :: true
     fi;
     fe_heap_take_over()
#endif
#if defined(TIGHT) && !defined(GOES)
  :: fe_account_settle()
#endif
#ifdef GOES
  :: held_count == 0 -> fe_heap_hand_over(); break
#else
  :: held_count == 0 && ALL_THREADS_WAIT -> break
#endif
  od;
#ifdef GOES
  ALL_THREADS_WAIT;
  let_others_look();
  d_step { check_nothing_is_kept(false) };
  goto end
#endif
#ifdef VISITS
  let_others_look(); /* while the holder sleeps */
  d_step { check_nothing_is_kept(true) };
#endif
  with_current = true;
  fe_gate_enter();
  fe_heap_settle();
  fe_heap_drain();
  got = false;
  d_step { check_no_wake_up_is_lost() };
  collect();
  fe_gate_leave();
  d_step { check_all_blocks_are_back() };
end: skip
}

init {
  atomic {
    run holder();
    run other_thread(1);
#if REMOTES > 1
    run other_thread(2)
#endif
  }
}
