/* The thread registry (core/thread/registry.c) and the roll (core/heap/roll.c): heaps pass from
 * thread to thread, end when nothing is left in them, and go on in a forked child.
 *
 * THREADS threads of the system, each of which is LIVES threads of the program, one after the
 * other; one that goes over the idle heaps; one that frees what the others hand to it, and then, if
 * that was the last block of its heap, touches the heap. FORKS: a thread with a heap of its own
 * forks; what the child finds is checked at that moment, and the parent goes on. Inlines are named
 * after the functions that they follow; each statement, or atomic group, is one access to memory
 * that another thread can see.
 *
 * Checked: never two users inside of a heap, and a user finds what the one before it left,
 * complete, in the child too; nobody touches a heap after its end; no heap is lost: at the end all
 * are idle, and counted, or have ended; the list is whole, in the child too; a thread that begins
 * makes a heap only if those that lay there when it looked have been taken or ended since, or if
 * the lock was not to be had soon.
 *
 * Each MUTATION_... leaves out or changes one step, and must be found out. */

#ifndef THREADS
#define THREADS 2
#endif
#ifndef LIVES
#define LIVES 2
#endif
#define HEAPS 3
#define NIL 0

#define FREE_GATE 0
#define HELD_GATE 1
#define SHUT_GATE 2

/* What all threads see. */
bool roll; /* the lock */
byte idle_first;
byte ended; /* heaps of threads that ended since somebody had the lock */
short idle_count; /* how many there are in both lists, or are about to be */
byte idle_next[HEAPS + 1];
byte holder_of[HEAPS + 1]; /* NIL: nobody */
byte gate[HEAPS + 1];
byte leavers;
byte returned[HEAPS + 1]; /* blocks that others freed */

/* For who has the roll's lock. */
bool is_on_roll[HEAPS + 1];
bool is_held_by_fork[HEAPS + 1];

/* For who is inside: blocks that were handed out and not taken in, two words that differ while
 * somebody is at work. */
byte used[HEAPS + 1];
bool first_word[HEAPS + 1];
bool second_word[HEAPS + 1];

/* What the freeing thread is to free: a block of this heap. */
byte hand;

/* For the checks only: whether a heap lies in one of the lists, or between them; which beginning
 * threads have looked since it does so. */
bool lies[HEAPS + 1];
byte lookers[HEAPS + 1];
bool has_ended[HEAPS + 1];
byte made_count;
byte ended_count;

#define ME (1 << _pid)
#define NOTE_LOOK(heap) lookers[heap] = (lies[heap] -> lookers[heap] | ME : lookers[heap] & ~ME)
#define NOTE_LOOKS NOTE_LOOK(1); NOTE_LOOK(2); NOTE_LOOK(3)
#define HAS_OVERLOOKED_ONE (((lookers[1] | lookers[2] | lookers[3]) & ME) != 0)
#define FORGET_LOOK(heap) lookers[heap] = lookers[heap] & ~ME
#define FORGET_LOOKS FORGET_LOOK(1); FORGET_LOOK(2); FORGET_LOOK(3)
#define NOTE_TAKEN(heap) lies[heap] = false; lookers[heap] = 0

inline lock() { atomic { !roll -> roll = true } }
inline unlock() { roll = false }

inline fe_gate_enter(heap) {
  atomic { gate[heap] != SHUT_GATE -> gate_before = gate[heap]; gate[heap] = SHUT_GATE; assert(!has_ended[heap]) }
}
inline fe_gate_leave(heap, value) { atomic { gate[heap] = value; gate_before = 0 } }

/* A slow call, inside: a write that others must see whole. */
inline work_inside(heap) {
  atomic { assert(!has_ended[heap] && first_word[heap] == second_word[heap]); first_word[heap] = !first_word[heap] };
  atomic { used[heap] = used[heap] - returned[heap]; returned[heap] = 0 };
  second_word[heap] = !second_word[heap]
}

/* got: whether a look into the lists is worth it. */
inline has_idle() {
  got = (idle_count > 0);
#ifdef MUTATION_COUNTED_WHEN_TAKEN_IN
  if
  :: got
  :: else -> got = (ended != NIL)
  fi
#endif
}

#define count_one_more() idle_count++
#define count_one_less() idle_count--

/* A thread's end waits for no lock. */
inline push_ended(heap) {
#if !defined(MUTATION_COUNTED_AFTER_PUSH) && !defined(MUTATION_COUNTED_WHEN_TAKEN_IN)
  count_one_more();
#endif
  d_step { first = ended; idle_next[heap] = first };
#ifdef MUTATION_ENDED_WITHOUT_COMPARISON
  atomic { ended = heap; lies[heap] = true; first = NIL };
#else
  do
  :: atomic {
       if
       :: ended == first -> ended = heap; lies[heap] = true; first = NIL; break
       :: else -> first = ended; idle_next[heap] = first
       fi
     }
  od;
#endif
#ifdef MUTATION_COUNTED_AFTER_PUSH
  count_one_more()
#endif
}

inline push_idle(heap) {
  atomic {
    idle_next[heap] = idle_first;
    idle_first = heap;
#ifdef MUTATION_COUNTED_WHEN_TAKEN_IN
    count_one_more()
#endif
  }
}

/* With the lock. */
inline unlink_idle(heap) {
  atomic { assert(holder_of[heap] == NIL); idle_first = idle_next[heap]; NOTE_TAKEN(heap) };
#ifndef MUTATION_CLAIMED_HEAPS_STAY_COUNTED
  count_one_less()
#endif
}

/* With the lock. The order of the list does not matter here. */
inline take_ended() {
#ifdef MUTATION_ENDED_WITHOUT_EXCHANGE
  first = ended;
  ended = NIL;
#else
  atomic { first = ended; ended = NIL };
#endif
  do
  :: atomic { first != NIL -> heap = first; first = idle_next[heap]; push_idle(heap) }
  :: atomic { first == NIL -> heap = NIL; break }
  od
}

/* heap: one that was idle, or NIL: also if the lock is not to be had soon. */
inline claim_idle() {
#ifdef MUTATION_CLAIM_WITHOUT_LOCK
  heap = idle_first;
  if
  :: heap != NIL ->
     unlink_idle(heap);
     holder_of[heap] = _pid;
     fe_gate_enter(heap);
     fe_gate_leave(heap, HELD_GATE)
  :: else
  fi
#else
  d_step { NOTE_LOOKS };
  has_idle();
  if
  :: !got
  :: atomic { got -> FORGET_LOOKS } /* and goes on without one */
  :: got ->
     lock();
     take_ended();
     heap = idle_first;
     if
     :: heap != NIL ->
        unlink_idle(heap);
        holder_of[heap] = _pid;
        fe_gate_enter(heap);
        fe_gate_leave(heap, HELD_GATE)
     :: else
     fi;
     unlock()
  fi
#endif
}

inline make_heap() {
  lock();
  atomic {
    made_count++;
    heap = made_count;
    gate[heap] = HELD_GATE;
    holder_of[heap] = _pid;
    is_on_roll[heap] = true
  };
  unlock()
}

inline fe_registry_attach() {
  claim_idle();
  atomic { assert(heap != NIL || !HAS_OVERLOOKED_ONE); FORGET_LOOKS; got = false };
  if
  :: heap == NIL && made_count < HEAPS -> make_heap()
  :: else
  fi
}

/* fe_heap_rest, and the heap is anybody's (hand_on); who takes it waits at the gate. */
inline detach() {
  fe_gate_enter(heap);
  work_inside(heap);
  fe_gate_leave(heap, gate_before);
  fe_gate_enter(heap);
  assert(holder_of[heap] == _pid);
#ifdef MUTATION_HOLDER_STAYS_FOR_LONG
  push_ended(heap);
  holder_of[heap] = NIL;
#else
  holder_of[heap] = NIL;
  push_ended(heap);
#endif
#ifdef MUTATION_HEAP_STAYS_TAKEN
  fe_gate_leave(heap, HELD_GATE)
#else
  fe_gate_leave(heap, FREE_GATE)
#endif
}

/* got: whether the heap ended. */
inline end_if_over() {
  fe_gate_enter(heap);
#ifdef MUTATION_LEAVERS_ARE_FORGOTTEN
  if
  :: used[heap] == 0 ->
#else
  if
  :: used[heap] == 0 && leavers == 0 ->
#endif
     atomic {
       assert(returned[heap] == 0);
       is_on_roll[heap] = false;
       has_ended[heap] = true;
       NOTE_TAKEN(heap);
       got = true;
       gate_before = 0
     }
  :: else -> got = false; fe_gate_leave(heap, gate_before)
  fi
}

/* With the lock. */
inline collect_idle() {
  take_ended();
  heap = idle_first;
  link = NIL;
  do
  :: heap != NIL ->
     next = idle_next[heap];
     fe_gate_enter(heap); /* fe_heap_reclaim */
     work_inside(heap);
     fe_gate_leave(heap, gate_before);
     end_if_over();
     atomic {
       if
       :: got && link == NIL -> idle_first = next
       :: got && link != NIL -> idle_next[link] = next
       :: else -> link = heap
       fi;
       heap = next;
       next = NIL
     };
     if
     :: got -> atomic { count_one_less(); got = false }
     :: else
     fi
  :: else -> break
  od;
  link = NIL
}

inline fe_registry_collect_idle() {
  has_idle();
  if
  :: got -> atomic { !roll -> roll = true; got = false }; collect_idle(); unlock()
  :: else
  fi
}

/* -- Threads ----------------------------------------------------------------------------------- */

inline end_of_process() { ended_count++ }

proctype thread() {
  byte heap, lives, gate_before, first;
  bool got;
  do
  :: lives < LIVES ->
     fe_registry_attach();
     if
     :: heap == NIL
     :: else ->
        fe_gate_enter(heap);
        work_inside(heap);
        if
        :: true
        :: atomic { hand == NIL -> hand = heap; used[heap]++ }
        fi;
        fe_gate_leave(heap, gate_before);
        detach()
     fi;
     atomic { heap = NIL; lives++ }
  :: else -> break
  od;
  end_of_process()
}

/* After the push, the count alone keeps the heap. fe_heap_after_emptied goes inside with the roll's
 * lock, if it is to be had. */
proctype freer() {
  byte heap, gate_before;
end_waiting:
  do
  :: hand != NIL ->
     heap = hand;
#ifndef MUTATION_LEAVER_IS_COUNTED_LATE
     leavers++;
#endif
     returned[heap]++;
#ifdef MUTATION_LEAVER_IS_COUNTED_LATE
     leavers++;
#endif
     assert(!has_ended[heap]);
     if
     :: true
#ifdef MUTATION_VISITOR_WITHOUT_ROLL
     :: atomic { gate[heap] != SHUT_GATE -> gate_before = gate[heap]; gate[heap] = SHUT_GATE };
        work_inside(heap);
        fe_gate_leave(heap, gate_before)
#else
     :: atomic { !roll -> roll = true };
        if
        :: atomic { gate[heap] != SHUT_GATE -> gate_before = gate[heap]; gate[heap] = SHUT_GATE };
           work_inside(heap);
           fe_gate_leave(heap, gate_before)
        :: gate[heap] == SHUT_GATE
        fi;
        unlock()
#endif
     fi;
     atomic { leavers--; heap = NIL; hand = NIL } /* fe_remote_leave */
  od
}

proctype collector() {
  byte heap, link, next, gate_before, first;
  bool got;
  fe_registry_collect_idle();
  end_of_process()
}

/* -- A fork ------------------------------------------------------------------------------------ */

/* own: the heap of the thread that forks. */
inline before_fork() {
  lock();
  heap = 1;
  do
  :: heap <= HEAPS ->
     if
     :: is_on_roll[heap] && holder_of[heap] != _pid ->
#ifndef MUTATION_FORK_LEAVES_GATES
        fe_gate_enter(heap);
        is_held_by_fork[heap] = (gate_before == HELD_GATE);
        if
        :: gate_before == HELD_GATE -> gate_before = 0
        :: else -> fe_gate_leave(heap, gate_before)
        fi
#else
        is_held_by_fork[heap] = (gate[heap] == HELD_GATE)
#endif
     :: else
     fi;
     heap++
  :: else -> break
  od;
  heap = NIL
}

/* What the child finds: what others were doing is cut off, their heaps become idle. Each heap on
 * the roll must be whole, and nobody inside. */
inline check_child() {
  d_step {
    heap = idle_first;
    do
    :: heap != NIL -> assert(is_on_roll[heap]); count++; assert(count <= HEAPS); heap = idle_next[heap]
    :: else -> break
    od;
    heap = ended; /* take_ended */
    do
    :: heap != NIL ->
       assert(is_on_roll[heap] && !is_held_by_fork[heap]);
       count++;
       assert(count <= HEAPS);
       heap = idle_next[heap]
    :: else -> break
    od;
    heap = 1;
    do
    :: heap <= HEAPS ->
       assert(!is_on_roll[heap] || first_word[heap] == second_word[heap]);
       assert(!is_on_roll[heap] || gate[heap] != SHUT_GATE || is_held_by_fork[heap]);
       if
       :: is_held_by_fork[heap] -> count++
       :: else
       fi;
       if
       :: is_on_roll[heap] && heap != own -> count--
       :: else
       fi;
       heap++
    :: else -> break
    od;
    assert(count == 0);
    heap = NIL
  }
}

/* let_all_go, and fe_roll_after_fork. */
inline after_fork_in_parent() {
  heap = 1;
  do
  :: heap <= HEAPS ->
     if
     :: is_held_by_fork[heap] -> atomic { is_held_by_fork[heap] = false; gate[heap] = HELD_GATE }
     :: else
     fi;
     heap++
  :: else -> break
  od;
  heap = NIL;
  unlock()
}

proctype forker() {
  byte own, heap, count, gate_before, first;
  bool got;
  fe_registry_attach();
  atomic { own = heap; heap = NIL };
  if
  :: atomic { own != NIL && hand == NIL -> hand = own; used[own]++ }
  :: true
  fi;
  before_fork();
  check_child();
  after_fork_in_parent();
  if
  :: own != NIL -> atomic { heap = own; own = NIL }; detach()
  :: else
  fi;
  end_of_process()
}

#ifdef FORKS
#define PROCESSES (THREADS + 2)
#else
#define PROCESSES (THREADS + 1)
#endif

init {
  byte started, count;
  atomic {
    do
    :: started < THREADS -> run thread(); started++
    :: else -> break
    od;
    run freer();
    run collector();
#ifdef FORKS
    run forker()
#endif
  };
  /* All threads have ended: what is on the roll is idle. */
  atomic {
    ended_count == PROCESSES && hand == NIL;
    assert(lookers[1] == 0 && lookers[2] == 0 && lookers[3] == 0);
    started = 1;
    do
    :: started <= HEAPS ->
       assert(!is_on_roll[started] || (gate[started] == FREE_GATE && holder_of[started] == NIL));
       if
       :: is_on_roll[started] -> count++
       :: else
       fi;
       started++
    :: else -> break
    od;
#ifndef MUTATION_COUNTED_WHEN_TAKEN_IN /* it is wrong before */
    assert(idle_count == count);
#endif
    started = idle_first;
    do
    :: started != NIL -> assert(count > 0); count--; started = idle_next[started]
    :: else -> break
    od;
    started = ended;
    do
    :: started != NIL -> assert(count > 0); count--; started = idle_next[started]
    :: else -> break
    od;
    assert(count == 0)
  }
}
