#pragma once
// What the story's criteria do at once, for every way to the database: directly and through a
// pooler.
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

namespace regroup::test {

inline Service::Options replicas(unsigned count, Replica::Settings settings = {}) {
  Service::Options options;
  options.replicas = count;
  options.settings = std::move(settings);
  return options;
}

/// Two replicas, and a migration that another session holds by a row lock.
class HeldMigration : public ServiceTest {
public:
  explicit HeldMigration(const std::string& pool_mode = {})
      : ServiceTest([&] {
          // Longer than any test: what is held stays held.
          auto options = replicas(2, {{"database.lock_timeout", "60s"},
                                      {"database.statement_timeout", "60s"},
                                      {"migration.async_after", "25s"}});
          options.postgres.settings = {{"log_statement", "all"}};
          options.pool_mode = pool_mode;
          return options;
        }()),
        user(world.add_user()), devices(world.add_devices("camping-2025", 3, user)),
        holder(service.database_url()) {
    holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[1].text());
    running = asking_now(first(), user, body("camping-2025"));
    REQUIRE(somebody_waits("transactionid"));
  }
  ~HeldMigration() {
    if (running.valid()) {
      holder.rollback();
      running.wait();
    }
  }

  unsigned first() { return service.replica(0).port(); }
  unsigned second() { return service.replica(1).port(); }

  domain::Uuid user;
  std::vector<domain::Uuid> devices;
  HeldTransaction holder;
  std::future<Answered> running;
};

/// Criterion 4.
inline void ten_at_once_for_one_group(ServiceTest& test, int rounds) {
  const auto user = test.world.add_user();
  const int deadlocks = test.deadlocks();
  for (int round = 0; round < rounds; ++round) {
    const auto group = "camping-" + std::to_string(round);
    test.world.add_devices(group, 3, user);
    const auto answers = at_once({10, test.asking(test.service.port(), user, test.body(group))});
    INFO("round " << round << ": " << Catch::Detail::stringify(tally(answers)));
    REQUIRE(is_one_success(answers));
  }
  CHECK(test.world.groups() == rounds);
  CHECK(test.world.memberships() == 3 * rounds);
  CHECK(test.world.audits("success") == rounds);
  CHECK(test.world.audits("failed") == 0);
  CHECK(test.deadlocks() == deadlocks);
}

/// Criterion 5.
inline void ten_at_once_for_different_groups(ServiceTest& test, int rounds) {
  const auto user = test.world.add_user();
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::function<Answered()>> requests;
    for (int i = 0; i < 10; ++i) {
      const auto group = "camping-" + std::to_string(round) + "-" + std::to_string(i);
      test.world.add_devices(group, 2, user);
      requests.push_back(test.asking(test.service.port(), user, test.body(group)));
    }
    CHECK(tally(at_once(requests)) == std::map<std::string, int>{{"201", 10}});
  }
  CHECK(test.world.groups() == 10 * rounds);
}

/// Criterion 7.
inline void a_hundred_at_once(ServiceTest& test) {
  const auto user = test.world.add_user();
  test.world.add_devices("shared", 3, user);
  std::vector<std::function<Answered()>> requests;
  for (int i = 0; i < 50; ++i) {
    const auto group = "own-" + std::to_string(i);
    test.world.add_devices(group, 3, user);
    requests.push_back(test.asking(test.service.port(), user, test.body(group)));
    requests.push_back(test.asking(test.service.port(), user, test.body("shared")));
  }
  auto counts = tally(at_once(requests));
  CHECK(counts["201"] == 51);
  CHECK(counts["409 migration/in-progress"] + counts["409 resource/already-migrated"] == 49);
  CHECK(test.world.groups() == 51);
}

/// Criterion 8, on two replicas.
inline void shuffled_device_ids(ServiceTest& test, int rounds) {
  const auto user = test.world.add_user();
  const int deadlocks = test.deadlocks();
  for (int round = 0; round < rounds; ++round) {
    const auto group = "camping-" + std::to_string(round);
    auto devices = test.world.add_devices(group, 8, user);
    std::vector<std::function<Answered()>> requests;
    for (int i = 0; i < 8; ++i) {
      std::rotate(devices.begin(), devices.begin() + 3, devices.end());
      json ids = json::array();
      for (std::size_t k = 0; k < 5; ++k)
        ids.push_back(devices[k].text());
      const json partial{{"registration_group_id", group},
                         {"group_name", "Same " + std::to_string(round)},
                         {"device_ids", ids}};
      const auto port = test.service.replica(static_cast<std::size_t>(i) % 2).port();
      requests.push_back(test.asking(port, user, partial.dump()));
    }
    auto counts = tally(at_once(requests));
    CHECK(counts["201"] == 1);
    CHECK(counts["500 server/internal"] + counts["503 server/database-unavailable"] == 0);
  }
  CHECK(test.world.groups() == rounds);
  CHECK(test.deadlocks() == deadlocks);
}

} // namespace regroup::test
