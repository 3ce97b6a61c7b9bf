#include "actors/dispatcher.hpp"

#include "actors/refusals.hpp"

#include <exception>
#include <utility>

namespace regroup::actors {
namespace {

using domain::Answer;
using domain::Job;
using domain::Refusal;
using domain::Refused;
using Self = DispatcherSelf::stateful_pointer<DispatcherState>;
using Task = DispatcherState::Task;
using Place = DispatcherState::Place;

void measure(const DispatcherState& state) {
  state.metrics->dispatcher(state.queue.size(), state.places.size() - state.idle.size());
}

void refill_later(Self self) { self->delayed_send(self, refill_pause, refill_atom::value); }

void hire(Self self) {
  auto& state = self->state;
  try {
    WorkerActor worker = state.make_worker(*self);
    self->monitor(worker);
    state.idle.push_back(worker.id());
    state.places.emplace(worker.id(), Place{.worker = worker, .task = {}});
  } catch (const std::exception&) { // no thread is to be had at the moment
    refill_later(self);
  }
}

void answered(Self self, caf::actor_id id, Answer answer);
void lost(Self self, caf::actor_id id);

void run(Self self, Task task) {
  auto& state = self->state;
  const auto id = state.idle.back();
  state.idle.pop_back();
  auto& place = state.places.at(id);
  state.metrics->job_waited(self->clock().now() - task.queued);
  place.task = std::move(task);
  self->request(place.worker, caf::infinite, execute_atom::value, place.task->job)
      .then([=](Answer answer) { answered(self, id, std::move(answer)); },
            [=](const caf::error&) { lost(self, id); });
}

/// Feeds the idle workers from the front of the queue; what is too late is answered on the way.
void feed(Self self) {
  auto& state = self->state;
  while (!state.queue.empty()) {
    const bool late = domain::deadline_of(state.queue.front().job) <= self->clock().now();
    if (!late && state.idle.empty())
      break;
    auto task = std::move(state.queue.front());
    state.queue.pop_front();
    if (late)
      task.promise.deliver(Answer{domain::no_outcome(task.job)}); // it was not begun
    else
      run(self, std::move(task));
  }
  measure(state);
}

void answered(Self self, caf::actor_id id, Answer answer) {
  auto& state = self->state;
  const auto found = state.places.find(id);
  if (found == state.places.end())
    return; // its end was seen first, and another worker looks for the outcome
  auto& place = found->second;
  auto task = std::exchange(place.task, std::nullopt);
  task->promise.deliver(std::move(answer));
  place.proven = true;
  if (state.stopping) {
    self->send_exit(place.worker, caf::exit_reason::user_shutdown);
  } else {
    state.idle.push_back(id);
    feed(self);
  }
}

/// An operation that was lost may have committed: another worker settles it before anything else. A
/// settlement that was lost as well is the settler's affair, behind the answer.
void answer_lost_task(Self self, Task task) {
  auto& state = self->state;
  const auto operation = domain::operation_of(task.job);
  if (operation && !std::holds_alternative<domain::Settle>(task.job) && !state.stopping)
    state.queue.push_front({domain::Settle{*operation, domain::deadline_of(task.job)},
                            std::move(task.promise), self->clock().now()});
  else
    task.promise.deliver(outcome_lost(task.job));
}

/// The worker ended, or answered with an error: either way it is not trusted with another job.
void lost(Self self, caf::actor_id id) {
  auto& state = self->state;
  const auto found = state.places.find(id);
  if (found == state.places.end())
    return; // seen before: both an error and its end are reported
  auto place = std::move(found->second);
  state.places.erase(found);
  std::erase(state.idle, id);
  self->send_exit(place.worker, caf::exit_reason::kill);
  if (place.task)
    answer_lost_task(self, std::move(*place.task));
  if (state.stopping) {
    if (state.places.empty())
      self->quit();
    return;
  }
  if (place.proven)
    hire(self);
  else
    refill_later(self);
  feed(self);
}

/// What is queued is refused; what runs comes to its outcome, and its worker ends after it.
void stop(Self self) {
  auto& state = self->state;
  state.stopping = true;
  for (auto& task : std::exchange(state.queue, {}))
    task.promise.deliver(Answer{Refusal{.reason = Refused::shutting_down}});
  for (const auto id : std::exchange(state.idle, {}))
    self->send_exit(state.places.at(id).worker, caf::exit_reason::user_shutdown);
  if (state.places.empty())
    self->quit();
}

} // namespace

DispatcherSelf::behavior_type dispatcher(Self self, WorkerFactory make_worker,
                                         DispatcherSettings settings, domain::Metrics* metrics) {
  self->state.metrics = metrics;
  self->set_exit_handler([self](caf::exit_msg&) { stop(self); });
  self->set_down_handler([self](const caf::down_msg& down) { lost(self, down.source.id()); });
  self->state.make_worker = std::move(make_worker);
  for (std::size_t place = 0; place < settings.pool_size; ++place)
    hire(self);
  return {
      [=](execute_atom, const Job& job) -> caf::result<Answer> {
        auto& state = self->state;
        if (state.stopping)
          return Answer{Refusal{.reason = Refused::shutting_down}};
        feed(self); // what is too late takes no room
        if (state.idle.empty() && state.queue.size() >= settings.queue_limit)
          return Answer{Refusal{.reason = Refused::overloaded}};
        auto promise = self->make_response_promise<Answer>();
        state.queue.push_back({job, promise, self->clock().now()});
        feed(self);
        return promise;
      },
      [=](refill_atom) {
        if (self->state.stopping)
          return;
        hire(self);
        feed(self);
      },
  };
}

DispatcherActor spawn_dispatcher(caf::actor_system& system, WorkerFactory make_worker,
                                 DispatcherSettings settings, domain::Metrics& metrics) {
  return system.spawn(dispatcher, std::move(make_worker), settings, &metrics);
}

} // namespace regroup::actors
