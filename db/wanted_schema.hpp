#pragma once
#include "db/schema_steps.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace regroup::db {

/// What a statement of db/schema/ asks for, as far as it can be looked up in a database: an adopted
/// one may have it already, or have something else in its place. The SQL stays the one declaration;
/// this is what it says.
/// PostgreSQL could say it too, of the objects made in a scratch schema and rolled back. But
/// `status`, `doctor` and `serve` work for a role that may create nothing, on a standby, and where
/// an event trigger refuses DDL.
namespace wanted {

struct Reference {
  std::string column;
  std::string to_table;
  std::string to_column;
  bool cascades = false; // ON DELETE CASCADE: Regroup relies on it
};

struct Column {
  std::string name;
  std::string type;   // as it is written: "varchar(255)"
  std::string preset; // the expression of its DEFAULT; empty: none
  bool not_null = false;
};

struct Table {
  std::string name;
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> keys; // PRIMARY KEY and UNIQUE
  std::vector<Reference> references;
};

struct AddedColumns {
  std::string table;
  std::vector<Column> columns;
};

struct Index {
  std::string name;
  std::string table;
  std::string columns;   // "user_id, idempotency_key"
  std::string predicate; // empty: every row
  bool unique = false;
};

struct Enum {
  std::string name;
  std::vector<std::string> labels;
  bool added = false; // ALTER TYPE … ADD VALUE: the type itself is another statement's
};

/// A name that an earlier version of Regroup gave.
struct Renamed {
  bool is_table = false; // else an index of the table that was renamed before
  std::string from;
  std::string to;
};

/// Carries the checksum of its text as a comment, and is replaced where that differs. In the text
/// `{devices}` is the table of that name with its schema, as it is in the database, and `{schema}`
/// the schema of devices.
struct Function {
  std::string name;
  bool is_open = false;    // IMMUTABLE, it shows nothing: everybody may execute it
  bool is_trigger = false; // nobody calls it
  bool is_definer = false; // runs with its owner's rights
};
struct Trigger {
  std::string name;
  std::string table;
};

/// Of deploy/grants.sql.
struct Grant {
  struct Privilege {
    std::string name;                 // "SELECT"
    std::vector<std::string> columns; // empty: all
  };
  std::vector<Privilege> privileges;
  std::vector<std::string> tables;
};

/// What cannot be looked up: it is run once, when its step is not recorded yet.
struct Other {};

struct Statement {
  const SchemaStep* step = nullptr; // null: the record's own, or a function or trigger
  std::string sql;                  // without the comments around it, without `;`
  std::variant<Other, Table, AddedColumns, Index, Enum, Renamed, Function, Trigger, Grant> what;
};

} // namespace wanted

/// The statement that makes the record of steps, `regroup_schema`; then the statements of all steps
/// and of all functions, each in their order.
const std::vector<wanted::Statement>& wanted_schema();

/// The statements of one text. Throws std::logic_error where a quote or parenthesis is open at its
/// end.
std::vector<wanted::Statement> wanted_statements(std::string_view sql);

} // namespace regroup::db
