// The administration API over HTTP: the history, the analytics, what runs now, and cancelling it
// (UGM-2.4 and UGM-6.3, criterion by criterion).
#include "tests/service/admin_support.hpp"
#include "tests/support/raw_connection.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <thread>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

Service::Options patient(unsigned replicas = 1) {
  Service::Options options;
  options.replicas = replicas;
  options.settings = {{"database.lock_timeout", "30s"},
                      {"database.statement_timeout", "40s"},
                      {"database.pool_size", "2"}};
  return options;
}

/// A migration that a session of somebody else's holds up.
struct Held {
  Held(AdminServiceTest& test, const std::string& name, unsigned port)
      : group(name), user(test.world.add_user()), devices(test.world.add_devices(name, 3, user)),
        other(test.service.database_url()) {
    other.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[1].text());
    answer = test.asking_now(port, user, AdminServiceTest::body(name));
  }

  std::string group;
  domain::Uuid user;
  std::vector<domain::Uuid> devices;
  HeldTransaction other;
  std::future<Answered> answer;
};

/// The end of an answer in chunks that goes on: what has come so far.
class EventReader {
public:
  EventReader(unsigned port, const std::string& key) : connection_{port} {
    connection_.send("GET /api/admin/v1/migrations/live/events HTTP/1.1\r\nHost: localhost\r\n"
                     "X-API-Key: " +
                     key + "\r\n\r\n");
  }
  bool sees(const std::string& text) {
    return eventually([&] { return seen().find(text) != std::string::npos; }, 15s);
  }
  bool ends() {
    return eventually([&] { return connection_.closed_by_peer(); }, 15s);
  }
  const std::string& seen() {
    text_ += connection_.receive_some();
    return text_;
  }

private:
  RawConnection connection_;
  std::string text_;
};

} // namespace

TEST_CASE("only an administrator's key opens the administration API") {
  AdminServiceTest test;
  const std::string id = domain::Uuid::random().text();
  const auto client = [&] { return test.service.client(); };
  for (const std::string& path :
       {std::string{"/migrations"}, "/migrations/" + id, std::string{"/migrations/live"},
        std::string{"/migrations/live/events"}, std::string{"/analytics/migrations"},
        std::string{"/migrations?limit=0"}}) {
    INFO(path);
    const std::string whole = "/api/admin/v1" + path;
    CHECK(code_of(client().get(whole)) == "auth/unauthorized");
    CHECK(code_of(client().get(whole, {{"X-API-Key", "rgk_wrong"}})) == "auth/unauthorized");
    CHECK(code_of(client().get(whole, bearer(test.world.add_user()))) == "auth/unauthorized");
    CHECK(code_of(client().get(whole, {{"X-API-Key", test.device_key}})) == "authz/forbidden");
    CHECK(code_of(client().put(whole, "{}", test.admin())) == "request/method-not-allowed");
  }
  const std::string cancel = "/api/admin/v1/migrations/" + id + "/cancel";
  CHECK(code_of(client().post(cancel, "")) == "auth/unauthorized");
  CHECK(code_of(client().post(cancel, "", {{"X-API-Key", test.device_key}})) == "authz/forbidden");
}

TEST_CASE("a year that PostgreSQL's calendar lacks is refused, and its first and last are taken") {
  AdminServiceTest test;
  for (const char* wrong : {"/migrations?from=0000-01-01", "/migrations?to=0000-12-31T23:00:00Z",
                            "/analytics/migrations?from=0000-01-01&to=0000-02-01",
                            "/analytics/migrations?to=0001-01-01T00:30:00%2B01:00"}) {
    INFO(wrong);
    CHECK(status_of(test.get(wrong)) == 400);
    CHECK(code_of(test.get(wrong)) == "validation/invalid-request");
  }
  for (const char* right :
       {"/migrations?from=0001-01-01&to=9999-12-31T23:59:59Z",
        "/analytics/migrations?to=0001-01-05",
        "/analytics/migrations?from=0001-01-01&to=0001-01-09&granularity=week",
        "/analytics/migrations?from=9999-12-01&to=9999-12-31T23:59:59Z&granularity=month"}) {
    INFO(right);
    CHECK(status_of(test.get(right)) == 200);
  }
}

TEST_CASE("UGM-2.4: an administrator reads the history, filtered, page by page") {
  AdminServiceTest test;
  const auto user = test.world.add_user();
  constexpr int kGroups = 7;
  for (int i = 0; i < kGroups; ++i) {
    const auto group = "camping-" + std::to_string(i);
    test.world.add_devices(group, 2, user);
    REQUIRE(status_of(test.migrate(test.service.port(), user, test.body(group))) == 201);
  }
  test.world.add_devices("storm", 2, user);
  test.world.raise_at_device(1);
  REQUIRE(status_of(test.migrate(test.service.port(), user, test.body("storm"))) == 500);

  // Every row has what happened, to whom, when, and how long it took.
  const auto failed = test.read("/migrations?status=failed")["migrations"];
  REQUIRE(failed.size() == 1);
  CHECK(failed[0]["registration_group_id"] == "storm");
  CHECK(failed[0]["error"]["code"] == "server/internal");
  CHECK(failed[0]["user_id"] == user.text());
  CHECK(failed[0]["authenticated_group_id"].is_null());
  const auto one = test.read("/migrations?registration_group_id=camping-3")["migrations"];
  REQUIRE(one.size() == 1);
  CHECK(one[0]["status"] == "success");
  CHECK(one[0]["devices_migrated"] == 2);
  CHECK(one[0]["name"] == "camping-3");
  CHECK(one[0]["duration_ms"].is_number());

  // Pages follow one another without a gap or a row twice, newest first, and the last has no next.
  std::set<std::string> seen;
  std::string cursor;
  std::string before = "9";
  for (int pages = 1;; ++pages) {
    const auto page = test.read("/migrations?limit=3&user_id=" + user.text() +
                                (cursor.empty() ? "" : "&cursor=" + cursor));
    for (const auto& row : page["migrations"]) {
      CHECK(seen.insert(row["migration_id"]).second);
      CHECK(row["created_at"] <= before);
      before = row["created_at"];
    }
    if (page["next_cursor"].is_null()) {
      CHECK(pages == 3);
      break;
    }
    cursor = page["next_cursor"];
  }
  CHECK(seen.size() == kGroups + 1);
  CHECK(test.read("/migrations?to=2020-01-01")["migrations"].empty());
  CHECK(test.read("/migrations?from=2020-01-01")["migrations"].size() == kGroups + 1);

  const auto detail = test.read("/migrations/" + one[0]["migration_id"].get<std::string>());
  CHECK(detail["timeline"].size() == 4);
  CHECK(detail["device_ids"].size() == 2);
  CHECK(code_of(test.get("/migrations/" + domain::Uuid::random().text())) == "resource/not-found");
  for (const char* wrong :
       {"?limit=1000", "?user_id=chen", "?status=done", "?from=now", "?cursor=x", "?page=1"})
    CHECK(code_of(test.get(std::string{"/migrations"} + wrong)) == "validation/invalid-request");
  CHECK(code_of(test.get("/migrations/chen")) == "validation/invalid-request");
}

TEST_CASE("UGM-6.3: an administrator sees totals, rates, trend, largest and errors") {
  AdminServiceTest test;
  const auto user = test.world.add_user();
  for (int i = 1; i <= 12; ++i) {
    const auto group = "camping-" + std::to_string(i);
    test.world.add_devices(group, static_cast<std::size_t>(i), user);
    REQUIRE(status_of(test.migrate(test.service.port(), user, test.body(group))) == 201);
  }
  test.world.add_devices("storm", 2, user);
  test.world.raise_at_device(1);
  REQUIRE(status_of(test.migrate(test.service.port(), user, test.body("storm"))) == 500);

  const auto told = test.read("/analytics/migrations?granularity=hour&from=" +
                              test.world.sql.value<std::string>(
                                  "SELECT to_char(now() AT TIME ZONE 'UTC' - interval '1 day', "
                                  "'YYYY-MM-DD')"));
  CHECK(told["totals"]["migrations"] == 13);
  CHECK(told["totals"]["success"] == 12);
  CHECK(told["totals"]["failed"] == 1);
  CHECK(told["totals"]["devices"] == 78);
  CHECK(told["success_rate"].get<double>() == Approx(12.0 / 13).epsilon(1e-5));
  CHECK(told["devices"]["average"].get<double>() == Approx(6.5));
  CHECK(told["duration_ms"]["p95"].is_number());
  REQUIRE(told["largest"].size() == 10);
  CHECK(told["largest"][0]["registration_group_id"] == "camping-12");
  CHECK(told["largest"][9]["devices_migrated"] == 3);
  REQUIRE(told["errors"].size() == 1);
  CHECK(told["errors"][0]["code"] == "server/internal");
  CHECK(told["seconds_since_registration"]["migrations"] == 12);
  int in_trend = 0;
  for (const auto& step : told["trend"])
    in_trend += step["success"].get<int>() + step["failed"].get<int>();
  CHECK(in_trend == 13);
  for (const char* wrong : {"?granularity=year", "?from=2026-02-30", "?from=2030-01-01", "?x=1"})
    CHECK(code_of(test.get(std::string{"/analytics/migrations"} + wrong)) ==
          "validation/invalid-request");
}

TEST_CASE("what runs in one replica is seen in another, with its replica, lock and since when") {
  AdminServiceTest test{patient(2)};
  Held held{test, "camping-2025", test.service.replica(0).port()};
  json live;
  REQUIRE(eventually([&] {
    live = test.read("/migrations/live", 1)["migrations"];
    return live.size() == 1 && live[0]["state"] == "waiting";
  }));
  CHECK(live[0]["registration_group_id"] == "camping-2025");
  CHECK(live[0]["user_id"] == held.user.text());
  const auto replica = live[0]["replica"].get<std::string>();
  CHECK(replica.ends_with(":" + std::to_string(test.service.replica(0).port())));
  CHECK(live[0]["lock"]["application_name"] == "regroup/" + replica);
  CHECK(live[0]["lock"]["key"] ==
        test.world.sql.value<std::string>("SELECT regroup_lock_key('camping-2025')::text"));
  CHECK(live[0]["blocked_by"][0]["backend_pid"] == held.other.backend_pid());
  CHECK(live[0]["received_at"].is_string());
  held.other.rollback();
  CHECK(status_of(held.answer.get()) / 100 == 2);
  CHECK(eventually([&] { return test.read("/migrations/live", 1)["migrations"].empty(); }));
}

TEST_CASE("an administrator sees what runs when every connection of the pool is stuck") {
  AdminServiceTest test{patient()};
  Held first{test, "camping-1", test.service.port()};
  Held second{test, "camping-2", test.service.port()};
  Held third{test, "camping-3", test.service.port()}; // no connection is left for it
  json live;
  CHECK(eventually([&] {
    live = test.read("/migrations/live")["migrations"];
    std::multiset<std::string> states;
    for (const auto& each : live)
      states.insert(each["state"].get<std::string>());
    return states == std::multiset<std::string>{"queued", "waiting", "waiting"};
  }));
  INFO(live.dump());
  for (auto* held : {&first, &second, &third})
    held->other.rollback();
  for (auto* held : {&first, &second, &third})
    CHECK(status_of(held->answer.get()) / 100 == 2);
}

TEST_CASE("an administrator cancels a migration that runs in another replica") {
  AdminServiceTest test{patient(2)};
  Held held{test, "camping-2025", test.service.replica(0).port()};
  json live;
  REQUIRE(eventually([&] {
    live = test.read("/migrations/live", 1)["migrations"];
    return live.size() == 1 && live[0]["state"] == "waiting";
  }));
  const auto id = live[0]["migration_id"].get<std::string>();
  const auto cancelled = test.post("/migrations/" + id + "/cancel", "", 1);
  REQUIRE(status_of(cancelled) == 200);
  CHECK(json::parse(cancelled->body)["status"] == "cancelled");
  CHECK(code_of(test.post("/migrations/" + id + "/cancel", "", 1)) == "migration/not-cancellable");
  held.other.rollback();
  const auto answer = held.answer.get();
  const bool told = status_of(answer) == 202 || code_of(answer) == "migration/cancelled";
  CHECK(told);
  CHECK(eventually([&] {
    const auto status = HttpClient{test.service.replica(1).port()}.get(
        "/api/v1/groups/migrations/" + id, bearer(held.user));
    return status_of(status) == 200 && json::parse(status->body)["status"] == "failed";
  }));
  CHECK(test.read("/migrations?status=failed")["migrations"][0]["error"]["code"] ==
        "migration/cancelled");
  CHECK(test.world.groups() == 0);
  CHECK(eventually([&] {
    return status_of(test.migrate(test.service.port(), held.user, test.body("camping-2025"))) ==
           201;
  }));
  CHECK(code_of(test.post("/migrations/" + domain::Uuid::random().text() + "/cancel")) ==
        "resource/not-found");
}

TEST_CASE("what runs is told to everybody who watches, as it changes, until the replica drains") {
  AdminServiceTest test{[] {
    auto options = patient();
    options.settings["http.drain_delay"] = "0s";
    return options;
  }()};
  std::vector<EventReader> readers;
  for (int i = 0; i < 200; ++i)
    readers.emplace_back(test.service.port(), test.admin_key);
  for (auto& reader : readers)
    REQUIRE(reader.sees(R"(data: {"migrations":[]})"));
  Held held{test, "camping-2025", test.service.port()};
  for (auto& reader : readers)
    CHECK(reader.sees("camping-2025"));
  // One question to the database at a time, however many listen.
  CHECK(test.world.sql.value<int>("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                  "current_database() AND application_name LIKE 'regroup/%'") <=
        2 + 2 + 1); // the pool, the administrators' own, and the one for notes
  held.other.rollback();
  CHECK(status_of(held.answer.get()) / 100 == 2);
  test.service.replica().signal(SIGTERM);
  for (auto& reader : readers)
    CHECK(reader.ends());
  CHECK(test.service.replica().wait(20s) == 0);
}

TEST_CASE("without a database administrators are told, and who watches is told when it is back") {
  AdminServiceTest test;
  EventReader reader{test.service.port(), test.admin_key};
  REQUIRE(reader.sees("event: live"));
  test.service.postgres().kill9_all();
  CHECK(reader.sees("event: unavailable"));
  CHECK(eventually(
      [&] { return code_of(test.get("/migrations")) == "server/database-unavailable"; }));
  const auto before = reader.seen().size();
  test.service.postgres().restart();
  CHECK(eventually([&] { return reader.seen().find("event: live", before) != std::string::npos; }));
}
