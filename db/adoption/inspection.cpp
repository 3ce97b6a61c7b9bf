#include "db/adoption/inspection.hpp"

#include "db/adoption/comparison.hpp"
#include "db/conninfo.hpp"
#include "versions/libpqxx.hpp"

#include <pqxx/connection>
#include <pqxx/except>
#include <pqxx/result>

#include <optional>
#include <stdexcept>

namespace regroup::db {

using Severity = Finding::Severity;
using When = SchemaChange::When;

constexpr int kMostInspections = 10;

Inspection Comparison::run() {
  if (!have_.reads_record) {
    error("schema/role", "the role " + have_.role + " may not read the table regroup_schema",
          "GRANT SELECT ON regroup_schema TO " + have_.role);
    return std::move(out_);
  }
  carry_over();
  check_own_names();
  for (const auto& statement : statements_) // types first: the rows of a wrong one are not read
    std::visit([this](const auto& what) { check_types(what); }, statement.what);
  const SchemaStep* step = nullptr;
  for (const auto& statement : statements_) {
    if (statement.step != step)
      record(std::exchange(step, statement.step));
    std::visit([&](const auto& what) { compare(statement, what); }, statement.what);
  }
  record(step);
  compare_other_functions();
  for (const auto& each : written())
    check_new_rows(each);
  list_programs();
  check_deletions();
  check_other_keys();
  if (types_fit())
    check_checks();
  std::stable_sort(out_.changes.begin(), out_.changes.end(),
                   [](const auto& a, const auto& b) { return a.when < b.when; });
  check_role();
  return std::move(out_);
}

void Comparison::record(const SchemaStep* step) {
  if (step && !is_recorded(step))
    change(When::together, "records the step " + std::string{step->name} + " in regroup_schema", {},
           have_.tables.contains("regroup_schema") ? "regroup_schema" : "")
        .step = step;
}

bool Comparison::may(const SchemaChange& each) const {
  if (each.table.empty())
    return have_.may_create;
  if (const auto* there = table(each.table))
    return there->may_alter || each.step != nullptr;
  if (const auto function = have_.functions.find(each.table); function != have_.functions.end())
    return function->second.may_alter;
  const auto type = have_.enums.find(each.table);
  return type == have_.enums.end() || type->second.may_alter;
}

void Comparison::check_role() {
  std::vector<const SchemaChange*> forbidden;
  for (const auto& each : out_.changes)
    if (!each.what.empty() && !may(each))
      forbidden.push_back(&each);
  if (forbidden.empty())
    return;
  const SchemaChange& first = *forbidden.front();
  const auto* there = table(first.table);
  const auto function = have_.functions.find(first.table);
  const std::string owner = there ? there->owner
                            : function != have_.functions.end()
                                ? function->second.owner
                                : "the owner of the schema " + have_.schema;
  error(
      "schema/role",
      "the role " + have_.role + " may not do what is missing: " + first.what +
          (forbidden.size() == 1 ? "" : " (and " + std::to_string(forbidden.size() - 1) + " more)"),
      "run `regroup schema apply` once with a database.url of " + owner);
}

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

namespace {

/// With another encoding a name would be refused or, worse, stored as other characters.
std::optional<Finding> other_encoding(pqxx::work& work) {
  const auto row = work.exec("SELECT current_setting('server_encoding') AS server, "
                             "current_setting('client_encoding') AS client")
                       .at(0);
  const std::string server = row["server"].c_str();
  const std::string client = row["client"].c_str();
  if (server != "UTF8")
    return Finding{
        Severity::error, "database/encoding",
        "the encoding of the database is " + server + ", and Regroup needs UTF8",
        "dump it, create a database with ENCODING 'UTF8' TEMPLATE template0, and restore "
        "it there"};
  if (client != "UTF8")
    return Finding{Severity::error, "database/encoding",
                   "sessions get the client_encoding " + client + ", though UTF8 is asked for",
                   "let the pooler pass client_encoding on"};
  return std::nullopt;
}

Inspection inspect_once(const config::Settings::Database& settings) {
  pqxx::connection connection{conninfo(settings)};
  pqxx::work work{connection};
  // READ COMMITTED, and no longer than needed: an index that is being built waits for every
  // transaction whose snapshot is older.
  work.exec("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0");
  if (auto other = other_encoding(work))
    return {{*std::move(other)}, {}};
  return Comparison{work, settings}.run();
}

} // namespace

Inspection inspect_schema(const config::Settings::Database& settings) {
  try {
    // A session that alters several tables at once may wait for one that was read here, and hold
    // one that is to be read next; PostgreSQL then ends one of the two waits.
    for (int tries = 1; tries < kMostInspections; ++tries)
      try {
        return inspect_once(settings);
      } catch (const pqxx::deadlock_detected&) {
        continue; // a second has passed: PostgreSQL looks for deadlocks no sooner
      }
    return inspect_once(settings);
  } catch (const pqxx::failure& why) {
    const std::string line = why.what();
    throw std::runtime_error("database: " + line.substr(0, line.find('\n')));
  }
}

} // namespace regroup::db
