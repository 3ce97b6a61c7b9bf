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

} // namespace

WorkerSelf::behavior_type worker(Self self, domain::StoreFactory make_store,
                                 domain::EventLoop* loop) {
  auto& state = self->state;
  state.shared = std::make_shared<SharedStore>();
  state.waiter =
      self->spawn<caf::linked + caf::detached>(waiter, state.shared, std::move(make_store));
  return {
      [=](execute_atom, const Job& job) -> caf::result<Answer> {
        auto& here = self->state;
        if (begin(self, job, *loop))
          return here.promise = self->make_response_promise<Answer>();
        here.watch.reset(); // the waiter may open another connection
        return self->delegate(here.waiter, execute_atom::value, job);
      },
      [=](arrived_atom) {
        auto& here = self->state;
        auto progressed = here.shared->store->proceed();
        switch (progressed.came) {
        case Came::not_all:
          wait_for_answer(self);
          break;
        case Came::answer:
          here.promise.deliver(std::move(progressed.answer));
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
  return {
      [shared, make_store = std::move(make_store)](execute_atom, const Job& job) -> Answer {
        try {
          if (!shared->store)
            shared->store = make_store();
        } catch (...) { // nothing was changed; the next job tries
          return domain::Refusal{.reason = domain::Refused::internal};
        }
        return shared->store->execute(job);
      },
      [shared](finish_atom) -> Answer { return shared->store->finish(); },
  };
}

WorkerFactory pooled_workers(domain::StoreFactory make_store, domain::EventLoop& loop) {
  return [make_store = std::move(make_store), &loop](caf::local_actor& dispatcher) -> WorkerActor {
    return dispatcher.spawn(worker, make_store, &loop);
  };
}

} // namespace regroup::actors
