#pragma once
#include "db/session.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// `MigrationRecalled`. Throws NotKept. Changes nothing, so it may be sent again.
Task<domain::Answer> recall_migration(Session& session, const domain::RecallMigration& query);

} // namespace regroup::db
