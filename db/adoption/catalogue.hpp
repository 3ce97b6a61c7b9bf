#pragma once
#include <pqxx/transaction>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace regroup::db {

/// What a database has of the objects that db/schema/ names. Names are resolved as PostgreSQL does,
/// by the role's search_path.
struct Catalogue {
  struct Column {
    std::string type;  // a domain's base type, without a width: "character varying"
    std::string shown; // as an operator reads it: "character varying(50)"
    int width = 0;     // in characters; 0: no limit
    bool not_null = false;
    bool has_default = false; // or an identity, or its type's default
    bool in_primary_key = false;
    bool added_later = false; // by ALTER TABLE with a default; the table was not rewritten since
  };
  struct Table {
    std::string schema; // quoted if needed
    std::string owner;
    bool may_alter = false; // whether this role may
    bool may_read = false;  // at least one column
    bool ordinary = false;  // not a view, not partitioned
    bool row_security = false;
    bool fills_rows = false; // has a BEFORE INSERT trigger
    std::map<std::string, Column> columns;
  };
  struct Index {
    std::string table;
    bool valid = false;
    bool unique = false;
    bool arbiter = false; // unique over all rows, not deferred: ON CONFLICT and keys can rely on it
    std::set<std::string> columns;
    std::vector<std::string> keys; // the columns in their order
    std::string predicate;         // as PostgreSQL writes it; empty: all rows
    bool plain = false;            // a B-tree over columns alone, with their types' usual order
  };
  struct Reference {
    std::string name;
    std::string table;
    std::vector<std::string> columns;
    std::string to_table;
    std::vector<std::string> to_columns;
    char on_delete = 'a'; // pg_constraint.confdeltype
    bool validated = false;
  };
  struct Enum {
    std::string owner;
    bool may_alter = false;
    bool is_enum = false; // otherwise another type has that name
    std::set<std::string> labels;
  };
  struct Function {
    std::string signature; // with its schema, as SQL takes it
    std::string comment;   // empty: none
    std::string owner;
    bool may_alter = false;
    bool is_open = false;               // IMMUTABLE
    bool everybody_may_execute = false; // PUBLIC
    bool owner_is_superuser = false;
    std::set<std::string> may_execute; // roles that were granted it by name; quoted
  };

  std::string role;
  bool is_superuser = false;
  std::set<std::string> service_roles; // replicas' roles: they may write `regroup_running`; quoted
  std::string schema;                  // where new things go
  std::string quoted_schema;           // quoted for SQL
  bool may_create = false;             // whether this role may create things there
  bool reads_record = false;           // whether it may read `regroup_schema`, if that exists
  std::map<std::string, Table> tables;
  std::map<std::string, Index> indexes; // of these tables, by name
  std::vector<Reference> references;    // of these tables
  std::map<std::string, Enum> enums;
  std::map<std::string, Function> functions;    // by name; also those of an earlier version
  std::map<std::string, std::string> triggers;  // on these tables: the comment on each
  std::set<std::string> recorded;               // steps
  std::map<std::string, std::string> canonical; // a type as we write it -> as the catalogue does
};

/// The names to look for.
struct CatalogueNames {
  std::set<std::string> tables, types, enums;
};

Catalogue read_catalogue(pqxx::work& work, const CatalogueNames& names);

} // namespace regroup::db
