#pragma once
#include "config/settings.hpp"
#include "domain/finding.hpp"

#include <vector>

namespace regroup::db {

/// Tries out what the service relies on in this database, through whatever pooler is in between,
/// and never by version numbers: some PostgreSQL-compatible databases accept an advisory lock and
/// lock nothing. A finding for each check, good ones too; when the database cannot be reached, that
/// one alone. Changes nothing. `replicas`: how many will share the database. Never throws for what
/// the database is or does.
std::vector<domain::Finding> examine(const config::Settings::Database& settings, unsigned replicas);

} // namespace regroup::db
