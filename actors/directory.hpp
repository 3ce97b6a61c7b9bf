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
    bool retiring = false;        // told to end, and not yet gone
    std::vector<Request> waiting; // came meanwhile: for the actor that follows
  };
  std::unordered_map<std::string, Entry> groups;        // by the registration group's id
  std::unordered_map<caf::actor_id, std::string> names; // of the groups, by their actor

  using TimePoint = caf::actor_clock::time_point;
  std::multimap<TimePoint, caf::actor_id> checks; // when a group is to be asked whether it is idle
  TimePoint last_tick = TimePoint::min();
  TimePoint next_tick = TimePoint::max(); // none is armed

  bool stopping = false;
};

/// Routes a migration, or its undo, to the registration group's actor, spawning it when there is
/// none. There is never more than one: an entry stays until its actor has ended, whatever ended it.
///
/// Passivation loses no request because all of them pass through here: what was routed before a
/// group is told to retire is in its mailbox before that, and is answered; what comes after waits
/// for the actor that follows. That it does not wait long is why a group that says "idle, I have
/// served N" is told to retire only if exactly N were routed to it: it has nothing more to do.
///
/// It keeps the time for all groups. Each delayed message wakes CAF's clock, a thread of its own:
/// one for each group was a tenth of what a migration cost the service. So the checks that are due
/// within a 64th of `idle_timeout` share one.
DirectorySelf::behavior_type directory(DirectorySelf::stateful_pointer<DirectoryState> self,
                                       DispatcherActor dispatcher, caf::timespan idle_timeout,
                                       domain::Metrics* metrics);

} // namespace regroup::actors
