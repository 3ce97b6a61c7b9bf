#pragma once
#include "actors/interfaces.hpp"
#include "domain/metrics.hpp"
#include "domain/store.hpp"

#include <chrono>
#include <cstddef>
#include <functional>

namespace regroup::actors {

/// Spawns one worker. Called by the dispatcher for each place of its pool, and again for a worker
/// that died. In a test it spawns event-based ones.
using WorkerFactory = std::function<WorkerActor(caf::local_actor&)>;

/// Workers with a store each.
WorkerFactory pooled_workers(domain::StoreFactory make_store);

struct DispatcherSettings {
  std::size_t pool_size = 8;
  std::size_t queue_limit = 1000; // waiting jobs; those that run do not count
};

/// Both live until they are sent an exit message, the directory before the dispatcher: they then
/// answer what is queued or arrives with `shutting_down`, let what runs come to its outcome, and
/// end. An actor system waits for that in its destructor.
///
/// A request is answered with an Answer, but with a caf::error when it reaches an actor that has
/// ended: who asks needs a handler for both, and a time limit. `metrics` outlives the actors.
/// `otherwise`: where jobs go when no connection is to be had; absent: they are refused.
DispatcherActor spawn_dispatcher(caf::actor_system& system, WorkerFactory make_worker,
                                 DispatcherSettings settings, domain::Metrics& metrics,
                                 DispatcherActor otherwise = {});

/// A narrow way to a dispatcher, one job at a time and none sooner than `pause` after the one
/// before: for callers that are not known, of whom there may be any number. What finds no room in
/// its queue is answered `overloaded`. Ends at once when it is sent an exit message.
struct LaneSettings {
  std::chrono::milliseconds pause{2};
  std::size_t queue_limit = 4000;
};
DispatcherActor spawn_lane(caf::actor_system& system, DispatcherActor dispatcher,
                           LaneSettings settings);

DirectoryActor spawn_directory(caf::actor_system& system, DispatcherActor dispatcher,
                               std::chrono::milliseconds group_idle_timeout,
                               domain::Metrics& metrics);

/// Ends at once when it is sent an exit message.
SettlerActor spawn_settler(caf::actor_system& system, DispatcherActor dispatcher,
                           domain::Metrics& metrics);

/// Ends at once when it is sent an exit message.
HealthActor spawn_health(caf::actor_system& system, DispatcherActor dispatcher);

} // namespace regroup::actors
