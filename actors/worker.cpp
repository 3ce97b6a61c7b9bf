#include "actors/worker.hpp"

#include "actors/system.hpp"

#include <utility>

namespace regroup::actors {

WorkerActor::behavior_type worker(WorkerActor::stateful_pointer<WorkerState> self,
                                  domain::StoreFactory make_store) {
  return {
      [self, make_store = std::move(make_store)](execute_atom,
                                                 const domain::Job& job) -> domain::Answer {
        try {
          auto& store = self->state.store;
          if (!store)
            store = make_store();
          return store->execute(job);
        } catch (...) { // the store could not be made, so nothing was changed; the next job tries
          return domain::Refusal{.reason = domain::Refused::internal};
        }
      },
  };
}

WorkerFactory detached_workers(domain::StoreFactory make_store) {
  return [make_store = std::move(make_store)](caf::local_actor& dispatcher) {
    return dispatcher.spawn<caf::detached>(worker, make_store);
  };
}

} // namespace regroup::actors
