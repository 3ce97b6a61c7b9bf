#pragma once
#include "actors/interfaces.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace regroup::actors {

/// How many requests one read of the record answers at most: a larger read would take long.
inline constexpr std::size_t most_recalled = 500;

struct GroupState {
  GroupState() = default; // not an aggregate: CAF 0.17 would initialise the first field from `self`
  static inline const char* name = "regroup.group";

  struct Request {
    domain::MigrationPtr migration;
    caf::typed_response_promise<domain::Answer> promise;
  };
  struct Running {
    domain::Job job; // a MigrationPtr or an UndoPtr
    caf::typed_response_promise<domain::Answer> promise;
  };
  std::string id; // registration group id
  DirectoryActor directory;
  DispatcherActor dispatcher;
  caf::timespan idle_timeout{};

  /// A full migration was on record at the last look. Only a hint of what to ask first: another
  /// replica may undo it, so every answer comes from the database.
  bool on_record = false;
  std::optional<Running> running; // a migration or an undo; others are refused meanwhile
  std::vector<Request> recalling; // the read that runs will answer these
  std::vector<Request> waiting;   // arrived after it began: for the next read
  std::uint64_t served = 0;       // requests taken from the mailbox so far
  bool check_armed = false;       // at most one idle check is pending
  bool retiring = false;          // ends as soon as nothing runs
  caf::actor_clock::time_point last_active{};

  bool busy() const { return running || !recalling.empty() || !waiting.empty(); }
};

/// Runs one migration, or undo of one, at a time and answers every other request `in_progress` from
/// memory.
///
/// Once a full migration is known to have committed, requests are answered from the record instead:
/// all that arrive during one read of it share the next one, which begins after each of them asked.
///
/// After `idle_timeout` without work it reports to the directory how many requests it has served.
/// It ends only when the directory retires it, since a request may be on its way.
GroupActor::behavior_type group(GroupActor::stateful_pointer<GroupState> self, std::string id,
                                DirectoryActor directory, DispatcherActor dispatcher,
                                caf::timespan idle_timeout);

} // namespace regroup::actors
