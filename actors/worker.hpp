#pragma once
#include "actors/interfaces.hpp"
#include "domain/store.hpp"

#include <memory>

namespace regroup::actors {

struct WorkerState {
  WorkerState() =
      default; // not an aggregate: CAF 0.17 would initialise the first field from `self`
  static inline const char* name = "regroup.worker";
  std::unique_ptr<domain::Store> store; // made, used and destroyed on the worker's thread
};

/// Makes its store at the first job. Blocks: to be spawned as `caf::detached`.
WorkerActor::behavior_type worker(WorkerActor::stateful_pointer<WorkerState> self,
                                  domain::StoreFactory make_store);

} // namespace regroup::actors
