/* Frees by other threads (core/slab/remote.c, core/heap/heap_free.c, heap_alloc.c, queue.c).
 *
 * One owner, REMOTES threads that free blocks which the owner handed to them, SHARDS shards of
 * BLOCKS blocks each. Inlines are named after the functions that they follow; each statement, or
 * atomic group, is one access to memory that another thread can see. NURSERY: shard 1 is one that
 * is in no queue and never given up; LARGE: it is a large block, given up when it is woken; MIXED:
 * it is a mixed shard, in no queue and given up when it is empty.
 *
 * Checked: no block is lost, handed out twice or freed twice; whatever others freed comes back by
 * the inbox or in a listed shard (no lost wake-up); a shard is given up only when nobody will touch
 * it any more; and the owner never waits for anybody (no cycle without progress).
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

#ifdef NURSERY
#define HAS_QUEUE(shard) ((shard) != 1)
#else
#ifdef LARGE
#define HAS_QUEUE(shard) ((shard) != 1)
#else
#ifdef MIXED
#define HAS_QUEUE(shard) ((shard) != 1)
#else
#define HAS_QUEUE(shard) true
#endif
#endif
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

/* What all threads see: the word `remote` of each shard, links in blocks, the inbox. */
byte remote_blocks[SHARDS + 1];
byte remote_state[SHARDS + 1];
byte block_next[BLOCK_COUNT + 1];
byte woken_next[SHARDS + 1];
byte inbox;

/* Which block a thread is to free; NIL: none, it waits. */
byte hand[REMOTES + 1];

/* For the checks only: where each block is, and how many threads or messages will still touch a
 * shard. */
#define FREE 0     /* on the owner's free list, or in a shard that is not live */
#define HELD 1     /* the owner's program has it */
#define SENT 2     /* in another thread's hand */
#define RETURNED 3 /* in the shard's list of blocks that others freed */
byte place[BLOCK_COUNT + 1];
byte touching[SHARDS + 1];

/* -- Other threads ------------------------------------------------------------------------------ */

inline inbox_push() {
  inbox_head = inbox;
  do
  :: woken_next[shard] = inbox_head;
     atomic {
       if
       :: inbox == inbox_head -> inbox = shard; break
       :: else -> inbox_head = inbox
       fi
     }
  od
}

inline fe_remote_free() {
  d_step { seen_blocks = remote_blocks[shard]; seen_state = remote_state[shard] };
  do
  :: block_next[block] = seen_blocks;
#ifdef MUTATION_PUSH_WITHOUT_COMPARISON
     skip;
     d_step {
       remote_blocks[shard] = block;
#ifndef MUTATION_NOBODY_WAKES
       remote_state[shard] = (seen_state == ASLEEP -> WAKING : seen_state);
#endif
       place[block] = RETURNED
     };
     if :: seen_state != ASLEEP -> touching[shard]-- :: else fi;
     break
#else
     atomic {
       if
       :: remote_blocks[shard] == seen_blocks && remote_state[shard] == seen_state ->
          remote_blocks[shard] = block;
#ifdef MUTATION_NOBODY_WAKES
          seen_state = LISTED;
#else
          remote_state[shard] = (seen_state == ASLEEP -> WAKING : seen_state);
#endif
          place[block] = RETURNED;
          if :: seen_state != ASLEEP -> touching[shard]-- :: else fi;
          break
       :: else -> seen_blocks = remote_blocks[shard]; seen_state = remote_state[shard]
       fi
     }
#endif
  od;
  if
  :: seen_state == ASLEEP -> inbox_push()
  :: else
  fi
}

proctype other_thread(byte me) {
  byte block, shard, seen_blocks, seen_state, inbox_head;
end_waiting:
progress_freed:
  do
  :: hand[me] != NIL ->
     d_step { block = hand[me]; shard = SHARD_OF(block) };
     fe_remote_free();
     atomic { block = 0; shard = 0; seen_blocks = 0; seen_state = 0; inbox_head = 0; hand[me] = NIL }
  od
}

/* -- The owner: steps of the protocol --------------------------------------------------------- */

/* Puts a list of blocks that others freed on the shard's free list. */
inline fe_heap_take_in(shard) {
  do
  :: list != NIL ->
     d_step {
       assert(place[list] == RETURNED);
       assert(SHARD_OF(list) == shard);
       next = block_next[list];
       block_next[list] = free_list[shard];
       free_list[shard] = list;
       place[list] = FREE;
       used[shard]--;
       list = next;
       next = NIL
     }
  :: else -> break
  od
}

/* got: whether there were any. */
inline fe_remote_take(shard) {
  list = NIL;
  if
  :: remote_blocks[shard] != NIL ->
     d_step {
       list = remote_blocks[shard];
       remote_blocks[shard] = NIL;
#ifdef MUTATION_TAKE_FORGETS_WAKING
       remote_state[shard] = LISTED;
#endif
     }
  :: else
  fi;
  got = (list != NIL);
  fe_heap_take_in(shard)
}

/* got: whether the shard may leave its queue. */
inline fe_remote_sleep(shard) {
#ifdef MUTATION_SLEEP_WITHOUT_COMPARISON
  if
  :: remote_blocks[shard] != NIL -> got = false
  :: else -> d_step { remote_blocks[shard] = NIL; remote_state[shard] = ASLEEP; got = true }
  fi
#else
  atomic {
    if
    :: remote_blocks[shard] != NIL -> got = false
#ifndef MUTATION_SLEEP_FORGETS_WAKING
    :: remote_blocks[shard] == NIL && remote_state[shard] == WAKING -> got = true
    :: remote_blocks[shard] == NIL && remote_state[shard] != WAKING ->
#else
    :: remote_blocks[shard] == NIL ->
#endif
       remote_state[shard] = ASLEEP;
       got = true
    fi
  }
#endif
}

inline fe_remote_list(shard) {
#ifdef MUTATION_LIST_WITHOUT_COMPARISON
  if
  :: remote_state[shard] == ASLEEP -> remote_state[shard] = LISTED
  :: else
  fi
#else
  atomic {
    if
    :: remote_state[shard] == ASLEEP -> remote_state[shard] = LISTED
    :: else
    fi
  }
#endif
}

/* The message has been consumed: whoever sent it touches the shard no more. */
inline fe_remote_wake(shard) {
  d_step {
    assert(remote_state[shard] == WAKING);
    list = remote_blocks[shard];
    remote_blocks[shard] = NIL;
    remote_state[shard] = (HAS_QUEUE(shard) -> LISTED : ASLEEP);
    touching[shard]--
  }
}

inline fe_inbox_take() {
  woken = NIL;
  if
  :: inbox != NIL ->
#ifdef MUTATION_INBOX_WITHOUT_EXCHANGE
     woken = inbox;
     inbox = NIL
#else
     d_step { woken = inbox; inbox = NIL }
#endif
  :: else
  fi
}

/* -- The owner: what it does with them ------------------------------------------------------------ */

inline give_up(shard) {
  d_step {
    assert(used[shard] == 0);
    assert(remote_blocks[shard] == NIL);
    assert(touching[shard] == 0);
    is_live[shard] = false;
    is_listed[shard] = false;
    free_list[shard] = NIL;
    woken_next[shard] = NIL;
    remote_state[shard] = ASLEEP;
    i = FIRST_BLOCK(shard);
    do
    :: i < FIRST_BLOCK(shard) + BLOCKS -> assert(place[i] == FREE); block_next[i] = NIL; i++
    :: else -> break
    od;
    i = 0
  }
}

/* A look at the state without any order: WAKING stays until the owner itself has the message. */
inline fe_heap_give_up_shard(shard) {
#ifdef MUTATION_GIVE_UP_WHILE_WAKING
  give_up(shard)
#else
#ifdef MUTATION_OWNER_WAITS
  do
  :: remote_state[shard] == WAKING && inbox == NIL
  :: else -> break
  od;
#endif
  if
  :: remote_state[shard] == WAKING
  :: else -> give_up(shard)
  fi
#endif
}

/* Whether the shard is the current one of its class, which is kept, is left open. */
inline fe_heap_shard_after_free(shard) {
  if
  :: used[shard] == 0 && HAS_QUEUE(shard) -> fe_heap_give_up_shard(shard)
  :: true
  fi
}

/* No look at the state: a shard whose blocks are all back has no message on its way. */
inline fe_mixed_after_free(shard) {
  if
  :: used[shard] == 0 && IS_MIXED(shard) -> give_up(shard)
  :: true
  fi
}

inline fe_heap_shelve_shard(shard) { is_listed[shard] = false }
inline fe_heap_unshelve_shard(shard) { is_listed[shard] = true }

inline wake_blocks(shard) {
  fe_heap_take_in(shard);
  got = false;
  if
  :: !is_listed[shard] && free_list[shard] == NIL -> fe_remote_sleep(shard)
  :: else
  fi;
  if
  :: got
  :: else ->
     fe_heap_unshelve_shard(shard);
     fe_heap_shard_after_free(shard)
  fi
}

inline wake(shard) {
  fe_remote_wake(shard);
  if
  :: HAS_QUEUE(shard) -> wake_blocks(shard)
  :: IS_LARGE(shard) -> fe_heap_take_in(shard); give_up(shard)
  :: else -> fe_heap_take_in(shard); fe_mixed_after_free(shard)
  fi
}

inline fe_heap_drain() {
  fe_inbox_take();
  do
  :: woken != NIL ->
#ifndef MUTATION_NEXT_READ_AFTER_WAKE
     next_woken = woken_next[woken];
#endif
     assert(is_live[woken]);
     wake(woken);
#ifdef MUTATION_NEXT_READ_AFTER_WAKE
     next_woken = woken_next[woken];
#endif
     woken = next_woken
  :: else -> break
  od;
  next_woken = NIL
}

/* Any listed shard may be the first of the queue. current: one with a free block, or NIL. */
inline refill_current() {
  current = NIL;
  do
  :: atomic {
       if
       :: is_live[1] && is_listed[1] -> shard = 1
#if SHARDS > 1
       :: is_live[2] && is_listed[2] -> shard = 2
#endif
       :: else -> shard = NIL
       fi
     };
     if
     :: shard == NIL -> break
     :: else
     fi;
     if
     :: free_list[shard] != NIL -> current = shard; break
     :: else
     fi;
     fe_remote_take(shard);
     if
     :: got -> current = shard; break
     :: else
     fi;
     fe_remote_sleep(shard);
     if
     :: got -> fe_heap_shelve_shard(shard)
     :: else
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
       is_listed[shard] = HAS_QUEUE(shard);
       remote_state[shard] = (HAS_QUEUE(shard) -> LISTED : ASLEEP);
       i = FIRST_BLOCK(shard);
       free_list[shard] = i;
       do
       :: i < FIRST_BLOCK(shard) + BLOCKS - 1 -> block_next[i] = i + 1; i++
       :: else -> block_next[i] = NIL; break
       od;
       i = 0
    :: else
    fi;
    current = shard
  }
}

inline pop() {
  d_step {
    block = free_list[current];
    assert(place[block] == FREE);
    free_list[current] = block_next[block];
    block_next[block] = NIL;
    place[block] = HELD;
    held_count++;
    used[current]++;
    block = NIL
  }
}

/* The short way takes from any shard's free list; the long way looks everywhere. */
inline allocate() {
  atomic {
    current = NIL;
    if
    :: is_live[1] && (is_listed[1] || !HAS_QUEUE(1)) && free_list[1] != NIL -> current = 1
#if SHARDS > 1
    :: is_live[2] && is_listed[2] && free_list[2] != NIL -> current = 2
#endif
    :: true
    fi
  };
  if
  :: current == NIL ->
     fe_heap_drain();
     refill_current();
     if
     :: current == NIL -> add_shard()
     :: else
     fi
  :: else
  fi;
  if
  :: current != NIL && free_list[current] != NIL -> pop()
  :: else
  fi;
  d_step { current = NIL; shard = NIL; got = false; list = NIL }
}

/* block: any one that the program holds; waits if there is none. */
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

/* A large block is freed by its owner without asking anybody, while nobody else knows of it. */
inline free_own() {
  shard = SHARD_OF(block);
  d_step {
    assert(place[block] == HELD);
    block_next[block] = free_list[shard];
    free_list[shard] = block;
    place[block] = FREE;
    held_count--;
    used[shard]--
  };
  if
  :: IS_LARGE(shard) -> give_up(shard)
  :: else ->
     if
     :: !is_listed[shard] && HAS_QUEUE(shard) ->
        fe_remote_list(shard);
        fe_heap_unshelve_shard(shard)
     :: else
     fi;
     fe_heap_shard_after_free(shard);
     if
     :: is_live[shard] -> fe_mixed_after_free(shard)
     :: else
     fi
  fi;
  d_step { shard = NIL; block = NIL }
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

inline fe_heap_collect() {
  fe_heap_drain();
  shard = 1;
  do
  :: shard <= SHARDS ->
     if
     :: is_live[shard] && is_listed[shard] ->
        fe_remote_take(shard);
        fe_heap_shard_after_free(shard)
     :: is_live[shard] && IS_MIXED(shard) ->
#ifdef MUTATION_MIXED_TAKEN_EARLY
        fe_remote_take(shard);
#endif
        fe_mixed_after_free(shard)
     :: else
     fi;
     shard++
  :: else -> break
  od;
  atomic { shard = NIL; got = false }
}

/* -- The owner: its program ------------------------------------------------------------------- */

#define ALL_THREADS_WAIT (hand[1] == NIL && hand[REMOTES] == NIL)

/* After all frees: what others freed lies in shards that the owner looks at. */
inline check_no_wake_up_is_lost() {
  shard = 1;
  do
  :: shard <= SHARDS ->
     assert(touching[shard] == 0);
     assert(!is_live[shard] || is_listed[shard] || remote_blocks[shard] == NIL);
     assert(remote_state[shard] != WAKING);
     shard++
  :: else -> break
  od;
  shard = NIL
}

inline check_all_blocks_are_back() {
  block = 1;
  do
  :: block <= BLOCK_COUNT -> assert(place[block] == FREE); block++
  :: else -> break
  od;
  shard = 1;
  do
  :: shard <= SHARDS ->
     block = free_list[shard];
     i = 0;
     do
     :: block != NIL -> assert(SHARD_OF(block) == shard); block = block_next[block]; i++
     :: else -> break
     od;
     assert(i == (is_live[shard] -> BLOCKS : 0));
     assert(used[shard] == 0);
     shard++
  :: else -> break
  od;
  shard = NIL
}

proctype owner() {
  /* Free lists, counts, whether a shard is in the queue, whether there is one. */
  byte free_list[SHARDS + 1];
  byte used[SHARDS + 1];
  bool is_listed[SHARDS + 1];
  bool is_live[SHARDS + 1];
  byte block, shard, current, list, next, woken, next_woken, held_count, i;
  bool got;
progress_next_call:
  do
  :: allocate()
  :: held_count > 0 ->
     choose_held();
     if
     :: true -> free_own()
     :: hand[1] == NIL -> send(1)
#if REMOTES > 1
     :: hand[2] == NIL -> send(2)
#endif
     fi
  :: fe_heap_collect()
  :: held_count == 0 && ALL_THREADS_WAIT -> break
  od;
  fe_heap_drain();
  d_step { check_no_wake_up_is_lost() };
  fe_heap_collect();
  d_step { check_all_blocks_are_back() }
}

init {
  atomic {
    run owner();
    run other_thread(1);
#if REMOTES > 1
    run other_thread(2)
#endif
  }
}
