// `regroup doctor` tries out what the service relies on, and turns red where that is not so.
#include "db/adoption/doctor.hpp"
#include "tests/db/support.hpp"
#include "tests/support/pgbouncer.hpp"
#include "tests/support/phone_manager.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>

using namespace regroup;
using namespace regroup::test;
using domain::Finding;
using Severity = Finding::Severity;

namespace {

class DoctorTest : public DatabaseTest {
public:
  explicit DoctorTest(Postgres& server = postgres()) : DatabaseTest(server) {}

  Finding finding(const std::string& code, unsigned replicas = 1) const {
    const auto findings = db::examine(settings, replicas);
    const auto found = std::find_if(findings.begin(), findings.end(),
                                    [&](const Finding& each) { return each.code == code; });
    REQUIRE(found != findings.end());
    return *found;
  }
};

std::vector<std::string> not_good(const std::vector<Finding>& findings) {
  std::vector<std::string> codes;
  for (const auto& each : findings)
    if (each.severity != Severity::good)
      codes.push_back(each.code);
  return codes;
}

Postgres& durable_server() {
  static Postgres server{{.settings = {}, .durable = true, .tcp = true}};
  return server;
}

} // namespace

TEST_CASE("of a sound deployment the doctor notes that there is no standby, and no more") {
  const DoctorTest test{durable_server()};
  CHECK(not_good(db::examine(test.settings, 3)) == std::vector<std::string>{"durability"});
  CHECK(test.finding("durability").severity == Severity::note);

  std::ifstream file{std::filesystem::path{REGROUP_SOURCE_DIR} / "docs" / "operations.md"};
  const std::string page{std::istreambuf_iterator<char>{file}, {}};
  for (const auto& each : db::examine(test.settings, 3)) {
    INFO(each.code);
    CHECK(page.find("| `" + each.code + "` | ") != std::string::npos);
  }
}

TEST_CASE_METHOD(DoctorTest, "fsync = off is an error") { // as in every other test's server
  const auto durability = finding("durability");
  CHECK(durability.severity == Severity::error);
  CHECK(durability.what.find("fsync") != std::string::npos);
  CHECK_FALSE(durability.remedy.empty());
}

TEST_CASE("an unreachable database is one finding") {
  config::Settings::Database settings;
  settings.url = "host=127.0.0.1 port=1 connect_timeout=2";
  CHECK(not_good(db::examine(settings, 1)) == std::vector<std::string>{"database/reachable"});
}

TEST_CASE_METHOD(DoctorTest, "a schema that is not there is an error") {
  settings.url = postgres().create_database();
  CHECK(finding("schema/complete").severity == Severity::error);
  CHECK(finding("schema/duplicates").severity == Severity::note);
}

TEST_CASE("a lock function that is shadowed in the search path is an error") {
  const DoctorTest test{durable_server()};
  REQUIRE(test.finding("lock/genuine").severity == Severity::good);
  Sql sql{test.url};
  sql.exec("CREATE FUNCTION pg_try_advisory_xact_lock(bigint) RETURNS boolean LANGUAGE sql AS "
           "'SELECT true'");
  sql.exec("ALTER DATABASE " + name_of_database(test.url) +
           " SET search_path = public, pg_catalog");
  CHECK(test.finding("lock/genuine").severity == Severity::error);
}

TEST_CASE_METHOD(DoctorTest, "what deploy/grants.sql grants is what the service and doctor need") {
  Sql sql{url};
  settings.url = granted_role_url(url);
  const auto role = Sql{settings.url}.value<std::string>("SELECT current_user::text");
  CHECK(finding("role/privileges").severity == Severity::good);
  CHECK(finding("connections/room").severity == Severity::good);
  CHECK(finding("schema/complete").severity == Severity::good);

  const auto user = world->add_user();
  world->add_devices("camping-2025", 3, user);
  CHECK(completed(migrate(command("camping-2025", user))));
  domain::RegisterDevice phone;
  phone.device_id = domain::Uuid::random();
  phone.display_name = "phone";
  phone.registration_group_id = "lake";
  phone.platform = "android";
  phone.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  CHECK(new_store()->execute(phone).is<domain::DeviceRegistered>());
  for (const char* privilege :
       {"UPDATE (group_id, active) on devices", "DELETE on groups", "SELECT (is_active) on users",
        "USAGE on SEQUENCE public.devices_id_seq", "EXECUTE on regroup_new_id(uuid)"}) {
    INFO(privilege);
    const std::string sought = std::regex_replace(std::string{privilege}, std::regex{"EXECUTE on "},
                                                  "EXECUTE on FUNCTION ");
    sql.exec("REVOKE " + sought + " FROM " + role);
    const auto lacking = finding("role/privileges");
    CHECK(lacking.severity == Severity::error);
    CHECK(lacking.what == std::string{"the role lacks "} + privilege);
    sql.exec("GRANT " + sought + " TO " + role);
  }
}

TEST_CASE_METHOD(DoctorTest, "a role that may more than the service needs is warned of") {
  settings.url = granted_role_url(url);
  const auto role = Sql{settings.url}.value<std::string>("SELECT current_user::text");
  Sql{url}.exec("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO " + role);
  const auto found = finding("role/privileges");
  CHECK(found.severity == Severity::warning);
  CHECK(found.what.find("INSERT on api_keys") != std::string::npos);
}

TEST_CASE_METHOD(DoctorTest,
                 "a function that anybody may execute, or that is misled, is an error") {
  REQUIRE(finding("schema/functions").severity == Severity::good);
  const std::string change = GENERATE("GRANT EXECUTE ON FUNCTION regroup_undo_v1 TO PUBLIC",
                                      "ALTER FUNCTION regroup_new_id SECURITY DEFINER");
  Sql{url}.exec(change);
  const auto found = finding("schema/functions");
  CHECK(found.severity == Severity::error);
  CHECK(
      found.what.find(change.find("undo") != change.npos ? "regroup_undo_v1" : "regroup_new_id") !=
      std::string::npos);
}

TEST_CASE_METHOD(DoctorTest, "a role with a connection limit has no more room than that") {
  Sql sql{url};
  const auto role = "few_" + name_of_database(url);
  sql.exec("CREATE ROLE " + role + " LOGIN CONNECTION LIMIT 10"); // three beside the pool
  settings.url = url + " user=" + role;
  settings.pool_size = 7;
  CHECK(finding("connections/room", 1).severity == Severity::good);
  CHECK(finding("connections/room", 2).severity == Severity::error);
}

TEST_CASE("an advisory lock that is accepted and locks nothing is an error") {
  const DoctorTest test{durable_server()};
  REQUIRE(test.finding("lock/excludes").severity == Severity::good);
  // As some PostgreSQL-compatible databases have it.
  Sql sql{test.url};
  sql.exec("SET allow_system_table_mods = on; ALTER FUNCTION "
           "pg_catalog.pg_try_advisory_xact_lock(bigint) RENAME TO pg_really_try_lock; "
           "CREATE FUNCTION pg_catalog.pg_try_advisory_xact_lock(bigint) RETURNS boolean LANGUAGE "
           "sql AS 'SELECT true'");
  const auto lock = test.finding("lock/excludes");
  CHECK(lock.severity == Severity::error);
  CHECK_FALSE(lock.remedy.empty());
  CHECK_FALSE(db::advisory_lock_excludes(test.settings));
}

TEST_CASE_METHOD(DoctorTest, "a registration group that was migrated twice is named") {
  Sql sql{url};
  sql.exec("DROP INDEX regroup_one_success");
  sql.exec("INSERT INTO migration_audit_logs (id, user_id, registration_group_id, status) "
           "SELECT gen_random_uuid(), gen_random_uuid(), 'camping-2025', 'success' "
           "FROM generate_series(1, 2)");
  const auto duplicates = finding("schema/duplicates");
  CHECK(duplicates.severity == Severity::error);
  CHECK(duplicates.what.find("camping-2025") != std::string::npos);
}

TEST_CASE_METHOD(DoctorTest, "more connections than there is room for are an error") {
  CHECK(finding("connections/room", 1).severity == Severity::good);
  CHECK(finding("connections/room", 500).severity == Severity::error);
}

TEST_CASE("a role whose sessions are read-only cannot migrate") {
  const DoctorTest test{durable_server()};
  Sql{test.url}.exec("ALTER DATABASE " + name_of_database(test.url) +
                     " SET default_transaction_read_only = on");
  CHECK(test.finding("database/writable").severity == Severity::error);
}

TEST_CASE("a standby is an error: it takes no writes") {
  const Postgres standby{{.settings = {}, .standby_of = &durable_server()}};
  config::Settings::Database settings;
  settings.url = standby.url();
  const auto codes = not_good(db::examine(settings, 1));
  CHECK(std::count(codes.begin(), codes.end(), "database/writable") == 1);
}

TEST_CASE("a pooler in transaction mode is sound, but for prepared statements") {
  DoctorTest test{durable_server()};
  const Pgbouncer pooler{durable_server(), "transaction", Pgbouncer::without_prepared_statements()};
  test.settings.url = pooler.url(name_of_database(test.url));
  CHECK(not_good(db::examine(test.settings, 1)) == std::vector<std::string>{"durability"});
  test.settings.prepared_statements = config::Settings::Database::Prepared::always;
  CHECK(test.finding("prepared/works").severity == Severity::error);
}

TEST_CASE("a pooler in statement mode is an error") {
  DoctorTest test{durable_server()};
  const Pgbouncer pooler{durable_server(), "statement"};
  test.settings.url = pooler.url(name_of_database(test.url));
  CHECK(test.finding("database/transactions").severity == Severity::error);
  CHECK(test.finding("lock/excludes").severity == Severity::error);
}
