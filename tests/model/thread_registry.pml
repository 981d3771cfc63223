/* The thread registry (core/thread/registry.c) and the hand-over of heaps (core/heap/heap.c:
 * fe_heap_claim, fe_heap_hand_over, fe_heap_take_over): threads claim idle heaps or make new ones, use them,
 * and leave them to later threads.
 *
 * THREADS threads of the system, each of which is LIVES threads of the program, one after the other; and
 * COLLECTORS threads that once go over the idle heaps and collect them.
 * Inlines are named after the functions that they follow; each statement, or atomic group, is one
 * access to memory that another thread can see.
 *
 * Checked: never two users of a heap; a thread sees all that the heap's user before it wrote; no
 * heap is lost, at the end all are in the list and idle; the count of idle heaps never wraps around.
 *
 * Each MUTATION_... leaves out or changes one step, and must be found out. */

#ifndef THREADS
#define THREADS 3
#endif
#ifndef LIVES
#define LIVES 2
#endif

#ifndef COLLECTORS
#define COLLECTORS 0
#endif

#define HEAPS (THREADS * LIVES) /* as many as could be made at most */
#define NIL 0

/* What all threads see. */
byte registry_head;
byte registry_next[HEAPS + 1];
bool is_held[HEAPS + 1];
short idle_count;

/* What the user of a heap alone may touch: two words that it changes one after the other, so that
 * they differ while it is at work. */
byte first_word[HEAPS + 1];
byte second_word[HEAPS + 1];

/* For the checks only. */
byte user_count[HEAPS + 1];
byte made_count;
byte ended_count;

/* got: whether the heap was idle, and is the caller's now. */
inline claim(heap) {
#ifdef MUTATION_CLAIM_WITHOUT_COMPARISON
  if
  :: !is_held[heap] -> is_held[heap] = true; got = true
  :: else -> got = false
  fi;
#else
  atomic {
    if
    :: !is_held[heap] -> is_held[heap] = true; got = true
    :: else -> got = false
    fi
  };
#endif
  if
  :: got -> atomic { idle_count--; assert(idle_count >= 0) }
  :: else
  fi
}

inline unclaim(heap) {
#ifdef MUTATION_COUNTED_AFTER_IDLE
  is_held[heap] = false;
  atomic { idle_count++ }
#else
  atomic { idle_count++ };
  is_held[heap] = false
#endif
}

/* heap: one that was idle, or NIL. */
inline claim_idle() {
  heap = NIL;
  if
  :: idle_count == 0
  :: idle_count != 0 ->
     heap = registry_head;
     do
     :: heap == NIL -> break
     :: heap != NIL ->
        claim(heap);
        if
        :: got -> break
        :: else -> heap = registry_next[heap]
        fi
     od
  fi
}

inline make_heap() {
  d_step { made_count++; heap = made_count; is_held[heap] = true };
  head = registry_head;
  do
  :: registry_next[heap] = head;
#ifdef MUTATION_PUSH_WITHOUT_COMPARISON
     registry_head = heap;
     break
#else
     atomic {
       if
       :: registry_head == head -> registry_head = heap; break
       :: else -> head = registry_head
       fi
     }
#endif
  od;
  head = NIL
}

inline begin_use() {
  d_step {
    user_count[heap]++;
    assert(user_count[heap] == 1);
    assert(first_word[heap] == second_word[heap])
  }
}

/* A write that others must see when they find the heap idle. */
inline change_heap() {
  first_word[heap] = 1 - first_word[heap];
  second_word[heap] = 1 - second_word[heap]
}

inline end_use() { user_count[heap]-- }

/* The thread's end: a last collect, then the heap is anybody's. */
inline detach() {
#ifdef MUTATION_IDLE_BEFORE_COLLECT
  unclaim(heap);
  change_heap();
  end_use()
#else
  change_heap();
  end_use();
#ifndef MUTATION_HEAP_STAYS_TAKEN
  unclaim(heap)
#endif
#endif
}

/* A pass over all heaps, for whoever wants memory back. */
inline fe_registry_collect_idle() {
  heap = registry_head;
  do
  :: heap == NIL -> break
  :: heap != NIL ->
#ifdef MUTATION_COLLECT_WITHOUT_CLAIM
     if
     :: !is_held[heap] -> begin_use(); change_heap(); end_use()
     :: else
     fi;
#else
     claim(heap);
     if
     :: got -> begin_use(); change_heap(); end_use(); unclaim(heap)
     :: else
     fi;
#endif
     heap = registry_next[heap]
  od
}

inline fe_registry_attach() {
  claim_idle();
  if
  :: heap == NIL -> make_heap()
  :: else
  fi
}

/* At the end, when all threads have ended: walks the list. */
inline check_all_heaps_are_idle() {
  heap = registry_head;
  do
  :: heap != NIL ->
     assert(!is_held[heap]);
     assert(user_count[heap] == 0);
     assert(first_word[heap] == second_word[heap]);
     lives++;
     heap = registry_next[heap]
  :: else -> break
  od;
  assert(lives == made_count);
  assert(idle_count == made_count)
}

inline end_of_process() {
  atomic {
    lives = 0;
    ended_count++;
    if
    :: ended_count == THREADS + COLLECTORS -> check_all_heaps_are_idle()
    :: else
    fi
  }
}

proctype thread() {
  byte heap, head, lives;
  bool got;
  do
  :: lives < LIVES ->
     fe_registry_attach();
     begin_use();
     change_heap();
     detach();
     heap = NIL;
     got = false;
     lives++
  :: else -> break
  od;
  end_of_process()
}

proctype collector() {
  byte heap, lives;
  bool got;
  fe_registry_collect_idle();
  got = false;
  end_of_process()
}

init {
  byte started;
  atomic {
    do
    :: started < THREADS -> run thread(); started++
    :: else -> break
    od;
    started = 0;
    do
    :: started < COLLECTORS -> run collector(); started++
    :: else -> break
    od
  }
}
