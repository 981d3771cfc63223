/* When somebody is told that there are no units (core/arena/passing.h): takers of single units and of
 * rows, a purge, a base that refuses, and chunks that are added, side by side.
 *
 * SLABS words of one unit each, and CHUNKS more that the base has. UNIT_TAKERS threads take a unit,
 * ROW_TAKERS two side by side; PURGERS purge; each TURNS times. Inlines are named after the
 * functions that they follow; each statement, or atomic group, is one access to memory that another
 * thread can see.
 *
 * Checked: who is refused saw the base refuse, or there was a moment during his call at which every
 * unit (for a row: one of each two) was in the hands of somebody who had taken it to keep and not
 * come back from giving it back.
 *
 * The counts of passing.h grow for ever. Here each thread has what comparing them tells it: whether
 * one that it read has changed since, or was behind the other.
 *
 * Each MUTATION_... leaves out or changes one step, and must be found out. */

#ifndef UNIT_TAKERS
#define UNIT_TAKERS 2
#endif
#ifndef ROW_TAKERS
#define ROW_TAKERS 0
#endif
#ifndef PURGERS
#define PURGERS 0
#endif
#ifndef CHUNKS
#define CHUNKS 0
#endif
#ifndef TURNS
#define TURNS 1
#endif
#ifndef SLABS
#define SLABS 2
#endif
#define UNITS (SLABS + CHUNKS)
#define THREADS (UNIT_TAKERS + ROW_TAKERS + PURGERS)

/* What all threads see. */
bool free[UNITS];
byte unit_count = SLABS; /* that are in the list of arenas */
byte chunks_left = CHUNKS;
byte passing_count; /* begun less ended */

/* For each thread: whether somebody else had units in passing since it read `ended`, and whether
 * units were given back since it read how many were. */
bool has_passed[THREADS];
bool was_given[THREADS];

/* For the checks only: how many have a unit in their hands, and for each thread, whether there was a
 * moment without any, or without a row, during its call. */
byte hands[UNITS];
bool saw_no_unit[THREADS];
bool saw_no_row[THREADS];

/* -- For the checks -- */

#define NONE_LEFT(unit) (hands[unit] > 0)
#if UNITS == 2
#define NO_UNIT (NONE_LEFT(0) && NONE_LEFT(1))
#define NO_ROW (NONE_LEFT(0) || NONE_LEFT(1))
#else
#define NO_UNIT (NONE_LEFT(0) && NONE_LEFT(1) && NONE_LEFT(2))
#define NO_ROW ((NONE_LEFT(0) || NONE_LEFT(1)) && (NONE_LEFT(1) || NONE_LEFT(2)))
#endif

/* In the same step as what changed it. */
inline note_hands() {
  other = 0;
  do
  :: other < THREADS ->
     saw_no_unit[other] = saw_no_unit[other] || NO_UNIT;
     saw_no_row[other] = saw_no_row[other] || NO_ROW;
     other++
  :: else -> break
  od;
  other = 0
}

inline begin_call() {
  d_step {
    saw_no_unit[me] = NO_UNIT;
    saw_no_row[me] = NO_ROW;
    was_refused = false
  }
}

/* -- passing.h and passing.c -- */

inline begin_passing() {
  d_step {
    passing_count++;
    other = 0;
    do
    :: other < THREADS -> has_passed[other] = has_passed[other] || other != me; other++
    :: else -> break
    od;
    other = 0
  }
}

inline fe_passing_begin() {
#if !defined(MUTATION_BEGUN_AFTER_TAKING) && !defined(MUTATION_NO_PASSING)
  begin_passing()
#else
  skip
#endif
}

/* Where a mutation begins late. */
inline begin_late() {
#ifdef MUTATION_BEGUN_AFTER_TAKING
  begin_passing()
#else
  skip
#endif
}

inline fe_passing_end() {
#ifndef MUTATION_NO_PASSING
  passing_count--
#else
  skip
#endif
}

inline fe_look_at() {
  has_passed[me] = passing_count > 0;
  was_given[me] = false
}

/* again: whether to. */
inline fe_look_again() {
#ifdef MUTATION_GIVES_DO_NOT_COUNT
  again = false;
#else
  again = was_given[me];
#endif
#ifdef MUTATION_ONLY_WHO_IS_PASSING_NOW
  again = again || passing_count > 0
#else
  again = again || has_passed[me]
#endif
}

/* -- bitmap.h -- */

inline fe_bitmap_take(unit, is_kept) {
  atomic {
    got = free[unit];
    if
    :: got ->
       free[unit] = false;
       if
       :: is_kept -> hands[unit]++; note_hands()
       :: else
       fi
    :: else
    fi
  }
}

inline fe_bitmap_give(unit) { free[unit] = true }

/* -- arena.c and arenas.c -- */

inline fe_arenas_count_give(unit) {
  d_step {
    other = 0;
    do
    :: other < THREADS -> was_given[other] = true; other++
    :: else -> break
    od;
    other = 0
  }
}

inline let_go(unit) { d_step { hands[unit]--; note_hands() } }

inline fe_arenas_give(unit) {
#ifdef MUTATION_COUNTED_BEFORE_GIVEN
  fe_arenas_count_give(unit);
  fe_bitmap_give(unit);
#else
  fe_bitmap_give(unit);
  fe_arenas_count_give(unit);
#endif
  let_go(unit)
}

/* One unit, wherever there is one. */
#ifdef COMMITS
inline take_units_at() {
  fe_passing_begin();
  fe_bitmap_take(slab, false);
  begin_late();
  if
  :: got ->
     if
     :: true -> d_step { hands[slab]++; note_hands() }
     :: true ->
        was_refused = true;
        got = false;
#ifdef MUTATION_ENDED_BEFORE_GIVEN
        fe_passing_end();
        fe_bitmap_give(slab)
#else
        fe_bitmap_give(slab);
        fe_passing_end()
#endif
     fi
  :: else
  fi;
  if
  :: got || !was_refused -> fe_passing_end()
  :: else
  fi
}
#else
inline take_units_at() { fe_bitmap_take(slab, true) }
#endif

inline take_anywhere() {
  slab = 0;
  got = false;
  do
  :: slab == unit_count || got || was_refused -> break
  :: slab < unit_count && !got && !was_refused ->
     if
     :: free[slab] -> take_units_at()
     :: else
     fi;
     if
     :: !got && !was_refused -> slab++
     :: else
     fi
  od
}

/* got: whether there is one more. */
inline fe_arenas_add_chunk() {
#ifndef MUTATION_CHUNKS_ARE_NOT_PASSING
  fe_passing_begin();
#endif
  atomic {
    got = chunks_left > 0;
    if
    :: got -> chunks_left--
    :: else
    fi
  };
  if
  :: got -> d_step { free[unit_count] = true; unit_count++ }
  :: else
  fi;
#ifndef MUTATION_CHUNKS_ARE_NOT_PASSING
  fe_passing_end()
#else
  skip
#endif
}

inline take_run_in_slab() {
  take_anywhere();
  do
  :: got || was_refused || CHUNKS == 0 -> break
  :: !got && !was_refused && CHUNKS > 0 ->
     fe_arenas_add_chunk();
     if
     :: got -> take_anywhere()
     :: else -> take_anywhere(); break
     fi
  od
}

inline give_first_of_row() {
#ifdef MUTATION_ENDED_BEFORE_GIVEN
  fe_passing_end();
  fe_bitmap_give(first)
#else
  fe_bitmap_give(first);
  fe_passing_end()
#endif
}

/* Slabs `first` and the next, or none. `slab`: the one that was not free. */
inline take_row() {
  fe_passing_begin();
  fe_bitmap_take(first, false);
  begin_late();
  if
  :: got ->
     atomic {
       got = free[first + 1];
       if
       :: got -> free[first + 1] = false; hands[first]++; hands[first + 1]++; note_hands()
       :: else -> slab = first + 1
       fi
     };
     if
     :: got -> fe_passing_end()
     :: else -> give_first_of_row()
     fi
  :: else ->
     fe_passing_end();
#ifndef MUTATION_ROWS_BEHIND_ARE_SKIPPED
     slab = first
#endif
  fi
}

/* got: whether there was a row; it begins at first. */
inline take_slabs_in_arena() {
  first = 0;
  slab = 0;
  got = false;
  do
  :: slab == SLABS || got -> break
  :: slab < SLABS && !got ->
     if
     :: !free[slab] -> first = slab + 1
     :: else ->
        if
        :: slab + 1 - first < 2
        :: else ->
           take_row();
           if
           :: !got -> first = slab + 1
           :: else
           fi
        fi
     fi;
     if
     :: !got -> slab++
     :: else
     fi
  od
}

/* -- purge.c -- */

inline purge_run(unit) {
  fe_passing_begin();
  fe_bitmap_take(unit, false);
  begin_late();
#ifdef MUTATION_ENDED_BEFORE_GIVEN
  fe_passing_end();
  if
  :: got -> fe_bitmap_give(unit)
  :: else
  fi
#else
  if
  :: got -> fe_bitmap_give(unit)
  :: else
  fi;
  fe_passing_end()
#endif
}

/* -- Threads -- */

proctype unit_taker(byte me) {
  byte slab, turns, other;
  bool got, again, was_refused;
  do
  :: turns < TURNS ->
     begin_call();
     do
     :: fe_look_at();
        take_run_in_slab();
        if
        :: got -> break
        :: else
        fi;
        fe_look_again();
        if
        :: was_refused || !again -> break
        :: else
        fi
     od;
     assert(got || was_refused || saw_no_unit[me]);
     if
     :: got -> fe_arenas_give(slab)
     :: else
     fi;
     atomic { slab = 0; got = false; again = false; was_refused = false; turns++ }
  :: else -> break
  od
}

proctype row_taker(byte me) {
  byte slab, first, turns, other;
  bool got, again, was_refused;
  do
  :: turns < TURNS ->
     begin_call();
     do
     :: fe_look_at();
        take_slabs_in_arena();
        if
        :: got -> break
        :: else
        fi;
        fe_look_again();
        if
        :: !again -> break
        :: else
        fi
     od;
     assert(got || saw_no_row[me]);
     if
     :: got ->
        fe_bitmap_give(first);
        fe_bitmap_give(first + 1);
        fe_arenas_count_give(first);
        let_go(first);
        let_go(first + 1)
     :: else
     fi;
     atomic { slab = 0; first = 0; got = false; again = false; turns++ }
  :: else -> break
  od
}

proctype purger(byte me) {
  byte turns, other;
  bool got;
  do
  :: turns < TURNS ->
     if
     :: purge_run(0)
     :: purge_run(1)
     fi;
     atomic { got = false; turns++ }
  :: else -> break
  od
}

init {
  byte i;
  atomic {
    do
    :: i < SLABS -> free[i] = true; i++
    :: else -> i = 0; break
    od;
    do
    :: i < UNIT_TAKERS -> run unit_taker(i); i++
    :: else -> break
    od;
    do
    :: i < UNIT_TAKERS + ROW_TAKERS -> run row_taker(i); i++
    :: else -> break
    od;
    do
    :: i < THREADS -> run purger(i); i++
    :: else -> break
    od
  }
}
