#pragma once
#include "db/schema/schema_steps.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace regroup::db {

/// What a statement of db/schema/ asks for, as far as it can be looked up in a database: an adopted
/// one may have it already, or something else in its place. The SQL is the only declaration; this
/// is parsed from it.
/// PostgreSQL could tell too, from objects made in a scratch schema and rolled back. But `status`,
/// `doctor` and `serve` also work for a role that may create nothing, on a standby, and where an
/// event trigger refuses DDL.
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
  std::string preset; // the DEFAULT's expression; empty: none
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
  bool added = false; // ALTER TYPE … ADD VALUE: another statement creates the type
};

/// A rename of an object that an earlier version of Regroup made.
struct Renamed {
  bool is_table = false; // otherwise an index of the table renamed before it
  std::string from;
  std::string to;
};

/// Has its text's checksum in its comment, and is replaced if that differs. In the text `{devices}`
/// stands for the table of that name with its schema in the database, and `{schema}` for the schema
/// of devices.
struct Function {
  std::string name;
  bool is_open = false;    // IMMUTABLE, it reveals nothing: PUBLIC may execute it
  bool is_trigger = false; // only triggers call it
  bool is_definer = false; // runs with its owner's rights
};
struct Trigger {
  std::string name;
  std::string table;
};

/// From deploy/grants.sql.
struct Grant {
  struct Privilege {
    std::string name;                 // "SELECT"
    std::vector<std::string> columns; // empty: all
  };
  std::vector<Privilege> privileges;
  std::vector<std::string> tables;
};

/// Anything that cannot be looked up: it is run once, if its step is not recorded yet.
struct Other {};

struct Statement {
  const SchemaStep* step = nullptr; // null: the record's own, or a function or trigger
  std::string sql;                  // without comments outside of quotes, without `;`
  std::variant<Other, Table, AddedColumns, Index, Enum, Renamed, Function, Trigger, Grant> what;
};

} // namespace wanted

/// The statement that creates the record of steps, `regroup_schema`, then those of all steps and of
/// all functions, each in their order.
const std::vector<wanted::Statement>& wanted_schema();

/// The statements of one text. Throws std::logic_error if it ends inside a quote or parenthesis.
std::vector<wanted::Statement> wanted_statements(std::string_view sql);

} // namespace regroup::db
