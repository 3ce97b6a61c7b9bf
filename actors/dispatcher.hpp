#pragma once
#include "actors/interfaces.hpp"
#include "actors/pool.hpp"
#include "actors/system.hpp"

#include <chrono>
#include <deque>
#include <optional>
#include <unordered_map>

namespace regroup::actors {

/// How long a place of the pool stays empty after a worker that never answered a job, so that
/// workers that die at once do not keep a processor busy.
inline constexpr std::chrono::milliseconds refill_pause{500};

/// How often workers that wait for their server are asked whether it is silent, and the queue is
/// looked through for what is too late.
inline constexpr std::chrono::milliseconds dispatcher_tick{250};

/// For how long a job waits at least when there is no connection and none can be opened: it
/// survives a PostgreSQL that restarts, and is refused soon where there is none.
inline constexpr std::chrono::milliseconds patience_without_connection{500};

/// How often a job is begun at most, the first time included, when connections break under it. What
/// is in doubt is settled for as long as there is time.
inline constexpr int most_beginnings = 4;

struct DispatcherState {
  DispatcherState() = default; // not an aggregate: CAF 0.17 would initialise its first field
  static inline const char* name = "regroup.dispatcher";

  struct Task {
    domain::Job job;
    caf::typed_response_promise<domain::Answer> promise;
    caf::actor_clock::time_point queued;
    bool doubted = false; // as domain::Left has it
    int begun = 0;        // how often
  };
  struct Place {
    WorkerActor worker;
    bool proven = false;      // has answered a job
    std::optional<Task> task; // the one that runs
  };
  WorkerFactory make_worker;
  std::unordered_map<caf::actor_id, Place> places; // of the pool, by their worker
  Pool pool;                                       // which of them can do what
  std::deque<Task> queue;                          // not empty only while none can take a job
  bool stopping = false;
  bool ticking = false;
  DispatcherActor otherwise;
  domain::Metrics* metrics = nullptr;
};

/// Makes the whole pool at the start, so that no request pays for a thread. Connections are opened
/// when jobs wait, one at a time, and the worker that became idle last is asked first, so a quiet
/// replica holds few. No job goes to a worker that has none.
DispatcherSelf::behavior_type dispatcher(DispatcherSelf::stateful_pointer<DispatcherState> self,
                                         WorkerFactory make_worker, DispatcherSettings settings,
                                         domain::Metrics* metrics, DispatcherActor otherwise);

} // namespace regroup::actors
