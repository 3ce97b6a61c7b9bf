#pragma once
#include "config/settings.hpp"
#include "db/schema_steps.hpp"
#include "domain/finding.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace regroup::db {

/// One thing that is done to a database to bring it to the contract.
struct SchemaChange {
  /// In the order in which they are done.
  enum class When : std::uint8_t {
    enum_value, // a transaction of its own each: the transaction that adds a value cannot use it
    key,        // a unique index that foreign keys and ON CONFLICT need; CONCURRENTLY
    together,   // all of these in one transaction
    index,      // CONCURRENTLY: nobody who writes is kept waiting
    reference,  // a foreign key for what is written from now on: no row is read
    validation, // of such a foreign key: rows are read, and nobody is kept waiting
  };
  When when = When::together;
  std::string what; // one line: "adds the column …"; empty: part of the one before it
  std::string sql;
  std::string table{}; // or function that must be the role's own; empty: it makes something new
  std::string index{}; // that must be valid afterwards
  const SchemaStep* step = nullptr; // is recorded, with its checksum
};

/// What an existing database (or an empty one) is, held against db/schema/.
struct Inspection {
  std::vector<domain::Finding> findings; // an error stops `schema apply` and `serve`
  std::vector<SchemaChange> changes;     // everything that `schema apply` will do, in its order

  /// The first error in one line, with how many more there are; empty when nothing stops the start.
  std::string stop() const;
};

/// Reads the catalogue, and rows only where something is missing that they may stand against: it
/// looks for duplicates below a unique index, and for orphans below a foreign key. Changes nothing
/// and locks nothing that a writer waits for. Throws std::runtime_error with one line.
Inspection inspect_schema(const config::Settings::Database& settings);

} // namespace regroup::db
