#pragma once
#include "actors/interfaces.hpp"
#include "domain/metrics.hpp"

#include <chrono>
#include <map>

namespace regroup::actors {

/// An operation is asked about again after 1, 2, 4 … seconds, up to this.
inline constexpr std::chrono::seconds longest_settle_pause{30};

/// How many are asked about at once, so that requests find connections; and for how long one may
/// ask.
inline constexpr std::size_t most_settled_at_once = 2;
inline constexpr std::chrono::seconds settle_patience{10};

struct SettlerState {
  SettlerState() = default; // not an aggregate: CAF 0.17 would initialise its first field
  static inline const char* name = "regroup.settler";

  struct Open {
    domain::Operation operation;
    std::chrono::seconds pause{1}; // before the next question
  };
  std::multimap<caf::actor_clock::time_point, Open> open; // by when they are due
  std::size_t asking = 0;
  bool ticking = false;
  domain::Metrics* metrics = nullptr;
};

/// Ends at once when it is sent an exit message: what is open then, another replica settles when
/// its status is asked for.
SettlerSelf::behavior_type settler(SettlerSelf::stateful_pointer<SettlerState> self,
                                   DispatcherActor dispatcher, domain::Metrics* metrics);

} // namespace regroup::actors
