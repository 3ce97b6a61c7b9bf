// Story UGM-5.5, criterion by criterion, through the real binary over HTTP. Criterion 7, the times
// of 100 concurrent requests, is measured by bench/ (`scripts/bench --only mixed`): here its
// counts.
#include "tests/service/concurrency.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

TEST_CASE("criterion 1: a database error in the middle leaves nothing") {
  ServiceTest test;
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 3, user);
  test.world.sql.exec("CREATE FUNCTION test_fail() RETURNS trigger LANGUAGE plpgsql AS "
                      "$$ BEGIN RAISE EXCEPTION 'disk is gone' USING ERRCODE = '58030'; END $$; "
                      "CREATE TRIGGER test_fail BEFORE UPDATE ON devices FOR EACH ROW EXECUTE "
                      "FUNCTION test_fail()");
  const auto answer = test.migrate(test.service.port(), user, test.body("camping-2025"));
  CHECK(status_of(answer) == 500);
  CHECK(code_of(answer) == "server/internal");
  CHECK(answer->body.find("disk is gone") == std::string::npos);
  CHECK(test.world.groups() == 0);
  CHECK(test.world.group_members() == 0);
  CHECK(test.world.memberships() == 0);
  CHECK(test.world.devices_in("camping-2025") == 3);
  CHECK(test.world.audits("failed") == 1);
  CHECK(test.world.audits("success") == 0);
}

TEST_CASE("criterion 2: device 5 of 10 fails and none is migrated") {
  ServiceTest test;
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 10, user);
  test.world.raise_at_device(5);
  CHECK(status_of(test.migrate(test.service.port(), user, test.body("camping-2025"))) == 500);
  CHECK(test.world.memberships() == 0);
  CHECK(test.world.groups() == 0);
  CHECK(test.world.devices_in("camping-2025") == 10);
  CHECK(test.world.audits("failed") == 1);
}

TEST_CASE("criterion 3: one transaction writes the group and all memberships") {
  ServiceTest test;
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 10, user);
  REQUIRE(status_of(test.migrate(test.service.port(), user, test.body("camping-2025"))) == 201);
  CHECK(test.world.sql.value<int>(
            "SELECT count(*) FROM (SELECT xmin FROM groups UNION ALL SELECT xmin FROM "
            "group_memberships UNION ALL SELECT xmin FROM device_group_memberships UNION ALL "
            "SELECT xmin FROM devices UNION ALL SELECT xmin FROM migration_audit_logs) r") == 23);
  CHECK(test.world.sql.value<int>(
            "SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM groups UNION ALL SELECT xmin "
            "FROM group_memberships UNION ALL SELECT xmin FROM device_group_memberships UNION ALL "
            "SELECT xmin FROM devices UNION ALL SELECT xmin FROM migration_audit_logs) r") == 1);
}

TEST_CASE("criterion 4: ten at once for one group give one 201 and nine 409, a hundred times") {
  ServiceTest test;
  ten_at_once_for_one_group(test, 100);
}

TEST_CASE("criterion 5: ten at once for different groups give ten 201, twenty times") {
  ServiceTest test;
  ten_at_once_for_different_groups(test, 20);
}

TEST_CASE_METHOD(HeldMigration,
                 "criterion 6: a held migration's group is refused by its replica from memory") {
  const auto statements = [&] { return service.postgres().log().size(); };
  const auto before = statements();
  for (int i = 0; i < 20; ++i) {
    const auto answer = migrate(first(), user, body("camping-2025"));
    CHECK(status_of(answer) == 409);
    CHECK(code_of(answer) == "migration/in-progress");
    CHECK(answer->headers.at("Retry-After") == "1");
  }
  // None of the twenty reached the database: all that it was asked meanwhile it has logged.
  const auto said = service.postgres().log().substr(before);
  CHECK(said.find("regroup_migrate") == std::string::npos);
  CHECK(said.find("BEGIN") == std::string::npos);
}

TEST_CASE_METHOD(HeldMigration,
                 "criterion 6: a held migration's group is refused by another replica at once") {
  const auto answer = migrate(second(), user, body("camping-2025"));
  CHECK(status_of(answer) == 409);
  CHECK(code_of(answer) == "migration/in-progress");
  // Held still: the refusal did not wait for it.
  CHECK(running.wait_for(0s) == std::future_status::timeout);
  holder.rollback();
  CHECK(status_of(running.get()) == 201);
}

TEST_CASE_METHOD(HeldMigration, "criterion 6: other groups are migrated while one is held") {
  world.add_devices("lake", 2, user);
  CHECK(status_of(migrate(first(), user, body("lake"))) == 201);
  CHECK(status_of(migrate(second(), user, body("camping-2025"))) == 409);
  CHECK(running.wait_for(0s) == std::future_status::timeout);
}

TEST_CASE("criterion 7: of a hundred at once, half for one group, exactly the right ones succeed") {
  ServiceTest test;
  a_hundred_at_once(test);
}

TEST_CASE("criterion 8: shuffled device_ids that overlap and equal names meet no deadlock") {
  ServiceTest test{replicas(2)};
  shuffled_device_ids(test, 20);
}

TEST_CASE_METHOD(HeldMigration, "criterion 9: the advisory lock is held while a migration runs") {
  const auto locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND "
                     "objsubid = 1 AND mode = 'ExclusiveLock' AND "
                     "(classid::bigint << 32 | objid::bigint) = regroup_lock_key('camping-2025')";
  CHECK(world.sql.value<int>(locks) == 1);
  holder.rollback();
  CHECK(status_of(running.get()) == 201);
  CHECK(world.sql.value<int>(locks) == 0);
}

TEST_CASE_METHOD(HeldMigration,
                 "criterion 10: the devices' rows are locked while a migration runs") {
  // All of them once it has what it needs; a record that is not committed keeps it there.
  HeldTransaction rogue{service.database_url()};
  rogue.exec("INSERT INTO migration_audit_logs (user_id, registration_group_id, "
             "authenticated_group_id, status) VALUES ($1, 'camping-2025', $1, 'success')",
             user.text());
  holder.rollback();
  for (const auto& device : devices)
    CHECK(eventually([&] {
      try {
        HeldTransaction{service.database_url()}.exec(
            "SELECT FROM devices WHERE device_id = $1 FOR UPDATE NOWAIT", device.text());
        return false;
      } catch (const pqxx::sql_error&) {
        return true;
      }
    }));
  rogue.rollback();
  CHECK(status_of(running.get()) == 201);
}

TEST_CASE("the winner is rolled back while nine are refused, and the next request succeeds") {
  ServiceTest test{replicas(1, {{"database.lock_timeout", "60s"},
                                {"database.statement_timeout", "60s"},
                                {"migration.async_after", "25s"}})};
  const auto user = test.world.add_user();
  const auto devices = test.world.add_devices("camping-2025", 3, user);
  test.world.raise_at_device(3);
  HeldTransaction holder{test.service.database_url()};
  holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[2].text());
  auto winner = test.asking_now(test.service.port(), user, test.body("camping-2025"));
  REQUIRE(test.somebody_waits("transactionid"));
  const auto others =
      at_once({9, test.asking(test.service.port(), user, test.body("camping-2025"))});
  CHECK(tally(others) == std::map<std::string, int>{{"409 migration/in-progress", 9}});
  holder.rollback();
  CHECK(status_of(winner.get()) == 500);
  test.world.raise_no_more();
  CHECK(status_of(test.migrate(test.service.port(), user, test.body("camping-2025"))) == 201);
}
