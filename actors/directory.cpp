#include "actors/directory.hpp"

#include "actors/group.hpp"
#include "actors/system.hpp"

#include <algorithm>
#include <utility>

namespace regroup::actors {
namespace {

using domain::Answer;
using domain::MigrationPtr;
using domain::Refusal;
using domain::Refused;
using domain::UndoPtr;
using Self = DirectorySelf::stateful_pointer<DirectoryState>;
using TimePoint = DirectoryState::TimePoint;

Answer shutting_down() { return Refusal{.reason = Refused::shutting_down}; }

/// Arrives after everything routed before it: the group answers all that is in its mailbox first.
void retire(Self self, DirectoryState::Entry& entry) {
  if (!std::exchange(entry.retiring, true))
    self->send(entry.actor, retire_atom::value);
}

const std::string& group_of(const DirectoryState::Request& request) {
  return std::visit(
      [](const auto& work) -> const std::string& { return work->registration_group_id; },
      request.work);
}

void delegate(DirectoryState::Request& request, const GroupActor& to) {
  if (const auto* migration = std::get_if<MigrationPtr>(&request.work))
    request.promise.delegate(to, migrate_atom::value, *migration);
  else
    request.promise.delegate(to, undo_atom::value, std::get<UndoPtr>(request.work));
}

/// Forgets a group whose actor has ended. Returns the requests that waited for it to end.
std::vector<DirectoryState::Request> forget(DirectoryState& state, caf::actor_id actor) {
  const auto name = state.names.find(actor);
  if (name == state.names.end())
    return {};
  const auto found = state.groups.find(name->second);
  auto waiting = std::move(found->second.waiting);
  state.groups.erase(found);
  state.names.erase(name);
  return waiting;
}

/// Arms a tick for the time when the first check is due, but no sooner than `apart` after the last
/// tick.
void arm_tick(Self self, caf::timespan apart) {
  auto& state = self->state;
  if (state.checks.empty())
    return;
  const auto due = std::max(state.checks.begin()->first, state.last_tick + apart);
  if (due >= state.next_tick)
    return;
  state.next_tick = due;
  self->delayed_send(self, due - self->clock().now(), tick_atom::value);
}

void check_groups(Self self, caf::timespan apart) {
  auto& state = self->state;
  const auto now = self->clock().now();
  if (now < state.next_tick)
    return; // stale: nothing is due before next_tick
  state.last_tick = now;
  state.next_tick = TimePoint::max();
  const auto last = state.checks.upper_bound(now);
  for (auto due = state.checks.begin(); due != last; ++due)
    if (const auto name = state.names.find(due->second); name != state.names.end())
      self->send(state.groups.at(name->second).actor, idle_check_atom::value);
  state.checks.erase(state.checks.begin(), last);
  arm_tick(self, apart);
}

} // namespace

DirectorySelf::behavior_type directory(Self self, DispatcherActor dispatcher,
                                       caf::timespan idle_timeout, domain::Metrics* metrics) {
  auto route = [=](DirectoryState::Request request) {
    auto& state = self->state;
    const auto& id = group_of(request);
    auto& entry = state.groups[id];
    if (entry.retiring) {
      entry.waiting.push_back(std::move(request));
      return;
    }
    if (!entry.actor) {
      entry.actor =
          self->spawn<caf::monitored>(group, id, DirectoryActor{self}, dispatcher, idle_timeout);
      state.names.emplace(entry.actor.id(), id);
      metrics->group_actors(state.names.size());
    }
    ++entry.routed;
    delegate(request, entry.actor);
  };
  const caf::timespan apart = idle_timeout / 64;
  self->monitor(dispatcher);
  self->set_exit_handler([self](caf::exit_msg&) {
    auto& state = self->state;
    state.stopping = true;
    for (auto& [id, entry] : state.groups)
      retire(self, entry);
    if (state.groups.empty())
      self->quit();
  });
  self->set_down_handler([=](const caf::down_msg& down) {
    auto& state = self->state;
    if (down.source == dispatcher.address()) { // no request that it had will get an outcome
      for (auto& [id, entry] : state.groups)
        self->send_exit(entry.actor, caf::exit_reason::unhandled_exception);
      return;
    }
    auto waiting = forget(state, down.source.id());
    metrics->group_actors(state.names.size());
    for (auto& request : waiting) {
      if (state.stopping)
        request.promise.deliver(shutting_down());
      else
        route(std::move(request));
    }
    if (state.stopping && state.groups.empty())
      self->quit();
  });
  auto admit = [=](auto work) -> caf::result<Answer> {
    if (self->state.stopping)
      return shutting_down();
    auto promise = self->make_response_promise<Answer>();
    route({std::move(work), promise});
    return promise;
  };
  return {
      [=](migrate_atom, const MigrationPtr& migration) { return admit(migration); },
      [=](undo_atom, const UndoPtr& undo) { return admit(undo); },
      [=](later_atom, caf::timespan delay) {
        self->state.checks.emplace(self->clock().now() + delay, self->current_sender()->id());
        arm_tick(self, apart);
      },
      [=](idle_atom, const std::string& id, std::uint64_t served) {
        const auto found = self->state.groups.find(id);
        // If a request crossed this notice the counts differ, and the group will report again.
        if (found != self->state.groups.end() && found->second.routed == served)
          retire(self, found->second);
      },
      [=](tick_atom) { check_groups(self, apart); },
  };
}

DirectoryActor spawn_directory(caf::actor_system& system, DispatcherActor dispatcher,
                               std::chrono::milliseconds group_idle_timeout,
                               domain::Metrics& metrics) {
  return system.spawn(directory, std::move(dispatcher), caf::timespan{group_idle_timeout},
                      &metrics);
}

} // namespace regroup::actors
