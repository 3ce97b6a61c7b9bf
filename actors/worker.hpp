#pragma once
#include "actors/interfaces.hpp"
#include "domain/event_loop.hpp"
#include "domain/store.hpp"

#include <atomic>
#include <memory>

namespace regroup::actors {

/// The store of a worker and its waiter. One of the two uses it at a time: the waiter while it has
/// a message from the worker that it has not answered.
struct SharedStore {
  std::unique_ptr<domain::Store> store;       // made by the waiter, when it is first needed
  std::atomic<domain::Store*> made = nullptr; // the same, for end_silence()
};

struct WorkerState {
  WorkerState() =
      default; // not an aggregate: CAF 0.17 would initialise the first field from `self`
  static inline const char* name = "regroup.worker";
  std::shared_ptr<SharedStore> shared;
  WaiterActor waiter;
  std::unique_ptr<domain::SocketWatch> watch; // of the store's socket, while no waiter may close it
  caf::typed_response_promise<Worked> promise; // of the job that was begun
};

struct WaiterState {
  WaiterState() = default;
  static inline const char* name = "regroup.waiter";
};

/// Sends what a job needs and waits for the answer without a thread, where the store can do that;
/// all else it leaves to its waiter, a detached actor that ends with it.
WorkerSelf::behavior_type worker(WorkerSelf::stateful_pointer<WorkerState> self,
                                 domain::StoreFactory make_store, domain::EventLoop* loop);

/// Blocks: to be spawned as `caf::detached`.
WaiterActor::behavior_type waiter(WaiterActor::stateful_pointer<WaiterState> self,
                                  std::shared_ptr<SharedStore> shared,
                                  domain::StoreFactory make_store);

} // namespace regroup::actors
