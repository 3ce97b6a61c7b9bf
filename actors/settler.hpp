#pragma once
#include "actors/interfaces.hpp"
#include "domain/metrics.hpp"

#include <chrono>
#include <map>

namespace regroup::actors {

/// The back-off between two attempts at one operation: 1, 2, 4 … seconds, up to this.
inline constexpr std::chrono::seconds longest_settle_pause{30};

/// How many operations are settled at once, so that requests still find connections; and how long
/// one attempt may take.
inline constexpr std::size_t most_settled_at_once = 2;
inline constexpr std::chrono::seconds settle_patience{10};

struct SettlerState {
  SettlerState() = default; // not an aggregate: CAF 0.17 would initialise its first field
  static inline const char* name = "regroup.settler";

  struct Open {
    domain::Operation operation;
    std::chrono::seconds pause{1}; // before the next attempt
  };
  std::multimap<caf::actor_clock::time_point, Open> open; // by due time
  std::size_t asking = 0;
  bool ticking = false;
  domain::Metrics* metrics = nullptr;
};

/// Ends at once on an exit message. What is open then is settled by another replica when a client
/// asks for its status.
SettlerSelf::behavior_type settler(SettlerSelf::stateful_pointer<SettlerState> self,
                                   DispatcherActor dispatcher, domain::Metrics* metrics);

} // namespace regroup::actors
