/* Where searches begin (core/arena/room.c): threads look for a unit in slabs, raise the word that
 * tells where to begin, and give units back.
 *
 * One arena of SLABS slabs with one unit each, and one kind of what is looked for. THREADS threads,
 * each TURNS times: look for a unit from the word on; take it, if there is one, and give it back.
 * Inlines are named after the functions that they follow; each statement, or atomic group, is one
 * access to memory that another thread can see, in an order that all see (sequentially consistent,
 * as the accesses that count are).
 *
 * Checked: when all are done, no free unit lies before the word. Each MUTATION_... leaves out or
 * changes one step, and must be found out. */

#ifndef SLABS
#define SLABS 3
#endif
#ifndef THREADS
#define THREADS 2
#endif
#ifndef TURNS
#define TURNS 2
#endif

bool is_free[SLABS];
byte room = 0;
byte ended = 0;

/* Compare-and-swap, as often as the word is seen behind the slab. */
inline fe_room_lower(slab) {
  seen = room;
  do
  :: seen <= slab -> break
  :: else ->
     atomic {
       if
       :: room == seen -> room = slab; seen = slab
       :: else -> seen = room
       fi
     }
  od
}

inline fe_room_raise(from, to) {
  if
  :: from == to -> skip
  :: else ->
     atomic {
       is_raised = (room == from);
       if
       :: is_raised -> room = to
       :: else -> skip
       fi
     }
#ifndef MUTATION_NO_SECOND_LOOK
     if
     :: is_raised ->
        again = from;
        do
        :: again == to -> break
        :: again < to && is_free[again] -> fe_room_lower(again); break
        :: else -> again++
        od
     :: else -> skip
     fi
#endif
  fi
}

inline give(slab) {
#ifdef MUTATION_LOWER_FIRST
  fe_room_lower(slab);
  is_free[slab] = true;
#else
  is_free[slab] = true;
#ifndef MUTATION_NOT_LOWERED
  fe_room_lower(slab)
#endif
#endif
}

proctype thread() {
  byte turn, from, slab, again, seen;
  bool is_taken, is_raised;
  for (turn : 1 .. TURNS) {
    from = room;
    slab = from;
    is_taken = false;
    do
    :: slab == SLABS || is_taken -> break
    :: else ->
       atomic {
         is_taken = is_free[slab];
         if
         :: is_taken -> is_free[slab] = false
         :: else -> slab++
         fi
       }
    od;
    fe_room_raise(from, slab);
    if
    :: is_taken -> give(slab)
    :: else -> skip
    fi
  }
  ended++
}

init {
  byte i;
  atomic {
    for (i : 0 .. SLABS - 1) { is_free[i] = true }
    for (i : 1 .. THREADS) { run thread() }
  }
  ended == THREADS;
  for (i : 0 .. SLABS - 1) { assert(!is_free[i] || i >= room) }
}
