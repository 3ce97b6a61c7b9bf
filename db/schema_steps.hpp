#pragma once
#include <string_view>
#include <vector>

namespace regroup::db {

/// One SQL file, built into the binary.
struct SchemaStep {
  std::string_view name; // "001_tables"
  std::string_view sql;
};

// Both definitions are made by cmake/embed_sql.cmake.

/// db/schema/NNN_what.sql: what makes types, tables and indexes, in the order of the numbers. Each
/// is recorded in `regroup_schema` once it was applied.
const std::vector<SchemaStep>& schema_steps();

/// db/schema/functions/*.sql: functions and triggers, each of which is replaced in a database that
/// has another text of it (`regroup_functions`). In the order in which they are made.
const std::vector<SchemaStep>& schema_functions();

} // namespace regroup::db
