/* The units of an arena (core/arena/bitmap.h, arena.c, purge.c): taken, given back and purged without
 * locks.
 *
 * SLABS words of UNITS bits. UNIT_TAKERS threads take single units, one thread takes a row (two whole
 * slabs, or with ACROSS the last unit of one and the first of the next), one purges; each of them TURNS times. Inlines are named after the functions that they
 * follow; each statement, or atomic group, is one access to memory that another thread can see.
 *
 * Checked: no unit has two owners, a purge included; none is lost, at the end all are free; a
 * unit that is said to be zero is zero; what a purge decommits is nobody else's.
 *
 * Each MUTATION_... leaves out or changes one step, and must be found out. */

#ifndef UNIT_TAKERS
#define UNIT_TAKERS 2
#endif
#ifndef TURNS
#define TURNS 2
#endif
#define SLABS 2
#define UNITS 2
#define ALL 3 /* FE_BITMAP_ALL */

/* The units of the row that lie in the first slab, and those in the next. */
#ifdef ACROSS
#define LAST 2
#define FIRST 1
#else
#define LAST ALL
#define FIRST ALL
#endif

/* What all threads see: a bit for each free unit, a bit for each that may not be zero. */
byte free[SLABS];
byte dirty[SLABS];

/* For the checks only: who owns a unit (0: nobody), and whether it holds something. */
#define UNIT(slab, bit) ((slab) * UNITS + (bit))
byte unit_owner[SLABS * UNITS];
bool holds_data[SLABS * UNITS];
byte ended_count;

/* With -DCOMMITS: a base that has to be told, and may refuse, before a unit is touched. Whether there
 * is memory behind a unit; for the checks only. */
#ifdef COMMITS
bool is_committed[SLABS * UNITS];
#define HAS_MEMORY(unit) is_committed[unit]
#define SET_MEMORY(unit, value) is_committed[unit] = value
#else
#define HAS_MEMORY(unit) true
#define SET_MEMORY(unit, value) skip
#endif

/* -- For the checks: ownership begins and ends together with the access that decides it -- */

inline own(slab, mask) {
  if
  :: mask & 1 -> assert(unit_owner[UNIT(slab, 0)] == 0); unit_owner[UNIT(slab, 0)] = _pid
  :: else
  fi;
  if
  :: mask & 2 -> assert(unit_owner[UNIT(slab, 1)] == 0); unit_owner[UNIT(slab, 1)] = _pid
  :: else
  fi
}

inline disown(slab, mask) {
  if
  :: mask & 1 -> assert(unit_owner[UNIT(slab, 0)] == _pid); unit_owner[UNIT(slab, 0)] = 0
  :: else
  fi;
  if
  :: mask & 2 -> assert(unit_owner[UNIT(slab, 1)] == _pid); unit_owner[UNIT(slab, 1)] = 0
  :: else
  fi
}

/* The owner fills its units with data, or (a purge) with zeros. */
inline fill(slab, mask, data) {
  d_step {
    if
    :: mask & 1 ->
       assert(unit_owner[UNIT(slab, 0)] == _pid && HAS_MEMORY(UNIT(slab, 0)));
       holds_data[UNIT(slab, 0)] = data;
       if
       :: !data -> SET_MEMORY(UNIT(slab, 0), false) /* decommitted */
       :: else
       fi
    :: else
    fi;
    if
    :: mask & 2 ->
       assert(unit_owner[UNIT(slab, 1)] == _pid && HAS_MEMORY(UNIT(slab, 1)));
       holds_data[UNIT(slab, 1)] = data;
       if
       :: !data -> SET_MEMORY(UNIT(slab, 1), false)
       :: else
       fi
    :: else
    fi
  }
}

#define HOLDS_DATA(slab, mask)                       \
  (((mask & 1) && holds_data[UNIT(slab, 0)]) ||      \
   ((mask & 2) && holds_data[UNIT(slab, 1)]))

/* -- bitmap.h --------------------------------------------------------------------------------- */

/* got: whether all bits of mask were set, and are the caller's now. */
inline fe_bitmap_take(slab, mask) {
  got = false;
  seen = free[slab];
  do
  :: (seen & mask) != mask -> break
  :: (seen & mask) == mask ->
     atomic {
       if
#ifdef MUTATION_TAKE_WITHOUT_COMPARISON
       :: true ->
#else
       :: free[slab] == seen ->
#endif
          free[slab] = seen & (ALL - mask);
          own(slab, mask);
          got = true;
          break
       :: else -> seen = free[slab]
       fi
     }
  od;
  seen = 0
}

inline fe_bitmap_give(slab, mask) {
#ifdef MUTATION_GIVE_BY_STORE
  seen = free[slab];
  atomic { free[slab] = seen | mask; disown(slab, mask); seen = 0 }
#else
  atomic { free[slab] = free[slab] | mask; disown(slab, mask) }
#endif
}

/* -- arena.c ------------------------------------------------------------------------------------ */

/* A unit that is not dirty is zero. */
inline mark_dirty(slab, mask) {
  assert((dirty[slab] & mask) || !HOLDS_DATA(slab, mask));
#ifndef MUTATION_TAKEN_UNITS_ARE_NOT_MARKED
  dirty[slab] = dirty[slab] | mask
#endif
}

#ifdef COMMITS
/* The base is told of each unit once, and never of one that has memory. */
inline commit(slab, units) {
  d_step {
    if
    :: units & 1 -> assert(!is_committed[UNIT(slab, 0)]); is_committed[UNIT(slab, 0)] = true
    :: else
    fi;
    if
    :: units & 2 -> assert(!is_committed[UNIT(slab, 1)]); is_committed[UNIT(slab, 1)] = true
    :: else
    fi
  }
}

/* got: whether there is memory behind the units; else they are given back. The base may refuse all
 * that is missing, or what comes after the first. */
inline mark_taken(slab, mask) {
  d_step { missing = mask & (ALL - dirty[slab]); mark_dirty(slab, mask) };
  if
  :: missing != 0 -> commit(slab, missing); missing = 0
  :: missing == ALL -> commit(slab, 1); missing = 2
  :: true
  fi;
  if
  :: missing == 0 -> got = true
  :: else ->
     got = false;
#ifdef MUTATION_GIVEN_BEFORE_UNMARKED
     fe_bitmap_give(slab, mask);
     d_step { dirty[slab] = dirty[slab] & (ALL - missing) }
#else
#ifndef MUTATION_REFUSED_UNITS_STAY_MARKED
     d_step { dirty[slab] = dirty[slab] & (ALL - missing) };
#endif
#ifndef MUTATION_REFUSED_UNITS_ARE_KEPT
     fe_bitmap_give(slab, mask)
#endif
#endif
  fi;
  missing = 0
}
#else
inline mark_taken(slab, mask) {
  d_step { mark_dirty(slab, mask) }
}
#endif

/* One unit of a slab; got: whether there was one. */
inline take_in_slab(slab) {
  do
  :: candidates = free[slab];
     if
     :: dirty_only -> candidates = candidates & dirty[slab]
     :: true
     fi;
     if
     :: candidates == 0 -> got = false; break
     :: candidates & 1 -> mask = 1
     :: !(candidates & 1) && candidates != 0 -> mask = 2
     fi;
     candidates = 0;
     fe_bitmap_take(slab, mask);
     if
     :: got -> mark_taken(slab, mask); break
     :: else
     fi
  od
}

/* A row: `last` units of the first slab and `first` ones of the next, or none. */
inline take_all_of(last, first) {
  fe_bitmap_take(0, last);
  if
  :: got ->
     fe_bitmap_take(1, first);
     if
     :: got
     :: else ->
#ifndef MUTATION_NO_WAY_BACK
        fe_bitmap_give(0, last)
#else
        skip
#endif
     fi
  :: else
  fi
}

/* The row is the caller's. got: whether there is memory behind all; else it is given back. */
inline mark_units_taken(last, first) {
  mark_taken(0, last);
  if
  :: got ->
     mark_taken(1, first);
     if
     :: got
     :: else ->
#ifndef MUTATION_MARKED_UNITS_ARE_KEPT
        fe_bitmap_give(0, last)
#else
        skip
#endif
     fi
  :: else ->
#ifndef MUTATION_UNMARKED_UNITS_ARE_KEPT
     fe_bitmap_give(1, first)
#else
     skip
#endif
  fi
}

/* -- purge.c ------------------------------------------------------------------------------------ */

inline purge_slab(slab) {
  units = free[slab];
  units = units & dirty[slab];
  if
  :: units == 0
  :: units != 0 ->
#ifdef MUTATION_PURGE_WITHOUT_TAKING
     got = true;
     atomic { if :: units & 1 -> holds_data[UNIT(slab, 0)] = false :: else fi;
              if :: units & 2 -> holds_data[UNIT(slab, 1)] = false :: else fi };
     dirty[slab] = dirty[slab] & (ALL - units)
#else
     fe_bitmap_take(slab, units);
     if
     :: got ->
        still_dirty = units & dirty[slab];
#ifdef MUTATION_PURGE_LOOKS_ONCE
        still_dirty = units;
#endif
        fill(slab, still_dirty, false);
#ifdef MUTATION_CLEAN_AFTER_GIVING
        fe_bitmap_give(slab, units);
        d_step { dirty[slab] = dirty[slab] & (ALL - still_dirty) }
#else
        d_step { dirty[slab] = dirty[slab] & (ALL - still_dirty) };
        fe_bitmap_give(slab, units)
#endif
     :: else
     fi
#endif
  fi;
  units = 0;
  still_dirty = 0
}

/* -- Threads ------------------------------------------------------------------------------------ */

inline end_of_thread() {
  atomic {
    turns = 0;
    ended_count++;
    if
    :: ended_count == UNIT_TAKERS + 2 -> assert(free[0] == ALL && free[1] == ALL)
    :: else
    fi
  }
}

/* Takes a unit anywhere, writes to it or not, and gives it back. What it wrote must still be there. */
proctype unit_taker() {
  byte seen, candidates, mask, slab, turns, missing;
  bool got, dirty_only, has_written;
  do
  :: turns < TURNS ->
     if
     :: dirty_only = true
     :: dirty_only = false
     fi;
     if
     :: slab = 0
     :: slab = 1
     fi;
     take_in_slab(slab);
     if
     :: got ->
        if
        :: fill(slab, mask, true); has_written = true
        :: true
        fi;
        assert(!has_written || HOLDS_DATA(slab, mask));
        fe_bitmap_give(slab, mask)
     :: else
     fi;
     atomic { mask = 0; slab = 0; got = false; has_written = false; dirty_only = false; turns++ }
  :: else -> break
  od;
  end_of_thread()
}

proctype row_taker() {
  byte seen, turns, missing;
  bool got;
  do
  :: turns < TURNS ->
     take_all_of(LAST, FIRST);
     if
     :: got -> mark_units_taken(LAST, FIRST)
     :: else
     fi;
     if
     :: got ->
        fill(0, LAST, true);
        fill(1, FIRST, true);
        assert(LAST != ALL || (HOLDS_DATA(0, 1) && HOLDS_DATA(1, 2)));
        assert(HOLDS_DATA(0, 2) && HOLDS_DATA(1, 1));
        fe_bitmap_give(0, LAST);
        fe_bitmap_give(1, FIRST)
     :: else
     fi;
     atomic { got = false; turns++ }
  :: else -> break
  od;
  end_of_thread()
}

proctype purger() {
  byte seen, units, still_dirty, turns;
  bool got;
  do
  :: turns < TURNS ->
     purge_slab(0);
     purge_slab(1);
     atomic { got = false; turns++ }
  :: else -> break
  od;
  end_of_thread()
}

/* Any unit may be dirty at first, from an earlier use. */
init {
  byte i;
  atomic {
    free[0] = ALL;
    free[1] = ALL;
    if
    :: dirty[0] = 1; holds_data[UNIT(0, 0)] = true
    :: dirty[0] = ALL; holds_data[UNIT(0, 1)] = true
    :: true
    fi;
#ifdef COMMITS
    do
    :: i < SLABS * UNITS -> is_committed[i] = (dirty[i / UNITS] >> (i % UNITS)) & 1; i++
    :: else -> i = 0; break
    od;
#endif
    run row_taker();
    run purger();
    do
    :: i < UNIT_TAKERS -> run unit_taker(); i++
    :: else -> break
    od
  }
}
