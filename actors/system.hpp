#pragma once
#include "actors/interfaces.hpp"
#include "domain/metrics.hpp"
#include "domain/store.hpp"

#include <chrono>
#include <cstddef>
#include <functional>

namespace regroup::actors {

/// Spawns one worker. The dispatcher calls it for each slot of its pool, and again after a worker
/// has ended.
using WorkerFactory = std::function<WorkerActor(caf::local_actor&)>;

/// Workers with a store each.
WorkerFactory pooled_workers(domain::StoreFactory make_store);

struct DispatcherSettings {
  std::size_t pool_size = 8;
  std::size_t queue_limit = 1000; // waiting jobs, without those that run
};

/// The dispatcher and the directory live until they get an exit message, the directory before the
/// dispatcher. Then they answer queued and new requests with `shutting_down`, let running jobs
/// reach their outcome, and end. The destructor of the actor system waits for that.
///
/// A request is answered with an Answer, or with a caf::error if it reaches an actor that has
/// ended: callers need a handler for both, and a timeout. `metrics` must outlive the actors.
/// `otherwise`: where jobs go when no connection is available; without it they are refused.
DispatcherActor spawn_dispatcher(caf::actor_system& system, WorkerFactory make_worker,
                                 DispatcherSettings settings, domain::Metrics& metrics,
                                 DispatcherActor otherwise = {});

/// A throttle in front of a dispatcher, for callers whose key is not known yet and who may come in
/// any number: one job at a time, and none sooner than `pause` after the one before. A job that
/// finds the queue full is answered `overloaded`. Ends at once on an exit message.
struct LaneSettings {
  std::chrono::milliseconds pause{2};
  std::size_t queue_limit = 4000;
};
DispatcherActor spawn_lane(caf::actor_system& system, DispatcherActor dispatcher,
                           LaneSettings settings);

DirectoryActor spawn_directory(caf::actor_system& system, DispatcherActor dispatcher,
                               std::chrono::milliseconds group_idle_timeout,
                               domain::Metrics& metrics);

/// Ends at once on an exit message.
SettlerActor spawn_settler(caf::actor_system& system, DispatcherActor dispatcher,
                           domain::Metrics& metrics);

/// Ends at once on an exit message.
HealthActor spawn_health(caf::actor_system& system, DispatcherActor dispatcher);

} // namespace regroup::actors
