#include "db/adoption/comparison.hpp"

#include <pqxx/result>

#include <array>

namespace regroup::db {
namespace {

using Severity = Finding::Severity;
using When = SchemaChange::When;

/// How many duplicates and orphans are named at most.
constexpr const char* kNamed = "10";

/// In the contract, but Regroup does not rely on them: left to the table's owner.
constexpr std::array<std::string_view, 5> kKeysLeftAlone{"users.email", "devices.id", "api_keys.id",
                                                         "group_memberships.id",
                                                         "device_group_memberships.id"};

} // namespace

void Comparison::compare(const wanted::Statement& statement, const wanted::Enum& type) {
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

void Comparison::compare(const wanted::Statement& statement, const wanted::Table& wanted) {
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

void Comparison::compare(const wanted::Statement& statement, const wanted::AddedColumns& added) {
  if (table(added.table))
    compare_columns(added.table, added.columns);
  else
    change(When::together, {}, statement.sql);
}

void Comparison::compare_columns(const std::string& in,
                                 const std::vector<wanted::Column>& columns) {
  for (const auto& wanted : columns) {
    const auto* there = column(in, wanted.name);
    if (!there)
      add_column(in, wanted);
    else if (there->not_null && !there->has_default && !wanted.preset.empty() &&
             leaves_out(in, wanted.name))
      give_default(in, wanted);
  }
}

void Comparison::add_column(const std::string& in, const wanted::Column& wanted) {
  // Without a default the existing rows would have no value.
  const std::string definition =
      wanted.name + " " + wanted.type +
      (wanted.preset.empty() ? ""
                             : " DEFAULT " + wanted.preset + (wanted.not_null ? " NOT NULL" : ""));
  change(When::together, "adds the column " + in + "." + definition,
         "ALTER TABLE " + in + " ADD COLUMN " + definition, in);
}

void Comparison::give_default(const std::string& in, const wanted::Column& wanted) {
  change(When::together, "gives " + dotted(in, wanted.name) + " the default " + wanted.preset,
         "ALTER TABLE " + in + " ALTER COLUMN " + wanted.name + " SET DEFAULT " + wanted.preset,
         in);
  given_defaults_[in].emplace(wanted.name, wanted.preset);
}

bool Comparison::leaves_out(const std::string& in, const std::string& name) {
  return std::any_of(written().begin(), written().end(), [&](const Written& each) {
    return each.table == in && !is_one_of(each.columns, name);
  });
}

void Comparison::compare(const wanted::Statement& statement, const wanted::Other& /*unused*/) {
  if (!is_recorded(statement.step))
    change(When::together, "runs " + statement.sql.substr(0, statement.sql.find('\n')),
           statement.sql);
}

void Comparison::compare(const wanted::Statement& statement, const wanted::Index& index) {
  if (!table(index.table)) { // created together with the index, and empty
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
  if (const auto* equal = equal_index(index))
    note("schema/index",
         "the index " + *equal + " does what " + index.name + " would, which is not built");
  else
    build(When::index, index);
}

void Comparison::compare_key(const std::string& in, const std::vector<std::string>& key) {
  const std::set<std::string> columns{key.begin(), key.end()};
  for (const auto& [name, index] : have_.indexes)
    if (index.table == in && index.arbiter && index.columns == columns)
      return;
  // A foreign key to it may be what is made next.
  build(has_columns(in, key) ? When::key : When::index,
        {"regroup_key_" + in + "_" + joined(key, "_"), in, joined(key, ", "), {}, true});
}

std::string Comparison::announcement(const wanted::Index& index) {
  return (index.unique ? "builds the unique index " : "builds the index ") + index.name + " on " +
         index.table + " (" + index.columns + ")" +
         (index.predicate.empty() ? "" : " WHERE " + index.predicate);
}

void Comparison::build(When when, const wanted::Index& index) {
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

bool Comparison::unique_in_rows(const wanted::Index& index) {
  std::vector<std::string> columns;
  for (std::size_t at = 0; at < index.columns.size();) {
    const auto comma = std::min(index.columns.find(", ", at), index.columns.size());
    columns.push_back(index.columns.substr(at, comma - at));
    at = comma + 2;
  }
  if (!table(index.table)->may_read)
    return true; // check_role() refuses
  if (!types_fit() || !has_columns(index.table, columns))
    return true; // a column that does not exist yet has no duplicates: it is NULL
  if (index.name == kOneSuccess)
    return no_group_was_migrated_twice();
  if (!index.predicate.empty() && labels_pending_)
    return true; // it may name a value that does not exist yet; building the index will tell
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

bool Comparison::no_group_was_migrated_twice() {
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
                std::string{kAudit} +
                " SET status = 'failed', error_message = 'another one counts' WHERE id = '…'" +
                (allowed ? ""
                         : "; or set database.allow_recorded_duplicates = true, which goes on "
                           "without the unique index that guards against more of them"));
  if (!twice.empty() && twice.front()[3].as<pqxx::result::size_type>() > twice.size())
    note("schema/duplicates", std::string{twice.front()[3].c_str()} +
                                  " registration groups in all were migrated more than once");
  return twice.empty();
}

void Comparison::compare_reference(const std::string& in, const wanted::Reference& wanted) {
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
    change(When::validation, "validates the foreign key " + name + ": every row has what it names",
           "ALTER TABLE " + in + " VALIDATE CONSTRAINT " + name, in);
}

bool Comparison::no_orphans(const std::string& in, const wanted::Reference& reference,
                            const std::string& name) {
  if (!types_fit() || !column(in, reference.column) ||
      !column(reference.to_table, reference.to_column))
    return false; // a later inspection will tell
  if (!table(in)->may_read || !table(reference.to_table)->may_read)
    return true; // check_role() refuses
  const std::string orphan = "FROM " + in + " o WHERE o." + reference.column +
                             " IS NOT NULL AND NOT EXISTS (SELECT FROM " + reference.to_table +
                             " r WHERE r." + reference.to_column + " = o." + reference.column + ")";
  const auto count = work_.exec("SELECT count(*) " + orphan).at(0).front().as<std::int64_t>();
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

} // namespace regroup::db
