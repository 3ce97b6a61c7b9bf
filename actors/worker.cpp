#include "actors/worker.hpp"

#include "actors/system.hpp"

#include <utility>

namespace regroup::actors {
namespace {

using domain::Job;
using domain::Worked;
using Self = WorkerSelf::stateful_pointer<WorkerState>;

/// The callback that a store calls when it is done. It does not keep a worker alive that has ended.
template <class Result> std::function<void(Result)> to_worker(Self self) {
  return [worker = caf::actor_cast<caf::weak_actor_ptr>(self)](Result result) {
    if (const auto there = worker.lock())
      caf::anon_send(caf::actor_cast<WorkerSelf>(there), done_atom::value, std::move(result));
  };
}

/// Makes the store at first use. False: it cannot be made now; the next message tries again.
bool has_store(WorkerState& state, const domain::StoreFactory& make_store) {
  try {
    if (!state.store)
      state.store = make_store();
    return true;
  } catch (...) {
    return false;
  }
}

} // namespace

WorkerSelf::behavior_type worker(Self self, domain::StoreFactory make_store) {
  return {
      [=](connect_atom) -> caf::result<bool> {
        auto& state = self->state;
        if (!has_store(state, make_store))
          return false;
        state.connecting = self->make_response_promise<bool>();
        state.store->connect(to_worker<bool>(self));
        return state.connecting;
      },
      [=](execute_atom, const Job& job, bool doubted) -> caf::result<Worked> {
        auto& state = self->state;
        if (!has_store(state, make_store)) // nothing was changed
          return Worked{domain::Refusal{.reason = domain::Refused::internal}};
        state.running = self->make_response_promise<Worked>();
        state.store->run(job, doubted, to_worker<Worked>(self));
        return state.running;
      },
      [=](listen_atom) {
        if (self->state.store)
          self->state.store->end_silence();
      },
      [=](done_atom, bool connected) { self->state.connecting.deliver(connected); },
      [=](done_atom, const Worked& how) { self->state.running.deliver(how); },
  };
}

WorkerFactory pooled_workers(domain::StoreFactory make_store) {
  return [make_store = std::move(make_store)](caf::local_actor& dispatcher) -> WorkerActor {
    return dispatcher.spawn(worker, make_store);
  };
}

} // namespace regroup::actors
