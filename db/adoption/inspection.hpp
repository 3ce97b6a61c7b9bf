#pragma once
#include "config/settings.hpp"
#include "db/schema/schema_steps.hpp"
#include "domain/finding.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace regroup::db {

/// One change that brings a database to the contract.
struct SchemaChange {
  /// In the order in which the changes are made.
  enum class When : std::uint8_t {
    enum_value, // each in its own transaction: the one that adds a value cannot use it
    key,        // a unique index that foreign keys and ON CONFLICT need; CONCURRENTLY
    together,   // all of these in one transaction
    index,      // CONCURRENTLY: blocks no writer
    reference,  // a foreign key for new rows only: reads no row
    validation, // of such a foreign key: reads rows, blocks no one
  };
  When when = When::together;
  std::string what; // one line: "adds the column …"; empty: part of the one before it
  std::string sql;
  std::string table{}; // or function that the role must own; empty: it makes something new
  std::string index{}; // must be valid afterwards
  const SchemaStep* step = nullptr; // recorded afterwards, with its checksum
};

/// How an existing (or empty) database differs from db/schema/.
struct Inspection {
  std::vector<domain::Finding> findings; // an error stops `schema apply` and `serve`
  std::vector<SchemaChange> changes;     // everything that `schema apply` will do, in its order

  /// The first error in one line, and how many more there are; empty if nothing stops the start.
  std::string stop() const;
};

/// Reads the catalogue, and rows only if something is missing that they may prevent: it looks for
/// duplicates under a unique index, and for orphans under a foreign key. Changes nothing and takes
/// no lock that a writer waits for. Throws std::runtime_error with one line.
Inspection inspect_schema(const config::Settings::Database& settings);

} // namespace regroup::db
