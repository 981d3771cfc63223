/* The thread that gives memory back: nudged, asleep and ended (core/thread/background.h, background.c).
 *
 * GIVERS threads give back GIVES units each, and OTHER_TICKS ticks are done by others; a program starts the
 * thread, RESTARTS times ends it and starts it again, and ends it when all is quiet. STUCK units wait for ever: they
 * cannot go. Inlines are named after the functions that they follow; each statement, or atomic group, is one
 * access to memory that another thread can see, and all of these are sequentially consistent.
 *
 * Checked: when all have ended and the thread sleeps, what could go is gone; whoever waits for the thread's
 * end does not wait for ever; the thread falls asleep when nothing comes any more (no cycle in which it only looks).
 *
 * Each MUTATION_... leaves out or changes one step, and must be found out. */

#ifndef GIVERS
#define GIVERS 2
#endif
#ifndef GIVES
#define GIVES 2
#endif
#ifndef OTHER_TICKS
#define OTHER_TICKS 1
#endif
#ifndef RESTARTS
#define RESTARTS 1
#endif
#ifndef STUCK
#define STUCK 0
#endif
#ifndef ENOUGH
#define ENOUGH 3 /* FE_TICKS_ENOUGH */
#endif

#define ASLEEP 0
#define QUIET 1
#define NUDGED 2

/* What all threads see. */
byte mood = NUDGED;
byte bell;
bool is_ending;
bool is_nudged_by_givers; /* fe_arenas_on_give is not NULL */
bool is_running;

/* The arenas: units that wait, by whether they were there at the last tick; and the tick's number. */
byte fresh;
byte aged;
byte tick_ms;

byte ended_count;

/* Its number is moved on first; purging and ageing come later. */
inline fe_arenas_tick() {
  tick_ms = (tick_ms + 1) % 4;
  aged = 0;
  atomic { aged = aged + fresh; fresh = 0 }
}

inline fe_background_nudge() {
  if
  :: is_nudged_by_givers ->
     atomic { old = mood; mood = NUDGED };
#ifndef MUTATION_NO_BELL
     if
     :: old == ASLEEP -> bell++
     :: else
     fi
#endif
  :: else
  fi
}

inline fe_arenas_give() {
#ifdef MUTATION_NUDGE_BEFORE_GIVING
  fe_background_nudge();
  fresh++
#else
  fresh++;
  fe_background_nudge()
#endif
}

inline read_waiting() { waiting = fresh + aged + STUCK }

inline look() {
#ifdef MUTATION_LOOK_BEFORE_QUIET
  read_waiting();
#endif
  atomic { old = mood; mood = QUIET };
#ifndef MUTATION_COUNT_ON
  if
  :: old == NUDGED -> tick_count = 0; seen_tick_ms = tick_ms
  :: else
  fi;
#endif
  if
  :: fe_arenas_tick()
  :: tick_ms != seen_tick_ms /* another one was faster */
  fi;
  atomic {
    if
    :: tick_ms != seen_tick_ms && tick_count < ENOUGH -> tick_count++
    :: else
    fi;
    seen_tick_ms = tick_ms
  };
#ifndef MUTATION_LOOK_BEFORE_QUIET
  read_waiting()
#endif
}

inline sleep_until_nudged() {
  if
#ifdef MUTATION_STORE_ASLEEP
  :: true -> mood = ASLEEP;
#else
  :: atomic { mood == QUIET -> mood = ASLEEP };
#endif
     do
#ifndef MUTATION_SLEEP_THROUGH_THE_END
     :: is_ending -> break
#endif
     :: mood != ASLEEP -> break
#ifdef MUTATION_SLEEP_THROUGH_THE_END
     :: mood == ASLEEP -> atomic { bell > 0 -> bell-- }
#else
     :: !is_ending && mood == ASLEEP -> atomic { bell > 0 -> bell-- }
#endif
     od
#ifndef MUTATION_STORE_ASLEEP
  :: mood != QUIET
#endif
  fi
}

inline nap() {
  if
  :: atomic { bell > 0 -> bell-- }
  :: true /* the time is over */
  fi
}

proctype work() {
  byte old, tick_count, seen_tick_ms, waiting;
  seen_tick_ms = tick_ms;
  do
  :: is_ending -> break
  :: !is_ending ->
     look();
     if
     :: waiting == 0 -> sleep_until_nudged()
#ifndef MUTATION_WAIT_FOR_THE_STUCK
     :: waiting != 0 && tick_count >= ENOUGH -> sleep_until_nudged()
#endif
     :: else -> nap()
     fi
  od;
  is_running = false
}

active [GIVERS] proctype giver() {
  byte gives, old;
  do
  :: gives < GIVES -> fe_arenas_give(); gives++
  :: else -> break
  od;
  ended_count++
}

active proctype other() {
  byte ticks;
  do
  :: ticks < OTHER_TICKS -> fe_arenas_tick(); ticks++
  :: ticks < OTHER_TICKS -> break
  :: else -> break
  od;
  ended_count++
}

inline start() {
  is_ending = false;
  is_running = true;
#ifdef MUTATION_START_BEFORE_NUDGES
  run work();
  is_nudged_by_givers = true
#else
  is_nudged_by_givers = true;
  run work()
#endif
}

inline stop() {
  is_nudged_by_givers = false;
  is_ending = true;
  mood = NUDGED;
  bell++;
  !is_running /* pthread_join */
}

active proctype program() {
  byte restarts;
  start();
  do
  :: restarts < RESTARTS -> stop(); start(); restarts++
  :: else -> break
  od;
  /* Everything has come to rest. */
  atomic {
    ended_count == GIVERS + 1 && mood == ASLEEP && bell == 0 -> assert(fresh == 0 && aged == 0)
  };
  stop()
}
