#include "actors/group.hpp"

#include "actors/refusals.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace regroup::actors {
namespace {

using domain::Answer;
using domain::Job;
using domain::MigrationPtr;
using domain::MigrationRecalled;
using domain::MigrationUndone;
using domain::RecallMigration;
using domain::Refusal;
using domain::Refused;
using domain::UndoPtr;
using Request = GroupState::Request;
using Running = GroupState::Running;
using Self = GroupActor::stateful_pointer<GroupState>;

/// Whether the outcome means that a full migration is on record.
bool tells_of_full_migration(const Job& job, const Answer& answer) {
  if (answer.is<domain::MigrationCompleted>())
    return !job.get<domain::MigrationCommand>().device_ids;
  return answer.is_refused(Refused::already_migrated) && !answer.refusal().migrated_in_parts;
}

/// Takes the oldest waiting requests, up to what one read can answer.
std::vector<Request> take_waiting(GroupState& state) {
  const auto count = std::min(state.waiting.size(), most_recalled);
  const auto last = state.waiting.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<Request> taken{std::make_move_iterator(state.waiting.begin()),
                             std::make_move_iterator(last)};
  state.waiting.erase(state.waiting.begin(), last);
  return taken;
}

RecallMigration recall_for(const std::string& id, const std::vector<Request>& requests) {
  RecallMigration job{.registration_group_id = id, .users = {}, .deadline = {}};
  for (const auto& request : requests) {
    job.users.push_back(request.migration->user_id);
    job.deadline = std::max(job.deadline, request.migration->deadline);
  }
  return job;
}

/// For an answer that is the same for all of them.
void deliver_to_all(std::vector<Request>& requests, const Answer& answer) {
  for (auto& request : requests)
    request.promise.deliver(answer);
  requests.clear();
}

/// A delayed check cannot be cancelled: so only one is armed at a time, and check_idle() arms it
/// again for the rest of the time.
void arm_idle_check(Self self, caf::timespan delay) {
  if (!std::exchange(self->state.check_armed, true))
    self->send(self->state.directory, later_atom::value, delay);
}

void check_idle(Self self) {
  auto& state = self->state;
  state.check_armed = false;
  if (state.busy())
    return; // the job that ends last arms the next check
  const caf::timespan quiet = self->clock().now() - state.last_active;
  if (quiet < state.idle_timeout)
    arm_idle_check(self, state.idle_timeout - quiet);
  else
    self->send(state.directory, idle_atom::value, state.id, state.served);
}

void ended(Self self) {
  auto& state = self->state;
  if (state.busy())
    return;
  if (state.retiring)
    return self->quit();
  state.last_active = self->clock().now();
  arm_idle_check(self, state.idle_timeout);
}

void ran(Self self, const Answer& answer) {
  auto& state = self->state;
  auto finished = std::exchange(state.running, std::nullopt);
  if (answer.is<MigrationUndone>())
    state.on_record = false;
  else
    state.on_record = tells_of_full_migration(finished->job, answer) || state.on_record;
  finished->promise.deliver(answer);
  ended(self);
}

/// Runs one job at a time: while one runs, the answer is `in_progress`.
void run(Self self, Running running) {
  auto& state = self->state;
  if (state.running) {
    running.promise.deliver(
        Answer{Refusal{.reason = Refused::in_progress, .registration_group_id = state.id}});
    return;
  }
  const auto job = running.job;
  state.running = std::move(running);
  self->request(state.dispatcher, caf::infinite, execute_atom::value, job)
      .then([=](const Answer& answer) { ran(self, answer); },
            [=](const caf::error&) { ran(self, outcome_lost(job)); });
}

void admit(Self self, Request request);
void recall(Self self);

void recalled(Self self, const Answer& answer) {
  auto& state = self->state;
  auto asked = std::exchange(state.recalling, {});
  const auto* found = answer.get_if<MigrationRecalled>();
  if (!found) {
    // Of a read that took too long nothing is in doubt: what was asked for was not begun.
    deliver_to_all(asked, answer.is_refused(Refused::timeout) ? outcome_lost(Job{RecallMigration{}})
                                                              : answer);
  } else if (found->answers.size() == asked.size()) {
    for (std::size_t i = 0; i < asked.size(); ++i)
      asked[i].promise.deliver(Answer{found->answers[i]});
  } else { // undone since: these requests migrate it again
    state.on_record = false;
    std::move(state.waiting.begin(), state.waiting.end(), std::back_inserter(asked));
    state.waiting.clear();
    for (auto& request : asked)
      admit(self, std::move(request));
  }
  recall(self);
  ended(self);
}

/// Does nothing while a read runs: the waiting requests arrived after it began.
void recall(Self self) {
  auto& state = self->state;
  if (!state.recalling.empty() || state.waiting.empty())
    return;
  state.recalling = take_waiting(state);
  const Job job{recall_for(state.id, state.recalling)};
  self->request(state.dispatcher, caf::infinite, execute_atom::value, job)
      .then([=](const Answer& answer) { recalled(self, answer); },
            [=](const caf::error&) { recalled(self, outcome_lost(job)); });
}

void admit(Self self, Request request) {
  auto& state = self->state;
  // A retry with an idempotency key may be entitled to a 201: only a migration's transaction finds
  // it.
  if (state.on_record && !request.migration->idempotency) {
    state.waiting.push_back(std::move(request));
    recall(self);
  } else {
    run(self, {request.migration, std::move(request.promise)});
  }
}

/// CAF reports nothing to the caller of a dropped promise, so each is delivered even here.
void exit(Self self, const caf::error& reason) {
  auto& state = self->state;
  if (auto& running = state.running)
    running->promise.deliver(outcome_lost(running->job));
  for (auto* requests : {&state.recalling, &state.waiting})
    deliver_to_all(*requests, outcome_lost(Job{RecallMigration{}}));
  self->quit(reason);
}

} // namespace

GroupActor::behavior_type group(Self self, std::string id, DirectoryActor directory,
                                DispatcherActor dispatcher, caf::timespan idle_timeout) {
  auto& state = self->state;
  state.id = std::move(id);
  state.directory = std::move(directory);
  state.dispatcher = std::move(dispatcher);
  state.idle_timeout = idle_timeout;
  self->set_exit_handler([self](caf::exit_msg& stop) { exit(self, stop.reason); });
  return {
      [self](migrate_atom, const MigrationPtr& migration) -> caf::result<Answer> {
        ++self->state.served;
        auto promise = self->make_response_promise<Answer>();
        admit(self, {migration, promise});
        return promise;
      },
      [self](undo_atom, const UndoPtr& undo) -> caf::result<Answer> {
        ++self->state.served;
        auto promise = self->make_response_promise<Answer>();
        run(self, {undo, promise});
        return promise;
      },
      [self](idle_check_atom) { check_idle(self); },
      [self](retire_atom) {
        self->state.retiring = true;
        if (!self->state.busy())
          self->quit();
      },
  };
}

} // namespace regroup::actors
