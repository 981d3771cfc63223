/* The list of arenas (core/arena/arenas.c, arena.c): a thread that finds no free unit adds an arena, while
 * others look for units in the list or add arenas too.
 *
 * THREADS threads take a unit and give it back, TURNS times; the base has CHUNKS chunks, and an arena has
 * one unit. Inlines are named after the functions that they follow; each statement, or atomic group, is
 * one access to memory that another thread can see.
 *
 * Checked: whoever finds an arena finds it complete; no arena is lost, at the end all are in the list,
 * each once; no unit has two owners, and all are free at the end; a thread that has added an arena and
 * found it taken goes on, and one that the base refuses ends its search.
 *
 * Each MUTATION_... leaves out or changes one step, and must be found out. */

#ifndef THREADS
#define THREADS 3
#endif
#ifndef TURNS
#define TURNS 2
#endif
#ifndef CHUNKS
#define CHUNKS 3
#endif
#define NIL 0

/* What all threads see: next[0] is fe_arenas_t's `first`. */
byte next[CHUNKS + 1];
bool is_free[CHUNKS + 1];
byte chunk_count; /* that the base handed out */

/* For the checks only. */
bool is_complete[CHUNKS + 1];
byte unit_owner[CHUNKS + 1];
byte ended_count;

/* Goes along the list to its end, and puts the arena there. */
inline publish_arena() {
  do
  :: atomic {
       if
       :: next[link] == NIL ->
#ifndef MUTATION_PUBLISH_WITHOUT_COMPARISON
          next[link] = arena;
#endif
          break
       :: else -> last = next[link]
       fi
     };
     link = last
  od;
#ifdef MUTATION_PUBLISH_WITHOUT_COMPARISON
  next[link] = arena;
#endif
  atomic { link = NIL; last = NIL }
}

inline make_arena() {
#ifdef MUTATION_PUBLISHED_BEFORE_IT_IS_COMPLETE
  publish_arena();
  d_step { is_free[arena] = true; is_complete[arena] = true }
#else
  d_step { is_free[arena] = true; is_complete[arena] = true };
#ifndef MUTATION_ARENA_IS_NOT_PUBLISHED
  publish_arena()
#endif
#endif
}

/* got: whether the base had a chunk. */
inline fe_arenas_add_chunk() {
  atomic {
    got = chunk_count < CHUNKS;
    if
    :: got -> chunk_count++; arena = chunk_count
    :: else
    fi
  };
  if
  :: got -> make_arena()
  :: else
  fi;
  arena = NIL
}

/* unit: that of an arena, the caller's now; NIL: all are taken. */
inline take_anywhere() {
  unit = next[0];
  do
  :: unit == NIL -> break
  :: unit != NIL ->
     atomic {
       assert(is_complete[unit]);
       if
       :: is_free[unit] ->
#ifndef MUTATION_TAKE_WITHOUT_COMPARISON
          assert(unit_owner[unit] == 0);
          is_free[unit] = false;
          unit_owner[unit] = _pid;
#endif
          break
       :: else
       fi
     };
     unit = next[unit]
  od;
#ifdef MUTATION_TAKE_WITHOUT_COMPARISON
  if
  :: unit != NIL ->
     atomic { assert(unit_owner[unit] == 0); is_free[unit] = false; unit_owner[unit] = _pid }
  :: else
  fi
#endif
}

inline take_run_in_slab() {
  do
  :: take_anywhere();
     if
     :: unit != NIL -> break
     :: else
     fi;
     fe_arenas_add_chunk();
     if
     :: got
     :: else -> take_anywhere(); break
     fi
  od
}

inline fe_arenas_give() {
  atomic {
    assert(unit_owner[unit] == _pid);
    unit_owner[unit] = 0;
    is_free[unit] = true;
    unit = NIL
  }
}

/* When all threads have ended: the list holds all chunks, and all units are free. */
inline check_list() {
  link = next[0];
  do
  :: link != NIL -> assert(is_free[link]); last++; assert(last <= CHUNKS); link = next[link]
  :: else -> break
  od;
  assert(last == chunk_count)
}

proctype thread() {
  byte unit, arena, link, last, turns;
  bool got;
  do
  :: turns < TURNS ->
     take_run_in_slab();
     if
     :: unit != NIL -> fe_arenas_give()
     :: else
     fi;
     atomic { got = false; turns++ }
  :: else -> break
  od;
  atomic {
    ended_count++;
    if
    :: ended_count == THREADS -> check_list()
    :: else
    fi
  }
}

init {
  byte started;
  atomic {
    do
    :: started < THREADS -> run thread(); started++
    :: else -> break
    od
  }
}
