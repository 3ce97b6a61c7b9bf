#include "db/adoption/doctor.hpp"

#include "db/adoption/inspection.hpp"
#include "db/adoption/wanted_schema.hpp"
#include "db/conninfo.hpp"
#include "db/schema/schema.hpp"
#include "versions/libpqxx.hpp"

#include <pqxx/connection>
#include <pqxx/except>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <functional>
#include <stdexcept>

namespace regroup::db {
namespace {

using domain::Finding;
using Severity = Finding::Severity;

/// The difference that a token's times may have from ours (contract, "Who may call").
constexpr double kClockLimit = 30;
constexpr double kClockNoticed = 5;

Finding good(std::string what) { return {Severity::good, {}, std::move(what), {}}; }
Finding note(std::string what) { return {Severity::note, {}, std::move(what), {}}; }
Finding warning(std::string what, std::string remedy) {
  return {Severity::warning, {}, std::move(what), std::move(remedy)};
}
Finding error(std::string what, std::string remedy) {
  return {Severity::error, {}, std::move(what), std::move(remedy)};
}

std::string first_line(const std::exception& why) {
  const std::string text = why.what();
  return text.substr(0, text.find('\n'));
}

std::string setting(pqxx::work& work, const std::string& name) {
  return versions::exec_params(work, "SELECT current_setting($1)", name).at(0).front().c_str();
}

/// Runs each check on a connection of its own, so that one that breaks it leaves the next alone.
class Examination {
public:
  explicit Examination(const config::Settings::Database& settings) : settings_(settings) {}

  void check(const char* code, const std::function<Finding(pqxx::connection&)>& what) {
    Finding finding;
    try {
      pqxx::connection connection{conninfo(settings_)};
      finding = what(connection);
    } catch (const std::exception& why) {
      finding = error("it could not be tried: " + first_line(why),
                      "see what the database's or the pooler's log says of it");
    }
    finding.code = code;
    findings_.push_back(std::move(finding));
  }

  std::vector<Finding> take() { return std::move(findings_); }

private:
  const config::Settings::Database& settings_;
  std::vector<Finding> findings_;
};

Finding transactions(pqxx::connection& connection) {
  const char* remedy = "a pooler in statement mode cannot carry a transaction: set pool_mode to "
                       "transaction or session, or connect directly";
  try {
    pqxx::work work{connection};
    const auto backend = [&] {
      return work.exec("SELECT pg_backend_pid()").at(0).front().as<int>();
    };
    const int first = backend();
    work.exec("SET LOCAL lock_timeout = 4321");
    const bool kept = setting(work, "lock_timeout") == "4321ms";
    if (!kept || backend() != first)
      return error("what a transaction sets is gone before its end", remedy);
    return good("a transaction stays on one session and keeps its settings");
  } catch (const pqxx::failure& why) {
    return error("transactions are refused: " + first_line(why), remedy);
  }
}

Finding writable(pqxx::connection& connection) {
  pqxx::work work{connection};
  if (work.exec("SELECT pg_is_in_recovery()").at(0).front().as<bool>())
    return error("this is a standby: it takes no writes",
                 "name all hosts in database.url and add target_session_attrs=read-write");
  if (setting(work, "transaction_read_only") == "on")
    return error("sessions are read-only here", "set default_transaction_read_only = off");
  return good("the database takes writes");
}

Finding lock_excludes(const config::Settings::Database& settings) {
  if (advisory_lock_excludes(settings))
    return good("the advisory lock keeps a second session out");
  return error("the advisory lock is accepted and keeps nobody out",
               "connect directly, or through a pooler in transaction mode, to a database whose "
               "advisory locks work");
}

Finding lock_is_genuine(pqxx::connection& connection) {
  pqxx::work work{connection};
  const auto found =
      work.exec("SELECT n.nspname FROM pg_catalog.pg_proc p "
                "JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace "
                "WHERE p.oid = 'pg_try_advisory_xact_lock(bigint)'::pg_catalog.regprocedure")
          .at(0)
          .front()
          .as<std::string>();
  if (found == "pg_catalog")
    return good("pg_try_advisory_xact_lock is PostgreSQL's own");
  return error("pg_try_advisory_xact_lock is shadowed by a function in schema " + found,
               "Regroup names pg_catalog and is safe; other programs that take the lock are not: "
               "drop that function or put pg_catalog first in search_path");
}

Finding prepared(const config::Settings::Database& settings, pqxx::connection& connection) {
  if (settings.prepared_statements != config::Settings::Database::Prepared::always)
    return good("named prepared statements are used only where they work "
                "(database.prepared_statements)");
  try {
    connection.prepare("regroup_doctor", "SELECT $1::int");
    for (int round = 0; round < 4; ++round) {
      pqxx::work mine{connection};
      versions::exec_prepared(mine, "regroup_doctor", round);
      mine.commit();
      // Takes the session that was just released, so that a pooler must give us another.
      pqxx::connection other{conninfo(settings)};
      pqxx::work taken{other};
      taken.exec("SELECT 1");
      pqxx::work next{connection};
      versions::exec_prepared(next, "regroup_doctor", round);
    }
    return good("named prepared statements work");
  } catch (const pqxx::failure& why) {
    return error("named prepared statements do not survive the pooler: " + first_line(why),
                 "set database.prepared_statements = auto, or connect directly");
  }
}

Finding encoding(const config::Settings::Database& settings) {
  for (const auto& each : inspect_schema(settings).findings)
    if (each.code == "database/encoding")
      return each;
  return good("the database and its sessions speak UTF-8");
}

Finding schema(const config::Settings::Database& settings) {
  const Inspection found = inspect_schema(settings);
  if (const std::string stop = found.stop(); !stop.empty())
    return error(stop, "see `regroup schema status`");
  if (found.changes.empty())
    return good("the schema is there");
  return error("the schema lacks " + std::to_string(found.changes.size()) + " things",
               "run `regroup schema status`, then `regroup schema apply`");
}

Finding duplicates(pqxx::connection& connection) {
  pqxx::work work{connection};
  if (work.exec("SELECT to_regclass('migration_audit_logs')").at(0).front().is_null())
    return note("no migrations are recorded yet");
  const auto twice =
      work.exec("SELECT registration_group_id FROM migration_audit_logs WHERE status = 'success' "
                "GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 5");
  if (twice.empty())
    return good("no registration group was migrated twice");
  std::string names;
  for (const auto& row : twice)
    names += (names.empty() ? "" : ", ") + row[0].as<std::string>();
  return error("registration groups were migrated more than once: " + names,
               "decide which of their groups is the one, and mark the others' audit rows");
}

/// What deploy/grants.sql grants, one privilege on one column (or table) per row, minus what the
/// role has.
constexpr const char* kLacking =
    "SELECT string_agg(lacking.what, ', ') FROM ("
    "  SELECT need.privilege || coalesce(' (' || nullif(string_agg(need.part, ', '), '') || ')', "
    "'')"
    "    || ' on ' || need.name AS what"
    "  FROM unnest($1::text[], $2::text[], $3::text[]) AS need(name, privilege, part)"
    "  WHERE to_regclass(need.name) IS NOT NULL AND CASE WHEN need.part = ''"
    "    THEN NOT has_table_privilege(to_regclass(need.name), need.privilege)"
    "    ELSE NOT coalesce((SELECT has_column_privilege(a.attrelid, a.attnum, need.privilege)"
    "      FROM pg_catalog.pg_attribute a WHERE a.attrelid = to_regclass(need.name)"
    "        AND a.attname = need.part), true) END"
    "  GROUP BY need.name, need.privilege"
    "  UNION ALL"
    "  SELECT 'USAGE on SEQUENCE ' || ids.name"
    "  FROM (SELECT pg_get_serial_sequence(to_regclass(t)::text, 'id')"
    "        FROM unnest('{devices,api_keys,regroup_migration_events}'::text[]) AS t) AS ids(name)"
    "  WHERE ids.name IS NOT NULL AND NOT has_sequence_privilege(ids.name, 'USAGE')"
    "  UNION ALL"
    "  SELECT 'EXECUTE on ' || p.oid::regprocedure"
    "  FROM pg_catalog.pg_proc p"
    "  WHERE p.proname LIKE 'regroup\\_%' AND pg_function_is_visible(p.oid)"
    "    AND p.prorettype <> 'trigger'::regtype AND NOT has_function_privilege(p.oid, 'EXECUTE')"
    ") AS lacking";

/// Rights that this version's documentation does not grant, but an earlier one did, along with
/// those on all tables.
constexpr const char* kTooMuch =
    "SELECT string_agg(excess.privilege || ' on ' || excess.name, ', ')"
    " FROM (VALUES ('SELECT', 'users'), ('INSERT', 'users'), ('UPDATE', 'users'),"
    "   ('INSERT', 'api_keys'), ('UPDATE', 'api_keys')) AS excess(privilege, name)"
    " JOIN pg_catalog.pg_class c ON c.oid = to_regclass(excess.name)"
    " WHERE NOT pg_has_role(c.relowner, 'USAGE')"
    "   AND has_table_privilege(c.oid, excess.privilege)";

Finding privileges(pqxx::connection& connection) {
  std::string tables;
  std::string names;
  std::string columns;
  const auto add = [](std::string& list, const std::string& text) {
    list += (list.empty() ? "{\"" : ",\"") + text + "\"";
  };
  for (const SchemaStep& file : schema_grants())
    for (const auto& statement : wanted_statements(file.sql))
      if (const auto* grant = std::get_if<wanted::Grant>(&statement.what))
        for (const auto& table : grant->tables)
          for (const auto& privilege : grant->privileges)
            for (const auto& column :
                 privilege.columns.empty() ? std::vector<std::string>{""} : privilege.columns) {
              add(tables, table);
              add(names, privilege.name);
              add(columns, column);
            }
  pqxx::work work{connection};
  const auto lacking =
      versions::exec_params(work, kLacking, tables + "}", names + "}", columns + "}").at(0).front();
  if (!lacking.is_null())
    return error("the role lacks " + lacking.as<std::string>(),
                 "let the tables' owner run deploy/grants.sql for the role of database.url");
  const auto too_much = work.exec(kTooMuch).at(0).front();
  if (!too_much.is_null())
    return warning("the role has more than it needs: " + too_much.as<std::string>(),
                   "take it (docs/adopting.md), and let the tables' owner run deploy/grants.sql");
  return good("the role may do what the service does, and no more");
}

/// Functions whose names begin with regroup_ and that are open to PUBLIC or to a misleading
/// search_path.
constexpr const char* kOpenFunctions =
    "SELECT string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.proname) "
    "FROM pg_catalog.pg_proc p WHERE p.proname LIKE 'regroup\\_%' "
    "AND pg_function_is_visible(p.oid) AND (p.provolatile <> 'i' AND EXISTS ("
    "  SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
    "  WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE')"
    " OR p.prosecdef AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS set(value)"
    "  WHERE set.value ~ '^search_path=[^$]+, pg_temp$'))";

Finding functions(pqxx::connection& connection) {
  pqxx::work work{connection};
  const auto open = work.exec(kOpenFunctions).at(0).front();
  if (open.is_null())
    return good("no function gives a role more than it has");
  return error("PUBLIC may execute, or a free search_path misleads: " + open.as<std::string>(),
               "let their owner run `regroup schema apply`");
}

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Finding clock(pqxx::connection& connection) {
  pqxx::work work{connection};
  const double before = seconds_since_1970();
  const auto theirs =
      work.exec("SELECT extract(epoch FROM clock_timestamp())::float8").at(0).front().as<double>();
  const double after = seconds_since_1970();
  const double apart = std::max({0.0, before - theirs, theirs - after});
  const std::string text =
      std::to_string(std::lround(apart)) + " s between this machine's clock and the database's";
  if (apart > kClockLimit)
    return error(text + ": more than the 30 s that tokens are allowed", "run NTP on both");
  if (apart > kClockNoticed)
    return warning(text, "run NTP on both");
  return good(text);
}

/// What guarantee 7 amounts to with these settings.
Finding durability(pqxx::connection& connection) {
  pqxx::work work{connection};
  for (const char* name : {"fsync", "full_page_writes"})
    if (setting(work, name) == "off")
      return error(std::string{name} + " is off: a crash of the machine can lose or damage what "
                                       "was acknowledged",
                   std::string{"set "} + name + " = on");
  const std::string commit = setting(work, "synchronous_commit");
  if (commit == "off")
    return error("synchronous_commit is off: a crash can lose a 201 that was acknowledged",
                 "set synchronous_commit = on");
  if (setting(work, "synchronous_standby_names").empty())
    return note("a 201 survives a crash of PostgreSQL and of its machine, not the loss of its "
                "disk: no synchronous standby is named");
  if (commit == "local")
    return warning("a synchronous standby is named, and synchronous_commit = local does not wait "
                   "for it: a failover can lose a 201",
                   "set synchronous_commit = on");
  return good("a 201 survives the loss of the primary: a synchronous standby has it");
}

/// The connections that are free for this role; sessions of replicas that are already running count
/// as ours. Of other roles' sessions only the total is visible to every role.
constexpr const char* kRoom =
    "WITH ours AS ("
    "  SELECT count(*) AS mine, count(*) FILTER (WHERE application_name NOT LIKE 'regroup%') AS "
    "others"
    "  FROM pg_stat_activity WHERE usename = current_user AND datname = current_database())"
    "SELECT least("
    "  current_setting('max_connections')::int"
    "    - current_setting('superuser_reserved_connections')::int"
    "    - coalesce(current_setting('reserved_connections', true)::int, 0)"
    "    - (SELECT sum(numbackends) FROM pg_stat_database) + ours.mine - ours.others,"
    "  (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user) - ours.others,"
    "  (SELECT nullif(datconnlimit, -1) - numbackends FROM pg_database"
    "     JOIN pg_stat_database ON datid = pg_database.oid"
    "     WHERE pg_database.datname = current_database()) + ours.mine - ours.others)::bigint "
    "FROM ours";

Finding connections(const config::Settings::Database& settings, unsigned replicas,
                    pqxx::connection& connection) {
  pqxx::work work{connection};
  const auto room = work.exec(kRoom).at(0).front().as<std::int64_t>();
  const std::int64_t wanted =
      (std::int64_t{settings.pool_size} + settings.beside_the_pool) * replicas;
  const std::string text = std::to_string(wanted) + " connections for " + std::to_string(replicas) +
                           (replicas == 1 ? " replica" : " replicas") + ", room for " +
                           std::to_string(room);
  if (wanted <= room)
    return good(text);
  // A pooler answers with a process of its own making, and opens no more connections to the server
  // than its pools have.
  if (connection.backendpid() != work.exec("SELECT pg_backend_pid()").at(0).front().as<int>())
    return note(text + " at the server; this is a pooler: its max_client_conn must hold the "
                       "replicas' connections, and its pool must fit into the room");
  return error(text, "raise max_connections, lower database.pool_size, or use a pooler");
}

} // namespace

std::vector<Finding> examine(const config::Settings::Database& settings, unsigned replicas) {
  try {
    const pqxx::connection connection{conninfo(settings)};
  } catch (const std::exception& why) {
    Finding finding =
        error("no connection: " + first_line(why), "check database.url and the server");
    finding.code = "database/reachable";
    return {finding};
  }
  Examination examination{settings};
  const auto with_settings = [&](auto check) {
    return [&settings, check](pqxx::connection&) { return check(settings); };
  };
  examination.check("database/reachable", [](auto&) { return good("the database answers"); });
  examination.check("database/transactions", transactions);
  examination.check("database/writable", writable);
  examination.check("database/encoding", with_settings(encoding));
  examination.check("lock/excludes", with_settings(lock_excludes));
  examination.check("lock/genuine", lock_is_genuine);
  examination.check("prepared/works",
                    [&](pqxx::connection& each) { return prepared(settings, each); });
  examination.check("schema/complete", with_settings(schema));
  examination.check("schema/duplicates", duplicates);
  examination.check("schema/functions", functions);
  examination.check("role/privileges", privileges);
  examination.check("clock/skew", clock);
  examination.check("durability", durability);
  examination.check("connections/room",
                    [&](pqxx::connection& each) { return connections(settings, replicas, each); });
  return examination.take();
}

} // namespace regroup::db
