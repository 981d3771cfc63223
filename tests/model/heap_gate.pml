/* The gate of a heap (core/heap/gate.h, gate.c): who is inside, who holds the heap, and what a fork
 * left behind.
 *
 * A holder that works inside and hands the heap over, a thread that takes it over, two visitors;
 * each of them TURNS times. LOST: a forked child, whose parent had somebody inside at that moment:
 * the holder goes on, others leave the heap alone until then. Inlines are named after the functions
 * that they follow; each statement, or atomic group, is one access to memory that another thread
 * can see. Who spins is shown as waiting for what he looks for.
 *
 * Checked: one at a time is inside, and finds what the one before left, complete; one at a time
 * holds the heap; a visitor leaves the gate as it was, and a lost heap alone; all come to their
 * end, so nobody waits for ever.
 *
 * Each MUTATION_... leaves out or changes one step, and must be found out. */

#ifndef TURNS
#define TURNS 2
#endif

#define FREE 0
#define HELD 1
#define SHUT 2
#define SHUT_AFTER_FORK 6

#ifdef LOST
#define SHUT_NOW SHUT_AFTER_FORK
byte gate = SHUT;
bool is_lost = true; /* for the checks: the holder has not come back to the heap yet */
#else
#define SHUT_NOW SHUT
byte gate = HELD;
bool is_lost;
#endif
#define IS_LOST(value) ((value) > HELD && (value) != SHUT_NOW)

/* What one who is inside may touch: two words that differ while he is at work. */
bool first_word;
bool second_word;

/* For the checks only. */
byte inside_count;
byte holder_count = 1;

inline work_inside() {
  atomic {
    inside_count++;
    assert(inside_count == 1 && first_word == second_word);
    first_word = !first_word
  };
  atomic { second_word = !second_word; inside_count-- }
}

/* Whatever the gate is, when nobody else is inside. before: what it was. */
inline fe_gate_wait() {
#ifdef MUTATION_ENTER_WITHOUT_COMPARISON
  before = gate;
  before <= HELD || IS_LOST(before);
  gate = SHUT_NOW
#else
  atomic {
#ifdef MUTATION_LOST_GATE_STAYS_SHUT
    gate <= HELD ->
#else
    gate <= HELD || IS_LOST(gate) ->
#endif
    before = (IS_LOST(gate) -> HELD : gate);
    gate = SHUT_NOW
  }
#endif
}

/* got: whether nobody was inside. */
inline fe_gate_try() {
  atomic {
    got = (gate <= HELD);
    if
    :: got -> before = gate; gate = SHUT_NOW
    :: else
    fi
  }
}

/* The same, within some time: it may be over whenever somebody is inside. */
inline fe_gate_enter_soon() {
  do
  :: fe_gate_try();
     if
     :: got -> break
     :: true -> break
     :: !got && gate == SHUT_NOW
     fi
  od
}

inline fe_gate_leave(value) { gate = value }

/* got: whether nobody held the heap, and the caller does now. */
inline fe_gate_claim() {
#ifdef MUTATION_CLAIM_PAST_WHO_IS_INSIDE
  atomic {
    got = (gate != HELD);
    if
    :: got -> gate = HELD; holder_count++; assert(holder_count == 1)
    :: else
    fi
  }
#else
  atomic {
    gate <= HELD || IS_LOST(gate) ->
    got = (gate == FREE);
    if
    :: got -> gate = HELD; holder_count++; assert(holder_count == 1)
    :: else
    fi
  }
#endif
}

inline hand_over() {
  fe_gate_wait();
  atomic { holder_count--; fe_gate_leave(FREE) }
}

/* Its holder, for one turn or more. */
inline use() {
  fe_gate_wait();
  is_lost = false;
  work_inside();
  fe_gate_leave(before)
}

proctype holder() {
  byte turns, before;
  bool got = true;
  do
  :: turns < TURNS ->
     if
     :: got -> use(); hand_over()
     :: else
     fi;
     turns++;
     fe_gate_claim()
  :: else -> break
  od;
  if
  :: got -> hand_over()
  :: else
  fi
}

proctype taker() {
  byte turns, before;
  bool got;
  do
  :: turns < TURNS ->
     fe_gate_claim();
     if
     :: got -> use(); hand_over()
     :: else
     fi;
     turns++
  :: else -> break
  od
}

/* Waits for a while, as fe_heap_reclaim and fe_large_resize_elsewhere do, or goes on, as
 * fe_heap_after_emptied does. */
proctype visitor() {
  byte turns, before;
  bool got;
  do
  :: turns < TURNS ->
     if
#ifdef MUTATION_VISITOR_WAITS
     :: fe_gate_wait(); got = true
#else
     :: fe_gate_enter_soon()
#endif
     :: fe_gate_try()
     fi;
     if
     :: got ->
        assert(!is_lost);
        work_inside();
#ifdef MUTATION_VISITOR_LEAVES_IT_HELD
        fe_gate_leave(HELD)
#else
        fe_gate_leave(before)
#endif
     :: else
     fi;
     atomic { got = false; before = 0; turns++ }
  :: else -> break
  od
}

init {
  atomic {
    run holder();
    run taker();
    run visitor();
    run visitor()
  };
  atomic { _nr_pr == 1; assert(gate == FREE && holder_count == 0) }
}
