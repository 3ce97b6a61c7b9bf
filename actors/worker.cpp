#include "actors/worker.hpp"

#include "actors/system.hpp"

#include <utility>

namespace regroup::actors {
namespace {

using domain::Answer;
using domain::Job;
using Self = WorkerSelf::stateful_pointer<WorkerState>;
using Came = domain::Store::Came;

/// The loop keeps no worker alive that has ended.
void wait_for_answer(Self self) {
  self->state.watch->when_readable([worker = caf::actor_cast<caf::weak_actor_ptr>(self)] {
    if (const auto there = worker.lock())
      caf::anon_send(caf::actor_cast<WorkerSelf>(there), arrived_atom::value);
  });
}

bool begin(Self self, const Job& job, domain::EventLoop& loop) {
  auto& state = self->state;
  if (!state.shared->store)
    return false;
  const auto socket = state.shared->store->begin(job);
  if (!socket)
    return false;
  if (!state.watch)
    state.watch = loop.watch(*socket);
  wait_for_answer(self);
  return true;
}

Worked left_by(const domain::Store& store, domain::Ran ran) {
  return {std::move(ran), store.is_connected(), store.was_silent()};
}

} // namespace

WorkerSelf::behavior_type worker(Self self, domain::StoreFactory make_store,
                                 domain::EventLoop* loop) {
  auto& state = self->state;
  state.shared = std::make_shared<SharedStore>();
  state.waiter =
      self->spawn<caf::linked + caf::detached>(waiter, state.shared, std::move(make_store));
  return {
      [=](connect_atom) -> caf::result<bool> {
        self->state.watch.reset(); // the waiter may open another connection
        return self->delegate(self->state.waiter, connect_atom::value);
      },
      [=](execute_atom, const Job& job, bool doubted) -> caf::result<Worked> {
        auto& here = self->state;
        if (begin(self, job, *loop))
          return here.promise = self->make_response_promise<Worked>();
        here.watch.reset(); // the waiter may close the connection
        return self->delegate(here.waiter, execute_atom::value, job, doubted);
      },
      [=](listen_atom) {
        if (auto* store = self->state.shared->made.load())
          store->end_silence();
      },
      [=](arrived_atom) {
        auto& here = self->state;
        auto progressed = here.shared->store->proceed();
        switch (progressed.came) {
        case Came::not_all:
          wait_for_answer(self);
          break;
        case Came::answer:
          here.promise.deliver(left_by(*here.shared->store, std::move(progressed.answer)));
          break;
        case Came::needs_time:
          here.watch.reset();
          here.promise.delegate(here.waiter, finish_atom::value);
          break;
        }
      },
  };
}

WaiterActor::behavior_type waiter(WaiterActor::stateful_pointer<WaiterState> /*self*/,
                                  std::shared_ptr<SharedStore> shared,
                                  domain::StoreFactory make_store) {
  const auto has_store = [shared, make_store = std::move(make_store)] {
    try {
      if (!shared->store)
        shared->made = (shared->store = make_store()).get();
      return true;
    } catch (...) { // the next one tries
      return false;
    }
  };
  return {
      [=](connect_atom) { return has_store() && shared->store->connect(); },
      [=](execute_atom, const Job& job, bool doubted) -> Worked {
        if (!has_store()) // nothing was changed
          return {Answer{domain::Refusal{.reason = domain::Refused::internal}}};
        return left_by(*shared->store, shared->store->execute(job, doubted));
      },
      [=](finish_atom) -> Worked { return left_by(*shared->store, shared->store->finish()); },
  };
}

WorkerFactory pooled_workers(domain::StoreFactory make_store, domain::EventLoop& loop) {
  return [make_store = std::move(make_store), &loop](caf::local_actor& dispatcher) -> WorkerActor {
    return dispatcher.spawn(worker, make_store, &loop);
  };
}

} // namespace regroup::actors
