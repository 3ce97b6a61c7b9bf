#pragma once
#include "actors/interfaces.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace regroup::actors {

/// How many requests one read of the record answers at most: more would make its caller's
/// connection wait for long.
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
  std::string id; // the registration group's
  DirectoryActor directory;
  DispatcherActor dispatcher;
  caf::timespan idle_timeout{};

  /// A full migration was on record the last time that somebody looked. Only ever a hint of what to
  /// ask first: another replica may undo it, so every answer comes from the database.
  bool on_record = false;
  std::optional<Running> running; // a migration or an undo: others are refused meanwhile
  std::vector<Request> recalling; // those that the read under way will answer
  std::vector<Request> waiting;   // came since it began: for the next one
  std::uint64_t served = 0;       // requests taken from the mailbox so far
  bool check_armed = false;       // at most one idle check is under way
  bool retiring = false;          // ends as soon as nothing runs
  caf::actor_clock::time_point last_active{};

  bool busy() const { return running || !recalling.empty() || !waiting.empty(); }
};

/// Runs one migration, or undo of one, at a time and answers every other request `in_progress` from
/// memory.
///
/// Once a full migration is known to have committed, nobody is migrating any more, and requests are
/// answered from the record: all that came while one read of it was under way share the next one,
/// which began after each of them asked.
///
/// Quiet for `idle_timeout`, it tells the directory how many requests it has served, and ends when
/// told to; it never ends by itself, since a request may be on its way.
GroupActor::behavior_type group(GroupActor::stateful_pointer<GroupState> self, std::string id,
                                DirectoryActor directory, DispatcherActor dispatcher,
                                caf::timespan idle_timeout);

} // namespace regroup::actors
