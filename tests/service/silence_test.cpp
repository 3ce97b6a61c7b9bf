// A PostgreSQL that is there and says nothing (SIGSTOP): what is known without it is still said,
// and nothing needs a restart after.
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr double kProbeLimit = 5; // seconds; issue 3
constexpr double kSlack = 5;      // of a machine that does much else

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Silence : public ServiceTest {
public:
  Silence()
      : ServiceTest([] {
          // Neither a timeout of PostgreSQL's nor the request's deadline ends what is held.
          Service::Options options;
          options.settings = {{"http.request_timeout", "120s"},
                              {"database.lock_timeout", "10m"},
                              {"database.statement_timeout", "10m"},
                              {"migration.async_after", "500ms"}};
          return options;
        }()),
        user(world.add_user()), devices(world.add_devices("camping-2025", 3, user)),
        holder(service.database_url()) {
    holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[0].text());
  }

  Answered ask(const std::string& group) {
    return client.post(kMigrate, body(group), bearer(user));
  }
  int status(const std::string& path) { return status_of(client.get(path)); }
  json report(const std::string& url) {
    const auto answer = client.get(url, bearer(user));
    return answer ? json::parse(answer->body) : json{};
  }

  /// One second of an outage: probes that must say no, and a 409 that needs no database.
  void endure_a_second() {
    const auto until = Clock::now() + 1s;
    const auto asked = Clock::now();
    CHECK(status("/api/health/ready") == 503);
    CHECK(seconds_since(asked) < kProbeLimit + kSlack);
    CHECK(status("/api/health/live") == 200);
    CHECK(code_of(ask("camping-2025")) == "migration/in-progress");
    eventually([&] { return Clock::now() >= until; });
  }

  /// More than the pool has connections, and each takes one; their status URLs.
  std::vector<std::string> ask_beyond_the_pool() {
    std::vector<std::string> urls;
    for (int i = 0; i < 12; ++i)
      if (const auto answer = ask("group-" + std::to_string(i)); status_of(answer) == 202)
        urls.push_back(answer->headers.at("Location"));
    CHECK(urls.size() == 12);
    return urls;
  }

  /// What hung comes to its end, and the pool works as before.
  void check_that_all_is_well(const std::string& held, const std::vector<std::string>& urls) {
    CHECK(eventually([&] { return report(held).value("status", "") == "completed"; }));
    for (const auto& url : urls)
      CHECK(eventually([&] { return report(url).value("status", "") != "in_progress"; }));
    world.add_devices("lake", 1, user);
    CHECK(status_of(ask("lake")) / 100 == 2);
    CHECK(eventually([&] { return world.groups() == 2; }));
  }

  domain::Uuid user;
  std::vector<domain::Uuid> devices;
  HeldTransaction holder;
  HttpClient client{service.port(), HttpClient::Connections::one_each, 20s};
};

void check_an_outage(std::chrono::seconds length) {
  Silence test;
  const auto held = test.ask("camping-2025");
  REQUIRE(status_of(held) == 202);
  REQUIRE(test.status("/api/health/ready") == 200);

  test.service.postgres().stop_signal();
  const auto stopped = Clock::now();
  CHECK(test.status("/api/health/ready") == 503);
  const double noticed = seconds_since(stopped);
  CHECK(noticed < kProbeLimit + kSlack);
  const auto urls = test.ask_beyond_the_pool();
  while (Clock::now() < stopped + length)
    test.endure_a_second();

  test.service.postgres().continue_signal();
  const auto continued = Clock::now();
  CHECK(eventually([&] { return test.status("/api/health/ready") == 200; }));
  const double recovered = seconds_since(continued);
  CHECK(recovered < kProbeLimit + kSlack);
  WARN("silent for " << length.count() << " s; not ready after " << noticed
                     << " s, ready again after " << recovered << " s");
  test.holder.rollback();
  test.check_that_all_is_well(held->headers.at("Location"), urls);
}

} // namespace

TEST_CASE("a PostgreSQL silent for 12 s: not ready, then ready, and memory answers meanwhile") {
  check_an_outage(12s);
}

TEST_CASE("a silent PostgreSQL does not keep a replica from its end") {
  Service::Options options;
  options.settings = {{"http.drain_delay", "0s"}};
  ServiceTest test{options};
  test.service.postgres().stop_signal();
  const auto ready = test.service.client().get("/api/health/ready");
  CHECK(status_of(ready) == 503); // and the worker that was asked waits on
  test.service.replica().signal(SIGTERM);
  CHECK(test.service.replica().wait(20s) == 0);
}

TEST_CASE("a PostgreSQL silent for 60 s: not ready, then ready, and memory answers meanwhile",
          "[.long]") {
  check_an_outage(60s);
}

TEST_CASE("a replica whose new connections could call no function is not ready, and is again") {
  ServiceTest test;
  const auto ready = [&] { return status_of(test.service.client().get("/api/health/ready")); };
  REQUIRE(ready() == 200);
  // As when a package has replaced PL/pgSQL's library under the server.
  test.world.sql.exec("UPDATE pg_proc SET probin = '$libdir/not-there' WHERE proname LIKE "
                      "'plpgsql%'");
  CHECK(eventually([&] { return ready() == 503; }, 60s));
  CHECK(test.service.replica().wait_for_log("database.calls_fail"));
  test.world.sql.exec(
      "UPDATE pg_proc SET probin = '$libdir/plpgsql' WHERE proname LIKE 'plpgsql%'");
  CHECK(eventually([&] { return ready() == 200; }, 60s));
}
