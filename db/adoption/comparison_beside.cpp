// What of another program's runs or counts beside Regroup: triggers, rules and policies on the
// tables that Regroup writes, and indexes that do what one of Regroup's would.
#include "db/adoption/comparison.hpp"
#include "versions/libpqxx.hpp"

#include <pqxx/result>

#include <cctype>

namespace regroup::db {
namespace {

std::string written_tables() {
  std::string names = "{api_keys";
  for (const auto& each : written())
    names += "," + std::string{each.table};
  return names + "}";
}

/// "(active = true)" and "active" take the same rows.
std::string plain(std::string predicate) {
  std::erase_if(predicate,
                [](unsigned char c) { return c == '(' || c == ')' || std::isspace(c) != 0; });
  constexpr std::string_view kTrue = "=true";
  if (predicate.ends_with(kTrue))
    predicate.resize(predicate.size() - kTrue.size());
  return predicate;
}

} // namespace

void Comparison::list_programs() {
  const std::string tables = written_tables();
  const std::string runs =
      ": it runs inside Regroup's transactions; `regroup doctor --rehearse` shows "
      "whether they pass it";
  for (const auto& row : versions::exec_params(
           work_,
           "SELECT t.tgrelid::regclass::text, t.tgname, "
           "regexp_replace(pg_get_triggerdef(t.oid), "
           "  '^CREATE (CONSTRAINT )?TRIGGER \\S+ (.*?) ON .*$', '\\2'), "
           "t.tgfoid::regprocedure::text "
           "FROM unnest($1::text[]) w(name) JOIN pg_trigger t ON t.tgrelid = to_regclass(w.name) "
           "WHERE NOT t.tgisinternal AND t.tgenabled NOT IN ('D', 'R') "
           "AND t.tgname NOT LIKE 'regroup\\_%' ORDER BY 1, 2",
           tables))
    note("schema/trigger", std::string{"the trigger "} + row[1].c_str() + " on " + row[0].c_str() +
                               " (" + row[2].c_str() + ") calls " + row[3].c_str() + runs);
  for (const auto& row : versions::exec_params(
           work_,
           "SELECT r.ev_class::regclass::text, r.rulename, pg_get_ruledef(r.oid) "
           "FROM unnest($1::text[]) w(name) JOIN pg_rewrite r ON r.ev_class = to_regclass(w.name) "
           "WHERE r.rulename <> '_RETURN' AND r.ev_enabled NOT IN ('D', 'R') ORDER BY 1, 2",
           tables))
    warning("schema/rule",
            std::string{"the rule "} + row[1].c_str() + " on " + row[0].c_str() +
                " rewrites what Regroup writes there: " + row[2].c_str(),
            "try it with `regroup doctor --rehearse`");
  for (const auto& row : versions::exec_params(
           work_,
           "SELECT p.polrelid::regclass::text, p.polname, "
           "coalesce(pg_get_expr(p.polqual, p.polrelid), 'true'), "
           "coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'as USING') "
           "FROM unnest($1::text[]) w(name) JOIN pg_policy p ON p.polrelid = to_regclass(w.name) "
           "ORDER BY 1, 2",
           tables))
    note("schema/policy", std::string{"the policy "} + row[1].c_str() + " on " + row[0].c_str() +
                              ": USING " + row[2].c_str() + ", WITH CHECK " + row[3].c_str() +
                              runs);
}

const std::string* Comparison::equal_index(const wanted::Index& index) const {
  if (index.unique)
    return nullptr;
  for (const auto& [name, there] : have_.indexes)
    if (there.table == index.table && there.valid && there.plain &&
        joined(there.keys, ", ") == index.columns &&
        (there.predicate.empty() || plain(there.predicate) == plain(index.predicate)))
      return &name;
  return nullptr;
}

} // namespace regroup::db
