// A refusal reads, and writes nothing: no row is locked for a migration that is refused.
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace regroup;
using namespace regroup::test;

namespace {

struct RefusalTest : DatabaseTest {
  RefusalTest() : owner(world->add_user()), stranger(world->add_user()) {}

  /// One of them is the owner's.
  void add_crowd(int devices) {
    world->sql.exec("INSERT INTO devices (device_id, display_name, group_id, platform, "
                    "owner_user_id) SELECT gen_random_uuid(), 'phone', 'crowd', 'android', "
                    "CASE n WHEN 1 THEN $2::uuid END FROM generate_series(1, $1) AS n",
                    devices, owner.text());
    world->sql.exec("VACUUM ANALYZE devices");
  }

  /// What the database does for a migration of the crowd, and takes back.
  struct Cost {
    std::string outcome;
    std::int64_t wal_records;
    std::int64_t buffers;
  };
  Cost cost(const domain::Uuid& caller, const std::string& more = "") {
    HeldTransaction work{url};
    work.exec("SET LOCAL enable_seqscan = off");
    const std::string call = "SELECT outcome FROM regroup_migrate_v1(gen_random_uuid(), "
                             "gen_random_uuid(), $1, 'crowd', 'Crowd', 'crowd', NULL, 100, 20, "
                             "NULL, NULL" +
                             more + ")";
    const auto plan = nlohmann::json::parse(
        work.exec("EXPLAIN (ANALYZE, BUFFERS, WAL, FORMAT JSON) " + call, caller.text())
            .at(0)
            .at(0)
            .as<std::string>());
    const auto& node = plan[0]["Plan"];
    return {work.exec(call, caller.text()).at(0).at(0).as<std::string>(),
            node["WAL Records"].get<std::int64_t>(),
            node["Shared Hit Blocks"].get<std::int64_t>() +
                node["Shared Read Blocks"].get<std::int64_t>()};
  }

  domain::Uuid owner, stranger;
};

} // namespace

TEST_CASE_METHOD(RefusalTest, "refusing 100,000 devices to who owns none reads little and writes "
                              "nothing") {
  add_crowd(100000);
  const auto refused = cost(stranger);
  CHECK(refused.outcome == "not_device_owner");
  CHECK(refused.wal_records == 0);
  CHECK(refused.buffers < 2500); // a look-up for each row would take 300,000
}

TEST_CASE_METHOD(RefusalTest, "refusing 100,000 devices for their number writes nothing") {
  add_crowd(100000);
  const auto refused = cost(owner);
  CHECK(refused.outcome == "too_many_devices");
  CHECK(refused.wal_records == 0);
}

TEST_CASE_METHOD(RefusalTest, "no refusal of a migration writes anything") {
  add_crowd(50);
  world->sql.exec(
      "UPDATE devices SET owner_user_id = $1 WHERE owner_user_id IS NULL AND id % 2 = 0",
      stranger.text());
  world->sql.exec("VACUUM devices");
  const auto check = [&](const domain::Uuid& caller, const std::string& more,
                         const std::string& outcome) {
    const auto refused = cost(caller, more);
    INFO(outcome);
    CHECK(refused.outcome == outcome);
    CHECK(refused.wal_records == 0);
  };
  check(owner, ", 'majority'", "not_owner_of_enough");
  check(owner, ", 'all_linked'", "not_owner_of_enough");
  check(owner, ", 'any', true", "group_not_found");
  check(world->add_user(), ", 'any', true", "not_device_owner");
  check(world->add_user(false), "", "unauthorized");
  const auto group = domain::Uuid::random();
  world->sql.exec(
      "INSERT INTO groups (id, name, slug, created_by) VALUES ($1, 'Crowd', 'crowd', $2)",
      group.text(), owner.text());
  check(owner, "", "group_name_exists");
  check(stranger, "", "group_name_exists");
}
