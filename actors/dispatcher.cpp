#include "actors/dispatcher.hpp"

#include "actors/refusals.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace regroup::actors {
namespace {

using domain::Answer;
using domain::Job;
using domain::Refusal;
using domain::Refused;
using domain::Worked;
using Self = DispatcherSelf::stateful_pointer<DispatcherState>;
using Task = DispatcherState::Task;
using Place = DispatcherState::Place;

void measure(const DispatcherState& state) {
  state.metrics->dispatcher(state.queue.size(), state.pool.busy());
}

void refill_later(Self self) { self->delayed_send(self, refill_pause, refill_atom::value); }

void hire(Self self) {
  auto& state = self->state;
  try {
    WorkerActor worker = state.make_worker(*self);
    self->monitor(worker);
    state.pool.add(worker.id());
    state.places.emplace(worker.id(), Place{.worker = worker, .task = {}});
  } catch (const std::exception&) { // no memory, say: try again later
    refill_later(self);
  }
}

bool is_settlement(const Task& task) { return task.job.traits().settles; }

void too_late(const DispatcherState& state, Task& task) {
  if (is_settlement(task))
    state.metrics->doubt_ended(domain::Metrics::Doubt::unresolved);
  task.promise.deliver(Answer{domain::no_outcome(task.job)});
}

/// For a job that cannot run. "Nothing was changed" is answered only to a job that is not in doubt.
void refuse(Task& task, Refused reason) {
  task.promise.deliver(Answer{task.doubted || is_settlement(task) ? domain::no_outcome(task.job)
                                                                  : Refusal{.reason = reason}});
}

void feed(Self self);
void worked(Self self, caf::actor_id id, Worked how);
void lost(Self self, caf::actor_id id);

void run(Self self, caf::actor_id id, Task task) {
  auto& state = self->state;
  auto& place = state.places.at(id);
  if (task.begun++ == 0)
    state.metrics->job_waited(self->clock().now() - task.queued);
  place.task = std::move(task);
  self->request(place.worker, caf::infinite, execute_atom::value, place.task->job,
                place.task->doubted)
      .then([=](Worked how) { worked(self, id, std::move(how)); },
            [=](const caf::error&) { lost(self, id); });
}

/// There is no connection, and none can be opened now: jobs go to the other dispatcher, which may
/// have one; without another, those that have waited long enough are refused.
void do_without_connection(Self self) {
  auto& state = self->state;
  const auto before = self->clock().now() - patience_without_connection;
  std::deque<Task> waiting;
  for (auto& task : std::exchange(state.queue, {}))
    if (state.otherwise && !task.doubted)
      task.promise.delegate(state.otherwise, execute_atom::value, std::move(task.job));
    else if (task.queued <= before && !is_settlement(task))
      refuse(task, Refused::database_unavailable);
    else
      waiting.push_back(std::move(task));
  state.queue = std::move(waiting);
}

void tried(Self self, caf::actor_id id, bool connected) {
  auto& state = self->state;
  state.pool.tried(id, connected, self->clock().now());
  if (!connected && !state.pool.has_connection())
    do_without_connection(self);
  feed(self);
}

/// The worker opens its connection, or probes the one that it has.
void connect(Self self, caf::actor_id id) {
  self->request(self->state.places.at(id).worker, caf::infinite, connect_atom::value)
      .then([=](bool connected) { tried(self, id, connected); },
            [=](const caf::error&) { lost(self, id); });
}

void tick_later(Self self) {
  auto& state = self->state;
  if (state.ticking || (state.queue.empty() && state.resting.empty() && state.pool.waiting() == 0))
    return;
  state.ticking = true;
  const auto now = self->clock().now();
  caf::timespan pause = dispatcher_tick;
  if (const auto next = state.pool.next_try(now); next && !state.queue.empty())
    pause = std::min<caf::timespan>(pause, *next - now);
  self->delayed_send(self, pause, tick_atom::value);
}

/// Gives queued jobs to connected workers, oldest first, and answers those past their deadline.
/// While jobs wait, connections are opened one at a time.
void feed(Self self) {
  auto& state = self->state;
  const auto now = self->clock().now();
  while (!state.queue.empty()) {
    auto& first = state.queue.front();
    const bool late = first.job.deadline() <= now;
    const auto id = late ? std::nullopt : state.pool.take();
    if (!late && !id)
      break;
    auto task = std::move(first);
    state.queue.pop_front();
    if (late)
      too_late(state, task);
    else
      run(self, *id, std::move(task));
  }
  if (!state.queue.empty()) {
    if (const auto id = state.pool.begin_connecting(now))
      connect(self, *id);
    else if (state.otherwise && !state.pool.has_connection() && state.pool.next_try(now))
      do_without_connection(self);
  }
  tick_later(self);
  measure(state);
}

/// While stopping, with an empty queue: ends idle workers, and the dispatcher after the last of
/// them.
void end_if_stopping(Self self) {
  auto& state = self->state;
  if (!state.stopping || !state.queue.empty() || !state.resting.empty())
    return;
  for (const auto& [id, place] : state.places)
    if (!state.pool.is_busy(id))
      self->send_exit(place.worker, caf::exit_reason::user_shutdown);
  if (state.places.empty())
    self->quit();
}

/// The worker's connection broke under the task: another worker runs what is left of it. A
/// settlement that breaks one connection after the other rests in between, or it would take them
/// all from the others.
void take_up(Self self, Task task, domain::Left left) {
  const bool is_again = is_settlement(task) && left.was_begun;
  if (!left.was_begun)
    --task.begun;
  task.job = std::move(left.job);
  task.doubted = task.doubted || left.doubted;
  if (!is_settlement(task) && task.begun >= most_beginnings)
    refuse(task, Refused::database_unavailable);
  else if (is_again)
    self->state.resting.push_back(std::move(task));
  else
    self->state.queue.push_front(std::move(task));
}

void worked(Self self, caf::actor_id id, Worked how) {
  auto& state = self->state;
  const auto found = state.places.find(id);
  if (found == state.places.end())
    return; // its end was seen first: another worker settles the job
  auto task = *std::exchange(found->second.task, std::nullopt);
  found->second.proven = true;
  state.pool.put_back(id, how.connected);
  if (how.silent)
    for (const auto doubted : state.pool.doubt_idle())
      connect(self, doubted);
  if (auto* answer = std::get_if<Answer>(&how.ran))
    task.promise.deliver(std::move(*answer));
  else
    take_up(self, std::move(task), std::get<domain::Left>(std::move(how.ran)));
  feed(self);
  end_if_stopping(self);
}

/// An operation whose worker was lost may have committed: another worker settles it before any
/// other job. If a settlement is lost as well, the settler goes on after the answer.
void answer_lost_task(Self self, Task task) {
  const auto operation = task.job.operation();
  if (operation && !is_settlement(task) && !self->state.stopping) {
    task.job = domain::Settle{*operation, task.job.deadline()};
    self->state.queue.push_front(std::move(task));
  } else {
    task.promise.deliver(outcome_lost(task.job));
  }
}

/// The worker ended or answered with an error: either way it gets no other job.
void lost(Self self, caf::actor_id id) {
  auto& state = self->state;
  const auto found = state.places.find(id);
  if (found == state.places.end())
    return; // handled already: CAF reports both an error and the end
  auto place = std::move(found->second);
  state.places.erase(found);
  state.pool.remove(id, self->clock().now());
  self->send_exit(place.worker, caf::exit_reason::kill);
  if (place.task)
    answer_lost_task(self, std::move(*place.task));
  if (!state.stopping) {
    if (place.proven)
      hire(self);
    else
      refill_later(self);
  } else if (state.places.empty()) {
    for (auto& task : std::exchange(state.queue, {}))
      refuse(task, Refused::shutting_down);
    for (auto& task : std::exchange(state.resting, {}))
      refuse(task, Refused::shutting_down);
  }
  feed(self);
  end_if_stopping(self);
}

/// Refuses queued jobs. Running ones get their outcome, and their workers end after that.
void stop(Self self) {
  auto& state = self->state;
  state.stopping = true;
  for (auto& task : std::exchange(state.queue, {}))
    refuse(task, Refused::shutting_down);
  end_if_stopping(self);
}

void tick(Self self) {
  auto& state = self->state;
  state.ticking = false;
  const auto now = self->clock().now();
  for (const auto& [id, place] : state.places)
    if (state.pool.is_waiting(id))
      self->send(place.worker, listen_atom::value);
  for (auto& task : std::exchange(state.resting, {}))
    state.queue.push_front(std::move(task));
  std::erase_if(state.queue, [&](Task& task) {
    const bool late = task.job.deadline() <= now;
    if (late)
      too_late(state, task);
    return late;
  });
  feed(self);
  end_if_stopping(self);
}

} // namespace

DispatcherSelf::behavior_type dispatcher(Self self, WorkerFactory make_worker,
                                         DispatcherSettings settings, domain::Metrics* metrics,
                                         DispatcherActor otherwise) {
  self->state.metrics = metrics;
  self->state.otherwise = std::move(otherwise);
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
        feed(self); // jobs past their deadline take no room
        if (state.queue.size() >= settings.queue_limit + state.pool.without_job())
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
      [=](tick_atom) { tick(self); },
  };
}

DispatcherActor spawn_dispatcher(caf::actor_system& system, WorkerFactory make_worker,
                                 DispatcherSettings settings, domain::Metrics& metrics,
                                 DispatcherActor otherwise) {
  return system.spawn(dispatcher, std::move(make_worker), settings, &metrics, std::move(otherwise));
}

} // namespace regroup::actors
