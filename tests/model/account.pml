/* Accounts (core/heap/account.c, heap_alloc.c, heap_free.c, reclaim.c): what heaps charge a limit
 * for that stands above them, while their quick ways allocate and free without counting.
 *
 * Two heaps under one limit of LIMIT blocks, each with its holder and with one shard of RESERVED
 * blocks at a time, and a third thread, which frees what the holders hand to it. Each holder makes
 * CALLS calls (that of the second heap OTHER_CALLS): it allocates, frees or hands a block on; then
 * it frees what it still has, and hands its heap over. VISITS: the third thread goes through all
 * heaps as well, now and then; LOWERS: it takes one block from the limit, once, and goes through
 * all heaps then. WAITS: the shard may stand in its queue behind another one, which has no free
 * block. An allocation that is refused goes through the other heap and tries again. Inlines are
 * named after the functions that they follow; each statement, or atomic group, is one access to
 * memory that another thread can see (but for figures of the heap, which only those see who are
 * inside of its gate).
 *
 * Checked: the live blocks of both heaps never pass the limit, and those of a heap never its lease;
 * an allocation is refused only if, at a moment while it was going on, what was live, what another
 * allocation under way takes, and the rest that ferroc.h allows heaps that are held left no room,
 * or a holder had just opened its heap again and was about to take in what others freed; nor is
 * more charged than a lowered limit, when all heaps were gone through; when all is freed, and both
 * heaps are handed over and looked at, nothing is charged and no shard is left.
 *
 * The rest: the free blocks of current shards, and one block that the holder was about to free
 * quickly, into a shard that waits, when his heap was trimmed: the trim still counts it as live,
 * and the next look finds the heap as it was, until the holder's next slow call.
 *
 * Each MUTATION_... leaves out or changes one step, and must be found out. */

#ifndef LIMIT
#define LIMIT 2
#endif
#ifndef RESERVED
#define RESERVED 2
#endif
#ifndef CALLS
#define CALLS 3
#endif
#ifndef OTHER_CALLS
#define OTHER_CALLS CALLS
#endif

/* fe_account_state_t */
#define OPEN 0
#define TRIMMED 1
#define TIGHT 2

/* fe_remote_state_t, fe_shard_state_t */
#define LISTED 0
#define ASLEEP 1
#define WAKING 2
#define NONE 0
#define CURRENT 1
#define FULL 2
#define WAITING 3

/* What all threads see: the budget above, of each heap its gate, its inbox (whether its shard is in
 * it), the word of its shard, and what the quick ways touch. */
short charged;
byte limit = LIMIT;
bool roll; /* the lock */
bool is_shut[2];
bool is_held[2] = true;
bool inbox[2];
byte remote_count[2];
byte remote_state[2];
byte used[2];
byte free_count[2]; /* blocks on `free` */

/* Of who is inside. */
byte account[2];
short lease[2];
byte shard_state[2]; /* NONE: there is no shard */
byte capacity[2];    /* all that is carved: held_bytes as well */
byte kept[2];
bool has_rested[2];

/* Blocks that the third thread is to free. */
bool hand[2];

/* For the checks only. */
byte live[2];
byte leaving; /* frees that have not returned: what they free need not be to be had yet */
byte ended_count;

/* An allocation of this heap is under way on the slow way, and what it takes is not live yet:
 * whoever is refused meanwhile may have come after it. */
bool is_taking[2];

/* A quick free into a shard that waits is under way; a visitor has trimmed the heap meanwhile, and
 * the holder made no slow call since. */
bool is_freeing[2];
bool is_overlooked[2];

#define CHECK(heap)                         \
  assert(live[0] + live[1] <= LIMIT);       \
  assert(live[heap] <= lease[heap]);        \
  assert(charged == lease[0] + lease[1])

/* LOWERS: also in a heap that was handed over and not gone through since. Whoever looked at it
 * before that does not look again when he finds that the limit is lower by now. */
#ifdef LOWERS
#define IS_IN_REACH(heap) (shard_state[heap] == CURRENT && account[heap] != TIGHT)
#else
#define IS_IN_REACH(heap) (is_held[heap] && shard_state[heap] == CURRENT && account[heap] != TIGHT)
#endif
#define REST(heap) ((IS_IN_REACH(heap) -> free_count[heap] : 0) + OVERLOOKED(heap))

/* STRICT: without the block of a quick free that was under way. Not what is promised. */
#ifdef STRICT
#define OVERLOOKED(heap) 0
#else
#define OVERLOOKED(heap) is_overlooked[heap]
#endif

/* Whether an allocation that goes on may be refused: since it began, there was a moment without
 * room. Called with whatever makes more live, or more free in current shards. The last one: whether
 * there was a moment without the room that a lowered limit leaves. */
bool may_refuse[2];
bool may_exceed;
#define TAKING(heap) is_taking[heap]
#define NOTE(count)                                                 \
  may_refuse[0] = may_refuse[0] || (count) + TAKING(1) + 1 > limit; \
  may_refuse[1] = may_refuse[1] || (count) + TAKING(0) + 1 > limit; \
  may_exceed = may_exceed || (count) + TAKING(0) + TAKING(1) > limit
#define NOTE_ROOM NOTE(live[0] + live[1] + leaving + REST(0) + REST(1))

/* A heap that its holder opens counts with all that it leases, at that moment. */
#define NOTE_OPENED(heap) \
  NOTE(live[0] + live[1] - live[heap] + leaving + REST(1 - heap) + lease[heap])

inline fe_gate_enter(heap) { atomic { !is_shut[heap] -> is_shut[heap] = true } }
inline fe_gate_leave(heap) { is_shut[heap] = false }

/* -- Charging: budget.pml has it in steps -- */

/* got: whether there was room. */
inline lease_more(heap, bytes) {
  if
  :: charged + (bytes) <= limit ->
     charged = charged + (bytes);
     lease[heap] = lease[heap] + (bytes);
     got = true
  :: else -> got = false
  fi
}

inline shrink_lease(heap, bytes) {
  if
  :: lease[heap] > (bytes) ->
     charged = charged - (lease[heap] - (bytes));
     lease[heap] = (bytes);
     CHECK(heap)
  :: else
  fi
}

inline fe_heap_refund(heap, count) {
  if
  :: account[heap] == TIGHT && count > 0 -> shrink_lease(heap, lease[heap] - count)
  :: else
  fi
}

/* -- Taking in -- */

/* The word's blocks are taken. */
inline fe_heap_take_in(heap) {
  if
  :: account[heap] == TIGHT -> kept[heap] = kept[heap] + number
  :: else -> free_count[heap] = free_count[heap] + number
  fi;
  used[heap] = used[heap] - number;
  fe_heap_refund(heap, number);
  number = 0;
  NOTE_ROOM
}

inline fe_remote_take(heap) { number = remote_count[heap]; remote_count[heap] = 0 }

inline fe_heap_take_remote(heap) {
  atomic { fe_remote_take(heap) };
  atomic { fe_heap_take_in(heap) }
}

inline fe_remote_list(heap) {
  if
  :: remote_state[heap] == ASLEEP -> remote_state[heap] = LISTED
  :: else
  fi
}

/* The shard becomes the current one, if there is no other. */
inline fe_heap_unshelve_shard(heap) {
#ifdef WAITS
  if
  :: shard_state[heap] = CURRENT
  :: shard_state[heap] = WAITING
  fi;
#else
  shard_state[heap] = CURRENT;
#endif
  if
  :: account[heap] != TIGHT -> fe_remote_list(heap)
  :: else
  fi;
  NOTE_ROOM
}

/* Nothing is in it; not while a message is on its way. */
inline fe_heap_give_up_shard(heap) {
  if
  :: remote_state[heap] == WAKING
  :: else ->
     assert(used[heap] == 0 && remote_count[heap] == 0);
     assert(free_count[heap] + kept[heap] == capacity[heap]);
     capacity[heap] = 0;
     free_count[heap] = 0;
     kept[heap] = 0;
     shard_state[heap] = NONE;
     remote_state[heap] = ASLEEP;
     shrink_lease(heap, 0) /* fe_account_after_give_up */
  fi
}

inline give_up_if_empty(heap) {
  if
  :: shard_state[heap] == WAITING && used[heap] == 0 -> fe_heap_give_up_shard(heap)
  :: else
  fi
}

inline fe_heap_wake_shard(heap) {
  atomic {
    assert(remote_state[heap] == WAKING && shard_state[heap] != NONE);
    remote_state[heap] = (account[heap] == TIGHT -> ASLEEP : LISTED);
    fe_remote_take(heap)
  };
  atomic { fe_heap_take_in(heap) };
  atomic {
    if
    :: shard_state[heap] == FULL && free_count[heap] + kept[heap] == 0 && remote_count[heap] == 0 ->
       remote_state[heap] = ASLEEP /* fe_remote_sleep */
    :: shard_state[heap] == FULL && free_count[heap] + kept[heap] + remote_count[heap] > 0 ->
       fe_heap_unshelve_shard(heap)
    :: shard_state[heap] != FULL
    fi;
    give_up_if_empty(heap)
  }
}

inline fe_heap_drain(heap) {
  atomic {
    if
    :: inbox[heap] -> inbox[heap] = false; got = true
    :: else -> got = false
    fi
  };
  if
  :: got -> fe_heap_wake_shard(heap)
  :: else
  fi
}

/* -- account.c --------------------------------------------------------------------------------- */

/* A full shard that is none any more, of which nobody tells: it was dozing. */
inline wake_full(heap) {
  if
  :: shard_state[heap] == FULL && remote_state[heap] != WAKING ->
     atomic {
       fe_remote_take(heap);
       got = number > 0
     };
     atomic {
       if
       :: got -> fe_heap_take_in(heap); fe_heap_unshelve_shard(heap)
       :: else
       fi
     }
  :: else
  fi
}

/* What others freed is taken in, and the shard put to sleep. */
inline close_shard(heap) {
  do
  :: fe_heap_take_remote(heap);
     atomic {
       if
       :: remote_count[heap] == 0 ->
          if
          :: remote_state[heap] == LISTED -> remote_state[heap] = ASLEEP
          :: else
          fi;
          break
       :: else
       fi
     }
  od;
#ifndef MUTATION_QUICK_WAYS_STAY_OPEN
  atomic { kept[heap] = kept[heap] + free_count[heap]; free_count[heap] = 0; give_up_if_empty(heap) }
#endif
}

/* A full shard whose message is on its way. */
inline close_full(heap) {
  fe_heap_take_remote(heap);
#ifndef MUTATION_FULL_SHARDS_STAY_OPEN
  atomic { kept[heap] = kept[heap] + free_count[heap]; free_count[heap] = 0 }
#endif
}

inline fe_account_tighten(heap) {
  if
  :: account[heap] == TIGHT
  :: else ->
     fe_heap_drain(heap);
     wake_full(heap);
     if
     :: shard_state[heap] == CURRENT || shard_state[heap] == WAITING -> close_shard(heap)
#ifndef MUTATION_FULL_SHARDS_ARE_NOT_TAKEN_IN
     :: shard_state[heap] == FULL -> close_full(heap)
#endif
     :: else
     fi;
     atomic {
       account[heap] = TIGHT;
       is_overlooked[heap] = false;
       shrink_lease(heap, used[heap])
     }
  fi
}

inline open(heap) {
  account[heap] = OPEN;
  free_count[heap] = free_count[heap] + kept[heap];
  kept[heap] = 0;
  if
  :: shard_state[heap] == CURRENT || shard_state[heap] == WAITING -> fe_remote_list(heap); NOTE_ROOM
  :: shard_state[heap] == FULL && free_count[heap] > 0 -> fe_heap_unshelve_shard(heap) /* open_full */
  :: else
  fi
}

/* The state is OPEN by now. */
inline end_trim(heap) {
#ifndef MUTATION_FULL_SHARDS_ARE_NOT_WOKEN
  wake_full(heap);
#endif
  atomic {
    if
    :: shard_state[heap] == CURRENT || shard_state[heap] == WAITING -> fe_remote_list(heap)
    :: else
    fi
  }
}

/* Of a trimmed account. */
inline fe_heap_end_trim(heap) {
  if
  :: account[heap] == TRIMMED ->
     atomic {
#ifdef MUTATION_TRIMMED_OPENS_UNCHARGED
       got = true;
#else
       if
       :: capacity[heap] <= lease[heap] -> got = true
       :: else -> lease_more(heap, capacity[heap] - lease[heap])
       fi;
#endif
       if
       :: got -> account[heap] = OPEN; is_overlooked[heap] = false; NOTE_OPENED(heap)
       :: else
       fi
     };
     if
     :: got -> end_trim(heap)
     :: else -> fe_account_tighten(heap)
     fi
  :: else
  fi
}

/* Whether opening is tried now is left open. */
inline fe_account_settle(heap) {
  if
  :: account[heap] == TIGHT ->
     if
     :: true
     :: atomic {
          lease_more(heap, capacity[heap] + 1 - lease[heap]);
          if
          :: got -> open(heap); NOTE_OPENED(heap)
          :: else
          fi
        }
     fi
  :: else -> fe_heap_end_trim(heap)
  fi
}

/* got: whether so many blocks more can be carved. */
inline fe_heap_may_carve(heap, count) {
  atomic {
    if
    :: account[heap] == TIGHT -> got = false
    :: account[heap] != TIGHT && capacity[heap] + count <= lease[heap] -> got = true
    :: else -> lease_more(heap, count)
    fi
  }
}

/* got: whether one block may be handed out. */
inline fe_heap_may_hand_out(heap) {
  fe_heap_may_carve(heap, 1);
  if
  :: got
  :: else ->
     fe_account_tighten(heap);
     atomic {
       lease_more(heap, 1);
       is_refused = !got
     }
  fi
}

/* What is live, or can be without a slow call. Those who free from now on say so. */
inline fe_account_trim(heap) {
  if
  :: account[heap] == TIGHT
  :: account[heap] != TIGHT && shard_state[heap] == NONE ->
     atomic { account[heap] = TRIMMED; shrink_lease(heap, 0) }
  :: else ->
     atomic { account[heap] = TRIMMED; is_overlooked[heap] = is_freeing[heap] };
#ifndef MUTATION_TRIMMED_SHARDS_STAY_LISTED
     atomic { /* reachable_bytes: fe_remote_unlist */
       if
       :: remote_state[heap] == LISTED -> remote_state[heap] = ASLEEP
       :: else
       fi
     };
#endif
     number = remote_count[heap];
     atomic {
#ifdef MUTATION_TRIMMED_TO_WHAT_IS_USED
       number = used[heap] - number;
#else
       number = (shard_state[heap] == CURRENT -> capacity[heap] : used[heap]) - number;
#endif
       shrink_lease(heap, number);
       number = 0
     }
  fi
}

/* -- reclaim.c --------------------------------------------------------------------------------- */

/* remote_free.pml has it in steps. */
inline give_up_if_all(heap) {
  atomic {
    if
    :: (shard_state[heap] == FULL || shard_state[heap] == WAITING) && remote_state[heap] != WAKING &&
       remote_count[heap] > 0 && remote_count[heap] == used[heap] ->
       fe_remote_take(heap);
       fe_heap_take_in(heap);
       fe_heap_give_up_shard(heap)
    :: else
    fi
  }
}

inline look_through_inbox(heap) {
  atomic {
    if
    :: inbox[heap] -> inbox[heap] = false; got = true
    :: else -> got = false
    fi
  };
  if
  :: got ->
     atomic { assert(remote_state[heap] == WAKING); remote_state[heap] = ASLEEP }; /* fe_remote_doze */
     give_up_if_all(heap)
  :: else
  fi
}

inline reclaim_of_holder(heap) {
  if
  :: account[heap] == TIGHT -> fe_heap_drain(heap)
  :: else ->
     look_through_inbox(heap);
     fe_account_trim(heap);
     if
     :: shard_state[heap] == WAITING -> give_up_if_all(heap) /* look_through_queue */
     :: else
     fi
  fi
}

/* Settled. with_current: also the current shard. */
inline collect(heap, with_current) {
  fe_heap_drain(heap);
  if
  :: shard_state[heap] == CURRENT || shard_state[heap] == WAITING ->
     fe_heap_take_remote(heap);
     atomic {
       if
       :: used[heap] == 0 && (with_current || shard_state[heap] == WAITING) -> fe_heap_give_up_shard(heap)
       :: else
       fi
     }
  :: else
  fi
}

/* What is taken in meanwhile may be the last that lived there. */
inline put_to_sleep(heap) {
  do
  :: atomic {
       if
       :: shard_state[heap] != CURRENT && shard_state[heap] != WAITING -> break
       :: (shard_state[heap] == CURRENT || shard_state[heap] == WAITING) && remote_count[heap] == 0 ->
          if
          :: remote_state[heap] == LISTED -> remote_state[heap] = ASLEEP /* fe_remote_sleep */
          :: else
          fi;
          if
          :: used[heap] == 0 -> fe_heap_give_up_shard(heap)
          :: else
          fi;
          break
       :: else
       fi
     };
     fe_heap_take_remote(heap)
  od
}

/* It is tightened first: what is taken in then may be the last block of the current shard. */
inline reclaim_of_nobody(heap) {
#if defined(MUTATION_NOBODYS_HEAP_STAYS_OPEN) || defined(MUTATION_TIGHTENED_AFTER_COLLECTING)
  fe_heap_end_trim(heap); /* fe_heap_settle: what is tight stays so */
#else
  fe_account_tighten(heap);
#endif
  collect(heap, true);
  put_to_sleep(heap);
#ifdef MUTATION_TIGHTENED_AFTER_COLLECTING
  fe_account_tighten(heap);
#endif
  has_rested[heap] = true
}

/* What a look inside would find as the last one left it. */
#define IS_AT_REST(heap) \
  (is_held[heap] -> account[heap] != OPEN : has_rested[heap] && account[heap] == TIGHT)

/* has_given is set if there was anything; nobody else changes the lease meanwhile. */
inline fe_heap_reclaim(heap) {
  got = !inbox[heap]; /* is_as_it_was */
#ifdef MUTATION_WHO_IS_INSIDE_IS_OVERLOOKED
  got = got && IS_AT_REST(heap);
#else
#ifdef MUTATION_OPEN_HEAPS_ARE_SKIPPED
  got = got && !is_shut[heap] && (is_held[heap] || has_rested[heap]);
#else
  got = got && !is_shut[heap] && IS_AT_REST(heap);
#endif
#endif
  if
  :: got
  :: else ->
     fe_gate_enter(heap);
     atomic { lease_before = lease[heap]; has_shard = shard_state[heap] != NONE };
     if
     :: is_held[heap] -> reclaim_of_holder(heap)
     :: else -> reclaim_of_nobody(heap)
     fi;
     atomic {
       has_given = has_given || lease[heap] < lease_before || (has_shard && shard_state[heap] == NONE);
       lease_before = 0;
       has_shard = false;
       got = false;
       is_shut[heap] = false /* fe_gate_leave */
     }
  fi
}

/* has_given: whether there is room, as far as can be seen. */
inline fe_heap_make_room_in_budget(heap) {
  has_given = charged + 1 <= limit;
  if
  :: has_given
  :: else ->
     atomic { !roll -> roll = true };
     fe_heap_reclaim(other);
     roll = false;
     has_given = has_given || charged + 1 <= limit
  fi
}

/* -- A holder's calls -------------------------------------------------------------------------- */

/* A block that was on `free` is handed out. */
inline pop(heap) {
  atomic {
    assert(free_count[heap] > 0);
    free_count[heap]--;
    is_taking[heap] = false;
    live[heap]++;
    mine++;
    CHECK(heap);
    NOTE_ROOM
  };
  used[heap]++
}

inline alloc_once(heap) {
  fe_gate_enter(heap);
  is_refused = false;
  fe_account_settle(heap);
  fe_heap_drain(heap);
  do /* refill_current */
  :: shard_state[heap] == NONE -> /* add_shard */
     fe_heap_may_hand_out(heap);
     if
     :: got ->
        atomic {
          fe_heap_refund(heap, 1);
          shard_state[heap] = CURRENT;
          remote_state[heap] = (account[heap] == TIGHT -> ASLEEP : LISTED)
        }
     :: else -> break
     fi
  :: atomic { shard_state[heap] == WAITING -> shard_state[heap] = CURRENT; NOTE_ROOM } /* the one before it is full */
  :: shard_state[heap] == FULL -> got = false; break /* there is no memory for another one */
  :: shard_state[heap] == CURRENT && free_count[heap] > 0 -> got = true; break
  :: shard_state[heap] == CURRENT && free_count[heap] == 0 ->
     fe_heap_take_remote(heap);
     if
     :: free_count[heap] > 0 -> got = true; break
     :: else
     fi;
     if
     :: kept[heap] > 0 || capacity[heap] < RESERVED -> /* release_kept, or extend */
        atomic {
          is_kept = kept[heap] > 0;
          number = RESERVED - capacity[heap];
          got = false
        };
        if
        :: is_kept
        :: else -> fe_heap_may_carve(heap, number)
        fi;
        if
        :: got
        :: else -> fe_heap_may_hand_out(heap); number = 1
        fi;
        atomic {
          if
          :: got && is_kept -> kept[heap]--; free_count[heap]++
          :: got && !is_kept ->
             capacity[heap] = capacity[heap] + number;
             free_count[heap] = free_count[heap] + number
          :: else
          fi;
          NOTE_ROOM;
          number = 0;
          is_kept = false;
          break
        }
     :: else ->
        atomic { /* fe_remote_sleep, fe_heap_shelve_shard */
          if
          :: remote_count[heap] == 0 ->
             remote_state[heap] = (remote_state[heap] == WAKING -> WAKING : ASLEEP);
             shard_state[heap] = FULL
          :: else
          fi
        }
     fi
  od;
  if
  :: got ->
     pop(heap);
     assert(account[heap] != TIGHT || free_count[heap] == 0)
  :: else
  fi;
  fe_gate_leave(heap)
}

/* Refused: only if there was no room. After the last look at other heaps, too, it tries once more:
 * others may have freed something in the heap itself meanwhile. */
inline fe_heap_alloc_inside(heap) {
  atomic {
    may_refuse[heap] = false;
    has_given = true;
    is_taking[heap] = true;
    NOTE_ROOM
  };
  do
  :: alloc_once(heap);
     if
     :: !is_refused || !has_given -> break
     :: else -> /* alloc_after_failure */
        fe_heap_make_room_in_budget(heap);
#ifdef MUTATION_NO_TRY_AFTER_NOTHING
        if
        :: has_given
        :: else -> break
        fi
#endif
     fi
  od;
  assert(!is_refused || may_refuse[heap]);
  atomic {
    may_refuse[heap] = true;
    is_taking[heap] = false;
    is_refused = false;
    has_given = false;
    got = false
  }
}

inline allocate(heap) {
  if
  :: shard_state[heap] == CURRENT && free_count[heap] > 0 -> pop(heap)
  :: else -> fe_heap_alloc_inside(heap)
  fi
}

/* What is freed is the program's no more when it can be handed out again. */
inline fe_heap_free_slowly(heap) {
  fe_gate_enter(heap);
  fe_heap_end_trim(heap);
  atomic {
    mine--;
    live[heap]--;
    leaving++;
    if
    :: account[heap] == TIGHT -> kept[heap]++
    :: else -> free_count[heap]++
    fi
  };
  used[heap]--;
  atomic {
    fe_heap_refund(heap, 1);
    if
    :: shard_state[heap] == FULL -> fe_heap_unshelve_shard(heap)
    :: else
    fi;
    give_up_if_empty(heap)
  };
  atomic { got = false; is_shut[heap] = false; leaving-- } /* fe_gate_leave */
}

/* Into a current shard; or into one that waits and shows its owner, which the visitor may change in
 * the midst of it. */
#ifdef MUTATION_OWNERS_STAY_SHOWN
#define IS_SHOWN(heap) (account[heap] != TIGHT)
#else
#define IS_SHOWN(heap) (account[heap] == OPEN)
#endif

inline free_own(heap) {
  if
  :: shard_state[heap] == CURRENT && account[heap] != TIGHT ->
     atomic { mine--; live[heap]--; free_count[heap]++ };
     used[heap]--
  :: atomic { shard_state[heap] == WAITING && IS_SHOWN(heap) -> is_freeing[heap] = true };
     atomic { mine--; live[heap]--; leaving++; free_count[heap]++ };
     atomic { used[heap]--; is_freeing[heap] = false; leaving--; is_emptied = (used[heap] == 0) };
     if
     :: is_emptied -> /* fe_heap_shard_emptied */
        fe_gate_enter(heap);
        atomic { give_up_if_empty(heap); is_emptied = false };
        fe_heap_end_trim(heap);
        atomic { got = false; is_shut[heap] = false } /* fe_gate_leave */
     :: else
     fi
  :: !(shard_state[heap] == CURRENT && account[heap] != TIGHT) &&
     !(shard_state[heap] == WAITING && IS_SHOWN(heap)) -> fe_heap_free_slowly(heap)
  fi
}

proctype holder(byte heap) {
  byte mine, number, calls, other = 1 - heap;
  short lease_before;
  bool got, is_kept, is_refused, has_given, has_shard, is_emptied;
  calls = (heap == 0 -> CALLS : OTHER_CALLS);
  do
  :: calls > 0 -> calls--; allocate(heap)
  :: mine > 0 -> free_own(heap)
#ifndef NOBODY_SENDS
  :: mine > 0 && !hand[heap] -> atomic { mine--; hand[heap] = true }
#endif
  :: calls == 0 && mine == 0 -> break
  od;
  /* The thread's end (hand_on): fe_heap_rest, and the heap is anybody's. */
  fe_gate_enter(heap);
  fe_account_settle(heap);
  collect(heap, false);
  atomic { got = false; is_shut[heap] = false };
  atomic { !is_shut[heap] -> is_held[heap] = false; ended_count++ }
}

/* -- The third thread -------------------------------------------------------------------------- */

inline fe_remote_free(heap) {
  atomic {
    live[heap]--;
    leaving++;
    remote_count[heap]++;
    got = (remote_state[heap] == ASLEEP);
    if
    :: got -> remote_state[heap] = WAKING
    :: else
    fi
  };
  if
  :: got -> inbox[heap] = true
  :: else
  fi;
  atomic { got = false; leaving--; hand[heap] = false }
}

inline fe_heap_reclaim_all() {
  atomic { !roll -> roll = true };
  fe_heap_reclaim(0);
  fe_heap_reclaim(1);
  atomic { roll = false; has_given = false; got = false }
}

inline fe_heap_after_limit() {
  if
#ifdef MUTATION_LOWERED_LIMIT_VISITS_NOBODY
  :: true
#else
  :: charged > limit -> fe_heap_reclaim_all()
  :: else
#endif
  fi
}

proctype other_thread() {
  byte number;
  short lease_before;
  bool got, has_given, has_shard;
  do
  :: hand[0] -> fe_remote_free(0)
  :: hand[1] -> fe_remote_free(1)
#ifdef LOWERS
  :: limit == LIMIT ->
     atomic { limit--; may_exceed = false; NOTE_ROOM };
     fe_heap_after_limit();
     atomic { assert(charged <= limit || may_exceed); may_exceed = false }
#endif
#ifdef VISITS
  :: ended_count < 2 -> fe_heap_reclaim_all()
#endif
  :: ended_count == 2 && !hand[0] && !hand[1] -> break
  od;
  fe_heap_reclaim_all();
  assert(charged == 0 && live[0] + live[1] == 0);
  assert(shard_state[0] == NONE && shard_state[1] == NONE)
}

init {
  atomic {
    may_refuse[0] = true;
    may_refuse[1] = true;
    is_held[0] = true;
    is_held[1] = true;
    remote_state[0] = ASLEEP;
    remote_state[1] = ASLEEP;
    run holder(0);
    run holder(1);
    run other_thread()
  }
}
