// Connections that cannot be had concern nobody while others work.
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

class PoolTest : public ServiceTest {
public:
  PoolTest()
      : ServiceTest([] {
          Service::Options options;
          options.settings = {{"database.pool_size", "8"}};
          options.postgres.settings = {{"max_connections", "40"}};
          return options;
        }()),
        user(world.add_user()) {
    REQUIRE(register_one() == 201);
  }

  std::function<Answered()> registering() {
    return [this] {
      const json phone{{"device_id", domain::Uuid::random().text()},
                       {"group_id", "camping-2025"},
                       {"display_name", "phone"},
                       {"platform", "android"}};
      return service.client().post("/api/v1/devices/register", phone.dump(), bearer(user));
    };
  }
  int register_one() { return status_of(registering()()); }

  /// The issue's: a burst of 16, then 140 over a time.
  void check_that_all_are_served() {
    auto counts = tally(at_once(std::vector(16, registering())));
    for (int round = 0; round < 140; ++round) {
      ++counts[std::to_string(register_one())];
      if (round % 20 == 0)
        CHECK(status_of(service.client().get("/api/health/ready")) == 200);
      const auto until = std::chrono::steady_clock::now() + 20ms;
      eventually([&] { return std::chrono::steady_clock::now() >= until; });
    }
    CHECK(counts == std::map<std::string, int>{{"201", 156}});
    CHECK(status_of(service.client().get("/api/health/ready")) == 200);
  }

  int sessions() {
    return world.sql.value<int>("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                "current_database() AND application_name LIKE 'regroup%'");
  }
  std::string role() {
    return world.sql.value<std::string>("SELECT usename FROM pg_stat_activity WHERE "
                                        "application_name LIKE 'regroup%' LIMIT 1");
  }

  domain::Uuid user;
};

} // namespace

TEST_CASE("a role with three connections serves a pool of eight: none is refused") {
  PoolTest test;
  test.world.sql.exec("ALTER ROLE " + test.role() + " CONNECTION LIMIT 3");
  test.check_that_all_are_served();
  CHECK(test.sessions() <= 3);
  // What breaks is replaced, and those that wait meanwhile are served.
  for (int round = 0; round < 5; ++round) {
    test.world.sql.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                        "current_database() AND application_name LIKE 'regroup%'");
    CHECK(tally(at_once(std::vector(16, test.registering()))) ==
          std::map<std::string, int>{{"201", 16}});
  }
  test.world.sql.exec("ALTER ROLE " + test.role() + " CONNECTION LIMIT -1");
  CHECK(eventually([&] {
    at_once(std::vector(16, test.registering()));
    return test.sessions() > 3;
  }));
}

TEST_CASE("while others use up max_connections a replica serves with those that it has") {
  PoolTest test;
  std::vector<std::unique_ptr<Sql>> others;
  try {
    for (int other = 0; other < 100; ++other)
      others.push_back(std::make_unique<Sql>(test.service.database_url()));
  } catch (const std::exception&) { // "too many clients already"
  }
  REQUIRE(others.size() > 10);
  test.check_that_all_are_served();
}

TEST_CASE("an API key is looked up over the pool when no other connection is to be had") {
  PoolTest test;
  test.world.sql.exec("ALTER ROLE " + test.role() + " CONNECTION LIMIT 1");
  const auto answer = test.service.client().post("/api/v1/devices/register", "{}",
                                                 {{"X-API-Key", "rg_not_a_key_of_anybody_at_all"}});
  CHECK(status_of(answer) == 401);
}
