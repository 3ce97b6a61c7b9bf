#include "actors/refusals.hpp"

#include <variant>

namespace regroup::actors {
namespace {

using domain::Answer;
using domain::Refusal;
using domain::Refused;

const domain::MigrationCommand* migration_of(const domain::Job& job) {
  if (const auto* migration = std::get_if<domain::MigrationPtr>(&job))
    return migration->get();
  if (const auto* resolve = std::get_if<domain::ResolveMigration>(&job))
    return resolve->migration.get();
  return nullptr;
}

} // namespace

Answer in_doubt(const domain::MigrationCommand& migration) {
  return Refusal{.reason = Refused::timeout,
                 .registration_group_id = migration.registration_group_id,
                 .migration_id = migration.migration_id};
}

Answer too_late(const domain::Job& job) {
  if (const auto* migration = migration_of(job))
    return in_doubt(*migration);
  return Refusal{.reason = Refused::timeout};
}

Answer outcome_lost(const domain::Job& job) {
  if (const auto* migration = migration_of(job))
    return in_doubt(*migration);
  // It may have written; a read changes nothing, so that can be said of it.
  const bool writes = std::holds_alternative<domain::RegisterDevice>(job) ||
                      std::holds_alternative<domain::ChangeGroupDevices>(job) ||
                      std::holds_alternative<domain::UndoPtr>(job) ||
                      std::holds_alternative<domain::ResolveUndo>(job);
  return Refusal{.reason = writes ? Refused::timeout : Refused::database_unavailable};
}

} // namespace regroup::actors
