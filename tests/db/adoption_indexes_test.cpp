// Indexes are built in a database that is in use: who waits for whom, and what a failure leaves.
#include "tests/db/adoption_support.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <future>
#include <vector>

using namespace regroup;
using namespace regroup::test;

TEST_CASE_METHOD(AdoptionTest, "a writer is not kept waiting while an index is built") {
  apply();
  sql.exec("DROP INDEX devices_by_group"); // which did the same
  std::future<Lines> building;             // outlives what it waits for, also when the test fails
  HeldTransaction writer{url};             // what building the index has to wait for
  writer.exec("UPDATE devices SET battery = 1");
  building = std::async(std::launch::async, [this] { return apply(); });
  REQUIRE(eventually([&] {
    return sql.value<int>("SELECT count(*) FROM pg_stat_progress_create_index "
                          "WHERE datname = current_database()") == 1;
  }));
  Sql other{url};
  other.exec("SET lock_timeout = '5s'");
  other.exec("INSERT INTO devices (device_id, display_name, group_id, platform) "
             "VALUES (gen_random_uuid(), 'late', 'camping-2025', 'ios')");
  CHECK(building.wait_for(std::chrono::seconds{0}) == std::future_status::timeout);
  writer.commit();
  CHECK(building.get().size() == 1);
  CHECK(is_valid("regroup_devices_in_group"));
}

TEST_CASE_METHOD(AdoptionTest,
                 "a change that has to wait for a table lets those behind it through") {
  std::future<Lines> changing;
  HeldTransaction reader{url};
  reader.exec("SELECT count(*) FROM migration_audit_logs"); // adding a column waits for this
  changing = std::async(std::launch::async, [this] { return apply(); });
  Sql other{url};
  REQUIRE(eventually([&] {
    return other.value<int>("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                            "current_database() AND wait_event = 'relation'") == 1;
  }));
  other.exec("SET lock_timeout = '20s'"); // and not for as long as the reader is there
  CHECK(other.value<int>("SELECT count(*) FROM migration_audit_logs") == 1);
  CHECK(changing.wait_for(std::chrono::seconds{0}) == std::future_status::timeout);
  reader.commit();
  CHECK(changing.get().size() > 20);
}

TEST_CASE_METHOD(AdoptionTest, "an inspection that PostgreSQL ends over a deadlock is made again") {
  std::future<Lines> inspecting;
  Sql other{url};
  other.exec("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 3000', "
             "current_database()); END $$"); // enough for what follows, on any machine
  HeldTransaction changer{url};
  changer.exec("SET deadlock_timeout = '1min'"); // the inspection's wait is the one that is ended
  changer.exec("LOCK TABLE devices IN ACCESS EXCLUSIVE MODE");
  inspecting = std::async(std::launch::async, [this] { return announced(); });
  const std::string of_waiting =
      "FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relkind = 'r' "
      "AND c.relnamespace = 'public'::regnamespace AND l.granted AND EXISTS (SELECT FROM pg_locks "
      "w WHERE w.pid = l.pid AND NOT w.granted AND w.relation = 'devices'::regclass)";
  REQUIRE(eventually([&] { return other.value<int>("SELECT count(*) " + of_waiting) > 0; }));
  const auto read = other.value<std::string>("SELECT min(c.relname) " + of_waiting);
  changer.exec("LOCK TABLE " + read + " IN ACCESS EXCLUSIVE MODE"); // waits for the end of it
  changer.commit();
  CHECK(inspecting.get().size() > 20);
}

TEST_CASE_METHOD(AdoptionTest, "replicas that start together on an adopted database take turns") {
  std::vector<std::future<Lines>> starting;
  HeldTransaction writer{url}; // keeps the first one at its first index until all are there
  writer.exec("UPDATE devices SET battery = 1");
  for (int i = 0; i < 4; ++i)
    starting.push_back(
        std::async(std::launch::async, [this] { return db::apply_schema(settings, log); }));
  REQUIRE(eventually([&] {
    return log.has("schema.waiting") &&
           sql.value<int>("SELECT count(*) FROM pg_stat_progress_create_index "
                          "WHERE datname = current_database()") == 1;
  }));
  writer.commit();
  int changers = 0;
  for (auto& each : starting)
    changers += each.get().empty() ? 0 : 1;
  CHECK(changers == 1);
  CHECK(announced() == Lines{});
  CHECK(is_valid("regroup_one_success"));
}

TEST_CASE_METHOD(AdoptionTest, "an index that was left invalid is built again") {
  apply();
  sql.exec("DROP INDEX regroup_one_success");
  sql.exec("INSERT INTO migration_audit_logs (user_id, registration_group_id, status) "
           "SELECT id, 'lake-2024', 'success' FROM users LIMIT 1");
  CHECK_THROWS_AS(sql.exec("CREATE UNIQUE INDEX CONCURRENTLY regroup_one_success ON "
                           "migration_audit_logs (registration_group_id) WHERE status = 'success'"),
                  pqxx::unique_violation);
  REQUIRE_FALSE(is_valid("regroup_one_success"));
  sql.exec("DELETE FROM migration_audit_logs WHERE authenticated_group_id IS NULL");
  CHECK(mentions(announced(), "drops the index regroup_one_success, which is invalid"));
  apply();
  CHECK(is_valid("regroup_one_success"));
}

TEST_CASE_METHOD(AdoptionTest,
                 "an index that cannot be built names the rows, and nothing of it stays") {
  apply();
  // The duplicate is not there yet when the rows are looked at.
  sql.exec("DROP INDEX regroup_one_success");
  std::future<Lines> building;
  HeldTransaction rogue{url};
  rogue.exec("INSERT INTO migration_audit_logs (user_id, registration_group_id, status) "
             "SELECT id, 'lake-2024', 'success' FROM users LIMIT 1");
  building = std::async(std::launch::async, [this] { return apply(); });
  REQUIRE(eventually([&] {
    return sql.value<int>("SELECT count(*) FROM pg_stat_progress_create_index "
                          "WHERE datname = current_database()") == 1;
  }));
  rogue.commit();
  CHECK_THROWS_WITH(building.get(),
                    Catch::Contains("regroup_one_success") && Catch::Contains("(lake-2024)"));
  CHECK(sql.value<bool>("SELECT to_regclass('regroup_one_success') IS NULL"));
}
