/* A slab whose addresses are given back and come again (core/arena/absent.h), while others take and
 * give its units. RESERVED_FIRST: at first it is reserved, and not accessible.
 *
 * One slab of two units; TAKERS threads take a unit, and make the slab present if it is absent; one
 * unmaps it when it is unused; a stranger maps something of his own wherever there is nothing. Each
 * TURNS times. Inlines are named after the functions that they follow; each statement, or atomic
 * group, is one access to memory that another thread can see.
 *
 * Checked: nobody touches a unit whose memory is not ours, or is somebody else's too; what a stranger
 * has mapped stays, and is never said to be ours; the slab is lost to nobody: at the end it is there
 * and free, or it is absent, or still reserved.
 *
 * Each MUTATION_... leaves out or changes one step, and must be found out. */

#ifndef TAKERS
#define TAKERS 2
#endif
#ifndef TURNS
#define TURNS 2
#endif
#define ALL 3 /* FE_BITMAP_ALL */

/* What all threads see. */
mtype = {PRESENT, HELD, RESERVED, ABSENT};
#ifdef RESERVED_FIRST
byte free;
mtype presence = RESERVED;
bool is_owned, is_accessible;
#else
byte free = ALL;
mtype presence = PRESENT;
bool is_owned = true; /* the bit of core/arena/ownership.h */
bool is_accessible = true; /* the kernel's side, too */
#endif

/* What is at the slab's addresses: the kernel's side. */
mtype = {OURS, NOTHING, THEIRS};
mtype place = OURS;

/* For the checks only: who has each unit; 0: nobody. */
byte owner[2];
byte ended_count;

/* -- bitmap.h -- */

inline fe_bitmap_take(mask) {
  atomic {
    got = (free & mask) == mask;
    if
    :: got ->
       free = free & (ALL - mask);
       assert(!(mask & 1) || owner[0] == 0);
       assert(!(mask & 2) || owner[1] == 0);
       if
       :: mask & 1 -> owner[0] = _pid
       :: else
       fi;
       if
       :: mask & 2 -> owner[1] = _pid
       :: else
       fi
    :: else
    fi
  }
}

inline disown(mask) {
  if
  :: mask & 1 -> owner[0] = 0
  :: else
  fi;
  if
  :: mask & 2 -> owner[1] = 0
  :: else
  fi
}

inline fe_bitmap_give(mask) {
  atomic {
    assert((free & mask) == 0);
    free = free | mask;
    disown(mask)
  }
}

/* -- absent.c -- */

inline clear_ownership() {
  is_owned = false
}

/* The base's. What a stranger has mapped is not touched. */
inline unmap() {
  atomic {
    assert(place == OURS);
    is_accessible = false;
    place = NOTHING
  }
}

inline map() {
  atomic {
#ifdef MUTATION_MAPS_OVER
    assert(place != THEIRS);
    place = OURS;
    is_there = true
#else
    is_there = place == NOTHING;
    if
    :: is_there -> place = OURS; is_accessible = true
    :: else
    fi
#endif
  }
}

/* The base's protect: there may be no memory. */
inline make_accessible() {
  atomic {
    assert(place == OURS && !is_accessible);
    if
    :: is_there = true; is_accessible = true
    :: is_there = false
    fi
  }
}

inline open_slab() {
  if
  :: before == RESERVED -> make_accessible()
  :: else -> map()
  fi
}

/* got: whether the slab was `before`, and the caller has it now. */
inline hold() {
#ifdef MUTATION_HELD_BY_A_STORE
  got = presence == before;
  if
  :: got -> atomic { presence = HELD; owner[0] = _pid; owner[1] = _pid }
  :: else
  fi
#else
  atomic {
    got = presence == before;
    if
    :: got -> presence = HELD; owner[0] = _pid; owner[1] = _pid
    :: else
    fi
  }
#endif
}

inline unmap_reserved() {
  before = RESERVED;
  hold();
  if
  :: got ->
     if
     :: unmap(); atomic { disown(ALL); presence = ABSENT }
     :: true -> atomic { disown(ALL); presence = RESERVED } /* the base refuses */
     fi
  :: else
  fi
}

inline unmap_slab() {
  presence = HELD;
#ifdef MUTATION_DISOWNED_AFTER_UNMAPPING
  unmap();
  clear_ownership();
#else
  clear_ownership();
#ifdef MUTATION_ABSENT_BEFORE_UNMAPPING
  presence = ABSENT;
#endif
  unmap();
#endif
  atomic { disown(ALL); presence = ABSENT }
}

inline unmap_if_unused() {
  if
  :: presence == RESERVED -> unmap_reserved()
  :: presence != RESERVED && free == ALL ->
#ifdef MUTATION_UNMAPS_WITHOUT_TAKING
     got = true;
#else
     fe_bitmap_take(ALL);
#endif
     if
     :: got ->
        if
        :: unmap_slab()
        :: true -> fe_bitmap_give(ALL) /* the base refuses; what was changed is put back */
        fi
     :: else
     fi
  :: else
  fi
}

inline restore_slab() {
  before = presence;
  if
  :: before == RESERVED || before == ABSENT -> hold()
  :: else -> got = false
  fi;
  if
  :: got ->
#ifdef MUTATION_GIVEN_BEFORE_MAPPED
     presence = PRESENT;
     fe_bitmap_give(ALL);
     open_slab();
     is_owned = true
#else
     open_slab();
     if
     :: is_there ->
        is_owned = true;
        presence = PRESENT;
        fe_bitmap_give(ALL)
     :: else -> atomic { disown(ALL); presence = before }
     fi
#endif
  :: else
  fi
}

/* -- Threads -- */

inline end_of_thread() {
  atomic {
    ended_count++;
    if
    :: ended_count == TAKERS + 2 ->
       assert((presence == PRESENT && free == ALL && place == OURS && is_owned) ||
              (presence == RESERVED && free == 0 && place == OURS && !is_owned) ||
              (presence == ABSENT && free == 0 && place != OURS && !is_owned))
    :: else
    fi
  }
}

inline touch() {
  assert(place == OURS && is_accessible && is_owned && owner[unit] == _pid)
}

proctype taker(byte unit) {
  byte turns;
  byte mask = unit + 1;
  bool got, is_there;
  mtype before;
  do
  :: turns < TURNS ->
     fe_bitmap_take(mask);
     if
     :: got -> touch(); touch(); fe_bitmap_give(mask)
     :: else -> restore_slab()
     fi;
     atomic { got = false; is_there = false; before = 0; turns++ }
  :: else -> break
  od;
  end_of_thread()
}

proctype unmapper() {
  byte turns;
  bool got;
  mtype before;
  do
  :: turns < TURNS -> unmap_if_unused(); atomic { got = false; before = 0; turns++ }
  :: else -> break
  od;
  end_of_thread()
}

proctype stranger() {
  byte turns;
  do
  :: turns < TURNS ->
     if
     :: atomic { place == NOTHING -> place = THEIRS };
        assert(place == THEIRS && !is_owned);
        assert(place == THEIRS && !is_owned);
        atomic { place = NOTHING; turns++ }
     :: turns++
     fi
  :: else -> break
  od;
  end_of_thread()
}

init {
  atomic {
    run taker(0);
    if
    :: TAKERS > 1 -> run taker(1)
    :: else
    fi;
    if
    :: TAKERS > 2 -> run taker(1)
    :: else
    fi;
    run unmapper();
    run stranger()
  }
}
