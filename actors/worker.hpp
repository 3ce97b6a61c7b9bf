#pragma once
#include "actors/interfaces.hpp"
#include "domain/store.hpp"

#include <memory>

namespace regroup::actors {

struct WorkerState {
  WorkerState() =
      default; // not an aggregate: CAF 0.17 would initialise the first field from `self`
  static inline const char* name = "regroup.worker";
  std::unique_ptr<domain::Store> store; // made at first use
  // The promise of what is running: one of the two.
  caf::typed_response_promise<bool> connecting;
  caf::typed_response_promise<domain::Worked> running;
};

/// Lets its store do one thing at a time, and never blocks.
WorkerSelf::behavior_type worker(WorkerSelf::stateful_pointer<WorkerState> self,
                                 domain::StoreFactory make_store);

} // namespace regroup::actors
