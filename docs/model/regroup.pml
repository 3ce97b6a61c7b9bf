/* Regroup's protocol for one registration group and two replicas, for the model checker spin.
 *
 * README.md beside this file maps each step to its function, says what is bounded and how to read a
 * counterexample. scripts/model checks every run of the model. Then it takes out one rule at a time
 * (-DNAME, a mutant), and expects an answer that is not true. PROBE marks a place that some run must
 * reach: a model that goes nowhere would hold as well. */

#ifndef BREAKS
#define BREAKS 2 /* how many answers get lost: of operations and of settlements together */
#endif
#define IDS 4

/* What is committed under an operation's id. A migration that is undone later has happened all the
 * same. A fence is the failed row of a settlement, or of an administrator who cancelled. */
mtype = { none, committed, fence };

/* What a replica reads last when it does not get the whole answer. */
mtype = { end_of_connection, fatal, error_of_pooler, error_then_end, undecodable };

/* The database. */
mtype row[IDS] = none;  /* by primary key */
bool writing[IDS];      /* an open transaction has inserted this id: who inserts it too waits */
bool locked;            /* the registration group's advisory lock */
byte successes;         /* migrations with status success, each with its group */
bool index_busy;        /* an open transaction changes those, under the unique index */

/* Bytes that were sent, and whose answer will not be read. */
bool unread_batch[IDS];
#define NO_ID 99
byte unread_settlement = NO_ID; /* of which id */
bool unread_waits;              /* and whether it takes the lock */

/* The replicas. */
bool running[2]; /* the group's actor runs an operation */

/* For the properties and the bounds only. */
byte breaks = BREAKS;
bool denied[IDS];   /* a caller was told that nothing was changed */
byte owed;          /* ids given out by a 504, and questions for a status, that have no outcome yet */
byte users[IDS] = 1; /* requests and sessions that still know the id */
byte over;          /* requests that have ended */

#ifdef PROBE
#define REACHED(place) assert(PROBE != place)
bool undone; /* a migration, at some time */
#else
#define REACHED(place) skip
#define undone false
#endif
#define MIGRATED_AGAIN 1
#define LATE_COMMIT 2
#define FENCE_MET 3
#define FOUND 4
#define FINAL_AFTER_504 5
#define OTHER_PROGRAM_MET 6
#define CANCELLED 7

/* ---- Mutants ---- */

#ifdef END_TAKEN_FOR_UNSENT
#define BELIEVED (word == end_of_connection)
#elif defined(FATAL_BELIEVED)
#define BELIEVED (word == fatal)
#elif defined(POOLER_BELIEVED)
#define BELIEVED (word == error_of_pooler)
#elif defined(ERROR_THEN_END_BELIEVED)
#define BELIEVED (word == error_then_end)
#elif defined(UNDECODABLE_IS_INTERNAL)
#define BELIEVED (word == undecodable)
#else
#define BELIEVED false
#endif

#ifdef NO_ACTOR /* holds: the actor is a fast path */
#define ACTOR_BUSY false
#else
#define ACTOR_BUSY running[replica]
#endif

#ifdef NO_LOCK /* holds: the lock is courtesy */
#define LOCKED false
#else
#define LOCKED locked
#endif

#ifdef NO_INDEX
#define INDEX_BUSY false
#define INDEX_TAKEN false
#else
#define INDEX_BUSY index_busy
#define INDEX_TAKEN (successes > 0)
#endif

#ifdef UNDO_WITHOUT_ID
#define ID_TAKEN (!undo && row[id] != none)
#else
#define ID_TAKEN (row[id] != none)
#endif

#ifdef FENCE_TAKEN_FOR_SUCCESS
#define ON_RECORD (successes > 0 || row[0] == fence || row[1] == fence || row[2] == fence || row[3] == fence)
#else
#define ON_RECORD (successes > 0)
#endif

/* ---- Answers ---- */

/* Keeps the states few: a row that nothing will read or write any more counts as gone. */
inline leave() {
  users[id]--;
  if
  :: users[id] == 0 -> row[id] = none; denied[id] = false
  :: else
  fi
}

inline end_request() {
  if
  :: owes -> REACHED(FINAL_AFTER_504); owed--; owes = false
  :: else -> running[replica] = false
  fi;
  waits = true;
  leave();
  over++;
  goto done
}

/* 201, or the status `completed`. */
inline made(heard) {
  if
  :: heard -> assert(row[id] == committed); end_request()
  :: else -> goto gone
  fi
}

/* 409, 500, 503, or the status `failed`. That it stays so is asserted where `row` becomes committed. */
inline nothing_changed(heard) {
  if
  :: heard -> assert(row[id] != committed); denied[id] = true; end_request()
  :: else -> goto gone
  fi
}

/* ---- In PostgreSQL ---- */

/* BEGIN, regroup_migrate_v3 or regroup_undo_v1, COMMIT: one delivery. With `heard` its replica reads
 * the whole answer. Without, a backend or a pooler reads the delivery at once, late or never, and the
 * backend may end at any step, which rolls back. */
inline operate(heard) {
  if /* tries the lock; in a later statement looks for a success */
  :: !heard -> goto gone
  :: atomic { LOCKED -> nothing_changed(heard) } /* in progress */
  :: atomic { !LOCKED ->
       if
       :: !undo && ON_RECORD ->
            assert(successes == 1); /* who is refused for good was refused by a success */
            nothing_changed(heard) /* already migrated */
       :: undo && successes == 0 -> nothing_changed(heard) /* nothing to undo */
       :: else -> locked = true
       fi }
  fi;
  if /* writes the row of its id, and what the unique index is about */
  :: atomic { !heard -> locked = false; goto gone }
  :: atomic { heard -> locked = false; nothing_changed(heard) } /* PostgreSQL's ERROR for a statement */
  :: atomic { !writing[id] && ID_TAKEN -> REACHED(FENCE_MET);
       locked = false; nothing_changed(heard) } /* RG002 */
  :: atomic { !writing[id] && !ID_TAKEN && !INDEX_BUSY ->
       if
       :: (undo -> successes == 0 : INDEX_TAKEN) -> REACHED(OTHER_PROGRAM_MET);
            locked = false; goto again /* RG001 */
       :: else -> writing[id] = true; index_busy = true
       fi }
  fi;
  if /* COMMIT */
  :: atomic { !heard -> writing[id] = false; index_busy = false; locked = false; goto gone }
  :: atomic { true ->
       assert(!denied[id]); /* "nothing was changed" stays true */
       row[id] = committed;
       if
       :: heard
       :: else -> REACHED(LATE_COMMIT)
       fi;
       if
       :: undo -> successes--;
#ifdef PROBE
            undone = true
#endif
       :: else -> successes++;
            if
            :: undone -> REACHED(MIGRATED_AGAIN)
            :: else
            fi
       fi;
       assert(successes <= 1); /* never two */
       writing[id] = false; index_busy = false; locked = false; made(heard) }
  fi
}

inline unlock() { locked = (locked && !waits) }

/* regroup_settle_v1, delivered as above: finds what was committed under the id, or writes the fence.
 * `waits`: takes the registration group's lock; an administrator's cancel does not. */
inline settle(heard) {
#if defined(FENCE_IN_SECOND_TRANSACTION) || defined(LOOK_BEFORE_LOCK)
  if
  :: !heard -> goto gone
  :: atomic {
#ifdef FENCE_IN_SECOND_TRANSACTION
       !locked ->
#else
       true ->
#endif
       if
       :: row[id] == committed -> made(heard)
       :: else
       fi }
  fi;
  if
  :: !heard -> goto gone
  :: atomic { !locked && !writing[id] ->
       if
       :: row[id] == none -> row[id] = fence
       :: else /* ON CONFLICT DO NOTHING */
       fi;
       nothing_changed(heard) }
  fi
#else
  if
  :: !heard -> goto gone
  :: atomic { !waits || !LOCKED -> locked = (locked || waits) }
  fi;
  if
  :: atomic { !heard -> unlock(); goto gone }
  :: atomic { !writing[id] ->
       if
#ifdef CONFLICT_TAKEN_FOR_FENCE
       :: row[id] == committed -> unlock(); nothing_changed(heard)
#else
       :: row[id] == committed -> REACHED(FOUND); unlock(); made(heard)
#endif
       :: row[id] == fence -> unlock(); nothing_changed(heard)
#ifdef LOOK_UP_WITHOUT_FENCE
       :: row[id] == none -> unlock(); nothing_changed(heard)
#else
       :: row[id] == none -> writing[id] = true
#endif
       fi }
  fi;
  if /* COMMIT, whose being kept is what allows the answer */
  :: atomic { !heard -> writing[id] = false; unlock(); goto gone }
  :: atomic { true ->
       if
       :: waits
       :: else -> REACHED(CANCELLED)
       fi;
       row[id] = fence; writing[id] = false; unlock(); nothing_changed(heard) }
  fi
#endif
}

/* ---- Sessions whose replica hears nothing ---- */

proctype unheard_batch(byte id; bool undo) {
  bool owes, waits, replica; /* of a request, which this is not */
end:
  do
  :: unread_batch[id] ->
     operate(false);
again: done: gone:
     atomic { unread_batch[id] = false; leave() }
  od
}

proctype unheard_settlement() {
  byte id;
  bool waits;
  bool owes, replica;
end:
  do
  :: atomic { unread_settlement != NO_ID -> id = unread_settlement; waits = unread_waits };
     settle(false);
done: gone:
     atomic { unread_settlement = NO_ID; unread_waits = false; leave(); id = 0; waits = false }
  od
}

/* ---- In a replica ---- */

/* The connection breaks before the answer is read: at any moment from the sending on, since a request
 * that waits does nothing else. */
inline lose_settlement() {
  breaks > 0 && unread_settlement == NO_ID ->
    breaks--;
    users[id]++;
    unread_settlement = id;
    unread_waits = waits;
}

proctype request(byte replica; byte id; bool undo) {
  mtype word;
  bool waits = true;
  bool owes; /* has answered 504, with the id */

  if
  :: atomic { ACTOR_BUSY -> assert(row[id] != committed); denied[id] = true; /* in progress */
       leave(); over++; goto done }
  :: atomic { !ACTOR_BUSY -> running[replica] = true }
  fi;

again:
  if
  :: atomic { true -> nothing_changed(true) } /* unsent */
  :: atomic { breaks > 0 ->
       breaks--;
       users[id]++;
       unread_batch[id] = true;
       if
       :: word = end_of_connection
       :: word = fatal
       :: word = error_of_pooler
       :: word = error_then_end
       :: word = undecodable
       fi;
       if
       :: BELIEVED -> nothing_changed(true)
       :: else -> word = 0
       fi;
#ifdef RUN_AGAIN
       goto again
#else
       goto unknown
#endif
     }
  :: true
  fi;
  operate(true); /* refused, or kept */

unknown:
  if
  :: atomic { !owes -> owes = true; owed++; running[replica] = false; /* 504; settling goes on */
#ifdef NOT_SETTLED_BEHIND_504
       leave(); over++; goto done
#else
       goto unknown
#endif
     }
  :: atomic { !owes -> end_request() } /* the replica dies: no answer */
#ifdef FREE_LOCK_IS_PROOF
  :: atomic { !locked -> nothing_changed(true) }
#endif
  :: atomic { lose_settlement();
#ifdef FENCE_BELIEVED_UNKEPT
       nothing_changed(true)
#else
       goto unknown
#endif
     }
  :: true
  fi;
  settle(true);
gone:
  assert(false); /* only a session that is not heard goes there */
done: end:
  false
}

/* Asks for the status of some id, at some time, through some replica; or cancels. */
proctype asker(byte id) {
  bool waits, replica;
  bool owes;
  atomic {
    if
    :: users[id] > 0 -> users[id]++
    :: else -> waits = true; over++; goto done
    fi;
    if
    :: waits = true
    :: skip
    fi;
    owes = true;
    owed++
  };
ask:
  if
  :: atomic { lose_settlement(); goto ask }
  :: true
  fi;
  settle(true);
gone:
  assert(false);
done: end:
  false
}

/* Writes a success past the lock. */
proctype other_program() {
  if
  :: atomic { !INDEX_BUSY && !INDEX_TAKEN -> index_busy = true }
  :: goto end
  fi;
  if
  :: atomic { successes++; assert(successes <= 1); index_busy = false }
  :: index_busy = false
  fi;
end:
  false
}

init {
  atomic {
    run unheard_batch(0, false); run unheard_batch(1, true);
    run unheard_batch(2, false); run unheard_batch(3, true);
    run unheard_settlement();
    run request(0, 0, false); run request(0, 1, true);
    run request(1, 2, false); run request(1, 3, true);
#ifdef ASKER
    if
    :: run asker(0)
    :: run asker(1)
    fi;
#endif
#ifdef OTHER_PROGRAM
    run other_program()
#endif
  };
#ifdef ASKER
  over == IDS + 1;
#else
  over == IDS;
#endif
  assert(owed == 0) /* every id that was given out by a 504 has become final */
}
