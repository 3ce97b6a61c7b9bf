// A test build's way around the group actors: every request gets one of its own, so that nothing in
// the process keeps two migrations of a registration group apart. What is left is the database.
#include "actors/group.hpp"
#include "actors/system.hpp"

namespace regroup::actors {
namespace {

struct BypassState {
  BypassState() = default;
  static inline const char* name = "test.bypass";
};

DirectoryActor::behavior_type bypass(DirectoryActor::stateful_pointer<BypassState> self,
                                     const DispatcherActor& dispatcher) {
  const auto fresh = [=](const std::string& id) {
    return self->spawn(group, id, DirectoryActor{self}, dispatcher, caf::timespan{1'000'000});
  };
  return {
      [=](migrate_atom, const domain::MigrationPtr& migration) {
        return self->delegate(fresh(migration->registration_group_id), migrate_atom::value,
                              migration);
      },
      [=](undo_atom, const domain::UndoPtr& undo) {
        return self->delegate(fresh(undo->registration_group_id), undo_atom::value, undo);
      },
      [=](later_atom, caf::timespan delay) {
        self->delayed_send(caf::actor_cast<GroupActor>(self->current_sender()), delay,
                           idle_check_atom::value);
      },
      // It has served its one request.
      [=](idle_atom, const std::string&, std::uint64_t) {
        self->send(caf::actor_cast<GroupActor>(self->current_sender()), retire_atom::value);
      },
  };
}

} // namespace

/// Instead of the one in actors/directory.cpp, which the linker then leaves out.
DirectoryActor spawn_directory(caf::actor_system& system, DispatcherActor dispatcher,
                               std::chrono::milliseconds, domain::Metrics&) {
  return system.spawn(bypass, std::move(dispatcher));
}

} // namespace regroup::actors
