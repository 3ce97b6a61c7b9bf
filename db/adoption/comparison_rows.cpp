#include "db/adoption/comparison.hpp"

#include <array>

namespace regroup::db {

using When = SchemaChange::When;

const std::vector<Written>& written() {
  static const std::vector<Written> all{
      {"groups", {"id", "name", "slug", "max_devices", "created_by"}},
      {"group_memberships", {"id", "group_id", "user_id", "role"}},
      {"device_group_memberships", {"id", "device_id", "group_id", "added_by"}},
      {kAudit,
       {"id", "user_id", "registration_group_id", "status", "error_code", "error_message",
        "duration_ms", "trace_id", "received_at", "started_at"}},
      {"devices",
       {"device_id", "display_name", "group_id", "platform", "fcm_token", "owner_user_id",
        "linked_at", "last_seen_at"}},
  };
  return all;
}

void Comparison::check_new_rows(const Written& each) {
  const auto* there = table(std::string{each.table});
  if (!there)
    return;
  for (const auto& [name, column] : there->columns)
    if (column.not_null)
      check_not_null(each, name, column, there->fills_rows);
}

void Comparison::check_not_null(const Written& each, const std::string& name,
                                const Catalogue::Column& column, bool trigger_may) {
  const std::string in{each.table};
  const std::string full = dotted(in, name);
  constexpr std::array<std::string_view, 3> may_be_null{
      "devices.fcm_token", "devices.owner_user_id", "devices.linked_at"};
  if (is_one_of(may_be_null, full))
    warning("schema/not-null", full + " is NOT NULL: a phone without one cannot register here",
            "ALTER TABLE " + in + " ALTER COLUMN " + name + " DROP NOT NULL");
  const bool unfilled = needs_value(each, name, column);
  if (in == kAudit && (name == "authenticated_group_id" || (unfilled && !trigger_may)))
    lift_not_null(name, column);
  else if (unfilled)
    report_unfilled(in, full, trigger_may);
}

bool Comparison::needs_value(const Written& each, const std::string& name,
                             const Catalogue::Column& column) const {
  return !is_one_of(each.columns, name) && !column.has_default &&
         !given_to(std::string{each.table}).contains(name);
}

const Values& Comparison::given_to(const std::string& in) const {
  static const Values none;
  const auto found = given_defaults_.find(in);
  return found == given_defaults_.end() ? none : found->second;
}

void Comparison::lift_not_null(const std::string& name, const Catalogue::Column& column) {
  if (column.in_primary_key) {
    error("schema/not-null",
          dotted(kAudit, name) + " is part of the primary key and has no default",
          "give it a default: Regroup does not fill it");
    return;
  }
  change(When::together,
         "lets " + dotted(kAudit, name) + " be NULL, so that a failed migration can be recorded",
         "ALTER TABLE " + std::string{kAudit} + " ALTER COLUMN " + name + " DROP NOT NULL", kAudit);
  lifted_.insert(name);
}

void Comparison::report_unfilled(const std::string& in, const std::string& full, bool trigger_may) {
  const std::string what = full + " is NOT NULL without a default, and Regroup does not fill it";
  const std::string remedy = "give it a default, or fill it in a BEFORE INSERT trigger";
  if (trigger_may)
    note("schema/no-default", what + ": it is left to the table's BEFORE INSERT trigger");
  else if (in == "devices")
    warning("schema/no-default", what + ": no phone can register through Regroup", remedy);
  else
    error("schema/no-default", what, remedy);
}

void Comparison::check_deletions() {
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
              "if every program that reads it can take a NULL: ALTER TABLE " + each.table +
                  " ALTER COLUMN " + joined(each.columns, ", ") + " DROP NOT NULL");
    if (each.on_delete == 'c' && each.table == kAudit)
      note("schema/cascade", "the foreign key " + each.name +
                                 " deletes audit rows with what they name: that those "
                                 "registration groups were migrated is forgotten");
  }
}

void Comparison::check_other_keys() {
  for (const auto& [name, index] : have_.indexes) {
    if (!index.arbiter || index.columns.contains("id"))
      continue;
    const std::string what = "the unique index " + name + " on " + index.table + " (" +
                             joined(index.columns, ", ") + ")";
    if (index.table == kAudit)
      error("schema/key",
            what + " takes one row of any status: a migration that failed would "
                   "keep its group from ever being migrated",
            "drop it; that a group is not migrated twice is kept by " + std::string{kOneSuccess});
    else if (index.table == "device_group_memberships" && !index.columns.contains("group_id"))
      warning("schema/key",
              what + " lets a device be in one group: whoever migrates one that is "
                     "in a group already is answered 500",
              "drop it, or let such devices leave their groups first");
    else if (index.table == "group_memberships" && !index.columns.contains("group_id"))
      warning("schema/key",
              what + " lets a user be in one group: whoever is in one already and "
                     "migrates another is answered 500",
              "drop it");
  }
}

void Comparison::check_checks() {
  const std::string uuid = "gen_random_uuid()";
  Values audit{{"id", uuid},
               {"user_id", uuid},
               {"status", "'failed'"},
               {"registration_group_id", "'camping-2025'"},
               {"error_code", "'server/internal'"},
               {"error_message", "'The migration failed'"},
               {"duration_ms", "10"}};
  for (const auto& name : broken(kAudit, audit))
    warning("schema/check",
            "the CHECK " + name + " of " + kAudit +
                " refuses the row of a failed migration: the log alone will tell",
            "let it take status = 'failed' with no group and no devices");
  audit.erase("error_code");
  audit.erase("error_message");
  audit.merge(Values{{"authenticated_group_id", uuid},
                     {"devices_migrated", "1"},
                     {"device_ids", "ARRAY[" + uuid + "]"}});
  audit["status"] = "'success'";
  for (const auto& name : broken(kAudit, audit))
    error("schema/check", "the CHECK " + name + " of " + kAudit + " refuses every migration's row",
          "let it take what the contract does");
  Values group{
      {"id", uuid}, {"name", "'Chen Family'"}, {"slug", "'chen-family'"}, {"created_by", uuid}};
  const auto never = broken("groups", group);
  for (const auto& name : never)
    error("schema/check", "the CHECK " + name + " of groups refuses every migration's group",
          "let it take what the contract does");
  group["name"] = "'Zelten für alle'";
  group["slug"] = "'zelten-für-alle'";
  for (const auto& name : broken("groups", group))
    if (!is_one_of(never, name))
      warning("schema/check",
              "the CHECK " + name +
                  " of groups refuses letters beyond a to z: a migration to "
                  "such a name is answered 500",
              "let it take the letters of every language");
}

std::vector<std::string> Comparison::broken(const std::string& in, Values values) {
  if (!table(in))
    return {};
  const Values& given = given_to(in);
  values.insert(given.begin(), given.end()); // given values stay as they are
  return broken_checks(work_, in, values);
}

} // namespace regroup::db
