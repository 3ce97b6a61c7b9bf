// Clients that take a connection and give nothing: how many there may be, and for how long.
#include "app/file_limit.hpp"
#include "tests/service/support.hpp"
#include "tests/support/raw_connection.hpp"

#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kIdle = 2000;
constexpr std::size_t kSlow = 50; // of each kind
constexpr auto kSlowLimit = 10s;
constexpr auto kSlack = 15s;

constexpr const char* kHead = "POST /api/v1/groups/migrate HTTP/1.1\r\nHost: localhost\r\n"
                              "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n";

/// While it lives, programs are started with a limit of open files as low as on many systems.
class FewFiles {
public:
  FewFiles() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    auto few = before_;
    few.rlim_cur = std::min<rlim_t>(few.rlim_cur, 1024);
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewFiles(const FewFiles&) = delete;
  FewFiles& operator=(const FewFiles&) = delete;

private:
  rlimit before_{};
};

/// Never says a whole request: a byte of it at every step.
class SlowClient {
public:
  SlowClient(unsigned port, std::string_view at_once, std::string rest)
      : connection_{port}, rest_{std::move(rest)} {
    connection_.send(at_once);
  }

  void step() {
    connection_.send(rest_.substr(at_ % rest_.size(), 1));
    ++at_;
  }

  bool closed() {
    if (!closed_at_ && connection_.closed_by_peer())
      closed_at_ = Clock::now();
    return closed_at_.has_value();
  }
  Clock::duration lasted() const { return closed_at_.value() - began_; }

private:
  RawConnection connection_;
  std::string rest_;
  std::size_t at_ = 0;
  Clock::time_point began_ = Clock::now();
  std::optional<Clock::time_point> closed_at_;
};

std::vector<RawConnection> idle_connections(unsigned port, std::size_t count) {
  std::vector<RawConnection> idle;
  for (std::size_t i = 0; i < count; ++i)
    idle.emplace_back(port);
  return idle;
}

std::size_t count_open(std::vector<RawConnection>& connections) {
  return static_cast<std::size_t>(
      std::count_if(connections.begin(), connections.end(),
                    [](auto& each) { return each.open() && !each.closed_by_peer(); }));
}

/// As most clients do it: no answer within this is none.
HttpClient impatient(unsigned port) {
  return HttpClient{port, HttpClient::Connections::one_each, 10s};
}

Service::Options with(Replica::Settings settings) {
  Service::Options options;
  options.settings = std::move(settings);
  return options;
}

} // namespace

TEST_CASE(
    "two thousand idle and 100 slow clients keep nobody waiting, and the slow ones are closed") {
  app::raise_file_limit(kIdle + 2 * kSlow + 200);
  auto few = std::make_unique<FewFiles>();
  ServiceTest test{with({{"http.read_timeout", "10s"}, {"http.idle_timeout", "40s"}})};
  few.reset();
  const auto port = test.service.port();
  const auto user = test.world.add_user();
  for (const char* group : {"lake", "meadow", "forest"})
    test.world.add_devices(group, 3, user);

  auto idle = idle_connections(port, kIdle);
  std::vector<SlowClient> slow;
  for (std::size_t i = 0; i < kSlow; ++i) {
    slow.emplace_back(port, "GET /api/health/live HTTP/1.1\r\nX-Slow: ", "a");
    slow.emplace_back(port, kHead, "{\"registration_group_id\": \"");
  }
  const auto migrate = [&](const std::string& group) {
    return impatient(port).post(kMigrate, test.body(group), bearer(user));
  };
  CHECK(status_of(migrate("lake")) == 201);
  // The database's connections are made anew, and get numbers that select() could not take.
  test.world.sql.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                      "WHERE datname = current_database() AND pid <> pg_backend_pid()");
  REQUIRE(eventually([&] { // one that ends with a migration in its hands leaves that in doubt: 503
    return test.world.sql.value<int>("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                     "current_database() AND pid <> pg_backend_pid()") == 0;
  }));
  CHECK(status_of(migrate("meadow")) == 201);
  CHECK(count_open(idle) == kIdle);

  auto next_step = Clock::now();
  const bool all_closed = eventually(
      [&] {
        const bool due = Clock::now() >= next_step;
        bool all = true;
        for (auto& client : slow) {
          if (client.closed())
            continue;
          all = false;
          if (due)
            client.step();
        }
        if (due)
          next_step += 2s;
        return all;
      },
      kSlowLimit + kSlack);
  REQUIRE(all_closed);
  const auto slowest = std::max_element(slow.begin(), slow.end(), [](const auto& a, const auto& b) {
    return a.lasted() < b.lasted();
  });
  CHECK(slowest->lasted() < kSlowLimit + kSlack);
  CHECK(eventually([&] { return count_open(idle) == 0; }, 60s));
  CHECK(status_of(migrate("forest")) == 201);
}

TEST_CASE("a connection beyond the limit is closed at once, and one that leaves makes room") {
  ServiceTest test{with({{"http.max_connections", "20"}})};
  const auto port = test.service.port();
  const auto live = [port] { return status_of(impatient(port).get("/api/health/live")); };
  // Those of the test's own start must be gone first.
  std::vector<RawConnection> idle;
  REQUIRE(eventually([&] {
    idle.clear();
    idle = idle_connections(port, 20);
    return count_open(idle) == 20 && live() == 0;
  }));
  RawConnection beyond{port};
  CHECK(eventually([&] { return !beyond.open() || beyond.closed_by_peer(); }, 5s));
  CHECK(count_open(idle) == 20);
  idle.pop_back();
  CHECK(eventually([&] { return live() == 200; }, 5s));
  CHECK(test.service.replica().log().find("http.connections_full") != std::string::npos);
}

TEST_CASE("a replica that had no file for a connection accepts again when it has one") {
  ServiceTest test;
  const auto& replica = test.service.replica();
  HttpClient kept{replica.port(), HttpClient::Connections::kept, 10s};
  REQUIRE(status_of(kept.get("/api/health/live")) == 200);
  rlimit before{};
  REQUIRE(::prlimit(replica.pid(), RLIMIT_NOFILE, nullptr, &before) == 0);
  const rlimit none{3, before.rlim_max};
  REQUIRE(::prlimit(replica.pid(), RLIMIT_NOFILE, &none, nullptr) == 0);
  RawConnection waiting{replica.port()}; // the kernel takes it
  REQUIRE(waiting.open());
  REQUIRE(waiting.send("GET /api/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  CHECK(eventually([&] {
    const auto answer = kept.get("/metrics");
    return answer && answer->body.find("\nregroup_accept_failures_total 0\n") == std::string::npos;
  }));
  CHECK(test.service.replica().wait_for_log("http.accept_failed"));
  REQUIRE(::prlimit(replica.pid(), RLIMIT_NOFILE, &before, nullptr) == 0);
  const auto answer = waiting.receive_answer(10s);
  REQUIRE(answer);
  CHECK(answer->find("200 OK") != std::string::npos);
  CHECK(status_of(impatient(replica.port()).get("/api/health/live")) == 200);
}

TEST_CASE(
    "with 200 files, and as many webhooks as may be on their way, a replica goes on accepting") {
  const TempFolder folder;
  const auto program = folder.path() / "regroup";
  std::ofstream{program} << "#!/bin/sh\nulimit -n 200\nexec '" << regroup_binary() << "' \"$@\"\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  auto options = with({{"webhooks.allow_private_addresses", "true"}, {"webhooks.timeout", "60s"}});
  options.binary = program;
  ServiceTest test{options};
  const auto port = test.service.port();
  const auto user = test.world.add_user();
  // A receiver whose kernel takes connections, and which reads none.
  const db::FileDescriptor receiver{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  REQUIRE(::bind(receiver.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
  REQUIRE(::listen(receiver.get(), 200) == 0);
  REQUIRE(::getsockname(receiver.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  test.world.sql.exec("INSERT INTO regroup_webhook_endpoints (id, url, secret) SELECT "
                      "gen_random_uuid(), 'http://127.0.0.1:' || $1 || '/', 's' "
                      "FROM generate_series(1, 20)",
                      std::to_string(ntohs(address.sin_port)));
  for (int i = 0; i < 4; ++i) {
    const auto group = "camping-" + std::to_string(i);
    test.world.add_devices(group, 1, user);
    REQUIRE(status_of(test.migrate(port, user, test.body(group))) == 201);
  }
  REQUIRE(eventually([&] {
    return test.world.sql.value<int>(
               "SELECT count(*) FROM regroup_migration_events WHERE attempts > 0") >= 62;
  }));
  auto many = idle_connections(port, 200);
  CHECK(eventually([&] { return count_open(many) < 100; }));
  many.clear();
  CHECK(eventually([&] { return status_of(impatient(port).get("/api/health/live")) == 200; }));
  const auto metrics = impatient(port).get("/metrics");
  REQUIRE(metrics);
  CHECK(metrics->body.find("\nregroup_accept_failures_total 0\n") != std::string::npos);
}

TEST_CASE("connections that are reset at once take no room") {
  ServiceTest test{with({{"http.max_connections", "20"}})};
  for (int i = 0; i < 500; ++i)
    RawConnection{test.service.port()}.reset();
  CHECK(eventually([&] {
    auto idle = idle_connections(test.service.port(), 19);
    return count_open(idle) == 19 &&
           status_of(impatient(test.service.port()).get("/api/health/live")) == 200;
  }));
}
