// Story UGM-5.3 over HTTP: a migration that takes long is answered 202, and any replica tells how
// far it is and how it ended.
#include "tests/service/support.hpp"
#include "tests/support/raw_connection.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

Service::Options slow(unsigned replicas, Replica::Settings more = {}) {
  Service::Options options;
  options.replicas = replicas;
  options.settings = {{"database.lock_timeout", "60s"},
                      {"database.statement_timeout", "60s"},
                      {"migration.async_after", "100ms"}};
  options.settings.merge(more);
  return options;
}

struct ProgressServiceTest : ServiceTest {
  explicit ProgressServiceTest(unsigned replicas, Replica::Settings more = {})
      : ServiceTest(slow(replicas, std::move(more))), user(world.add_user()),
        devices(world.add_devices("camping-2025", 3, user)) {}

  /// The status, as the replica tells it.
  json status(std::size_t replica, const std::string& url) {
    const auto answer = HttpClient{service.replica(replica).port()}.get(url, bearer(user));
    return answer ? json::parse(answer->body) : json{};
  }
  bool becomes(std::size_t replica, const std::string& url, const std::string& word) {
    return eventually([&] { return status(replica, url).value("status", "") == word; });
  }
  /// A stream of the status, until it ends.
  std::future<Answered> follow(std::size_t replica, const std::string& url) {
    auto headers = bearer(user);
    headers["Accept"] = "text/event-stream";
    return std::async(std::launch::async, [port = service.replica(replica).port(), url, headers] {
      return HttpClient{port}.get(url, headers);
    });
  }
  std::string accepted() {
    const auto answer = migrate(service.replica(0).port(), user, body("camping-2025"));
    REQUIRE(status_of(answer) == 202);
    CHECK(json::parse(answer->body).at("status_url") == answer->headers.at("Location"));
    return answer->headers.at("Location");
  }

  domain::Uuid user;
  std::vector<domain::Uuid> devices;
};

std::vector<json> events_of(const Answered& answer) {
  std::vector<json> events;
  std::istringstream lines{answer ? answer->body : ""};
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("data: "))
      events.push_back(json::parse(line.substr(6)));
  return events;
}

/// In MiB, since the process began.
long peak_memory(pid_t pid) {
  std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:"))
      return std::stol(line.substr(6)) / 1024;
  return 0;
}

} // namespace

TEST_CASE("UGM-5.3: what takes long is 202, and every replica says that it runs and how it ended") {
  ProgressServiceTest test{3};
  HeldTransaction holder{test.service.database_url()};
  holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", test.devices[0].text());
  const auto answer = test.migrate(test.service.port(), test.user, test.body("camping-2025"));
  REQUIRE(status_of(answer) == 202);
  const auto accepted = json::parse(answer->body);
  CHECK(accepted.at("status") == "in_progress");
  CHECK(accepted.at("devices_total") == 3);
  CHECK(accepted.at("devices_processed") == 0);
  CHECK(accepted.at("estimated_completion_seconds").is_null());
  const auto url = answer->headers.at("Location");
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(test.status(i, url) == json{{"migration_id", accepted.at("migration_id")},
                                      {"registration_group_id", "camping-2025"},
                                      {"status", "in_progress"},
                                      {"progress_percent", 0},
                                      {"devices_total", 3},
                                      {"devices_processed", 0}});
  for (std::size_t i = 0; i < 2; ++i)
    CHECK(status_of(HttpClient{test.service.replica(i).port()}.get(
              url, bearer(test.world.add_user()))) == 404);
  holder.rollback();
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(test.becomes(i, url, "completed"));
  CHECK(eventually(
      [&] { return test.world.sql.value<int>("SELECT count(*) FROM regroup_running") == 0; }));
}

TEST_CASE("UGM-5.3: 10,000 devices migrate as one, seen from another replica on the way") {
  ProgressServiceTest test{2, {{"limits.max_devices_per_group", "20000"}}};
  test.world.add_devices("city", 1, test.user);
  test.world.sql.exec(
      "INSERT INTO devices (device_id, display_name, group_id, platform) SELECT "
      "gen_random_uuid(), 'phone', 'city', 'android' FROM generate_series(1, 9999)");
  // Somewhere in the middle it goes on only when we release a lock. It does not wait for the lock
  // itself: a migration gives that up after 100 ms (functions/migrate.sql).
  test.world.sql.exec("CREATE SEQUENCE test_count; GRANT USAGE ON SEQUENCE test_count TO PUBLIC; "
                      "CREATE FUNCTION test_wait() RETURNS trigger "
                      "LANGUAGE plpgsql AS $$ BEGIN IF nextval('test_count') = 4800 THEN WHILE "
                      "NOT pg_try_advisory_xact_lock(42) LOOP PERFORM pg_sleep(0.02); END LOOP; "
                      "END IF; RETURN NEW; END $$; CREATE TRIGGER "
                      "test_wait BEFORE INSERT ON device_group_memberships FOR EACH ROW EXECUTE "
                      "FUNCTION test_wait()");
  HeldTransaction holder{test.service.database_url()};
  holder.exec("SELECT pg_advisory_xact_lock(42)");
  const auto answer = test.migrate(test.service.port(), test.user, test.body("city"));
  REQUIRE(status_of(answer) == 202);
  CHECK(json::parse(answer->body).at("devices_total") == 10000);
  const auto url = answer->headers.at("Location");
  for (std::size_t i : {0U, 1U}) {
    CHECK(eventually([&] { return test.status(i, url).value("devices_processed", 0) == 4500; }));
    CHECK(test.status(i, url).at("progress_percent") == 45);
    CHECK(test.status(i, url).at("devices_total") == 10000);
  }
  CHECK(test.world.memberships() == 0); // nobody sees any of it yet
  holder.rollback();
  CHECK(test.becomes(1, url, "completed"));
  CHECK(test.status(1, url).at("devices_migrated") == 10000);
  CHECK(test.world.memberships() == 10000);
  CHECK(test.world.sql.value<int>("SELECT count(*) FROM devices d JOIN groups g ON g.slug = "
                                  "d.group_id") == 10000);
  // All ids of a group are in memory at once, in a few forms: some MiB. (Measured: 22 MiB in all.)
  for (std::size_t i : {0U, 1U})
    CHECK(peak_memory(test.service.replica(i).pid()) < 64);
}

TEST_CASE("UGM-5.3: a refusal that came after the 202 is told as failed by every replica") {
  ProgressServiceTest test{2};
  HeldTransaction holder{test.service.database_url()};
  holder.exec("INSERT INTO groups (name, slug, created_by) VALUES ('x', 'camping-2025', $1)",
              test.user.text());
  const auto url = test.accepted();
  holder.commit(); // the name is taken
  for (std::size_t i : {0U, 1U}) {
    CHECK(test.becomes(i, url, "failed"));
    CHECK(test.status(i, url).at("error") ==
          json{{"code", "resource/group-name-exists"},
               {"message", "A group of this name exists already"}});
  }
}

TEST_CASE("UGM-5.3: a replica that dies in the middle leaves failed, never in_progress for ever") {
  ProgressServiceTest test{2};
  HeldTransaction holder{test.service.database_url()};
  holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", test.devices[0].text());
  const auto url = test.accepted();
  REQUIRE(test.somebody_waits("transactionid"));
  test.service.replica(0).signal(SIGKILL);
  // Its backend waits still, and would not notice: it is ended too.
  test.world.sql.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                      "WHERE datname = current_database() AND wait_event = 'transactionid'");
  CHECK(test.status(1, url).at("status") == "in_progress"); // nobody can know yet
  test.world.sql.exec("UPDATE regroup_running SET told_at = told_at - interval '10 seconds'");
  CHECK(test.becomes(1, url, "failed"));
  CHECK(test.status(1, url).at("error").at("code") == "server/internal");
  holder.rollback();
  CHECK(test.world.groups() == 0);
  CHECK(status_of(test.migrate(test.service.replica(1).port(), test.user,
                               test.body("camping-2025"))) == 201);
  test.service.replica(0).restart();
  test.service.replica(0).wait_until_ready();
  CHECK(test.status(0, url).at("status") == "failed");
}

TEST_CASE("UGM-5.3: the status is a stream of events for whoever asks for one, on every replica") {
  ProgressServiceTest test{2};
  HeldTransaction holder{test.service.database_url()};
  holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", test.devices[0].text());
  const auto url = test.accepted();
  auto here = test.follow(0, url);
  auto there = test.follow(1, url);
  // Each has one event by now, or will have: the end is another one.
  CHECK(here.wait_for(300ms) == std::future_status::timeout);
  holder.rollback();
  for (auto* stream : {&here, &there}) {
    const auto answer = stream->get();
    REQUIRE(status_of(answer) == 200);
    CHECK(answer->headers.at("Content-Type") == "text/event-stream");
    CHECK(answer->headers.at("Cache-Control") == "no-store");
    CHECK_FALSE(answer->headers.at("X-Request-Id").empty());
    const auto events = events_of(answer);
    REQUIRE(events.size() >= 2);
    CHECK(events.front().at("status") == "in_progress");
    CHECK(events.back().at("status") == "completed");
    CHECK(events.back() == test.status(0, url));
  }
  const auto after = test.follow(1, url).get(); // of what has ended, one event
  REQUIRE(events_of(after).size() == 1);
  CHECK(events_of(after).front().at("status") == "completed");

  auto headers = bearer(test.world.add_user());
  headers["Accept"] = "text/event-stream";
  const auto stranger = test.service.client().get(url, headers);
  CHECK(status_of(stranger) == 404);
  CHECK(code_of(stranger) == "resource/not-found");
}

TEST_CASE("a stream of events is for whoever names it, and there are not too many of them") {
  ProgressServiceTest test{1, {{"http.threads", "2"}}};
  HeldTransaction holder{test.service.database_url()};
  holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", test.devices[0].text());
  const auto url = test.accepted();
  const auto asked = [&](const std::string& accept) {
    auto headers = bearer(test.user);
    headers["Accept"] = accept;
    return test.service.client().get(url, headers);
  };
  const auto said = [](RawConnection& stream, const char* word) {
    return stream.receive_until(word, 20s).value_or("");
  };
  for (const char* accept : {"*/*", "application/json", "text/*", "text/event-streams"})
    CHECK(asked(accept)->headers.at("Content-Type") == "application/json");
  const std::string get = "GET " + url + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " +
                          token_for(test.user) +
                          "\r\nAccept: application/json, Text/Event-Stream;q=0.9\r\n\r\n";
  std::vector<RawConnection> streams;
  for (int i = 0; i < 200; ++i) {
    streams.emplace_back(test.service.port());
    streams.back().send(get);
  }
  for (auto& stream : streams)
    CHECK(said(stream, "in_progress").find("text/event-stream") != std::string::npos);
  CHECK(code_of(asked("text/event-stream")) == "server/overloaded");
  CHECK(status_of(asked("application/json")) == 200);
  holder.rollback();
  for (auto& stream : streams)
    CHECK_FALSE(said(stream, "completed").empty());
  CHECK(eventually([&] { return status_of(asked("text/event-stream")) == 200; }));
}

TEST_CASE("streams of events end when a replica drains, and keep it from nothing") {
  ProgressServiceTest test{2, {{"http.drain_delay", "0s"}, {"http.drain_timeout", "20s"}}};
  HeldTransaction holder{test.service.database_url()};
  holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", test.devices[0].text());
  const auto url = test.accepted(); // runs on the first one
  auto stream = test.follow(1, url);
  REQUIRE(eventually([&] {
    return test.service.replica(1).log().find(
               R"("route":"/api/v1/groups/migrations/{migration_id}")") != std::string::npos;
  }));
  test.service.replica(1).signal(SIGTERM);
  const auto answer = stream.get();
  REQUIRE(status_of(answer) == 200);
  REQUIRE_FALSE(events_of(answer).empty());
  CHECK(events_of(answer).back().at("status") == "in_progress");
  CHECK(test.service.replica(1).wait(20s) == 0);
  holder.rollback();
  CHECK(test.becomes(0, url, "completed"));
}

TEST_CASE_METHOD(ServiceTest, "the status right after a 201 is never in progress, 300 times") {
  const auto port = service.replica(0).port();
  const auto user = world.add_user();
  HttpClient client{port};
  for (int each = 0; each < 300; ++each) {
    const auto group = "camping-" + std::to_string(each);
    world.add_devices(group, 1, user);
    const auto answer = migrate(port, user, body(group));
    REQUIRE(status_of(answer) == 201);
    const auto status = client.get(answer->headers.at("Location"), bearer(user));
    REQUIRE(status);
    REQUIRE(json::parse(status->body).at("status") == "completed");
  }
}
