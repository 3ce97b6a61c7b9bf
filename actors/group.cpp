#include "actors/group.hpp"

#include "actors/refusals.hpp"

#include <utility>

namespace regroup::actors {

using domain::Answer;
using domain::Job;
using domain::MigrationPtr;
using domain::Refusal;
using domain::Refused;

GroupActor::behavior_type group(GroupActor::stateful_pointer<GroupState> self, std::string id,
                                DirectoryActor directory, DispatcherActor dispatcher,
                                caf::timespan idle_timeout) {
  // A delayed message cannot be taken back: one is armed, and again for what remains of the time.
  auto arm_idle_check = [self](caf::timespan delay) {
    if (!std::exchange(self->state.check_armed, true))
      self->delayed_send(self, delay, idle_check_atom::value);
  };
  auto finish = [=](Answer answer) {
    auto& state = self->state;
    auto finished = std::exchange(state.migrating, std::nullopt);
    finished->promise.deliver(std::move(answer));
    if (state.retiring)
      return self->quit();
    state.last_active = self->clock().now();
    arm_idle_check(idle_timeout);
  };
  // A promise that is dropped tells the caller nothing, so it is kept even here.
  self->set_exit_handler([self](caf::exit_msg& stop) {
    if (auto& running = self->state.migrating)
      running->promise.deliver(in_doubt(*running->migration));
    self->quit(stop.reason);
  });
  return {
      [=](migrate_atom, const MigrationPtr& migration) -> caf::result<Answer> {
        auto& state = self->state;
        ++state.served;
        if (state.migrating)
          return Answer{Refusal{.reason = Refused::in_progress, .registration_group_id = id}};
        auto promise = self->make_response_promise<Answer>();
        state.migrating = {migration, promise};
        self->request(dispatcher, caf::infinite, execute_atom::value, Job{migration})
            .then(finish, [=](const caf::error&) { finish(in_doubt(*migration)); });
        return promise;
      },
      [=](idle_check_atom) {
        auto& state = self->state;
        state.check_armed = false;
        if (state.migrating)
          return; // finish arms the next one
        const caf::timespan quiet = self->clock().now() - state.last_active;
        if (quiet < idle_timeout)
          arm_idle_check(idle_timeout - quiet);
        else
          self->send(directory, idle_atom::value, id, state.served);
      },
      [=](retire_atom) {
        self->state.retiring = true;
        if (!self->state.migrating)
          self->quit();
      },
  };
}

} // namespace regroup::actors
