#include "actors/refusals.hpp"
#include "actors/system.hpp"

#include <deque>
#include <utility>

namespace regroup::actors {
namespace {

using domain::Answer;
using domain::Job;
using domain::Refusal;
using domain::Refused;

/// The lane with its internal messages as well.
using LaneSelf =
    DispatcherActor::extend<caf::reacts_to<tick_atom>>; // from itself: the next job may go

struct LaneState {
  LaneState() = default; // not an aggregate: CAF 0.17 would initialise its first field
  static inline const char* name = "regroup.lane";

  struct Task {
    Job job;
    caf::typed_response_promise<Answer> promise;
  };
  std::deque<Task> queue;
  bool busy = false;   // a job is with the dispatcher
  bool paused = false; // the last job was sent less than `pause` ago
};

using Self = LaneSelf::stateful_pointer<LaneState>;

void go_on(Self self, const DispatcherActor& dispatcher, const LaneSettings& settings) {
  auto& state = self->state;
  while (!state.queue.empty() && !state.busy && !state.paused) {
    auto task = std::move(state.queue.front());
    state.queue.pop_front();
    if (task.job.deadline() <= self->clock().now()) {
      task.promise.deliver(Answer{domain::no_outcome(task.job)});
      continue;
    }
    state.busy = state.paused = true;
    self->delayed_send(self, settings.pause, tick_atom::value);
    auto finish = [=, promise = task.promise](Answer answer) mutable {
      promise.deliver(std::move(answer));
      self->state.busy = false;
      go_on(self, dispatcher, settings);
    };
    self->request(dispatcher, caf::infinite, execute_atom::value, std::move(task.job))
        .then(finish, [=](const caf::error&) mutable {
          finish(Answer{Refusal{.reason = Refused::database_unavailable}});
        });
  }
}

LaneSelf::behavior_type lane(Self self, const DispatcherActor& dispatcher,
                             const LaneSettings& settings) {
  self->set_exit_handler([self](const caf::exit_msg& stop) {
    for (auto& task : std::exchange(self->state.queue, {}))
      task.promise.deliver(Answer{Refusal{.reason = Refused::shutting_down}});
    self->quit(stop.reason);
  });
  return {
      [=](execute_atom, const Job& job) -> caf::result<Answer> {
        if (self->state.queue.size() >= settings.queue_limit)
          return Answer{Refusal{.reason = Refused::overloaded}};
        auto promise = self->make_response_promise<Answer>();
        self->state.queue.push_back({job, promise});
        go_on(self, dispatcher, settings);
        return promise;
      },
      [=](tick_atom) {
        self->state.paused = false;
        go_on(self, dispatcher, settings);
      },
  };
}

} // namespace

DispatcherActor spawn_lane(caf::actor_system& system, DispatcherActor dispatcher,
                           LaneSettings settings) {
  return system.spawn(lane, std::move(dispatcher), settings);
}

} // namespace regroup::actors
