#pragma once
// Read this file first: every message that actors exchange, who sends it and when.
#include "domain/command.hpp"
#include "domain/store.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <string>

// The types of messages. No message leaves the process, so nothing is serialised.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(regroup::domain::Job)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(regroup::domain::MigrationPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(regroup::domain::UndoPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(regroup::domain::Answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(regroup::domain::CheckHealth)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(regroup::domain::Operation)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(regroup::domain::Worked)

namespace regroup::actors {

using migrate_atom = caf::atom_constant<caf::atom("migrate")>;
using undo_atom = caf::atom_constant<caf::atom("undo")>;
using execute_atom = caf::atom_constant<caf::atom("execute")>;
using check_atom = caf::atom_constant<caf::atom("check")>;
using connect_atom = caf::atom_constant<caf::atom("connect")>;
using listen_atom = caf::atom_constant<caf::atom("listen")>;
using done_atom = caf::atom_constant<caf::atom("done")>;
using refill_atom = caf::atom_constant<caf::atom("refill")>;
using idle_check_atom = caf::atom_constant<caf::atom("idlecheck")>;
using later_atom = caf::atom_constant<caf::atom("later")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;
using idle_atom = caf::atom_constant<caf::atom("idle")>;
using retire_atom = caf::atom_constant<caf::atom("retire")>;
using settle_atom = caf::atom_constant<caf::atom("settle")>;

/// Runs one job at a time against the database. Only the dispatcher has its handle.
using WorkerActor = caf::typed_actor<
    // from the dispatcher, to a worker without a job: open your connection or, if you have one,
    // find out whether its server still answers. Returns whether there is a working connection
    caf::replies_to<connect_atom>::with<bool>,
    // from the dispatcher, to a worker that is connected and idle; true: the job may have been done
    // already
    caf::replies_to<execute_atom, domain::Job, bool>::with<domain::Worked>,
    // from the dispatcher, at each of its ticks: has your server been silent for too long?
    caf::reacts_to<listen_atom>>;

/// The worker with its internal messages as well.
using WorkerSelf = WorkerActor::extend<
    // from its store, on the event loop: whether it has connected
    caf::reacts_to<done_atom, bool>,
    // from its store, on the event loop: the job has ended
    caf::reacts_to<done_atom, domain::Worked>>;

/// The way to the database: gives a job to a worker that is connected and idle, queues it, or
/// refuses it as `overloaded` at once.
using DispatcherActor = caf::typed_actor<
    // from a group, from health, from the settler, from a lane or a dispatcher that has no
    // connection, and from `http/` (everything else)
    caf::replies_to<execute_atom, domain::Job>::with<domain::Answer>>;

/// The dispatcher with its internal messages as well.
using DispatcherSelf =
    DispatcherActor::extend<caf::reacts_to<refill_atom>, // from itself, after a pause: fill a slot
                            caf::reacts_to<tick_atom>>;  // from itself, while jobs or workers wait

/// Goes on settling operations that were answered with a 504, until the replica ends.
using SettlerActor = caf::typed_actor<
    // from an exchange: the outcome was not known in time
    caf::reacts_to<settle_atom, domain::Operation>>;

/// The settler with its internal messages as well.
using SettlerSelf =
    SettlerActor::extend<caf::reacts_to<tick_atom>>; // from itself: some operations are due again

/// Checks whether the database answers; every probe goes through it.
using HealthActor = caf::typed_actor<
    // from `http/`
    caf::replies_to<check_atom, domain::CheckHealth>::with<domain::Answer>>;

/// One per registration group. Only the directory has its handle.
using GroupActor = caf::typed_actor<
    // from the directory, which delegates the caller's request
    caf::replies_to<migrate_atom, domain::MigrationPtr>::with<domain::Answer>,
    caf::replies_to<undo_atom, domain::UndoPtr>::with<domain::Answer>,
    // from the directory
    caf::reacts_to<idle_check_atom>, // has it been quiet for long enough?
    caf::reacts_to<retire_atom>>;    // nothing more is routed to you: end

/// The entry point for every migration and every undo.
using DirectoryActor = caf::typed_actor<
    // from `http/`
    caf::replies_to<migrate_atom, domain::MigrationPtr>::with<domain::Answer>,
    caf::replies_to<undo_atom, domain::UndoPtr>::with<domain::Answer>,
    // from a group: send me an idle check after this time
    caf::reacts_to<later_atom, caf::timespan>,
    // from an idle group: its id, and how many requests it has taken from its mailbox
    caf::reacts_to<idle_atom, std::string, std::uint64_t>>;

/// The directory with its internal messages as well.
using DirectorySelf =
    DirectoryActor::extend<caf::reacts_to<tick_atom>>; // from itself: idle checks are due

} // namespace regroup::actors
