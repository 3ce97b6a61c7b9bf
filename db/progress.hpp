#pragma once
#include "db/session.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <chrono>
#include <optional>

namespace regroup::db {

/// A replica that has not published its migrations for this long may be dead (it publishes at least
/// once a second: http/migrations/progress_publisher.hpp).
inline constexpr std::chrono::milliseconds kSilentReplica{10'000};

/// A migration that is running on any replica; nothing if it is not running, and then the audit has
/// its outcome. Settles what a dead replica left (functions/running.sql).
Task<std::optional<domain::Result<domain::MigrationReport>>>
find_running(Session& session, const domain::FindMigration& query);

} // namespace regroup::db
