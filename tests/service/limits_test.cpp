// What a service says when it cannot do the work now: limits, timeouts, no database, the end.
#include "http/auth/api_key.hpp"
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <thread>
#include <utility>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

Service::Options with(Replica::Settings settings) {
  Service::Options options;
  options.settings = std::move(settings);
  return options;
}

/// A registration group whose migration stops at a row lock of another session.
class Blocked : public ServiceTest {
public:
  explicit Blocked(Replica::Settings settings)
      : ServiceTest(with(std::move(settings))), user(world.add_user()),
        devices(world.add_devices("camping-2025", 3, user)), holder(service.database_url()) {
    holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[0].text());
  }

  json status(const std::string& url) {
    const auto answer = service.client().get(url, bearer(user));
    return answer ? json::parse(answer->body) : json{};
  }

  domain::Uuid user;
  std::vector<domain::Uuid> devices;
  HeldTransaction holder;
};

} // namespace

TEST_CASE("a user beyond the rate limit is told when to come again, and others are not") {
  ServiceTest test{with({{"limits.requests_per_minute", "5"}})};
  const auto user = test.world.add_user();
  std::vector<Answered> answers;
  for (int i = 0; i < 6; ++i)
    answers.push_back(test.migrate(test.service.port(), user, test.body("nobody")));
  CHECK(code_of(answers[4]) == "validation/no-devices");
  REQUIRE(code_of(answers[5]) == "request/rate-limited");
  CHECK(status_of(answers[5]) == 429);
  CHECK(answers[5]->headers.at("Retry-After") == "12");
  CHECK(json::parse(answers[5]->body).at("error").at("details").at("retry_after_seconds") == 12);
  CHECK(status_of(test.migrate(test.service.port(), test.world.add_user(), test.body("nobody"))) ==
        400);
}

TEST_CASE("what takes longer than async_after goes on, and its status says how it ended") {
  Blocked test{{{"migration.async_after", "100ms"}, {"database.lock_timeout", "30s"}}};
  const auto answer = test.migrate(test.service.port(), test.user, test.body("camping-2025"));
  REQUIRE(status_of(answer) == 202);
  const auto accepted = json::parse(answer->body);
  const auto url = accepted.at("status_url").get<std::string>();
  CHECK(answer->headers.at("Location") == url);
  CHECK(accepted.at("status") == "in_progress");
  CHECK(test.status(url).at("status") == "in_progress");
  test.holder.rollback();
  CHECK(eventually([&] { return test.status(url).at("status") == "completed"; }));
  CHECK(test.status(url).at("devices_migrated") == 3);
}

TEST_CASE("async_after wins over a lock_timeout of the same length: 202, then failed") {
  Blocked test{{{"migration.async_after", "300ms"}, {"database.lock_timeout", "300ms"}}};
  const auto answer = test.migrate(test.service.port(), test.user, test.body("camping-2025"));
  REQUIRE(status_of(answer) == 202);
  const auto url = answer->headers.at("Location");
  CHECK(eventually([&] { return test.status(url).at("status") == "failed"; }));
  CHECK(test.status(url).at("error").at("code") == "server/lock-timeout");
}

TEST_CASE("no outcome within the request's time is 504 with the migration's id") {
  Blocked test{{{"migration.async_after", "10s"},
                {"http.request_timeout", "300ms"},
                {"database.lock_timeout", "30s"}}};
  const auto answer = test.migrate(test.service.port(), test.user, test.body("camping-2025"));
  REQUIRE(status_of(answer) == 504);
  CHECK(code_of(answer) == "server/timeout");
  CHECK(answer->headers.at("Retry-After") == "60");
  const auto details = json::parse(answer->body).at("error").at("details");
  const auto url = "/api/v1/groups/migrations/" + details.at("migration_id").get<std::string>();
  test.holder.rollback();
  CHECK(eventually([&] { return test.status(url).value("status", "") == "completed"; }));
}

TEST_CASE("a full queue is overloaded at once, and memory still answers") {
  Blocked test{{{"database.pool_size", "1"},
                {"database.queue_limit", "1"},
                {"migration.async_after", "25s"},
                {"database.lock_timeout", "30s"},
                {"database.statement_timeout", "30s"}}};
  test.world.add_devices("lake", 1, test.user);
  test.world.add_devices("meadow", 1, test.user);
  const auto port = test.service.port();
  auto running = test.asking_now(port, test.user, test.body("camping-2025"));
  REQUIRE(test.somebody_waits("transactionid"));
  // One of these two takes the one place in the queue, whichever comes first.
  auto queued = test.asking_now(port, test.user, test.body("lake"));
  auto other = test.asking_now(port, test.user, test.body("meadow"));
  const auto is_there = [](auto& answer) {
    return answer.wait_for(0s) == std::future_status::ready;
  };
  REQUIRE(eventually([&] { return is_there(queued) || is_there(other); }, 20s));
  if (is_there(queued))
    std::swap(queued, other);
  const auto refused = other.get();
  CHECK(status_of(refused) == 503);
  CHECK(code_of(refused) == "server/overloaded");
  CHECK(refused->headers.at("Retry-After") == "1");
  CHECK(code_of(test.migrate(port, test.user, test.body("camping-2025"))) ==
        "migration/in-progress");
  CHECK(status_of(test.service.client().get("/api/health/live")) == 200);
  test.holder.rollback();
  CHECK(status_of(running.get()) == 201);
  CHECK(status_of(queued.get()) == 201);
}

TEST_CASE("without a database it is unavailable and not ready, and needs no restart after") {
  ServiceTest test;
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 3, user);
  auto client = test.service.client();
  test.service.postgres().kill9_all(); // a backend that lives on would take it, and leave doubt
  const auto answer = test.migrate(test.service.port(), user, test.body("camping-2025"));
  CHECK(status_of(answer) == 503);
  CHECK(code_of(answer) == "server/database-unavailable");
  CHECK(answer->headers.at("Retry-After") == "5");
  CHECK(status_of(client.get("/api/health/ready")) == 503);
  CHECK(status_of(client.get("/api/health/live")) == 200);
  test.service.postgres().restart();
  CHECK(eventually([&] { return status_of(client.get("/api/health/ready")) == 200; }));
  CHECK(status_of(test.migrate(test.service.port(), user, test.body("camping-2025"))) == 201);
}

TEST_CASE("a SIGTERM leaves, drains what runs, and ends with 0") {
  Blocked test{{{"http.drain_delay", "1s"},
                {"migration.async_after", "25s"},
                {"database.lock_timeout", "30s"}}};
  auto client = test.service.client();
  auto running = test.asking_now(test.service.port(), test.user, test.body("camping-2025"));
  REQUIRE(test.somebody_waits("transactionid"));
  auto& replica = test.service.replica();
  replica.signal(SIGTERM);
  // Not ready at once, and still serving.
  CHECK(eventually([&] { return status_of(client.get("/api/health/ready")) == 503; }));
  CHECK(status_of(client.get("/api/v1/devices/me/registration-group", bearer(test.user))) == 200);
  // Then refused, while the one that runs may finish.
  Answered refused;
  REQUIRE(eventually([&] {
    refused = test.migrate(test.service.port(), test.user, test.body("lake"));
    return code_of(refused) == "server/shutting-down";
  }));
  CHECK(status_of(refused) == 503);
  CHECK(refused->headers.contains("Retry-After"));
  CHECK(refused->headers.at("Connection") == "close");
  test.holder.rollback();
  CHECK(status_of(running.get()) == 201);
  CHECK(replica.wait(30s) == 0);
}

TEST_CASE("a second SIGTERM ends at once") {
  Blocked test{{{"http.drain_delay", "60s"}, {"http.drain_timeout", "60s"}}};
  auto& replica = test.service.replica();
  replica.signal(SIGTERM);
  CHECK(eventually([&] { return replica.log().find("\"leaving\"") != std::string::npos; }));
  replica.signal(SIGTERM);
  CHECK(replica.wait(30s) == 0);
}

TEST_CASE("secrets never reach the log") {
  ServiceTest test;
  const auto user = test.world.add_user();
  const auto token = token_for(user);
  test.service.client().post(kMigrate, R"({"a-secret-body")",
                             {{"Authorization", "Bearer " + token}});
  test.service.client().get("/api/v1/groups/migrations/x", {{"X-API-Key", "my-secret-key"}});
  const auto log = test.service.replica().log();
  CHECK(log.find("validation/invalid-json") != std::string::npos); // an outcome,
  CHECK(log.find("a-secret-body") == std::string::npos);           // not what it is of
  CHECK(log.find(token.substr(token.rfind('.'))) == std::string::npos);
  CHECK(log.find("my-secret-key") == std::string::npos);
  CHECK(log.find("known to everybody") == std::string::npos); // the HS256 secret of the tests
}

TEST_CASE("more devices in a choice than a group may have are refused before anything is read") {
  ServiceTest test{with({{"limits.max_devices_per_group", "3"}})};
  const auto user = test.world.add_user();
  const auto devices = test.world.add_devices("camping-2025", 4, user);
  const auto ask = [&](std::size_t count) {
    json body{{"registration_group_id", "camping-2025"}, {"device_ids", json::array()}};
    for (std::size_t i = 0; i < count; ++i)
      body["device_ids"].push_back(devices[i].text());
    return test.migrate(test.service.port(), user, body.dump());
  };
  const auto refused = ask(4);
  CHECK(status_of(refused) == 400);
  REQUIRE(code_of(refused) == "validation/invalid-request");
  CHECK(json::parse(refused->body)["error"]["details"]["fields"][0]["field"] == "device_ids");
  CHECK(status_of(ask(3)) == 201);
}

TEST_CASE("a flood of keys that are known to nobody takes no place from users and administrators") {
  ServiceTest test{with({{"database.pool_size", "2"}, {"database.queue_limit", "10"}})};
  const auto user = test.world.add_user();
  const std::string key = http::new_api_key();
  test.world.sql.exec("INSERT INTO api_keys (key_hash, key_prefix, name, is_admin) VALUES "
                      "($1, 'rgk_', 'test', true)",
                      http::sha256_hex(key));
  const auto port = test.service.port();
  std::atomic<bool> over{false};
  std::atomic<int> refused{0}, other{0};
  std::vector<std::thread> flood;
  for (int i = 0; i < 40; ++i)
    flood.emplace_back([&, i] {
      HttpClient client{port, HttpClient::Connections::kept, 60s};
      while (!over) {
        const Headers headers{{"X-API-Key", http::new_api_key()}};
        const auto answer = i % 2 == 0 ? client.get("/api/admin/v1/migrations", headers)
                                       : client.post("/api/v1/devices/register", "{}", headers);
        ++(code_of(answer) == "auth/unauthorized" ? refused : other);
      }
    });
  CHECK(eventually([&] { return refused > 200; }));
  std::map<std::string, int> answers;
  for (int i = 0; i < 50; ++i) {
    const auto group = "group-" + std::to_string(i);
    test.world.add_devices(group, 1, user);
    ++answers[std::to_string(status_of(test.migrate(port, user, test.body(group))))];
    const auto history =
        HttpClient{port}.get("/api/admin/v1/migrations", Headers{{"X-API-Key", key}});
    ++answers["history " + std::to_string(status_of(history))];
  }
  over = true;
  for (auto& each : flood)
    each.join();
  CHECK(answers == std::map<std::string, int>{{"201", 50}, {"history 200", 50}});
  CHECK(other == 0);
}
