#pragma once
#include "config/settings.hpp"
#include "domain/log.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace regroup::db {

/// Facts about the real columns: an adopted database may have narrower ones.
struct SchemaFacts {
  std::size_t slug_width = 120; // characters that both `devices.group_id` and `groups.slug` take
  int default_max_devices = 20; // of `groups.max_devices`
  // The largest number of devices in a group that the CHECKs of `groups.max_devices` accept.
  std::int64_t most_devices = std::numeric_limits<std::int32_t>::max();
};

/// Makes every change that inspect_schema() announces, and returns them, one line each. Replicas
/// that start together take turns: one makes the changes, the others wait and find nothing left to
/// do. New tables, columns and functions are made in one transaction, recorded in `regroup_schema`.
/// Indexes and foreign keys of tables with rows follow, one by one, and block writers for no longer
/// than a moment. Throws std::runtime_error with one line: what stops the start (then nothing was
/// changed), or the change that failed (then those before it were made, and the next call goes on
/// there).
std::vector<std::string> apply_schema(const config::Settings::Database& settings, domain::Log& log);

/// Called once at the start. Throws std::runtime_error with one line.
SchemaFacts read_schema_facts(const config::Settings::Database& settings);

/// Whether a transaction's advisory lock really keeps a second session out: some databases and
/// poolers accept it and lock nothing, and Regroup would not be safe there. Throws
/// std::runtime_error with one line if it could not be tried.
bool advisory_lock_excludes(const config::Settings::Database& settings);

} // namespace regroup::db
