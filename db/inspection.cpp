#include "db/inspection.hpp"

#include "db/catalogue.hpp"
#include "db/conninfo.hpp"
#include "db/wanted_schema.hpp"

#include <pqxx/connection>
#include <pqxx/except>
#include <pqxx/result>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>

namespace regroup::db {
namespace {

using domain::Finding;
using Severity = Finding::Severity;
using When = SchemaChange::When;

constexpr const char* kOneSuccess = "regroup_one_success";
constexpr const char* kAudit = "migration_audit_logs";

/// As many duplicates and orphans as are named.
constexpr const char* kNamed = "10";

bool is_one_of(const auto& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string joined(const auto& words, const char* between) {
  std::string text;
  for (const auto& word : words)
    text += (text.empty() ? "" : between) + std::string{word};
  return text;
}

std::string dotted(const std::string& table, const std::string& column) {
  return table + "." + column;
}

/// What Regroup writes into a new row of a table; the rest is the table's own affair. `failed`
/// audit rows have less than others.
struct Written {
  std::string_view table;
  std::vector<std::string_view> columns;
};
const std::array<Written, 5>& written() {
  static const std::array<Written, 5> all{{
      {"groups", {"id", "name", "slug", "max_devices", "created_by"}},
      {"group_memberships", {"id", "group_id", "user_id", "role"}},
      {"device_group_memberships", {"id", "device_id", "group_id", "added_by"}},
      {kAudit,
       {"id", "user_id", "registration_group_id", "status", "error_code", "error_message",
        "duration_ms"}},
      {"devices",
       {"device_id", "display_name", "group_id", "platform", "fcm_token", "owner_user_id",
        "linked_at", "last_seen_at"}},
  }};
  return all;
}

/// Of the contract, and nothing of Regroup relies on it: left to whoever made the table.
constexpr std::array<std::string_view, 5> kKeysLeftAlone{"users.email", "devices.id", "api_keys.id",
                                                         "group_memberships.id",
                                                         "device_group_memberships.id"};

/// The contract gives these no type, and Regroup writes no more into them than now().
constexpr std::array<std::string_view, 10> kPlainTimestampWillDo{"users.created_at",
                                                                 "users.updated_at",
                                                                 "devices.created_at",
                                                                 "devices.updated_at",
                                                                 "groups.created_at",
                                                                 "groups.updated_at",
                                                                 "group_memberships.joined_at",
                                                                 "group_memberships.updated_at",
                                                                 "api_keys.last_used_at",
                                                                 "api_keys.created_at"};

/// Slugs are cut to these.
constexpr std::array<std::string_view, 2> kAnyWidthWillDo{"devices.group_id", "groups.slug"};

/// Without the width: "varchar(255)" is "varchar".
std::string type_name(const std::string& written_type) {
  const std::string name = written_type.substr(0, written_type.find('('));
  return name == "bigserial" ? "bigint" : name;
}

int width_of(const std::string& written_type) {
  const auto open = written_type.find('(');
  return open == std::string::npos ? 0 : std::stoi(written_type.substr(open + 1));
}

CatalogueNames names_of(const std::vector<wanted::Statement>& statements) {
  CatalogueNames names;
  const auto add_types = [&](const std::vector<wanted::Column>& columns) {
    for (const auto& column : columns)
      names.types.insert(type_name(column.type));
  };
  for (const auto& statement : statements) {
    if (const auto* table = std::get_if<wanted::Table>(&statement.what)) {
      names.tables.insert(table->name);
      add_types(table->columns);
    } else if (const auto* added = std::get_if<wanted::AddedColumns>(&statement.what)) {
      names.tables.insert(added->table);
      add_types(added->columns);
    } else if (const auto* index = std::get_if<wanted::Index>(&statement.what)) {
      names.tables.insert(index->table);
    } else if (const auto* type = std::get_if<wanted::Enum>(&statement.what)) {
      names.enums.insert(type->name);
    } else if (const auto* function = std::get_if<wanted::Function>(&statement.what)) {
      names.functions.insert(function->name);
    }
  }
  return names;
}

/// Holds one database's catalogue against the statements of db/schema/.
class Comparison {
public:
  Comparison(pqxx::work& work, const config::Settings::Database& settings)
      : work_(work), settings_(settings), statements_(wanted_schema()),
        have_(read_catalogue(work, names_of(statements_))) {}

  Inspection run() {
    if (!have_.reads_record) {
      error("schema/role", "the role " + have_.role + " may not read the table regroup_schema",
            "GRANT SELECT ON regroup_schema TO " + have_.role);
      return std::move(out_);
    }
    check_record();
    for (const auto& statement : statements_) // types first: no row is asked about a wrong one
      std::visit([this](const auto& what) { check_types(what); }, statement.what);
    const SchemaStep* step = nullptr;
    for (const auto& statement : statements_) {
      if (statement.step != step)
        record(std::exchange(step, statement.step));
      std::visit([&](const auto& what) { compare(statement, what); }, statement.what);
    }
    record(step);
    for (const auto& each : written())
      check_new_rows(each);
    check_deletions();
    std::stable_sort(out_.changes.begin(), out_.changes.end(),
                     [](const auto& a, const auto& b) { return a.when < b.when; });
    check_role();
    return std::move(out_);
  }

private:
  using TableAndColumn = std::pair<std::string, std::string>;

  void finding(Severity severity, const char* code, std::string what, std::string remedy) {
    out_.findings.push_back({severity, code, std::move(what), std::move(remedy)});
  }
  void error(const char* code, std::string what, std::string remedy) {
    finding(Severity::error, code, std::move(what), std::move(remedy));
  }
  void warning(const char* code, std::string what, std::string remedy) {
    finding(Severity::warning, code, std::move(what), std::move(remedy));
  }
  void note(const char* code, std::string what) {
    finding(Severity::note, code, std::move(what), {});
  }
  SchemaChange& change(When when, std::string what, std::string sql, std::string table = {}) {
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

  void check_record() {
    for (const SchemaStep& step : schema_steps()) {
      const std::string name{step.name};
      const auto found = have_.recorded.find(name);
      if (found == have_.recorded.end())
        continue;
      // PostgreSQL computes the checksum, so that it can be verified there as well.
      const auto ours = work_.exec_params1("SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')",
                                           std::string{step.sql});
      if (found->second != ours.front().c_str())
        error("schema/other-version",
              "the schema step " + name + " was applied by another version of Regroup",
              "run the version that applied it, or a newer one");
    }
  }

  void record(const SchemaStep* step) {
    if (step && !is_recorded(step))
      change(When::together, "records the step " + std::string{step->name} + " in regroup_schema",
             {}, have_.tables.contains("regroup_schema") ? "regroup_schema" : "")
          .step = step;
  }

  // Types.

  template <class Anything> void check_types(const Anything& /*unused*/) {}

  void check_types(const wanted::Enum& type) {
    const auto found = have_.enums.find(type.name);
    if (found != have_.enums.end() && !found->second.is_enum)
      error("schema/column-type", "the type " + type.name + " is no enum",
            "rename it: Regroup needs an enum of that name");
  }
  void check_types(const wanted::Table& wanted) {
    if (const auto* there = table(wanted.name)) {
      if (!there->ordinary)
        error("schema/table-kind", wanted.name + " is no ordinary table",
              "Regroup needs one, neither a view nor partitioned");
      if (there->row_security)
        warning("schema/row-security",
                "row level security is on for " + wanted.name +
                    ": a row that its policies hide is not there for Regroup",
                "let the policies show and take every row for the service's role");
    }
    check_column_types(wanted.name, wanted.columns);
  }
  void check_types(const wanted::AddedColumns& added) {
    check_column_types(added.table, added.columns);
  }

  void check_column_types(const std::string& in, const std::vector<wanted::Column>& columns) {
    for (const auto& wanted : columns)
      if (const auto* there = column(in, wanted.name)) {
        if (!type_fits(dotted(in, wanted.name), *there, wanted.type))
          error("schema/column-type",
                dotted(in, wanted.name) + " is " + there->shown + ", and must be " + wanted.type,
                "give it that type, or give its table another name");
        else
          check_width(in, wanted, *there);
      }
  }

  bool type_fits(const std::string& name, const Catalogue::Column& there,
                 const std::string& wanted_type) const {
    const auto known = have_.canonical.find(type_name(wanted_type));
    if (known == have_.canonical.end())
      return false; // an enum that is not there yet: the column has another type
    const std::string& wanted = known->second;
    constexpr std::array<std::string_view, 2> texts{"text", "character varying"};
    constexpr std::array<std::string_view, 3> numbers{"smallint", "integer", "bigint"};
    return there.type == wanted || (is_one_of(texts, wanted) && is_one_of(texts, there.type)) ||
           (is_one_of(numbers, wanted) && is_one_of(numbers, there.type)) ||
           (there.type == "timestamp without time zone" &&
            is_one_of(kPlainTimestampWillDo, name)) ||
           (there.type == "citext" && name == "users.email");
  }

  /// What does not fit is refused by PostgreSQL: that would be a 500.
  void check_width(const std::string& in, const wanted::Column& wanted,
                   const Catalogue::Column& there) {
    const std::string name = dotted(in, wanted.name);
    int needed = width_of(wanted.type);
    if (there.width == 0 || there.width >= needed || is_one_of(kAnyWidthWillDo, name))
      return;
    if (name == dotted(kAudit, "registration_group_id")) {
      // As wide as what it is copied from is wide enough.
      const auto* source = column("devices", "group_id");
      if (source && source->width != 0 && source->width <= there.width)
        return;
    }
    const std::string what =
        name + " is " + there.shown + ", and must take " + std::to_string(needed) + " characters";
    const std::string remedy = "ALTER TABLE " + in + " ALTER COLUMN " + wanted.name + " TYPE " +
                               wanted.type + " (it rewrites nothing)";
    if (in == "devices" || in == "users" || in == "api_keys")
      warning("schema/column-width", what + ": longer ones are answered 500", remedy);
    else
      error("schema/column-width", what, remedy);
  }

  bool types_fit() const { return !has_error("schema/column-type"); }
  bool has_error(std::string_view code) const {
    return std::any_of(out_.findings.begin(), out_.findings.end(),
                       [&](const auto& each) { return each.code == code; });
  }

  // What is there and what is not.

  void compare(const wanted::Statement& statement, const wanted::Enum& type) {
    const auto found = have_.enums.find(type.name);
    if (found == have_.enums.end()) {
      change(When::together, type.added ? "" : "creates the type " + type.name, statement.sql);
      return;
    }
    for (const auto& label : type.labels)
      if (!found->second.labels.contains(label)) {
        change(When::enum_value, "adds the value " + label + " to the type " + type.name,
               "ALTER TYPE " + type.name + " ADD VALUE IF NOT EXISTS '" + label + "'", type.name);
        labels_pending_ = true;
      }
  }

  void compare(const wanted::Statement& statement, const wanted::Table& wanted) {
    if (!table(wanted.name)) {
      change(When::together, "creates the table " + wanted.name, statement.sql);
      return;
    }
    compare_columns(wanted.name, wanted.columns);
    for (const auto& key : wanted.keys)
      if (!is_one_of(kKeysLeftAlone, dotted(wanted.name, joined(key, ","))))
        compare_key(wanted.name, key);
    for (const auto& reference : wanted.references)
      if (reference.cascades)
        compare_reference(wanted.name, reference);
  }

  void compare(const wanted::Statement& statement, const wanted::AddedColumns& added) {
    if (table(added.table))
      compare_columns(added.table, added.columns);
    else
      change(When::together, {}, statement.sql);
  }

  void compare_columns(const std::string& in, const std::vector<wanted::Column>& columns) {
    for (const auto& wanted : columns) {
      const auto* there = column(in, wanted.name);
      if (!there) {
        // Without a default the rows that are there could not have one.
        const std::string definition =
            wanted.name + " " + wanted.type +
            (wanted.preset.empty()
                 ? ""
                 : " DEFAULT " + wanted.preset + (wanted.not_null ? " NOT NULL" : ""));
        change(When::together, "adds the column " + in + "." + definition,
               "ALTER TABLE " + in + " ADD COLUMN " + definition, in);
      } else if (there->not_null && !there->has_default && !wanted.preset.empty() &&
                 leaves_out(in, wanted.name)) {
        change(When::together, "gives " + dotted(in, wanted.name) + " the default " + wanted.preset,
               "ALTER TABLE " + in + " ALTER COLUMN " + wanted.name + " SET DEFAULT " +
                   wanted.preset,
               in);
        given_default_.insert(dotted(in, wanted.name));
      }
    }
  }

  /// Whether Regroup makes rows of the table without a value for the column.
  static bool leaves_out(const std::string& in, const std::string& name) {
    return std::any_of(written().begin(), written().end(), [&](const Written& each) {
      return each.table == in && !is_one_of(each.columns, name);
    });
  }

  void compare(const wanted::Statement& statement, const wanted::Function& function) {
    const bool there = have_.functions.contains(function.name);
    if (there && is_recorded(statement.step))
      return;
    change(When::together,
           (there ? "replaces the function " : "creates the function ") + function.name,
           statement.sql);
  }

  void compare(const wanted::Statement& statement, const wanted::Other& /*unused*/) {
    if (!is_recorded(statement.step))
      change(When::together, "runs " + statement.sql.substr(0, statement.sql.find('\n')),
             statement.sql);
  }

  // Indexes.

  void compare(const wanted::Statement& statement, const wanted::Index& index) {
    if (!table(index.table)) { // new, and empty
      change(When::together, announcement(index), statement.sql);
      return;
    }
    const auto found = have_.indexes.find(index.name);
    if (found != have_.indexes.end() && found->second.valid) {
      if (found->second.table != index.table || found->second.unique != index.unique)
        error("schema/index", "the index " + index.name + " is another one than Regroup's",
              "rename it: Regroup makes its own");
      return;
    }
    build(When::index, index);
  }

  void compare_key(const std::string& in, const std::vector<std::string>& key) {
    const std::set<std::string> columns{key.begin(), key.end()};
    for (const auto& [name, index] : have_.indexes)
      if (index.table == in && index.arbiter && index.columns == columns)
        return;
    // A foreign key to it may be the next thing that is made.
    build(has_columns(in, key) ? When::key : When::index,
          {"regroup_key_" + in + "_" + joined(key, "_"), in, joined(key, ", "), {}, true});
  }

  static std::string announcement(const wanted::Index& index) {
    return (index.unique ? "builds the unique index " : "builds the index ") + index.name + " on " +
           index.table + " (" + index.columns + ")";
  }

  /// Without a lock that a writer waits for, after an attempt that was broken off is out of the
  /// way.
  void build(When when, const wanted::Index& index) {
    if (have_.indexes.contains(index.name))
      change(when, "drops the index " + index.name + ", which is invalid",
             "DROP INDEX CONCURRENTLY IF EXISTS " + index.name, index.table);
    if (index.unique && !unique_in_rows(index))
      return;
    change(when, announcement(index),
           std::string{index.unique ? "CREATE UNIQUE INDEX" : "CREATE INDEX"} + " CONCURRENTLY " +
               index.name + " ON " + index.table + " (" + index.columns + ")" +
               (index.predicate.empty() ? "" : " WHERE " + index.predicate),
           index.table)
        .index = index.name;
  }

  /// False where the rows that are there make a unique index impossible.
  bool unique_in_rows(const wanted::Index& index) {
    std::vector<std::string> columns;
    for (std::size_t at = 0; at < index.columns.size();) {
      const auto comma = std::min(index.columns.find(", ", at), index.columns.size());
      columns.push_back(index.columns.substr(at, comma - at));
      at = comma + 2;
    }
    if (!types_fit() || !has_columns(index.table, columns))
      return true; // a column that is not there yet has the same in no two rows: it is NULL
    if (index.name == kOneSuccess)
      return no_group_was_migrated_twice();
    if (!index.predicate.empty() && labels_pending_)
      return true; // it may name a value that is not there yet; building the index will tell
    const std::string rows = " FROM " + index.table + " WHERE (" +
                             joined(columns, " IS NOT NULL AND ") + " IS NOT NULL)" +
                             (index.predicate.empty() ? "" : " AND (" + index.predicate + ")") +
                             " GROUP BY " + index.columns + " HAVING count(*) > 1";
    const auto twice = work_.exec("SELECT concat_ws(', ', " + index.columns + ")" + rows +
                                  " ORDER BY 1 LIMIT " + kNamed);
    if (twice.empty())
      return true;
    std::vector<std::string> values;
    for (const auto& row : twice)
      values.emplace_back(row[0].c_str());
    error("schema/duplicate-keys",
          index.table + " has rows with the same (" + index.columns + "): " + joined(values, "; "),
          "leave one row of each");
    return false;
  }

  bool no_group_was_migrated_twice() {
    // to_jsonb: a column that the contract names and this table lacks reads as NULL.
    const auto twice = work_.exec(
        "WITH success AS ("
        "  SELECT a.registration_group_id AS name, to_jsonb(a) AS audit FROM " +
        std::string{kAudit} +
        " a WHERE a.status::text = 'success') "
        "SELECT s.name, count(*), string_agg(concat("
        "  'group ', coalesce(s.audit ->> 'authenticated_group_id', '(gone)'), "
        "  ' by migration ', s.audit ->> 'id', ' of ', left(s.audit ->> 'created_at', 19)), ', ' "
        "  ORDER BY s.audit ->> 'created_at', s.audit ->> 'id'), count(*) OVER () "
        "FROM success s GROUP BY s.name HAVING count(*) > 1 ORDER BY s.name LIMIT " +
        kNamed);
    const bool allowed = settings_.allow_recorded_duplicates;
    for (const auto& row : twice)
      finding(allowed ? Severity::warning : Severity::error, "schema/duplicates",
              std::string{row[0].c_str()} + " was migrated " + row[1].c_str() +
                  " times: " + row[2].c_str(),
              "decide which group is the one, and mark the other migrations' audit rows: UPDATE " +
                  std::string{kAudit} + " SET status = 'rolled_back' WHERE id = '…'" +
                  (allowed ? ""
                           : "; or set database.allow_recorded_duplicates = true, which goes on "
                             "without the unique index that guards against more of them"));
    if (!twice.empty() && twice.front()[3].as<std::size_t>() > twice.size())
      note("schema/duplicates", std::string{twice.front()[3].c_str()} +
                                    " registration groups in all were migrated more than once");
    return twice.empty();
  }

  // Foreign keys.

  void compare_reference(const std::string& in, const wanted::Reference& wanted) {
    const Catalogue::Reference* there = nullptr;
    for (const auto& each : have_.references)
      if (each.table == in && each.columns == std::vector{wanted.column} &&
          each.to_table == wanted.to_table && each.to_columns == std::vector{wanted.to_column})
        there = &each;
    const std::string name = "regroup_fk_" + in + "_" + wanted.column;
    if (there && there->on_delete != 'c')
      note("schema/reference", "the foreign key " + there->name + " of " + in +
                                   " does not cascade: what it names cannot be deleted before");
    if (there && (there->validated || there->name != name))
      return;
    const std::string from_to =
        dotted(in, wanted.column) + " to " + dotted(wanted.to_table, wanted.to_column);
    if (!there)
      change(When::reference,
             "adds the foreign key " + name + " from " + from_to + ", for new rows (NOT VALID)",
             "ALTER TABLE " + in + " ADD CONSTRAINT " + name + " FOREIGN KEY (" + wanted.column +
                 ") REFERENCES " + wanted.to_table + " (" + wanted.to_column +
                 ") ON DELETE CASCADE NOT VALID",
             in);
    if (no_orphans(in, wanted, name))
      change(When::validation,
             "validates the foreign key " + name + ": every row has what it names",
             "ALTER TABLE " + in + " VALIDATE CONSTRAINT " + name, in);
  }

  bool no_orphans(const std::string& in, const wanted::Reference& reference,
                  const std::string& name) {
    if (!types_fit() || !column(in, reference.column) ||
        !column(reference.to_table, reference.to_column))
      return false; // a later look will tell
    const std::string orphan = "FROM " + in + " o WHERE o." + reference.column +
                               " IS NOT NULL AND NOT EXISTS (SELECT FROM " + reference.to_table +
                               " r WHERE r." + reference.to_column + " = o." + reference.column +
                               ")";
    const auto count = work_.exec1("SELECT count(*) " + orphan).front().as<std::int64_t>();
    if (count == 0)
      return true;
    std::vector<std::string> some;
    for (const auto& row : work_.exec("SELECT DISTINCT o." + reference.column + "::text " + orphan +
                                      " ORDER BY 1 LIMIT " + kNamed))
      some.emplace_back(row[0].c_str());
    warning("schema/orphans",
            std::to_string(count) + (count == 1 ? " row of " : " rows of ") + in + " with a " +
                reference.column + " that is not in " + reference.to_table + ": " +
                joined(some, ", ") + "; the foreign key " + name + " stays NOT VALID",
            "delete them, and run `regroup schema apply` again: DELETE " + orphan);
    return false;
  }

  // What new and deleted rows meet.

  void check_new_rows(const Written& each) {
    const std::string in{each.table};
    const auto* there = table(in);
    if (!there)
      return;
    for (const auto& [name, column] : there->columns) {
      if (!column.not_null)
        continue;
      const std::string full = dotted(in, name);
      constexpr std::array<std::string_view, 3> may_be_null{
          "devices.fcm_token", "devices.owner_user_id", "devices.linked_at"};
      if (is_one_of(may_be_null, full))
        warning("schema/not-null", full + " is NOT NULL: a phone without one cannot register here",
                "ALTER TABLE " + in + " ALTER COLUMN " + name + " DROP NOT NULL");
      if (in == kAudit &&
          (name == "authenticated_group_id" || needs_value(each, full, name, column)))
        lift_not_null(name, column);
      else if (needs_value(each, full, name, column))
        report_unfilled(in, full, there->fills_rows);
    }
  }

  bool needs_value(const Written& each, const std::string& full, const std::string& name,
                   const Catalogue::Column& column) const {
    return !is_one_of(each.columns, name) && !column.has_default && !given_default_.contains(full);
  }

  /// A failed migration has no group, and the backend's own columns are not ours to fill.
  void lift_not_null(const std::string& name, const Catalogue::Column& column) {
    if (column.in_primary_key) {
      error("schema/not-null",
            dotted(kAudit, name) + " is part of the primary key and has no default",
            "give it a default: Regroup does not fill it");
      return;
    }
    change(When::together,
           "lets " + dotted(kAudit, name) + " be NULL, so that a failed migration can be recorded",
           "ALTER TABLE " + std::string{kAudit} + " ALTER COLUMN " + name + " DROP NOT NULL",
           kAudit);
    lifted_.insert(name);
  }

  void report_unfilled(const std::string& in, const std::string& full, bool trigger_may) {
    const std::string what = full + " is NOT NULL without a default, and Regroup does not fill it";
    const std::string remedy = "give it a default, or fill it in a BEFORE INSERT trigger";
    if (trigger_may)
      note("schema/no-default", what + ": it is left to the table's BEFORE INSERT trigger");
    else if (in == "devices")
      warning("schema/no-default", what + ": no phone can register through Regroup", remedy);
    else
      error("schema/no-default", what, remedy);
  }

  void check_deletions() {
    for (const auto& each : have_.references) {
      const auto nullable = [&](const std::string& name) {
        const auto* there = column(each.table, name);
        return !there || !there->not_null || (each.table == kAudit && lifted_.contains(name));
      };
      if (each.on_delete == 'n' && !std::all_of(each.columns.begin(), each.columns.end(), nullable))
        warning("schema/set-null",
                "the foreign key " + each.name + " sets " + each.table + "." +
                    joined(each.columns, ", ") + " to NULL on delete, which is NOT NULL: what " +
                    "is named there cannot be deleted from " + each.to_table,
                "ALTER TABLE " + each.table + " ALTER COLUMN " + joined(each.columns, ", ") +
                    " DROP NOT NULL");
      if (each.on_delete == 'c' && each.table == kAudit)
        note("schema/cascade", "the foreign key " + each.name +
                                   " deletes audit rows with what they name: that those "
                                   "registration groups were migrated is forgotten");
    }
  }

  // The role.

  bool may(const SchemaChange& each) const {
    if (each.table.empty())
      return have_.may_create;
    if (const auto* there = table(each.table))
      return there->may_alter || each.step != nullptr;
    const auto type = have_.enums.find(each.table);
    return type == have_.enums.end() || type->second.may_alter;
  }

  void check_role() {
    std::vector<const SchemaChange*> forbidden;
    for (const auto& each : out_.changes)
      if (!each.what.empty() && !may(each))
        forbidden.push_back(&each);
    if (forbidden.empty())
      return;
    const SchemaChange& first = *forbidden.front();
    const auto* there = table(first.table);
    const std::string owner = there ? there->owner : "the owner of the schema " + have_.schema;
    error("schema/role",
          "the role " + have_.role + " may not do what is missing: " + first.what +
              (forbidden.size() == 1 ? ""
                                     : " (and " + std::to_string(forbidden.size() - 1) + " more)"),
          "run `regroup schema apply` once with a database.url of " + owner);
  }

  pqxx::work& work_;
  const config::Settings::Database& settings_;
  const std::vector<wanted::Statement>& statements_;
  Catalogue have_;
  Inspection out_;
  bool labels_pending_ = false;
  std::set<std::string> given_default_; // "groups.is_active": will have one
  std::set<std::string> lifted_;        // of the audit's columns: will be nullable
};

} // namespace

std::string Inspection::stop() const {
  const Finding* first = nullptr;
  int count = 0;
  for (const auto& each : findings)
    if (each.severity == Severity::error) {
      first = first ? first : &each;
      ++count;
    }
  if (!first)
    return {};
  return first->what + " -> " + first->remedy +
         (count == 1 ? ""
                     : " (and " + std::to_string(count - 1) + " more: `regroup schema status`)");
}

Inspection inspect_schema(const config::Settings::Database& settings) {
  try {
    pqxx::connection connection{conninfo(settings)};
    pqxx::work work{connection};
    // READ COMMITTED, and no longer than it takes: an index that is built meanwhile waits for
    // whoever holds a snapshot that is older than it is.
    work.exec("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0");
    return Comparison{work, settings}.run();
  } catch (const pqxx::failure& why) {
    const std::string line = why.what();
    throw std::runtime_error("database: " + line.substr(0, line.find('\n')));
  }
}

} // namespace regroup::db
