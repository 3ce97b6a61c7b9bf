#include "actors/settler.hpp"

#include "actors/system.hpp"

#include <algorithm>
#include <utility>

namespace regroup::actors {
namespace {

using domain::Answer;
using Open = SettlerState::Open;
using Self = SettlerSelf::stateful_pointer<SettlerState>;

void measure(const SettlerState& state) {
  state.metrics->unsettled(state.open.size() + state.asking);
}

/// Whether the operation is still not settled after this answer.
bool is_open(const Answer& answer) {
  using domain::Refused;
  return answer.is_refused(Refused::timeout) || answer.is_refused(Refused::internal) ||
         answer.is_refused(Refused::overloaded) || answer.is_refused(Refused::shutting_down);
}

void tick_later(Self self) {
  auto& state = self->state;
  if (state.open.empty() || std::exchange(state.ticking, true))
    return;
  const auto wait = state.open.begin()->first - self->clock().now();
  self->delayed_send(self, std::max<caf::timespan>(wait, std::chrono::milliseconds{100}),
                     tick_atom::value);
}

void again_later(Self self, Open open) {
  const auto due = self->clock().now() + open.pause;
  open.pause = std::min(open.pause * 2, longest_settle_pause);
  self->state.open.emplace(due, std::move(open));
}

void ask(Self self, const DispatcherActor& dispatcher);

void answered(Self self, const DispatcherActor& dispatcher, Open open, bool settled) {
  --self->state.asking;
  if (!settled)
    again_later(self, std::move(open));
  measure(self->state);
  ask(self, dispatcher);
}

void ask(Self self, const DispatcherActor& dispatcher) {
  auto& state = self->state;
  const auto now = self->clock().now();
  while (state.asking < most_settled_at_once && !state.open.empty() &&
         state.open.begin()->first <= now) {
    const Open open = std::move(state.open.extract(state.open.begin()).mapped());
    ++state.asking;
    self->request(dispatcher, caf::infinite, execute_atom::value,
                  domain::Job{domain::Settle{open.operation, now + settle_patience}})
        .then([=](const Answer& answer) { answered(self, dispatcher, open, !is_open(answer)); },
              [=](const caf::error&) { answered(self, dispatcher, open, false); });
  }
  tick_later(self);
}

} // namespace

SettlerSelf::behavior_type settler(Self self, DispatcherActor dispatcher,
                                   domain::Metrics* metrics) {
  self->state.metrics = metrics;
  return {
      [=](settle_atom, const domain::Operation& operation) {
        self->state.open.emplace(self->clock().now(), Open{operation});
        measure(self->state);
        ask(self, dispatcher);
      },
      [=](tick_atom) {
        self->state.ticking = false;
        ask(self, dispatcher);
      },
  };
}

SettlerActor spawn_settler(caf::actor_system& system, DispatcherActor dispatcher,
                           domain::Metrics& metrics) {
  return system.spawn(settler, std::move(dispatcher), &metrics);
}

} // namespace regroup::actors
