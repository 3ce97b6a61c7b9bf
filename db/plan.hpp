#pragma once
#include "db/schema/schema.hpp"
#include "db/session.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// What a migration would do, or what would prevent it: a `MigrationPlan`, or `unauthorized`.
Task<domain::Answer> plan(Session& session, const SchemaFacts& facts,
                          const domain::MigrationCommand& command);

} // namespace regroup::db
