// The ways to a database that are not a connection to one server: PgBouncer in transaction mode,
// and several hosts.

#include "tests/service/concurrency.hpp"

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

Service::Options pooled(unsigned count) {
  auto options = replicas(count);
  options.pool_mode = "transaction";
  return options;
}

struct PooledHeldMigration : HeldMigration {
  PooledHeldMigration() : HeldMigration("transaction") {}
};

/// The answer to one migration by a replica that connects with `url`.
int migrate_through(const std::string& url, World& world, const std::string& group) {
  Replica replica{url};
  replica.wait_until_ready();
  const auto user = world.add_user();
  world.add_devices(group, 3, user);
  return status_of(
      HttpClient{replica.port()}.post(kMigrate, ServiceTest::body(group), bearer(user)));
}

} // namespace

TEST_CASE("criterion 4 through PgBouncer: ten at once for one group give one 201 and nine 409") {
  ServiceTest test{pooled(1)};
  ten_at_once_for_one_group(test, 30);
}

TEST_CASE("criterion 5 through PgBouncer: ten at once for different groups give ten 201") {
  ServiceTest test{pooled(1)};
  ten_at_once_for_different_groups(test, 10);
}

TEST_CASE_METHOD(PooledHeldMigration,
                 "criteria 6 and 9 through PgBouncer: a held migration is refused at once") {
  const auto locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND "
                     "(classid::bigint << 32 | objid::bigint) = regroup_lock_key('camping-2025')";
  CHECK(world.sql.value<int>(locks) == 1);
  for (const unsigned port : {first(), second()}) {
    const auto answer = migrate(port, user, body("camping-2025"));
    CHECK(status_of(answer) == 409);
    CHECK(code_of(answer) == "migration/in-progress");
  }
  world.add_devices("lake", 2, user);
  CHECK(status_of(migrate(second(), user, body("lake"))) == 201);
  CHECK(running.wait_for(0s) == std::future_status::timeout);
  holder.rollback();
  CHECK(status_of(running.get()) == 201);
  CHECK(world.sql.value<int>(locks) == 0);
}

TEST_CASE("criterion 7 through PgBouncer: of a hundred at once exactly the right ones succeed") {
  ServiceTest test{pooled(1)};
  a_hundred_at_once(test);
}

TEST_CASE("criterion 8 through PgBouncer: shuffled device_ids meet no deadlock on two replicas") {
  ServiceTest test{pooled(2)};
  shuffled_device_ids(test, 10);
}

TEST_CASE("thirty at once through PgBouncer and two replicas give one 201, twenty times") {
  ServiceTest test{pooled(2)};
  const auto user = test.world.add_user();
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    const auto group = "camping-" + std::to_string(round);
    test.world.add_devices(group, 3, user);
    std::vector<std::function<Answered()>> asking;
    for (std::size_t i = 0; i < 30; ++i)
      asking.push_back(test.asking(test.service.replica(i % 2).port(), user, test.body(group)));
    const auto answers = at_once(asking);
    INFO("round " << round << ": " << Catch::Detail::stringify(tally(answers)));
    REQUIRE(is_one_success(answers));
  }
  CHECK(test.world.groups() == kRounds);
  CHECK(test.world.memberships() == 3 * kRounds);
  CHECK(test.world.audits("success") == kRounds);
}

TEST_CASE("of several hosts the one that takes writes is found behind a standby or nobody") {
  Postgres primary{{.settings = {}, .tcp = true}};
  const auto direct = primary.create_database();
  const auto database = Sql{direct}.value<std::string>("SELECT current_database()");
  Postgres standby{{.settings = {}, .tcp = true, .standby_of = &primary}};
  const auto behind = [&](unsigned first_port) {
    return "postgresql://postgres@127.0.0.1:" + std::to_string(first_port) +
           ",127.0.0.1:" + std::to_string(primary.tcp_port()) + "/" + database +
           "?target_session_attrs=read-write";
  };
  Replica{direct}.wait_until_ready(); // the schema is there
  World world{direct};
  CHECK(migrate_through(behind(free_port()), world, "lake") == 201);
  REQUIRE(Sql{standby.url()}.value<bool>("SELECT pg_is_in_recovery()"));
  CHECK(migrate_through(behind(standby.tcp_port()), world, "camping-2025") == 201);
  CHECK(world.memberships() == 6);

  // A standby alone: it may be promoted any moment, so it is waited for.
  Replica waiting{standby.url(database)};
  REQUIRE(waiting.wait_for_log("\"serving\""));
  CHECK(status_of(HttpClient{waiting.port()}.get("/api/health/ready")) == 503);
  REQUIRE(Sql{standby.url()}.value<bool>("SELECT pg_promote()"));
  waiting.wait_until_ready();
}
