#include "db/adoption/inspection.hpp"
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

#include <future>

using namespace regroup;
using namespace regroup::test;

namespace {

config::Settings::Database empty_database() {
  config::Settings::Database settings;
  settings.url = postgres().create_database();
  return settings;
}

} // namespace

TEST_CASE("the schema is added once, by whichever of many replicas comes first") {
  const auto settings = empty_database();
  SilentLog log;
  const auto announced = db::inspect_schema(settings).changes;
  CHECK(announced.size() > 25);
  std::vector<std::future<std::vector<std::string>>> starting;
  for (int i = 0; i < 6; ++i)
    starting.push_back(
        std::async(std::launch::async, [&] { return db::apply_schema(settings, log); }));
  std::size_t changers = 0;
  for (auto& each : starting)
    changers += each.get().empty() ? 0 : 1;
  CHECK(changers == 1);
  CHECK(db::inspect_schema(settings).changes.empty());
  CHECK(db::inspect_schema(settings).findings.empty());
}

TEST_CASE("a step that was applied with another text is not applied again, and stops nothing") {
  const auto settings = empty_database();
  SilentLog log;
  db::apply_schema(settings, log);
  Sql{settings.url}.exec("UPDATE regroup_schema SET checksum = 'x'");
  CHECK(db::apply_schema(settings, log).empty());
}

TEST_CASE("a function and a trigger that another version made are replaced, and no others") {
  const auto settings = empty_database();
  SilentLog log;
  db::apply_schema(settings, log);
  Sql sql{settings.url};
  sql.exec("CREATE OR REPLACE FUNCTION regroup_members_key(registration_group_id text) "
           "RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 1::bigint'");
  sql.exec("COMMENT ON FUNCTION regroup_members_key IS NULL");
  sql.exec("COMMENT ON TRIGGER regroup_membership_ended ON device_group_memberships IS 'another'");
  CHECK(db::apply_schema(settings, log) ==
        std::vector<std::string>{
            "replaces the function regroup_members_key",
            "replaces the trigger regroup_membership_ended on device_group_memberships"});
  CHECK(sql.value<bool>("SELECT regroup_members_key('camping-2025') = "
                        "~regroup_lock_key('camping-2025')"));
  CHECK(db::apply_schema(settings, log).empty());
}

TEST_CASE("a function that was dropped is made again") {
  const auto settings = empty_database();
  SilentLog log;
  db::apply_schema(settings, log);
  Sql{settings.url}.exec("DROP FUNCTION regroup_plan_v2");
  CHECK(db::apply_schema(settings, log) ==
        std::vector<std::string>{"creates the function regroup_plan_v2"});
}

TEST_CASE("a step that fails leaves nothing of the schema behind") {
  const auto settings = empty_database();
  SilentLog log;
  Sql sql{settings.url};
  sql.exec("CREATE FUNCTION regroup_lock_key(registration_group_id text) RETURNS text "
           "LANGUAGE sql AS 'SELECT $1'"); // cannot be replaced by one that returns a bigint
  CHECK_THROWS_WITH(db::apply_schema(settings, log), Catch::Contains("regroup_lock_key"));
  CHECK(sql.value<int>("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0);
}

TEST_CASE("tables that are there already keep their columns, and a narrow slug is cut") {
  const auto settings = empty_database();
  SilentLog log;
  domain::Metrics metrics;
  Sql sql{settings.url};
  sql.exec("CREATE TABLE devices (id bigserial PRIMARY KEY, device_id uuid NOT NULL UNIQUE, "
           "display_name varchar(50) NOT NULL, group_id varchar(50) NOT NULL, "
           "platform varchar(20) NOT NULL, fcm_token text, active boolean NOT NULL DEFAULT true, "
           "owner_user_id uuid, is_primary boolean NOT NULL DEFAULT false, linked_at timestamptz, "
           "last_seen_at timestamptz, battery int DEFAULT 7, created_at timestamptz DEFAULT now(), "
           "updated_at timestamptz DEFAULT now())");
  db::apply_schema(settings, log);
  CHECK(db::read_schema_facts(settings).slug_width == 50);

  World world{settings.url};
  text::Utf8procUnicode unicode;
  const auto user = world.add_user();
  world.add_devices("camping-2025", 1, user);
  const std::u32string long_name(100, U'x');
  auto command = domain::make_migration_command({U"camping-2025", long_name, {}}, user, unicode);
  command.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  TestStore store{settings, db::read_schema_facts(settings), log, metrics};
  const auto answer = store.execute(std::make_shared<const domain::MigrationCommand>(command));
  REQUIRE(completed(answer));
  CHECK(completed(answer)->slug == std::string(50, 'x'));
  CHECK(world.sql.value<int>("SELECT battery FROM devices") == 7);
}

TEST_CASE("PostgreSQL's advisory lock keeps a second session out") {
  CHECK(db::advisory_lock_excludes(empty_database()));
}

TEST_CASE("a database that is not there is one line without its password") {
  config::Settings::Database settings;
  settings.url = "postgresql://somebody:hunter2@127.0.0.1:1/none";
  try {
    db::inspect_schema(settings);
    FAIL("it connected");
  } catch (const std::runtime_error& why) {
    const std::string what = why.what();
    CHECK(what.find("hunter2") == std::string::npos);
    CHECK(what.find('\n') == std::string::npos);
  }
}
