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
    "  OR p.prosecdef AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS set(value) "
    "    WHERE set.value ~ '^search_path=[^$]+, pg_temp$')"
    "  OR p.prosecdef AND p.prosrc LIKE '%search\\_path%')"; // which it could set itself

/// The attack: whoever executes code of his own as the owner of these tables, owns the database.
constexpr const char* kAttack = R"(
CREATE TEMP TABLE devices (device_id uuid, group_id text, updated_at timestamptz);
CREATE TEMP TABLE groups (id uuid, slug text);
CREATE TEMP TABLE migration_audit_logs (authenticated_group_id uuid, status text, device_ids uuid[],
  group_slug text, registration_group_id text, created_at timestamptz);
CREATE TEMP TABLE device_group_memberships (device_id uuid, group_id uuid);
CREATE FUNCTION pg_temp.as_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.api_keys (key_hash, key_prefix, name, is_admin) VALUES ('mine', 'm', 'm', true);
  RETURN NEW;
END
$$;
CREATE TRIGGER mine BEFORE UPDATE ON devices FOR EACH ROW EXECUTE FUNCTION pg_temp.as_owner();
INSERT INTO devices VALUES ('00000000-0000-0000-0000-000000000001', 'slug', now());
INSERT INTO groups VALUES ('00000000-0000-0000-0000-000000000002', 'slug');
INSERT INTO migration_audit_logs VALUES ('00000000-0000-0000-0000-000000000002', 'success',
  '{00000000-0000-0000-0000-000000000001}', 'slug', 'camping-2025', now());
INSERT INTO device_group_memberships VALUES ('00000000-0000-0000-0000-000000000001',
  '00000000-0000-0000-0000-000000000002');
CREATE TRIGGER regroup_membership_ended AFTER DELETE ON device_group_memberships
  REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION public.regroup_membership_ended();
DELETE FROM device_group_memberships;
)";

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
  int keys() { return sql.value<int>("SELECT count(*) FROM api_keys WHERE key_hash = 'mine'"); }

  std::string url;
  config::Settings::Database settings;
  RememberingLog log;
  Sql sql;
};

std::string own_database() { return postgres().create_database(); }

} // namespace

TEST_CASE("a role with CONNECT and TEMP alone gains nothing by the trigger's function") {
  const bool carried = GENERATE(false, true);
  RolesTest test{carried ? unprefixed_database(postgres()) : own_database()};
  const auto stranger = test.new_role("stranger");
  if (carried) { // the attack is one: before, it makes a key
    Sql{test.url_of(stranger)}.exec(kAttack);
    REQUIRE(test.keys() == 1);
    test.sql.exec("DELETE FROM api_keys");
  }
  test.apply();
  CHECK_THROWS_WITH(
      Sql{test.url_of(stranger)}.exec(kAttack),
      Catch::Contains("permission denied for function public.regroup_membership_ended"));
  CHECK(test.keys() == 0);

  // And without that guard the function serves no other table.
  test.sql.exec("GRANT EXECUTE ON FUNCTION regroup_membership_ended() TO " + stranger);
  CHECK_THROWS_WITH(Sql{test.url_of(stranger)}.exec(kAttack),
                    Catch::Contains("is not a trigger of this table"));
  CHECK(test.keys() == 0);
}

TEST_CASE("no function is PUBLIC's but immutable ones, and none is a definer with a free path") {
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
  CHECK_FALSE(test.sql.value<bool>("SELECT has_function_privilege('" + role +
                                   "', 'regroup_membership_ended()', 'EXECUTE')"));
}

TEST_CASE("the trigger's function is its tables' owner's where a superuser applied the schema") {
  RolesTest test{own_database()};
  const auto owner = test.new_role("owner");
  test.sql.exec("GRANT CREATE ON SCHEMA public TO " + owner);
  config::Settings::Database as_owner;
  as_owner.url = test.url_of(owner);
  db::apply_schema(as_owner, test.log);
  test.sql.exec("DROP FUNCTION regroup_membership_ended CASCADE");
  CHECK(mentions(test.apply(), "gives the function regroup_membership_ended to " + owner));
  CHECK(test.sql.value<std::string>("SELECT proowner::regrole::text FROM pg_proc "
                                    "WHERE proname = 'regroup_membership_ended'") == owner);
  CHECK(db::inspect_schema(as_owner).changes.empty());
}

TEST_CASE("the trigger takes its tables from the schema that they are in, whatever it is called") {
  RolesTest test{own_database()};
  test.sql.exec("CREATE SCHEMA \"it's Regroup's\"; "
                "ALTER DATABASE " +
                test.sql.value<std::string>("SELECT current_database()") +
                " SET search_path = \"it's Regroup's\"");
  test.apply();
  CHECK(test.apply().empty());
  Sql sql{test.url};
  World world{test.url};
  const auto user = world.add_user();
  const auto devices = world.add_devices("camping-2025", 1, user);
  sql.exec("WITH made AS (INSERT INTO groups (name, slug, created_by) VALUES ('Chen', 'chen', $1) "
           "RETURNING id), moved AS (UPDATE devices SET group_id = 'chen'), member AS ("
           "INSERT INTO device_group_memberships (device_id, group_id) SELECT $2, id FROM made) "
           "INSERT INTO migration_audit_logs (registration_group_id, authenticated_group_id, "
           "device_ids, status, group_slug) SELECT 'camping-2025', id, ARRAY[$2::uuid], 'success', "
           "'chen' FROM made",
           user.text(), devices.front().text());
  sql.exec("SET search_path = pg_catalog; "
           "DELETE FROM \"it's Regroup's\".device_group_memberships");
  CHECK(world.sql.value<std::string>("SELECT group_id FROM devices") == "camping-2025");
}
