#pragma once
#include "actors/interfaces.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace regroup::actors {

/// How many checks may be without an answer before the next one is refused unasked.
inline constexpr std::size_t most_silent_checks = 2;

struct HealthState {
  HealthState() =
      default; // not an aggregate: CAF 0.17 would initialise the first field from `self`
  static inline const char* name = "regroup.health";

  /// One CheckHealth at the dispatcher, and all who hear its answer.
  struct Check {
    std::uint64_t number;
    domain::Deadline deadline;
    std::vector<caf::typed_response_promise<domain::Answer>> callers;
  };
  DispatcherActor dispatcher;
  std::vector<Check> checks; // the youngest last; all but that one have passed their deadline
  std::uint64_t asked = 0;
};

/// Stands before the dispatcher for CheckHealth alone. While the database says nothing a check
/// keeps its connection, so callers share one: probes never take more than `most_silent_checks` of
/// the pool, however many come and however long it is silent.
HealthActor::behavior_type health(HealthActor::stateful_pointer<HealthState> self,
                                  DispatcherActor dispatcher);

} // namespace regroup::actors
