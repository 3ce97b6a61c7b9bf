#pragma once
#include <string_view>
#include <vector>

namespace regroup::db {

/// One file of db/schema/, built into the binary.
struct SchemaStep {
  std::string_view name; // "001_tables"
  std::string_view sql;
};

/// In the order in which they are applied. The definition is made by cmake/embed_sql.cmake.
const std::vector<SchemaStep>& schema_steps();

} // namespace regroup::db
