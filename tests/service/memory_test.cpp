// What a replica remembers of callers and groups that never come again: nothing.
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <iomanip>
#include <mutex>
#include <sstream>
#include <thread>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

constexpr int kClients = 8;
constexpr int kFirst = 1000;

/// The resident memory of a process in KiB.
long resident_kib(pid_t pid) {
  std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string word; status >> word;)
    if (long kib = 0; word == "VmRSS:" && status >> kib)
      return kib;
  return 0;
}

/// A request for a group that nobody is in, each by another user.
class Strangers : public ServiceTest {
public:
  explicit Strangers(int count)
      : ServiceTest([] {
          Service::Options options;
          options.settings = {{"migration.group_idle_timeout", "1s"},
                              {"migration.async_after", "25s"}, // or a busy machine has 202s
                              {"log.level", "warning"}};
          return options;
        }()) {
    world.sql.exec("INSERT INTO users (id, email) SELECT ('00000000-0000-4000-8000-' || "
                   "lpad(to_hex(n), 12, '0'))::uuid, n || '@example.com' "
                   "FROM generate_series(0, $1) AS n",
                   count);
  }

  /// The strangers from `first` on ask once each; what they were told.
  std::map<std::string, int> come(int first, int count) {
    std::atomic<int> next{first};
    std::mutex mutex;
    std::map<std::string, int> told;
    std::vector<std::thread> clients;
    for (int client = 0; client < kClients; ++client)
      clients.emplace_back([&] {
        HttpClient http{service.port(), HttpClient::Connections::kept};
        for (int number = next++; number < first + count; number = next++) {
          const auto code = code_of(http.post(kMigrate, body("group-" + std::to_string(number)),
                                              bearer(stranger(number))));
          const std::scoped_lock lock{mutex};
          ++told[code];
        }
      });
    for (auto& client : clients)
      client.join();
    return told;
  }

  long resident() { return resident_kib(service.replica().pid()); }

  /// The least that is seen while the actors' idle timeout and two rounds of housekeeping (5 s
  /// each) pass: that of a service that has come to rest.
  long resident_at_rest() {
    long least = resident();
    eventually(
        [&] {
          least = std::min(least, resident());
          return false;
        },
        12s);
    return least;
  }

private:
  static domain::Uuid stranger(int number) {
    std::ostringstream text;
    text << "00000000-0000-4000-8000-" << std::hex << std::setw(12) << std::setfill('0') << number;
    return domain::Uuid::parse(text.str()).value();
  }
};

/// Issue 3: after the idle timeout within 20 % of what it was after the first 1,000.
void check_that_memory_is_released(int count) {
  Strangers strangers{count};
  using Told = std::map<std::string, int>;
  REQUIRE(strangers.come(0, kFirst) == Told{{"validation/no-devices", kFirst}});
  const long after_first = strangers.resident_at_rest();
  REQUIRE(strangers.come(kFirst, count - kFirst) ==
          Told{{"validation/no-devices", count - kFirst}});
  const long at_the_end = strangers.resident();
  const long limit = after_first + after_first / 5;
  CHECK(eventually([&] { return strangers.resident() <= limit; }, 60s));
  const long at_rest = strangers.resident_at_rest();
  CHECK(at_rest <= limit);
  WARN("KiB resident: at rest after the first " << kFirst << " " << after_first << ", right after "
                                                << count << " " << at_the_end << ", at rest then "
                                                << at_rest);
}

} // namespace

TEST_CASE("the memory of 20,000 groups and users that never come again is released") {
  check_that_memory_is_released(20'000);
}

TEST_CASE("the memory of 200,000 groups and users that never come again is released", "[.long]") {
  check_that_memory_is_released(200'000);
}
