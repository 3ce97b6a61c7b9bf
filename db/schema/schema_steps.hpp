#pragma once
#include <string_view>
#include <vector>

namespace regroup::db {

/// One SQL file, built into the binary.
struct SchemaStep {
  std::string_view name; // "001_tables"
  std::string_view sql;
};

// cmake/embed_sql.cmake generates the definitions.

/// db/schema/NNN_what.sql: types, tables and indexes, in the order of the numbers. Each is recorded
/// in `regroup_schema` once it was applied.
const std::vector<SchemaStep>& schema_steps();

/// db/schema/functions/*.sql: functions and triggers, in the order in which they are made. Each is
/// replaced in a database that has another text of it (the checksum is in its comment).
const std::vector<SchemaStep>& schema_functions();

/// deploy/grants.sql: the rights of the service's role; doctor compares the database with it.
const std::vector<SchemaStep>& schema_grants();

} // namespace regroup::db
