#pragma once
#include "config/settings.hpp"
#include "domain/log.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace regroup::db {

/// What the service must know of the real columns: an adopted database may have narrower ones.
struct SchemaFacts {
  std::size_t slug_width = 120; // characters that `devices.group_id` and `groups.slug` both take
  int default_max_devices = 20; // of `groups.max_devices`
};

/// The steps of db/schema/ that the database has not recorded yet, by name. Throws
/// std::runtime_error with one line: unreachable, or a recorded step that differs from ours.
std::vector<std::string> missing_schema_steps(const config::Settings::Database& settings);

/// Applies what is missing, in one transaction under an advisory lock, so that replicas that start
/// together do not collide; records each step with its checksum in `regroup_schema`. Returns what
/// it applied. Throws std::runtime_error with one line.
std::vector<std::string> apply_schema(const config::Settings::Database& settings, domain::Log& log);

/// Read once at the start. Throws std::runtime_error with one line.
SchemaFacts read_schema_facts(const config::Settings::Database& settings);

/// Whether a transaction's advisory lock really keeps a second session out: some databases and
/// poolers accept it and lock nothing, and nothing here would be safe there. Throws
/// std::runtime_error with one line when it could not be tried.
bool advisory_lock_excludes(const config::Settings::Database& settings);

} // namespace regroup::db
