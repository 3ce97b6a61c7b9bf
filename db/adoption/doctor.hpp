#pragma once
#include "config/settings.hpp"
#include "domain/finding.hpp"

#include <vector>

namespace regroup::db {

/// Tries what the service relies on in this database, through whatever pooler is in between, and
/// never goes by version numbers: some PostgreSQL-compatible databases accept an advisory lock and
/// lock nothing. Returns a finding for each check, also for those that pass; if the database cannot
/// be reached, only that one. Changes nothing. `replicas`: how many will share the database. Never
/// throws because of what the database is or does.
std::vector<domain::Finding> examine(const config::Settings::Database& settings, unsigned replicas);

} // namespace regroup::db
