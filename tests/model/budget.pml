/* Budgets (core/heap/budget.c, heap.c): threads charge bytes to a heap's budget and the one above
 * it, take them back, and end their heaps; the heap above ends when those under it have.
 *
 * Two budgets under one: THREADS threads, the first two of them on the same budget (any thread may
 * take back what was charged to a heap, and heaps of several threads may stand under one). Each
 * charges one or two bytes, TURNS times, and takes them back; whoever is last on a budget ends its
 * heap. The holder of the upper heap ends that one. Inlines are named after the functions that they
 * follow; each statement, or atomic group, is one access to memory that another thread can see.
 *
 * Checked: no charge passes a limit, on either level; nothing is taken back that was not charged; a
 * charge that is refused leaves nothing behind: at the end all counts are 0; nobody touches the
 * upper budget after its end; whoever is alone is refused only what passes a limit. GREEDY: one
 * thread asks for more than the upper limit, again and again, beside another one on the same
 * budget, which has room below for both: what cannot be had is in nobody's way. APART: the lower
 * budget is not counted in the upper one at first, and joins it when who sets a limit comes by, or
 * who charges and sees the limit.
 *
 * Each MUTATION_... leaves out or changes one step, and must be found out. */

#ifndef THREADS
#define THREADS 3
#endif
#ifndef TURNS
#define TURNS 2
#endif

#define UPPER 0
#define NONE 3 /* above the upper one */
#define PARENT(budget) ((budget) == UPPER -> NONE : UPPER)
#if defined(APART)
#define LIMIT(budget) ((budget) == UPPER -> 20 : 5)
#define FITS(bytes) true
#elif defined(GREEDY)
#define LIMIT(budget) ((budget) == UPPER -> 3 : 5)
#define FITS(bytes) ((bytes) < 4)
#else
#define LIMIT(budget) ((budget) == UPPER -> 3 : 2)
#define FITS(bytes) (THREADS == 1)
#endif

/* What all threads see: of each budget the bytes that are charged, of the upper heap how many there
 * are under it. */
short charged[3];
bool is_apart[3]; /* a bit of the same word */
short child_count = (THREADS > 2 -> 2 : 1);

/* For the checks only. */
byte users[3];      /* threads that will still use the heap */
bool has_ended;     /* the upper heap, and its memory with it */
byte ended_count;
bool setter_is_done; /* whoever sets a limit, if there is one */

#define CHECK_BUDGET(budget)                         \
  assert((budget) != UPPER || !has_ended);           \
  assert(charged[budget] >= 0);                      \
  assert(charged[budget] <= LIMIT(budget))

/* The parent, if the budget is not apart. */
#define NEXT_LEVEL(budget, apart) ((budget) == UPPER || (apart) -> NONE : UPPER)

/* got: whether the budget has room for the bytes, and they are charged now; apart: what it was. */
inline charge_one(budget, bytes) {
  atomic { seen = charged[budget]; apart = is_apart[budget]; CHECK_BUDGET(budget) };
  do
#ifndef MUTATION_UPPER_LIMIT_IS_NOT_CHECKED
  :: seen + bytes > LIMIT(budget) -> got = false; break
  :: seen + bytes <= LIMIT(budget) ->
#else
  :: budget != UPPER && seen + bytes > LIMIT(budget) -> got = false; break
  :: budget == UPPER || seen + bytes <= LIMIT(budget) ->
#endif
#ifdef MUTATION_CHECK_THEN_ADD
     atomic { charged[budget] = charged[budget] + bytes; CHECK_BUDGET(budget); got = true; break }
#else
     atomic {
       if
#ifdef MUTATION_APART_IS_NOT_COMPARED
       :: charged[budget] == seen ->
#else
       :: charged[budget] == seen && is_apart[budget] == apart ->
#endif
          charged[budget] = seen + bytes;
          CHECK_BUDGET(budget);
          got = true;
          break
       :: else -> seen = charged[budget]; apart = is_apart[budget]
       fi
     }
#endif
  od;
  seen = 0
}

/* Takes bytes back from `budget` up to, but without, `end`. */
inline uncharge_up_to(budget, end, bytes) {
  each = budget;
  do
  :: each == end || each == NONE -> break
  :: each != end && each != NONE ->
#ifdef MUTATION_UNCHARGE_BY_STORE
     atomic { seen = charged[each]; apart = is_apart[each] };
     atomic { charged[each] = seen - bytes; CHECK_BUDGET(each); seen = 0 };
#else
     atomic { charged[each] = charged[each] - bytes; apart = is_apart[each]; CHECK_BUDGET(each) };
#endif
     each = NEXT_LEVEL(each, apart)
  od;
  each = 0
}

/* The budget is not apart any more. */
inline fe_budget_join(budget) {
  atomic { seen = charged[budget]; apart = is_apart[budget] };
  do
  :: !apart -> break
  :: apart ->
#ifndef MUTATION_JOINED_BEFORE_IT_COUNTS
     charged[UPPER] = charged[UPPER] + seen;
#endif
     atomic {
       each = seen;
       if
#ifdef MUTATION_JOINED_WHATEVER_IT_HAS
       :: is_apart[budget] ->
#else
       :: is_apart[budget] && charged[budget] == seen ->
#endif
          is_apart[budget] = false;
          got = true
       :: else -> seen = charged[budget]; apart = is_apart[budget]; got = false
       fi
     };
#ifdef MUTATION_JOINED_BEFORE_IT_COUNTS
     charged[UPPER] = charged[UPPER] + (got -> each : 0);
#endif
     if
     :: got -> break
     :: else ->
#if !defined(MUTATION_FAILED_JOIN_STAYS) && !defined(MUTATION_JOINED_BEFORE_IT_COUNTS)
        atomic { charged[UPPER] = charged[UPPER] - each; CHECK_BUDGET(UPPER) }
#endif
     fi
  od;
  atomic { seen = 0; apart = false; got = false; each = 0 }
}

/* got: whether all levels have room now. */
inline fe_budget_without_room(budget, bytes) {
  level = budget;
  got = true;
  do
  :: level == NONE || !got -> break
  :: level != NONE && got ->
     atomic { CHECK_BUDGET(level); got = (charged[level] + bytes <= LIMIT(level)); level = PARENT(level) }
  od
}

/* got: whether all levels had room. */
inline fe_budget_charge(budget, bytes) {
#ifndef MUTATION_CHARGED_BEFORE_IT_LOOKS
  fe_budget_without_room(budget, bytes);
#else
  got = true;
#endif
  level = (got -> budget : NONE);
  do
  :: level == NONE -> break
  :: level != NONE ->
#ifdef APART
     if /* from some moment on it sees the limit: join_if_limited */
     :: level != UPPER -> fe_budget_join(level)
     :: true
     fi;
#endif
     charge_one(level, bytes);
     if
     :: got -> level = NEXT_LEVEL(level, apart)
     :: else ->
#ifdef MUTATION_NO_ROLL_BACK
        skip;
#else
#ifdef MUTATION_ROLL_BACK_TOO_FAR
        uncharge_up_to(budget, PARENT(level), bytes);
#else
        uncharge_up_to(budget, level, bytes);
#endif
#endif
        break
     fi
  od;
  level = 0
}

inline fe_budget_uncharge(budget, bytes) {
#ifdef MUTATION_UNCHARGE_ONE_LEVEL
  uncharge_up_to(budget, UPPER, bytes)
#else
  uncharge_up_to(budget, NONE, bytes)
#endif
}

/* The heap's end: what it still has counts above it no more. Its holder is its only user then. */
inline disconnect(budget) {
#ifdef MUTATION_COUNTED_OUT_TOO_EARLY
  child_count--;
#endif
  atomic { bytes = charged[budget]; apart = is_apart[budget]; charged[budget] = 0 };
  if /* fe_budget_leave */
  :: !apart -> fe_budget_uncharge(UPPER, bytes)
  :: else
  fi;
  bytes = 0;
#ifndef MUTATION_COUNTED_OUT_TOO_EARLY
  child_count--
#endif
}

/* A thread takes back what it charged in the same turn, or leaves it to the heap's end. */
proctype thread(byte budget) {
  byte turns, bytes, level, each;
  short seen;
  bool got, apart;
  do
  :: turns < TURNS ->
     if
#ifdef GREEDY
     :: _pid == 1 -> bytes = 4
     :: _pid != 1 -> bytes = 1
     :: _pid != 1 -> bytes = 2
#else
     :: bytes = 1
     :: bytes = 2
#endif
     fi;
     fe_budget_charge(budget, bytes);
     assert(got || !FITS(bytes));
     if
     :: got -> fe_budget_uncharge(budget, bytes)
     :: got && turns == TURNS - 1 -> skip /* left to disconnect */
     :: !got -> skip
     fi;
     atomic { got = false; bytes = 0; turns++ }
  :: else -> break
  od;
#ifdef APART
  setter_is_done; /* no heap ends while somebody walks over the roll */
#endif
  atomic { turns = 0; users[budget]-- ; got = (users[budget] == 0) };
  if
  :: got -> disconnect(budget)
  :: else
  fi;
  got = false;
  ended_count++
}

/* fe_heap_destroy of the upper heap: refused (is_busy) until there is nothing under it. */
proctype upper_holder() {
  atomic {
    child_count == 0;
    assert(charged[UPPER] == 0);
    has_ended = true
  };
  ended_count == THREADS;
  assert(charged[1] == 0 && charged[2] == 0)
}

/* join_all, of who sets the limit. */
proctype setter() {
  byte each;
  short seen;
  bool got, apart;
  fe_budget_join(1);
  setter_is_done = true
}

init {
  atomic {
    users[1] = (THREADS > 1 -> 2 : 1);
    run thread(1);
    if
    :: THREADS > 1 -> run thread(1)
    :: else
    fi;
    if
    :: THREADS > 2 -> users[2] = 1; run thread(2)
    :: else
    fi;
    run upper_holder();
#ifdef APART
    is_apart[1] = true;
    run setter()
#endif
  }
}
