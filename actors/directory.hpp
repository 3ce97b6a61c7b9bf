#pragma once
#include "actors/interfaces.hpp"
#include "domain/metrics.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace regroup::actors {

struct DirectoryState {
  DirectoryState() = default; // not an aggregate: CAF 0.17 would initialise its first field
  static inline const char* name = "regroup.directory";

  struct Request {
    std::variant<domain::MigrationPtr, domain::UndoPtr> work;
    caf::typed_response_promise<domain::Answer> promise;
  };
  struct Entry {
    GroupActor actor;
    std::uint64_t routed = 0;     // requests sent to the actor so far
    bool retiring = false;        // retire was sent, and the actor has not ended yet
    std::vector<Request> waiting; // arrived meanwhile: for the next actor
  };
  std::unordered_map<std::string, Entry> groups;        // by registration group id
  std::unordered_map<caf::actor_id, std::string> names; // group ids, by actor

  using TimePoint = caf::actor_clock::time_point;
  std::multimap<TimePoint, caf::actor_id> checks; // when to send a group its idle check
  TimePoint last_tick = TimePoint::min();
  TimePoint next_tick = TimePoint::max(); // max: no tick is armed

  bool stopping = false;
};

/// Routes a migration, or its undo, to the registration group's actor, and spawns that actor when
/// there is none. There is never more than one: an entry stays until its actor has ended, whatever
/// ended it.
///
/// Passivation loses no request because every request passes through the directory. Requests routed
/// before `retire` are in the group's mailbox ahead of it, and are answered; later ones wait for
/// the next actor. They do not wait long, because a group that reports "idle, served N" is retired
/// only if exactly N requests were routed to it: it then has nothing left to do.
///
/// The directory keeps the timers of all groups. Each delayed message wakes the thread of CAF's
/// clock: one per group cost a tenth of the service's work for a migration. So checks that are due
/// within a 64th of `idle_timeout` share one.
DirectorySelf::behavior_type directory(DirectorySelf::stateful_pointer<DirectoryState> self,
                                       DispatcherActor dispatcher, caf::timespan idle_timeout,
                                       domain::Metrics* metrics);

} // namespace regroup::actors
