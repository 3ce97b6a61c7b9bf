#pragma once
#include "config/settings.hpp"
#include "domain/finding.hpp"

#include <vector>

namespace regroup::db {

/// Registers made-up devices, migrates them, undoes that, migrates a part of them, takes one out of
/// the group and puts another in, as the service would; all in one transaction, which is rolled
/// back. So triggers, rules, policies and constraints of other programs take part. A finding for
/// each of these; one that fails says why: SQLSTATE, constraint, trigger, function. Only sequences
/// notice. The schema must be there. Never throws because of what the database is or does.
std::vector<domain::Finding> rehearse(const config::Settings::Database& settings);

} // namespace regroup::db
