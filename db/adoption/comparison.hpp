#pragma once
#include "db/adoption/catalogue.hpp"
#include "db/adoption/inspection.hpp"
#include "db/adoption/row_checks.hpp"
#include "db/adoption/wanted_schema.hpp"

#include <pqxx/transaction>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace regroup::db {

using domain::Finding;

inline constexpr const char* kAudit = "migration_audit_logs";
inline constexpr const char* kOneSuccess = "regroup_one_success";

bool is_one_of(const auto& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string joined(const auto& words, const char* between) {
  std::string text;
  for (const auto& word : words)
    text += (text.empty() ? "" : between) + std::string{word};
  return text;
}

inline std::string dotted(const std::string& table, const std::string& column) {
  return table + "." + column;
}

/// The columns that Regroup writes in a new row of a table; all others are the table's own affair.
/// `failed` audit rows have fewer than others.
struct Written {
  std::string_view table;
  std::vector<std::string_view> columns;
};
const std::vector<Written>& written();

/// The type without its width: "varchar(255)" becomes "varchar".
std::string type_name(const std::string& written_type);

/// The names to look for in the catalogue.
CatalogueNames names_of(const std::vector<wanted::Statement>& statements);

/// Compares one database's catalogue with the statements of db/schema/; implements inspection.hpp.
/// Its parts are in inspection.cpp (the order of the steps, their record, the role),
/// comparison_names.cpp, comparison_types.cpp, comparison_objects.cpp and comparison_functions.cpp
/// (what exists and what is missing), comparison_beside.cpp (what other programs put there) and
/// comparison_rows.cpp (what would refuse the rows that Regroup writes).
class Comparison {
public:
  Comparison(pqxx::work& work, const config::Settings::Database& settings)
      : work_(work), settings_(settings), statements_(wanted_schema()),
        have_(read_catalogue(work, names_of(statements_))) {}
  Inspection run();

private:
  void finding(Finding::Severity severity, const char* code, std::string what, std::string remedy) {
    out_.findings.push_back({severity, code, std::move(what), std::move(remedy)});
  }
  void error(const char* code, std::string what, std::string remedy) {
    finding(Finding::Severity::error, code, std::move(what), std::move(remedy));
  }
  void warning(const char* code, std::string what, std::string remedy) {
    finding(Finding::Severity::warning, code, std::move(what), std::move(remedy));
  }
  void note(const char* code, std::string what) {
    finding(Finding::Severity::note, code, std::move(what), {});
  }
  SchemaChange& change(SchemaChange::When when, std::string what, std::string sql,
                       std::string table = {}) {
    return out_.changes.emplace_back(
        SchemaChange{when, std::move(what), std::move(sql), std::move(table)});
  }
  const Catalogue::Table* table(const std::string& name) const {
    const auto found = have_.tables.find(name);
    return found == have_.tables.end() ? nullptr : &found->second;
  }
  const Catalogue::Column* column(const std::string& of_table, const std::string& name) const {
    const auto* there = table(of_table);
    if (!there)
      return nullptr;
    const auto found = there->columns.find(name);
    return found == there->columns.end() ? nullptr : &found->second;
  }
  bool has_columns(const std::string& of_table, const std::vector<std::string>& names) const {
    return std::all_of(names.begin(), names.end(),
                       [&](const auto& name) { return column(of_table, name) != nullptr; });
  }

  // The record of steps.
  bool is_recorded(const SchemaStep* step) const {
    return step ? have_.recorded.contains(std::string{step->name})
                : table("regroup_schema") != nullptr;
  }
  void record(const SchemaStep* step);

  // Names that begin with regroup_.
  /// Renames what an earlier version of Regroup made under another name; the rest of the comparison
  /// sees it under its new name.
  void carry_over();
  bool made_by_earlier_version(const wanted::Renamed& renamed) const;
  void check_left_alone(const wanted::Renamed& renamed);
  void check_own_names();
  const wanted::Statement* maker_of(const std::string& table_name) const;
  std::set<std::string> wanted_columns(const std::string& table_name) const;

  // Types.
  template <class Anything> void check_types(const Anything& /*unused*/) {}
  void check_types(const wanted::Enum& type);
  void check_types(const wanted::Table& wanted);
  void check_types(const wanted::AddedColumns& added);
  void check_column_types(const std::string& in, const std::vector<wanted::Column>& columns);
  bool type_fits(const std::string& name, const Catalogue::Column& there,
                 const std::string& wanted_type) const;
  /// PostgreSQL refuses a text that does not fit: that would be a 500.
  void check_width(const std::string& in, const wanted::Column& wanted,
                   const Catalogue::Column& there);
  bool types_fit() const { return !has_error("schema/column-type"); }
  bool has_error(std::string_view code) const;

  // What exists and what is missing.
  void compare(const wanted::Statement& statement, const wanted::Enum& type);
  void compare(const wanted::Statement& statement, const wanted::Table& wanted);
  void compare(const wanted::Statement& statement, const wanted::AddedColumns& added);
  void compare_columns(const std::string& in, const std::vector<wanted::Column>& columns);
  void add_column(const std::string& in, const wanted::Column& wanted);
  void give_default(const std::string& in, const wanted::Column& wanted);
  /// Whether Regroup inserts rows into the table without a value for the column.
  static bool leaves_out(const std::string& in, const std::string& name);
  void compare(const wanted::Statement& statement, const wanted::Function& function);
  void compare(const wanted::Statement& statement, const wanted::Trigger& trigger);
  /// `there`: the comment on the existing object; null if it does not exist. Returns false if it is
  /// as wanted; otherwise it is replaced, and `rights` are granted then.
  bool replace(const std::string& sql, const std::string& kind, const std::string& name,
               const std::string* there, const std::string& of_table, const std::string& rights);
  /// With the table's schema and name in place of `{devices}` and the like.
  std::string with_schemas(std::string sql) const;
  /// SQL that lets the replicas' roles, and not PUBLIC, execute the function; empty if that is so.
  std::string rights(const wanted::Function& function, const std::string& signature,
                     const Catalogue::Function& there) const;
  void compare_rights(const wanted::Function& function, const Catalogue::Function& there);
  void compare_owner(const wanted::Function& function, const Catalogue::Function* there);
  /// Functions of an earlier version, which its replicas may still call.
  void compare_other_functions();
  void compare(const wanted::Statement& statement, const wanted::Other& /*unused*/);
  void compare(const wanted::Statement& /*unused*/, const wanted::Renamed& /*unused*/) {}
  void compare(const wanted::Statement& /*unused*/, const wanted::Grant& /*unused*/) {}

  // Indexes.
  void compare(const wanted::Statement& statement, const wanted::Index& index);
  void compare_key(const std::string& in, const std::vector<std::string>& key);
  static std::string announcement(const wanted::Index& index);
  /// Another program's index that finds the same rows as this one would; null if there is none.
  const std::string* equal_index(const wanted::Index& index) const;
  /// Builds it without a lock that a writer waits for, after dropping the remains of an attempt
  /// that was broken off.
  void build(SchemaChange::When when, const wanted::Index& index);
  /// False if existing rows make a unique index impossible.
  bool unique_in_rows(const wanted::Index& index);
  bool no_group_was_migrated_twice();

  // Foreign keys.
  void compare_reference(const std::string& in, const wanted::Reference& wanted);
  bool no_orphans(const std::string& in, const wanted::Reference& reference,
                  const std::string& name);

  // What would refuse new rows and deletions.
  void check_new_rows(const Written& each);
  void check_not_null(const Written& each, const std::string& name, const Catalogue::Column& column,
                      bool trigger_may);
  bool needs_value(const Written& each, const std::string& name,
                   const Catalogue::Column& column) const;
  /// The defaults that the table's columns will be given.
  const Values& given_to(const std::string& in) const;
  /// A failed migration has no group, and Regroup does not fill the backend's own columns.
  void lift_not_null(const std::string& name, const Catalogue::Column& column);
  void report_unfilled(const std::string& in, const std::string& full, bool trigger_may);
  /// Lists what of other programs runs inside Regroup's writes.
  void list_programs();
  void check_deletions();
  /// Reports unique indexes that the contract does not have and that refuse rows which it allows.
  void check_other_keys();
  /// Tries the CHECKs on rows as Regroup writes them.
  void check_checks();
  /// The CHECKs of the table, if it exists, that refuse such a row once our defaults are given.
  std::vector<std::string> broken(const std::string& in, Values values);

  // The role.
  bool may(const SchemaChange& each) const;
  void check_role();

  pqxx::work& work_;
  const config::Settings::Database& settings_;
  const std::vector<wanted::Statement>& statements_;
  Catalogue have_;
  Inspection out_;
  bool labels_pending_ = false;
  std::map<std::string, Values> given_defaults_; // by table: columns that will get one, and which
  std::set<std::string> lifted_;                 // columns of the audit that will be nullable
};

} // namespace regroup::db
