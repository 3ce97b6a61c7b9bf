#include "domain/command.hpp"

#include "domain/names.hpp"

#include <algorithm>
#include <array>
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

Refusal no_outcome(const Job& job) {
  Refusal refusal{.reason = Refused::timeout};
  if (const auto operation = job.operation()) {
    const bool migrates = std::holds_alternative<MigrationPtr>(*operation);
    (migrates ? refusal.migration_id : refusal.operation_id) = id_of(*operation);
  }
  return refusal;
}

} // namespace regroup::domain
