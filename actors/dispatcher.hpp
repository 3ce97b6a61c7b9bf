#pragma once
#include "actors/interfaces.hpp"
#include "actors/pool.hpp"
#include "actors/system.hpp"

#include <chrono>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

namespace regroup::actors {

/// How long a pool slot stays empty after its worker ended without having answered a job, so that
/// workers that die at once do not keep a processor busy.
inline constexpr std::chrono::milliseconds refill_pause{500};

/// How often the dispatcher has workers that wait for the server check for silence, and drops jobs
/// past their deadline from the queue.
inline constexpr std::chrono::milliseconds dispatcher_tick{250};

/// The least time that a job waits when there is no connection and none can be opened: it survives
/// a restart of PostgreSQL, and is refused soon where there is none.
inline constexpr std::chrono::milliseconds patience_without_connection{500};

/// How often a job is started at most, counting the first time, when connections break under it. An
/// operation in doubt is settled for as long as its deadline allows.
inline constexpr int most_beginnings = 4;

struct DispatcherState {
  DispatcherState() = default; // not an aggregate: CAF 0.17 would initialise its first field
  static inline const char* name = "regroup.dispatcher";

  struct Task {
    domain::Job job;
    caf::typed_response_promise<domain::Answer> promise;
    caf::actor_clock::time_point queued;
    bool doubted = false; // see domain::Left
    int begun = 0;        // number of times
  };
  struct Place {
    WorkerActor worker;
    bool proven = false;      // has answered a job before
    std::optional<Task> task; // the job that it runs
  };
  WorkerFactory make_worker;
  std::unordered_map<caf::actor_id, Place> places; // pool slots, by worker id
  Pool pool;                                       // state of each slot's connection
  std::deque<Task> queue;                          // has jobs only while no worker can take one
  std::vector<Task> resting; // settlements that go back into the queue with the next tick
  bool stopping = false;
  bool ticking = false;
  DispatcherActor otherwise;
  domain::Metrics* metrics = nullptr;
};

/// Spawns all workers at the start. Connections are opened when jobs wait, one at a time, and jobs
/// go to the worker that became idle last, so a quiet replica holds few connections. A worker
/// without a connection gets no job.
DispatcherSelf::behavior_type dispatcher(DispatcherSelf::stateful_pointer<DispatcherState> self,
                                         WorkerFactory make_worker, DispatcherSettings settings,
                                         domain::Metrics* metrics, DispatcherActor otherwise);

} // namespace regroup::actors
