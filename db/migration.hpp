#pragma once
#include "db/schema/schema.hpp"
#include "db/transaction.hpp"
#include "domain/command.hpp"
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "domain/outcome.hpp"

#include <cstdint>
#include <string_view>

namespace regroup::db {

/// What running a migration needs. All of it must outlive the migration.
struct MigrationTools {
  Session& session;
  const SchemaFacts& facts;
  domain::Log& log;
  domain::Metrics& metrics;
};

/// Runs one migration, including its retries, to an outcome that is true. Throws ConnectionLost
/// (settlement.hpp); anything else is a defect.
Task<domain::Answer> migrate(const MigrationTools& tools, const domain::MigrationPtr& command);

/// A refusal with the details that its code documents.
domain::Refusal refusal_about(const domain::MigrationCommand& command, domain::Refused reason);

/// From a reply of regroup_migrate_v2 or regroup_settle_v1. Throws if it holds none.
domain::MigrationCompleted completed_from(const Reply& reply);

/// The caller's refusal for an outcome of regroup_migrate_v2 or regroup_plan_v2 and its details;
/// not for success. `limit`: the number of devices that was passed to the function.
domain::Refusal refusal_of(std::string_view outcome, const Reply& reply,
                           const domain::MigrationCommand& command, std::int64_t limit);

/// A migration's audit row, if its initiator or an administrator asks for it; otherwise
/// `not_found`.
Task<domain::Answer> find_migration(Session& session, const domain::FindMigration& query);

} // namespace regroup::db
