/* How many free units are dirty, about (core/arena/dirty.c): threads give units of one slab back and
 * take them, a purge makes them clean and notes to the unit what is left, and the thread that gives
 * memory back looks at the sum and falls asleep (background.c). Inlines are named after the
 * functions that they follow; each statement, or atomic group, is one access to memory that another
 * thread can see.
 *
 * Checked: the sum is never less than what is noted; when all is done they are the same, where there
 * are dirty units something is noted, not much less than there are, and the thread is not asleep
 * beside them.
 *
 * Each MUTATION_... leaves out or changes one step, and must be found out. */

#ifndef USERS
#define USERS 2
#endif
#ifndef TURNS
#define TURNS 2
#endif
#define STEP 2
#define THREADS (USERS + 2)

mtype = { ASLEEP, QUIET, NUDGED };

/* What all threads see. */
short dirty; /* bits of units that are free and dirty */
short noted;
short sum;
mtype mood = NUDGED;

byte done_count; /* for the checks only */

#define CHECK assert(sum >= noted && noted >= 0)

inline fe_background_nudge() { mood = NUDGED }

#define IS_ENOUGH(noted, now) ((now) <= (noted) || ((noted) > 0 && (now) - (noted) < STEP))

inline change(from, to) {
  atomic {
    got = (noted == from);
    if
    :: got -> noted = to; CHECK
    :: else
    fi
  }
}

inline note_more() {
#ifndef MUTATION_ADDED_BEHIND
  sum = sum + now - seen;
#endif
  change(seen, now);
  if
#ifdef MUTATION_ADDED_BEHIND
  :: got -> sum = sum + now - seen
  :: else
#else
  :: got
  :: !got ->
#ifndef MUTATION_FAILED_STAYS
     atomic { sum = sum - (now - seen); CHECK }
#else
     skip
#endif
#endif
  fi
}

inline note_less() {
#ifdef MUTATION_TAKEN_AWAY_BEFORE
  atomic { sum = sum - (seen - now); CHECK };
#endif
  change(seen, now);
  if
#ifndef MUTATION_TAKEN_AWAY_BEFORE
  :: got -> atomic { sum = sum - (seen - now); CHECK }
  :: else
#else
  :: got
  :: !got -> sum = sum + (seen - now)
#endif
  fi
}

inline note(exact) {
  is_exact = exact;
  has_less = false;
  do
  :: true ->
     seen = noted;
     now = dirty;
     if
     :: is_exact && seen == now -> break
     :: !is_exact && IS_ENOUGH(seen, now) -> break
     :: else
     fi;
     if
     :: now < seen -> note_less(); has_less = has_less || got
     :: now > seen ->
        note_more();
        if
#ifndef MUTATION_NOBODY_IS_TOLD
        :: got && has_less -> fe_background_nudge()
#endif
        :: else
        fi
     fi;
#ifdef MUTATION_NOT_LOOKED_AT_AGAIN
     if
     :: got && has_less -> break
     :: else
     fi;
#endif
     is_exact = false
  od;
  atomic { seen = 0; now = 0; got = false; is_exact = false; has_less = false }
}

/* Gives a unit back, or takes one. */
proctype user() {
  short seen, now;
  byte turns;
  bool got, is_exact, has_less;
  do
  :: turns < TURNS ->
     if
     :: atomic { dirty > 0 -> dirty-- }
     :: dirty++;
#ifdef MUTATION_NOTED_BEFORE_IT_IS_FREE
        skip
#else
        note(false)
#endif
        ;
        fe_background_nudge()
     fi;
     turns++
  :: else -> break
  od;
  done_count++
}

/* purge_slab. */
proctype purger() {
  short seen, now;
  bool got, is_exact, has_less;
  dirty = 0;
  note(true);
  done_count++
}

/* One who looks until he falls asleep, or finds something. */
proctype background() {
  bool is_empty;
  byte looks;
  do
  :: looks < 2 ->
     mood = QUIET;
     is_empty = (sum == 0);
     if
     :: is_empty ->
        atomic {
          if
          :: mood == QUIET -> mood = ASLEEP
          :: else
          fi
        };
        break
     :: else -> looks++
     fi
  :: else -> break
  od;
  done_count++
}

proctype checker() {
  done_count == THREADS;
  assert(sum == noted);
  assert(IS_ENOUGH(noted, dirty));
  assert(mood != ASLEEP || dirty == 0)
}

init {
  atomic {
    byte i;
    for (i : 1 .. USERS) { run user() }
    run purger();
    run background();
    run checker()
  }
}
