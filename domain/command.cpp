#include "domain/command.hpp"

#include "domain/names.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace regroup::domain {

MigrationCommand make_migration_command(MigrationRequest request, const Uuid& user_id,
                                        const Unicode& unicode) {
  MigrationCommand command;
  command.migration_id = Uuid::time_ordered();
  command.into_group = request.authenticated_group_id.has_value();
  command.authenticated_group_id =
      command.into_group ? *request.authenticated_group_id : Uuid::time_ordered();
  command.user_id = user_id;
  command.received = std::chrono::steady_clock::now();
  command.registration_group_id = unicode.encode(request.registration_group_id);
  // An id of white space alone is allowed, and so is a name that was cut there: cut, not trimmed.
  const std::u32string name =
      request.group_name.value_or(request.registration_group_id.substr(0, kMaxGroupName));
  command.group_name = unicode.encode(name);
  command.slug = slug_of(name, command.authenticated_group_id, unicode);
  command.device_ids = std::move(request.device_ids);
  if (auto& ids = command.device_ids) {
    std::sort(ids->begin(), ids->end());
    ids->erase(std::unique(ids->begin(), ids->end()), ids->end());
  }
  return command;
}

Deadline deadline_of(const Job& job) {
  return std::visit(
      []<class T>(const T& each) {
        if constexpr (std::is_same_v<T, MigrationPtr> || std::is_same_v<T, UndoPtr>)
          return each->deadline;
        else if constexpr (std::is_same_v<T, ResolveMigration> || std::is_same_v<T, PlanMigration>)
          return each.migration->deadline;
        else if constexpr (std::is_same_v<T, ResolveUndo>)
          return each.undo->deadline;
        else
          return each.deadline;
      },
      job);
}

} // namespace regroup::domain
