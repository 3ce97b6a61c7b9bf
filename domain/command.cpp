#include "domain/command.hpp"

#include "domain/names.hpp"

#include <algorithm>
#include <array>
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
  // An id may be white space alone, and so may the name cut from it: so it is cut, not trimmed.
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
        if constexpr (std::is_same_v<T, MigrationPtr> || std::is_same_v<T, UndoPtr> ||
                      std::is_same_v<T, ChangePtr>)
          return each->deadline;
        else if constexpr (std::is_same_v<T, PlanMigration>)
          return each.migration->deadline;
        else
          return each.deadline;
      },
      job);
}

Uuid id_of(const Operation& operation) {
  if (const auto* migration = std::get_if<MigrationPtr>(&operation))
    return (*migration)->migration_id;
  if (const auto* undo = std::get_if<UndoPtr>(&operation))
    return (*undo)->undo_id;
  return std::get<ChangePtr>(operation)->change_id;
}

const char* kind_of(const Operation& operation) {
  static constexpr std::array<const char*, 3> kKinds{"migration", "undo", "device_change"};
  return kKinds.at(operation.index());
}

std::optional<Operation> operation_of(const Job& job) {
  if (const auto* settle = std::get_if<Settle>(&job))
    return settle->operation;
  if (const auto* migration = std::get_if<MigrationPtr>(&job))
    return *migration;
  if (const auto* undo = std::get_if<UndoPtr>(&job))
    return *undo;
  if (const auto* change = std::get_if<ChangePtr>(&job))
    return *change;
  return std::nullopt;
}

Refusal no_outcome(const Job& job) {
  Refusal refusal{.reason = Refused::timeout};
  if (const auto operation = operation_of(job)) {
    const bool migrates = std::holds_alternative<MigrationPtr>(*operation);
    (migrates ? refusal.migration_id : refusal.operation_id) = id_of(*operation);
  }
  return refusal;
}

} // namespace regroup::domain
