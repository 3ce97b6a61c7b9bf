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
  const std::string checksum =
      versions::exec_params(work_, "SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')",
                            statement.sql)
          .at(0)
          .front()
          .c_str();
  const std::string comment = "Regroup, " + checksum;
  if (there && there->comment == comment)
    compare_rights(function, *there);
  else
    change(When::together,
           (there ? "replaces the function " : "creates the function ") + function.name,
           statement.sql + ";\nCOMMENT ON FUNCTION " + function.name + " IS '" + comment + "'" +
               rights(function, there ? there->signature : function.name, there ? *there : fresh),
           there ? function.name : std::string{});
}

void Comparison::compare(const wanted::Statement& statement, const wanted::Dropped& dropped) {
  if (!dropped.table.empty() && have_.triggers.contains(dropped.name))
    change(When::together, "drops the trigger " + dropped.name + " on " + dropped.table,
           statement.sql, dropped.table);
  if (dropped.table.empty() && have_.functions.contains(dropped.name))
    change(When::together, "drops the function " + dropped.name, statement.sql, dropped.name);
}

std::string Comparison::rights(const wanted::Function& function, const std::string& signature,
                               const Catalogue::Function& there) const {
  std::string sql;
  if (function.is_open)
    return sql;
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

void Comparison::compare_other_functions() {
  std::set<std::string> wanted_names;
  for (const auto& statement : statements_)
    if (const auto* function = std::get_if<wanted::Function>(&statement.what))
      wanted_names.insert(function->name);
    else if (const auto* dropped = std::get_if<wanted::Dropped>(&statement.what))
      wanted_names.insert(dropped->name);
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
