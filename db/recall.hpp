#pragma once
#include "db/session.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// `MigrationRecalled`. Throws ConnectionLost or StatementFailed.
domain::Answer recall_migration(Session& session, const domain::RecallMigration& query);

} // namespace regroup::db
