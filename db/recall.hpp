#pragma once
#include "db/one_trip.hpp"
#include "db/session.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <memory>

namespace regroup::db {

/// `MigrationRecalled`, or why not.
domain::Answer recall_migration(Session& session, const domain::RecallMigration& query);

/// The same, sent over a session that is ready.
std::unique_ptr<UnderWay> begin_recall(Session& session, domain::RecallMigration query);

} // namespace regroup::db
