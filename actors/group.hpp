#pragma once
#include "actors/interfaces.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace regroup::actors {

struct GroupState {
  GroupState() = default; // not an aggregate: CAF 0.17 would initialise the first field from `self`
  static inline const char* name = "regroup.group";

  struct Migrating {
    domain::MigrationPtr migration;
    caf::typed_response_promise<domain::Answer> promise;
  };
  std::optional<Migrating> migrating; // the one that runs: others are refused meanwhile
  std::uint64_t served = 0;           // requests taken from the mailbox so far
  bool check_armed = false;           // at most one idle check is under way
  bool retiring = false;              // ends as soon as nothing runs
  caf::actor_clock::time_point last_active{};
};

/// Runs one migration at a time and answers every other request `in_progress` from memory. Quiet
/// for `idle_timeout`, it tells the directory how many requests it has served, and ends when told
/// to; it never ends by itself, since a request may be on its way.
GroupActor::behavior_type group(GroupActor::stateful_pointer<GroupState> self, std::string id,
                                DirectoryActor directory, DispatcherActor dispatcher,
                                caf::timespan idle_timeout);

} // namespace regroup::actors
