#include "db/schema.hpp"

#include "db/conninfo.hpp"
#include "db/schema_steps.hpp"

#include <pqxx/connection>
#include <pqxx/except>
#include <pqxx/result>
#include <pqxx/transaction>

#include <algorithm>
#include <map>
#include <stdexcept>

namespace regroup::db {
namespace {

/// Any constant will do that no registration group's key is likely to be: "regroup" in ASCII.
constexpr const char* kSchemaLock = "SELECT pg_advisory_xact_lock(32196575270896000)";

/// PostgreSQL computes the checksum, so that it can be verified there as well.
constexpr const char* kChecksum = "SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')";

[[noreturn]] void explain(const std::exception& why) {
  std::string line = why.what();
  line.erase(std::find(line.begin(), line.end(), '\n'), line.end());
  throw std::runtime_error("database: " + line);
}

bool has_record(pqxx::work& work) {
  return !work.exec("SELECT to_regclass('regroup_schema')").front().front().is_null();
}

/// The steps that are not recorded. Throws std::runtime_error for one that was recorded otherwise.
std::vector<const SchemaStep*> missing(pqxx::work& work) {
  std::map<std::string, std::string> recorded;
  if (has_record(work))
    for (const auto& row : work.exec("SELECT name, checksum FROM regroup_schema"))
      recorded[row[0].c_str()] = row[1].c_str();
  std::vector<const SchemaStep*> steps;
  for (const SchemaStep& step : schema_steps()) {
    const auto found = recorded.find(std::string{step.name});
    if (found == recorded.end()) {
      steps.push_back(&step);
      continue;
    }
    const auto checksum = work.exec_params1(kChecksum, std::string{step.sql}).front();
    if (found->second != checksum.c_str())
      throw std::runtime_error("database: schema step " + std::string{step.name} +
                               " was applied by another version of Regroup");
  }
  return steps;
}

std::vector<std::string> names(const std::vector<const SchemaStep*>& steps) {
  std::vector<std::string> out;
  out.reserve(steps.size());
  for (const SchemaStep* step : steps)
    out.emplace_back(step->name);
  return out;
}

void apply(pqxx::work& work, const SchemaStep& step) {
  work.exec(std::string{step.sql});
  work.exec_params("INSERT INTO regroup_schema (step, name, checksum) "
                   "VALUES ($1, $2, encode(sha256(convert_to($3, 'UTF8')), 'hex'))",
                   std::stoi(std::string{step.name}), std::string{step.name},
                   std::string{step.sql});
}

} // namespace

std::vector<std::string> missing_schema_steps(const config::Settings::Database& settings) {
  try {
    pqxx::connection connection{conninfo(settings)};
    pqxx::work work{connection};
    return names(missing(work));
  } catch (const pqxx::failure& why) {
    explain(why);
  }
}

std::vector<std::string> apply_schema(const config::Settings::Database& settings,
                                      domain::Log& log) {
  // The usual start: everything is there, and nothing has to be waited for.
  if (missing_schema_steps(settings).empty())
    return {};
  try {
    pqxx::connection connection{conninfo(settings)};
    connection.set_verbosity(pqxx::connection_base::terse);
    pqxx::work work{connection};
    work.exec("SET LOCAL client_min_messages = warning");
    work.exec("SET LOCAL lock_timeout = '60s'");
    work.exec(kSchemaLock);
    work.exec("CREATE TABLE IF NOT EXISTS regroup_schema (step integer PRIMARY KEY, "
              "name text NOT NULL, checksum text NOT NULL, "
              "applied_at timestamptz NOT NULL DEFAULT now())");
    const auto steps = missing(work);
    for (const SchemaStep* step : steps)
      apply(work, *step);
    work.commit();
    for (const SchemaStep* step : steps)
      log.event(domain::LogLevel::info, "schema.applied", {{"step", step->name}});
    return names(steps);
  } catch (const pqxx::failure& why) {
    explain(why);
  }
}

SchemaFacts read_schema_facts(const config::Settings::Database& settings) {
  try {
    pqxx::connection connection{conninfo(settings)};
    pqxx::work work{connection};
    SchemaFacts facts;
    // A varchar's width is its type modifier less the 4 bytes of a header; text has none.
    const auto width =
        work.exec1("SELECT min(CASE WHEN atttypmod > 0 THEN atttypmod - 4 END) FROM pg_attribute "
                   "WHERE (attrelid, attname) IN (('devices'::regclass, 'group_id'), "
                   "('groups'::regclass, "
                   "'slug'))")
            .front();
    if (!width.is_null())
      facts.slug_width = std::min(facts.slug_width, width.as<std::size_t>());
    const auto preset = work.exec1("SELECT max(substring(pg_get_expr(adbin, adrelid) FROM "
                                   "'^[0-9]+')::int) FROM pg_attrdef "
                                   "JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum "
                                   "WHERE adrelid = 'groups'::regclass AND attname = 'max_devices'")
                            .front();
    if (!preset.is_null())
      facts.default_max_devices = preset.as<int>();
    return facts;
  } catch (const pqxx::failure& why) {
    explain(why);
  }
}

bool advisory_lock_excludes(const config::Settings::Database& settings) {
  try {
    // A key of this try's own, so that replicas that start together do not exclude each other.
    const auto try_lock = [](pqxx::work& work, const std::string& key) {
      return work
          .exec_params1("SELECT pg_catalog.pg_try_advisory_xact_lock(hashtextextended($1, 0))", key)
          .front()
          .as<bool>();
    };
    pqxx::connection first{conninfo(settings)};
    pqxx::connection second{conninfo(settings)};
    pqxx::work holder{first};
    const auto key = holder.exec1("SELECT gen_random_uuid()::text").front().as<std::string>();
    if (!try_lock(holder, key))
      return false;
    {
      pqxx::work other{second};
      if (try_lock(other, key))
        return false;
    }
    holder.abort();
    pqxx::work other{second};
    return try_lock(other, key); // and the end of the transaction gives it back
  } catch (const pqxx::failure& why) {
    explain(why);
  }
}

} // namespace regroup::db
