#pragma once
#include "actors/interfaces.hpp"
#include "actors/system.hpp"

#include <chrono>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

namespace regroup::actors {

/// How long a place of the pool stays empty after a worker that never answered a job, so that
/// workers that die at once do not keep a processor busy.
inline constexpr std::chrono::milliseconds refill_pause{500};

struct DispatcherState {
  DispatcherState() = default; // not an aggregate: CAF 0.17 would initialise its first field
  static inline const char* name = "regroup.dispatcher";

  struct Task {
    domain::Job job;
    caf::typed_response_promise<domain::Answer> promise;
    caf::actor_clock::time_point queued;
  };
  struct Place {
    WorkerActor worker;
    bool proven = false;      // has answered a job
    std::optional<Task> task; // the one that runs
  };
  WorkerFactory make_worker;
  std::unordered_map<caf::actor_id, Place> places; // of the pool, by their worker
  std::vector<caf::actor_id> idle; // the last one that became idle is asked first: it is warm
  std::deque<Task> queue;          // not empty only while no worker is idle
  bool stopping = false;
  domain::Metrics* metrics = nullptr;
};

/// Makes the whole pool at the start, so that no request pays for a thread; a store connects at
/// its first job only, and the worker that became idle last is asked first, so a quiet replica
/// holds few connections.
DispatcherSelf::behavior_type dispatcher(DispatcherSelf::stateful_pointer<DispatcherState> self,
                                         WorkerFactory make_worker, DispatcherSettings settings,
                                         domain::Metrics* metrics);

} // namespace regroup::actors
