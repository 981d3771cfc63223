/* Looking at the shards of all heaps while their holders go on (core/slab/census.h, census.c).
 *
 * GIVERS threads, LIVES times each, take a free unit, enter its shard and leave again; one thread takes
 * CENSUSES censuses, one after the other. Inlines are named after the functions that they follow; each
 * statement, or atomic group, is one access to memory that another thread can see, and all of these are
 * sequentially consistent.
 *
 * Checked: no unit is given back while a census may look at it, or twice; at the end all of them have
 * been given back.
 *
 * Each MUTATION_... leaves out or changes one step, and must be found out. */

#ifndef GIVERS
#define GIVERS 2
#endif
#ifndef LIVES
#define LIVES 2
#endif
#ifndef CENSUSES
#define CENSUSES 2
#endif
#define UNITS GIVERS

/* What all threads see. A unit is named by its number and 1 in lists; 0: the end. */
bool heads[UNITS];
bool is_census;
byte parked;
byte next[UNITS];

/* For the checks, and for who may take a unit: the arena's bitmap has a model of its own. */
bool in_use[UNITS];
bool looked_at[UNITS];
byte ended_count;

inline fe_arenas_give(given) {
  atomic {
    assert(in_use[given]);
    assert(!looked_at[given]);
    in_use[given] = false
  }
}

inline park(unit_to_park) {
  do
  :: head = parked;
     next[unit_to_park] = head;
     if
     :: atomic { parked == head -> parked = unit_to_park + 1; break }
     :: atomic { parked != head -> skip }
     fi
  od
}

inline give_list() {
  do
  :: list != 0 ->
     current = list - 1;
     list = next[current];
     fe_arenas_give(current)
  :: else -> break
  od
}

inline park_list() {
  do
  :: list != 0 ->
     current = list - 1;
     list = next[current];
     park(current)
  :: else -> break
  od
}

inline give_parked() {
  do
  ::
#ifdef MUTATION_LOOK_BEFORE_TAKING_THE_LIST
     saw_census = is_census;
#endif
     atomic { list = parked; parked = 0 };
     if
     :: list == 0 -> break
     :: else
     fi;
#ifndef MUTATION_LOOK_BEFORE_TAKING_THE_LIST
     saw_census = is_census;
#endif
#ifdef MUTATION_GIVE_WITHOUT_LOOKING
     saw_census = false;
#endif
     if
     :: !saw_census -> give_list(); break
     :: else -> park_list()
     fi;
#ifdef MUTATION_PARK_AGAIN_AND_GO
     break;
#endif
     if
     :: is_census -> break
     :: !is_census
     fi
  od
}

inline fe_census_leave() {
#ifdef MUTATION_LOOK_BEFORE_LEAVING
  saw_census = is_census;
  heads[unit] = false;
#else
  heads[unit] = false;
  saw_census = is_census;
#endif
  if
  :: saw_census ->
     park(unit);
#ifndef MUTATION_PARK_AND_GO
     saw_census = is_census;
     if
     :: !saw_census -> give_parked()
     :: else
     fi
#endif
  :: else -> fe_arenas_give(unit)
  fi
}

active [GIVERS] proctype giver() {
  byte lives, unit, head, list, current;
  bool saw_census;
  do
  :: lives < LIVES ->
     /* A unit that is free: there may be none while one is parked. */
     unit = 0;
     do
     :: atomic { !in_use[unit] -> in_use[unit] = true; break }
     :: in_use[unit] -> unit = (unit + 1) % UNITS
     od;
     heads[unit] = true; /* fe_census_enter */
     fe_census_leave();
     lives++
  :: else -> break
  od;
  ended_count++
}

active proctype census() {
  byte rounds, unit, head, list, current;
  bool saw_census;
  do
  :: rounds < CENSUSES ->
     is_census = true; /* fe_census_begin */
     unit = 0;
     do
     :: unit < UNITS ->
        /* From here on to the end it may look at the header. */
        atomic {
          if
          :: heads[unit] -> looked_at[unit] = true
          :: else
          fi
        };
        assert(!looked_at[unit] || in_use[unit]);
        unit++
     :: else -> break
     od;
     unit = 0;
     d_step {
       do
       :: unit < UNITS -> looked_at[unit] = false; unit++
       :: else -> break
       od;
       unit = 0
     };
     /* fe_census_end */
#ifdef MUTATION_GIVE_BEFORE_THE_END
     give_parked();
     is_census = false;
#else
     is_census = false;
#ifndef MUTATION_END_AND_GO
     give_parked();
#endif
#endif
     rounds++
  :: else -> break
  od;
  ended_count++
}

/* When all have ended, nothing is left behind. */
active proctype check() {
  byte unit;
  ended_count == GIVERS + 1;
  do
  :: unit < UNITS -> assert(!in_use[unit] && !heads[unit]); unit++
  :: else -> break
  od;
  assert(parked == 0)
}
