// A replica that is told to end while clients ask: again and again, and nobody is left without the
// answer to a request that was taken.
#include "tests/service/support.hpp"
#include "tests/support/raw_connection.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <mutex>
#include <sstream>
#include <thread>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

constexpr int kClients = 6;
constexpr int kGroups = 3000; // a round, each with one device: more than the clients get through
constexpr int kBefore = 40;   // answers before the signal

/// What the clients of one round have seen.
struct Seen {
  std::mutex mutex;
  std::map<std::string, int> answers;    // by status and code
  std::vector<std::string> unanswered;   // ids of requests sent over a connection used before
  std::vector<std::string> never_served; // the same, over one that was never answered on
  std::vector<std::string> faults;       // answers that should not have been
};

/// Asks one request after the other, over one connection for as long as the server keeps it.
class Client {
public:
  Client(ServiceTest& test, const domain::Uuid& user, std::string prefix, std::atomic<int>& next,
         Seen& seen)
      : port_{test.service.port()}, token_{token_for(user)}, prefix_{std::move(prefix)},
        next_{next}, seen_{seen} {}

  /// Until a connection is refused.
  void run() {
    for (;;) {
      RawConnection connection{port_};
      if (!connection.open())
        return;
      use(connection);
    }
  }

private:
  void use(RawConnection& connection) {
    for (bool used = false;; used = true) {
      // A client must expect that an idle connection ends, and looks before it sends.
      if (used && connection.closed_by_peer())
        return;
      const auto id = domain::Uuid::random().text();
      const bool sent = connection.send(request(id));
      const auto answer = sent ? connection.receive_answer(30s) : std::nullopt;
      const std::scoped_lock lock{seen_.mutex};
      if (!answer) {
        (used ? seen_.unanswered : seen_.never_served).push_back(id);
        return;
      }
      if (!take(*answer))
        return;
    }
  }

  std::string request(const std::string& id) const {
    const auto body = ServiceTest::body(prefix_ + std::to_string(next_++));
    return "POST /api/v1/groups/migrate HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: " + id +
           "\r\nAuthorization: Bearer " + token_ + "\r\nContent-Type: application/json\r\n" +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  /// Whether the connection goes on.
  bool take(const std::string& answer) {
    const auto status = answer.substr(answer.find(' ') + 1, 3);
    const auto body = json::parse(answer.substr(answer.find("\r\n\r\n") + 4), nullptr, false);
    const auto code = body.contains("error") ? body["error"]["code"].get<std::string>() : "";
    const bool closes = answer.find("Connection: close") != answer.npos;
    ++seen_.answers[status + (code.empty() ? "" : " " + code)];
    const bool fit = status == "201" || code == "validation/no-devices" ||
                     (code == "server/shutting-down" && closes);
    if (!fit)
      seen_.faults.push_back(answer);
    return !closes;
  }

  unsigned port_;
  std::string token_, prefix_;
  std::atomic<int>& next_;
  Seen& seen_;
};

class Drains : public ServiceTest {
public:
  Drains()
      : ServiceTest([] {
          Service::Options options;
          options.settings = {{"http.drain_delay", "100ms"},
                              {"migration.async_after", "25s"},
                              {"limits.requests_per_minute", "0"}};
          return options;
        }()),
        user_(world.add_user()) {}

  /// From a ready replica to its end. Throws what cannot be judged.
  void round(int number) {
    INFO("round " << number);
    const auto prefix = "round-" + std::to_string(number) + "-";
    add_groups(prefix);
    auto& replica = service.replica();
    if (number > 0)
      replica.restart();
    replica.wait_until_ready();
    std::atomic<int> next{0};
    Seen seen;
    std::vector<std::thread> clients;
    for (int i = 0; i < kClients; ++i)
      clients.emplace_back([&] { Client{*this, user_, prefix, next, seen}.run(); });
    const bool began = eventually([&] { return next > kBefore; });
    replica.signal(SIGTERM);
    const auto status = replica.wait(60s);
    if (!status)
      replica.signal(SIGKILL); // or its clients never end
    for (auto& client : clients)
      client.join();
    REQUIRE(began);
    const auto log = replica.log();
    INFO(
        "the end of its log: " << log.substr(log.size() - std::min<std::size_t>(log.size(), 2000)));
    CHECK(status.value_or(-1) == 0);
    judge(seen, log);
  }

  std::map<std::string, int> answers; // of all rounds
  std::size_t never_served = 0;

private:
  void add_groups(const std::string& prefix) {
    world.sql.exec("INSERT INTO devices (device_id, display_name, group_id, platform, "
                   "owner_user_id) SELECT gen_random_uuid(), 'phone', $1 || n, 'android', $2::uuid "
                   "FROM generate_series(0, $3 - 1) AS n",
                   prefix, user_.text(), kGroups);
  }

  void judge(const Seen& seen, const std::string& log) {
    for (const auto& [what, count] : seen.answers)
      answers[what] += count;
    never_served += seen.never_served.size();
    CHECK(seen.faults == std::vector<std::string>{});
    CHECK(seen.unanswered == std::vector<std::string>{});
    // The kernel takes connections until the very end: who came too late was not listened to.
    for (const auto& id : seen.never_served)
      CHECK(log.find(id) == log.npos);
    CHECK(log.find(R"("unanswered":0)") != log.npos);
    CHECK(log.find(R"("level":"error")") == log.npos);
    CHECK(world.groups() == answers["201"]);
  }

  domain::Uuid user_;
};

void check_drains(int rounds) {
  Drains test;
  for (int number = 0; number < rounds; ++number)
    test.round(number);
  std::string all;
  for (const auto& [what, count] : test.answers)
    all += "\n  " + std::to_string(count) + " x " + what;
  WARN(rounds << " drains; " << test.never_served << " connections came too late; answers:" << all);
  CHECK(test.answers["503 server/shutting-down"] > 0);
}

} // namespace

TEST_CASE("a stop that goes well logs nothing above info") {
  Service::Options options;
  options.settings = {{"http.drain_delay", "50ms"}};
  ServiceTest test{options};
  auto& replica = test.service.replica();
  for (const int signal : {SIGTERM, SIGINT, SIGTERM, SIGTERM}) {
    RawConnection idle{replica.port()};
    RawConnection used{replica.port()};
    used.send("GET /api/health/live HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(used.receive_answer(10s));
    replica.signal(signal);
    CHECK(replica.wait(30s) == 0);
    const auto log = replica.log();
    INFO(log);
    CHECK(log.find("\"leaving\"") != log.npos);
    int others = 0;
    std::istringstream lines{log};
    for (std::string line; std::getline(lines, line);)
      others += json::parse(line).at("level") != "info";
    CHECK(others == 0);
    replica.restart();
    replica.wait_until_ready();
  }
}

TEST_CASE("15 drains under load lose no answer and no migration, and end with 0") {
  check_drains(15);
}

TEST_CASE("200 drains under load lose no answer and no migration, and end with 0", "[.long]") {
  check_drains(200);
}
