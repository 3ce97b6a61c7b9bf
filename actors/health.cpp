#include "actors/health.hpp"

#include "actors/system.hpp"

#include <algorithm>
#include <utility>

namespace regroup::actors {
namespace {

using domain::Answer;
using domain::CheckHealth;
using domain::Job;
using domain::Refusal;
using domain::Refused;
using Check = HealthState::Check;
using Self = HealthActor::stateful_pointer<HealthState>;

void tell(Check& check, const Answer& answer) {
  for (auto& caller : check.callers)
    caller.deliver(answer);
}

void answered(Self self, std::uint64_t number, const Answer& answer) {
  auto& checks = self->state.checks;
  const auto found = std::find_if(checks.begin(), checks.end(),
                                  [=](const auto& check) { return check.number == number; });
  if (found == checks.end())
    return;
  Check check = std::move(*found);
  checks.erase(found);
  tell(check, answer);
}

void begin(Self self, const CheckHealth& query) {
  auto& state = self->state;
  const auto number = ++state.asked;
  state.checks.push_back({number, query.deadline, {}});
  self->request(state.dispatcher, caf::infinite, execute_atom::value, Job{query})
      .then([=](const Answer& answer) { answered(self, number, answer); },
            [=](const caf::error&) {
              answered(self, number, Refusal{.reason = Refused::database_unavailable});
            });
}

} // namespace

HealthActor::behavior_type health(Self self, DispatcherActor dispatcher) {
  self->state.dispatcher = std::move(dispatcher);
  self->set_exit_handler([self](const caf::exit_msg& stop) {
    for (auto& check : self->state.checks)
      tell(check, Refusal{.reason = Refused::shutting_down});
    self->quit(stop.reason);
  });
  return {
      [self](check_atom, const CheckHealth& query) -> caf::result<Answer> {
        auto& checks = self->state.checks;
        const bool shared = !checks.empty() && self->clock().now() < checks.back().deadline;
        if (!shared && checks.size() >= most_silent_checks)
          return Answer{Refusal{.reason = Refused::database_unavailable}};
        if (!shared)
          begin(self, query);
        return checks.back().callers.emplace_back(self->make_response_promise<Answer>());
      },
  };
}

HealthActor spawn_health(caf::actor_system& system, DispatcherActor dispatcher) {
  return system.spawn(health, std::move(dispatcher));
}

} // namespace regroup::actors
