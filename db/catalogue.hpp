#pragma once
#include <pqxx/transaction>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace regroup::db {

/// What a database really has of the things that db/schema/ names. Names as PostgreSQL finds them,
/// by the role's search_path.
struct Catalogue {
  struct Column {
    std::string type;  // of the domain below, without a width: "character varying"
    std::string shown; // as an operator reads it: "character varying(50)"
    int width = 0;     // in characters; 0: no limit
    bool not_null = false;
    bool has_default = false; // or fills itself in another way
    bool in_primary_key = false;
    bool added_later = false; // by ALTER TABLE, with a default, and not rewritten since
  };
  struct Table {
    std::string owner;
    bool may_alter = false; // whether this role may
    bool ordinary = false;  // no view, no partitioned table
    bool row_security = false;
    bool fills_rows = false; // has a BEFORE INSERT trigger
    std::map<std::string, Column> columns;
  };
  struct Index {
    std::string table;
    bool valid = false;
    bool unique = false;
    bool arbiter = false; // unique over every row and at once: ON CONFLICT and keys can rely on it
    std::set<std::string> columns;
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
    bool is_enum = false; // else a type of that name that is none
    std::set<std::string> labels;
  };

  std::string role;
  std::string schema;        // where new things go
  bool may_create = false;   // whether this role may put them there
  bool reads_record = false; // and read `regroup_schema`, where it is there
  std::map<std::string, Table> tables;
  std::map<std::string, Index> indexes; // of these tables, by name
  std::vector<Reference> references;    // of these tables
  std::map<std::string, Enum> enums;
  std::map<std::string, std::string> functions; // by name: the comment on it, where there is one
  std::map<std::string, std::string> triggers;  // of these tables, the same
  std::set<std::string> recorded;               // steps
  std::map<std::string, std::string> canonical; // a type as we write it, as the catalogue does
};

/// What to look for.
struct CatalogueNames {
  std::set<std::string> tables, types, enums, functions;
};

Catalogue read_catalogue(pqxx::work& work, const CatalogueNames& names);

} // namespace regroup::db
