#pragma once
#include "db/schema.hpp"
#include "db/transaction.hpp"
#include "domain/command.hpp"
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "domain/outcome.hpp"

#include <cstdint>
#include <string_view>

namespace regroup::db {

/// What a migration is run with. All of it outlives the migration.
struct MigrationTools {
  Session& session;
  const SchemaFacts& facts;
  domain::Log& log;
  domain::Metrics& metrics;
};

/// One migration, with its retries, to an outcome that is true. Throws nothing but what is a
/// defect.
Task<domain::Answer> migrate(const MigrationTools& tools, const domain::MigrationPtr& command);

/// A refusal with the details that its code documents.
domain::Refusal refusal_about(const domain::MigrationCommand& command, domain::Refused reason);

/// Out of a reply of regroup_migrate_v2 or regroup_settle_v1. Throws where it holds no such thing.
domain::MigrationCompleted completed_from(const Reply& reply);

/// An outcome of regroup_migrate_v2 or regroup_plan_v2, which has its details, as a caller is told
/// of it; not for success. `limit`: of devices, as the function was told.
domain::Refusal refusal_of(std::string_view outcome, const Reply& reply,
                           const domain::MigrationCommand& command, std::int64_t limit);

/// A migration's audit row, as its initiator or an administrator may see it; else `not_found`.
Task<domain::Answer> find_migration(Session& session, const domain::FindMigration& query);

} // namespace regroup::db
