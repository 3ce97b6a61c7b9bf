// No role of the database gains rights through Regroup's functions.
#include "db/adoption/inspection.hpp"
#include "tests/db/adoption_support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;

namespace {

/// What PUBLIC may execute and what runs with its owner's rights, of Regroup's functions.
constexpr const char* kUnsafe =
    "SELECT coalesce(string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.proname), '') "
    "FROM pg_proc p WHERE p.proname LIKE 'regroup\\_%' AND ("
    "  p.provolatile <> 'i' AND EXISTS ("
    "    SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a "
    "    WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE')"
    "  OR p.prosecdef)";

struct RolesTest {
  explicit RolesTest(std::string its_url) : url{std::move(its_url)}, sql{url} {
    settings.url = url;
  }
  Lines apply() { return db::apply_schema(settings, log); }

  /// A role that may connect, and has what every role has.
  std::string new_role(const std::string& name) {
    const auto role = name + "_" + sql.value<std::string>("SELECT current_database()");
    sql.exec("CREATE ROLE " + role + " LOGIN");
    return role;
  }
  std::string url_of(const std::string& role) const { return url + " user=" + role; }

  std::string url;
  config::Settings::Database settings;
  RememberingLog log;
  Sql sql;
};

std::string own_database() { return postgres().create_database(); }

} // namespace

TEST_CASE("no function is PUBLIC's but immutable ones, and none runs with its owner's rights") {
  const auto which = GENERATE(0, 1, 2);
  RolesTest test{which == 0   ? own_database()
                 : which == 1 ? unprefixed_database(postgres())
                              : phone_manager_database(postgres())};
  if (which == 1)
    CHECK_THAT(test.sql.value<std::string>(kUnsafe),
               Catch::Contains("regroup_membership_ended()") &&
                   Catch::Contains("regroup_record_event_v1"));
  test.apply();
  CHECK(test.sql.value<std::string>(kUnsafe).empty());
  CHECK(test.sql.value<int>("SELECT count(*) FROM pg_proc WHERE proname LIKE 'regroup\\_%'") > 20);
  CHECK(test.sql.value<bool>("SELECT has_function_privilege('pg_monitor', "
                             "'regroup_lock_key(text)', 'EXECUTE')")); // the contract offers it
  CHECK(test.apply().empty());
}

TEST_CASE(
    "rights that somebody gave to PUBLIC are taken back, and a function of before loses them") {
  RolesTest test{own_database()};
  test.apply();
  test.sql.exec("GRANT EXECUTE ON FUNCTION regroup_plan_v1 TO PUBLIC;"
                "DROP FUNCTION regroup_webhooks_json;"
                "CREATE FUNCTION regroup_migrate_v0() RETURNS int LANGUAGE sql AS 'SELECT 1'");
  CHECK(test.apply() == Lines{"takes EXECUTE on the function regroup_plan_v1 from PUBLIC",
                              "creates the function regroup_webhooks_json",
                              "takes EXECUTE on the function regroup_migrate_v0 from PUBLIC"});
  CHECK(test.sql.value<std::string>(kUnsafe).empty());
  CHECK(test.apply().empty());
}

TEST_CASE("the role of replicas that run goes on executing what is replaced, made or closed") {
  RolesTest test{unprefixed_database(postgres())};
  const auto role = test.new_role("replica");
  test.sql.exec("GRANT INSERT ON regroup_running TO " + role);
  test.apply();
  CHECK(test.sql.value<bool>(
      "SELECT bool_and(has_function_privilege('" + role +
      "', oid, 'EXECUTE')) FROM pg_proc WHERE proname LIKE 'regroup\\_%' AND prorettype <> "
      "'trigger'::regtype"));
}
