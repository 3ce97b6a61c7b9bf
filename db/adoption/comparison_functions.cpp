#include "db/adoption/comparison.hpp"
#include "versions/libpqxx.hpp"

#include <pqxx/result>

namespace regroup::db {

using When = SchemaChange::When;

void Comparison::compare(const wanted::Statement& statement, const wanted::Function& function) {
  static const Catalogue::Function fresh = [] {
    Catalogue::Function made;
    made.everybody_may_execute = true; // PostgreSQL's default
    return made;
  }();
  const auto found = have_.functions.find(function.name);
  const auto* there = found == have_.functions.end() ? nullptr : &found->second;
  if (!replace(with_schemas(statement.sql), "function", function.name,
               there ? &there->comment : nullptr, {},
               rights(function, there ? there->signature : function.name, there ? *there : fresh)))
    compare_rights(function, *there);
  compare_owner(function, there);
}

void Comparison::compare(const wanted::Statement& statement, const wanted::Trigger& trigger) {
  const auto found = have_.triggers.find(trigger.name);
  replace(statement.sql, "trigger", trigger.name,
          found == have_.triggers.end() ? nullptr : &found->second, trigger.table, {});
}

bool Comparison::replace(const std::string& sql, const std::string& kind, const std::string& name,
                         const std::string* there, const std::string& of_table,
                         const std::string& rights) {
  const std::string checksum =
      versions::exec_params(work_, "SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')", sql)
          .at(0)
          .front()
          .c_str();
  const std::string comment = "Regroup, " + checksum;
  if (there && *there == comment)
    return false;
  const std::string on_table = of_table.empty() ? "" : " ON " + of_table;
  change(When::together,
         (there ? "replaces the " : "creates the ") + kind + " " + name +
             (of_table.empty() ? "" : " on " + of_table),
         sql + ";\nCOMMENT ON " + kind + " " + name + on_table + " IS '" + comment + "'" + rights,
         of_table.empty() && there ? name : of_table);
  return true;
}

std::string Comparison::with_schemas(std::string sql) const {
  const auto put = [&](const std::string& name, const std::string& text) {
    const std::string place = "{" + name + "}";
    for (auto at = sql.find(place); at != sql.npos; at = sql.find(place, at + text.size()))
      sql.replace(at, place.size(), text);
  };
  const auto schema_of = [&](const std::string& name) {
    const auto* there = table(name);
    return there ? there->schema : have_.quoted_schema;
  };
  put("schema", schema_of("devices"));
  for (const auto& statement : statements_)
    if (const auto* made = std::get_if<wanted::Table>(&statement.what))
      put(made->name, dotted(schema_of(made->name), made->name));
  return sql;
}

std::string Comparison::rights(const wanted::Function& function, const std::string& signature,
                               const Catalogue::Function& there) const {
  std::string sql;
  if (function.is_open)
    return sql;
  if (!function.is_trigger)
    for (const auto& role : have_.service_roles)
      if (!there.may_execute.contains(role))
        sql += ";\nGRANT EXECUTE ON FUNCTION " + signature + " TO " + role;
  if (there.everybody_may_execute)
    sql += ";\nREVOKE EXECUTE ON FUNCTION " + signature + " FROM PUBLIC";
  return sql;
}

void Comparison::compare_rights(const wanted::Function& function,
                                const Catalogue::Function& there) {
  const std::string sql = rights(function, there.signature, there);
  if (!sql.empty())
    change(When::together,
           there.everybody_may_execute
               ? "takes EXECUTE on the function " + function.name + " from PUBLIC"
               : "lets the replicas' role execute the function " + function.name,
           sql.substr(2), function.name);
}

/// It runs the triggers of other programs with its owner's rights: those must not be a superuser's.
void Comparison::compare_owner(const wanted::Function& function, const Catalogue::Function* there) {
  if (!function.is_definer)
    return;
  std::set<std::string> owners;
  for (const char* name : {"devices", "groups", "device_group_memberships", kAudit}) {
    const auto* of = table(name);
    owners.insert(of ? of->owner : have_.role);
  }
  if (!(there ? there->owner_is_superuser : have_.is_superuser) ||
      owners.contains(there ? there->owner : have_.role))
    return;
  const std::string& owner = *owners.begin();
  if (owners.size() == 1)
    change(When::together,
           "gives the function " + function.name + " to " + owner + ", who owns its tables",
           "ALTER FUNCTION " + function.name + " OWNER TO " + work_.quote_name(owner),
           there ? function.name : std::string{});
  else
    warning("schema/function-owner",
            "the function " + function.name + " runs with a superuser's rights",
            "ALTER FUNCTION " + function.name +
                " OWNER TO a role that may SELECT and UPDATE devices, and SELECT groups, "
                "device_group_memberships and " +
                kAudit);
}

void Comparison::compare_other_functions() {
  std::set<std::string> wanted_names;
  for (const auto& statement : statements_)
    if (const auto* function = std::get_if<wanted::Function>(&statement.what))
      wanted_names.insert(function->name);
  for (const auto& [name, there] : have_.functions) {
    if (wanted_names.contains(name) || there.is_open || !there.everybody_may_execute)
      continue;
    if (there.may_alter)
      compare_rights({name}, there);
    else
      warning("schema/function-rights", "PUBLIC may execute " + there.signature,
              "REVOKE EXECUTE ON FUNCTION " + there.signature + " FROM PUBLIC");
  }
}

} // namespace regroup::db
