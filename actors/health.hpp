#pragma once
#include "actors/interfaces.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace regroup::actors {

/// How many checks may be unanswered before the next one is refused without asking the database.
inline constexpr std::size_t most_silent_checks = 2;

struct HealthState {
  HealthState() =
      default; // not an aggregate: CAF 0.17 would initialise the first field from `self`
  static inline const char* name = "regroup.health";

  /// One CheckHealth sent to the dispatcher, and all callers that wait for its answer.
  struct Check {
    std::uint64_t number;
    domain::Deadline deadline;
    std::vector<caf::typed_response_promise<domain::Answer>> callers;
  };
  DispatcherActor dispatcher;
  std::vector<Check> checks; // youngest last; all others are past their deadline
  std::uint64_t asked = 0;
};

/// Stands in front of the dispatcher for CheckHealth alone. A check holds its connection while the
/// database is silent, so callers share one check: probes never hold more than `most_silent_checks`
/// connections of the pool, however many come and however long the silence lasts.
HealthActor::behavior_type health(HealthActor::stateful_pointer<HealthState> self,
                                  DispatcherActor dispatcher);

} // namespace regroup::actors
