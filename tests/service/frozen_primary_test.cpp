// A primary that is stopped goes on acknowledging what it is sent, by its kernel. Another one is
// promoted.
#include "tests/service/chaos/stage.hpp"
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <mutex>
#include <thread>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

constexpr int kGroupsOfEach = 2000;
constexpr auto kRequestTimeout = 6s; // as in the settings below
constexpr auto kSlack = 6s;          // of a machine that does much else

chaos::Stage::Options two_replicas_and_a_standby() {
  chaos::Stage::Options options;
  options.standby = true;
  options.settings = {{"http.request_timeout", "6s"},       {"migration.async_after", "30s"},
                      {"database.statement_timeout", "1s"}, {"database.lock_timeout", "500ms"},
                      {"database.connect_timeout", "1s"},   {"database.pool_size", "4"},
                      {"limits.requests_per_minute", "0"}};
  return options;
}

/// One after the other it migrates registration groups that no other one asks for, each once. Their
/// slugs are not their names.
class Caller {
public:
  Caller(unsigned port, World& world, int number)
      : port_(port), user_(world.add_user()), name_("Caller-" + std::to_string(number) + "-") {
    world.sql.exec("INSERT INTO devices (device_id, display_name, group_id, platform, "
                   "owner_user_id) SELECT gen_random_uuid(), 'phone', $1 || n, 'android', $2 "
                   "FROM generate_series(1, $3) n",
                   name_, user_.text(), kGroupsOfEach);
    thread_ = std::thread{[this] { call(); }};
  }
  ~Caller() { stop(); }
  void stop() {
    stopping_ = true;
    if (thread_.joinable())
      thread_.join();
  }

  int succeeded() const { return succeeded_; }
  int failed() const { return failed_; }

  /// After stop(): no answer was untrue.
  void check(World& world) const {
    for (const auto& [group, status] : statuses_) {
      const int left = world.devices_in(group);
      INFO(group << " was answered " << status);
      if (status == 201)
        CHECK(left == 0);
      else if (status == 503)
        CHECK(left == 1);
      else
        CHECK((status == 504 || status == 0));
    }
  }

private:
  void call() {
    HttpClient client{port_, HttpClient::Connections::one_each, 20s};
    for (int number = 1; number <= kGroupsOfEach && !stopping_; ++number) {
      const auto group = name_ + std::to_string(number);
      const int status = status_of(client.post(kMigrate, ServiceTest::body(group), bearer(user_)));
      statuses_.emplace_back(group, status);
      ++(status == 201 ? succeeded_ : failed_);
    }
  }

  const unsigned port_;
  const domain::Uuid user_;
  const std::string name_;
  std::vector<std::pair<std::string, int>> statuses_;
  std::atomic<int> succeeded_{0}, failed_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

class FrozenPrimary {
public:
  FrozenPrimary() : stage(two_replicas_and_a_standby()), world(stage.database_url()) {
    for (int number = 0; number < 8; ++number)
      callers.push_back(
          std::make_unique<Caller>(stage.replicas().at(number % 2).port, world, number));
  }

  /// Whether every caller gets so many 201 more.
  bool all_succeed(int more, std::chrono::milliseconds limit) {
    std::vector<int> before;
    for (const auto& caller : callers)
      before.push_back(caller->succeeded());
    return eventually(
        [&] {
          for (std::size_t each = 0; each < callers.size(); ++each)
            if (callers[each]->succeeded() < before[each] + more)
              return false;
          return true;
        },
        limit);
  }
  int failures() {
    int sum = 0;
    for (const auto& caller : callers)
      sum += caller->failed();
    return sum;
  }

  chaos::Stage stage;
  World world; // on the first primary
  std::vector<std::unique_ptr<Caller>> callers;
};

} // namespace

TEST_CASE("a primary that is frozen stops nobody once another one is promoted") {
  FrozenPrimary test;
  REQUIRE(test.all_succeed(3, 20s));
  const auto old_url = test.stage.database_url();

  test.stage.primary().stop_signal();
  REQUIRE(eventually([&] { return test.failures() > 0; })); // as long as there is none, truly none
  test.stage.promote_standby();
  CHECK(test.all_succeed(3, kRequestTimeout + kSlack)); // while the old one stays frozen

  test.stage.primary().continue_signal();
  Sql old{old_url};
  const auto rows = [&] { return old.value<int>("SELECT count(*) FROM migration_audit_logs"); };
  // A COMMIT that was in its socket waits for a standby that it has lost, and is seen by nobody.
  const auto sessions = [&] {
    return old.value<int>("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE "
                          "'regroup%' AND wait_event IS DISTINCT FROM 'SyncRep'");
  };
  CHECK(eventually([&] { return sessions() == 0; }));
  const int woken = rows();
  World now{test.stage.database_url()};
  now.sql.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
               "WHERE application_name LIKE 'regroup%'"); // connections are opened anew
  CHECK(test.all_succeed(10, kRequestTimeout + kSlack));
  CHECK(sessions() == 0);
  CHECK(rows() == woken);

  for (const auto& caller : test.callers)
    caller->stop();
  for (const auto& caller : test.callers)
    caller->check(now);
}
