#pragma once
#include "actors/interfaces.hpp"
#include "domain/store.hpp"

#include <memory>

namespace regroup::actors {

struct WorkerState {
  WorkerState() =
      default; // not an aggregate: CAF 0.17 would initialise the first field from `self`
  static inline const char* name = "regroup.worker";
  std::unique_ptr<domain::Store> store; // made when it is first needed
  // Of what is under way: one of the two.
  caf::typed_response_promise<bool> connecting;
  caf::typed_response_promise<domain::Worked> running;
};

/// Has its store do one thing at a time; waits for nothing.
WorkerSelf::behavior_type worker(WorkerSelf::stateful_pointer<WorkerState> self,
                                 domain::StoreFactory make_store);

} // namespace regroup::actors
