// One request can be followed through everything that it touches.
#include "tests/service/admin_support.hpp"

#include <catch2/catch.hpp>

#include <sstream>
#include <string>
#include <vector>

using namespace regroup;
using namespace regroup::test;

namespace {

constexpr const char* kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr const char* kTraceOfUndo = "0123456789abcdef0123456789abcdef";

Headers traced(const std::string& trace) {
  return {{"traceparent", "00-" + trace + "-00f067aa0ba902b7-01"}};
}

struct FollowedTest : AdminServiceTest {
  using AdminServiceTest::AdminServiceTest;

  /// A replica's lines of an event and a trace so far.
  std::vector<json> lines(const std::string& event, const std::string& trace,
                          std::size_t replica = 0) {
    std::vector<json> found;
    std::istringstream log{service.replica(replica).log()};
    for (std::string text; std::getline(log, text);) {
      const auto line = json::parse(text, nullptr, false);
      if (line.value("event", "") == event && line.value("trace_id", "") == trace)
        found.push_back(line);
    }
    return found;
  }
  /// The one that there is in the end.
  json line(const std::string& event, const std::string& trace, std::size_t replica = 0) {
    REQUIRE(eventually([&] { return !lines(event, trace, replica).empty(); }));
    const auto all = lines(event, trace, replica);
    CHECK(all.size() == 1);
    return all.front();
  }
};

} // namespace

TEST_CASE("one request is followed by its trace: log, audit row, administrators, undo") {
  Service::Options two;
  two.replicas = 2;
  FollowedTest test{two};
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 3, user);
  const auto answer =
      test.migrate(test.service.replica(0).port(), user, test.body("camping-2025"), traced(kTrace));
  REQUIRE(status_of(answer) == 201);
  const auto done = json::parse(answer->body);
  const std::string id = done["migration_id"];

  const auto request = test.line("request", kTrace);
  CHECK(request["request_id"] == answer->headers.at("X-Request-Id"));
  CHECK(request["user_id"] == user.text());
  CHECK(request["registration_group_id"] == "camping-2025");
  CHECK(request["migration_id"] == id);
  CHECK(request["outcome"] == "completed");
  CHECK(request["status"] == 201);
  const auto migration = test.line("migration", kTrace);
  CHECK(migration["request_id"] == request["request_id"]);
  CHECK(migration["migration_id"] == id);
  CHECK(migration["outcome"] == "completed");
  CHECK(migration["queue_ms"] >= 0);
  CHECK(migration["lock_ms"] > 0);
  CHECK(migration["lock_ms"] <= migration["database_ms"]);
  CHECK(migration["database_ms"] <= migration["duration_ms"]);

  // Any replica's administrators find it by the id, and the trace by it.
  const auto row = test.read("/migrations/" + id, 1);
  CHECK(row["trace_id"] == kTrace);
  CHECK(row["rollback_trace_id"].is_null());
  std::string events;
  for (const auto& each : row["timeline"])
    events += each["event"].get<std::string>() + " ";
  CHECK(events == "received started locked committed ");
  CHECK(test.read("/migrations", 1)["migrations"][0]["trace_id"] == kTrace);

  // Through another replica, with a trace of its own.
  auto headers = bearer(user);
  headers.merge(traced(kTraceOfUndo));
  const auto undone = HttpClient{test.service.replica(1).port()}.post(
      "/api/v1/groups/" + done["authenticated_group_id"].get<std::string>() + "/rollback", "",
      headers);
  REQUIRE(status_of(undone) == 200);
  CHECK(test.line("undo", kTraceOfUndo, 1)["migration_id"] == id);
  CHECK(test.line("request", kTraceOfUndo, 1)["migration_id"] == id);
  CHECK(test.line("request", kTraceOfUndo, 1)["outcome"] == "rolled_back");
  const auto after = test.read("/migrations/" + id);
  CHECK(after["trace_id"] == kTrace);
  CHECK(after["rollback_trace_id"] == kTraceOfUndo);
}

TEST_CASE("what is refused from the record costs one line, and what the database refuses two") {
  FollowedTest test;
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 3, user);
  const unsigned port = test.service.port();
  REQUIRE(status_of(test.migrate(port, user, test.body("camping-2025"))) == 201);
  // The group's actor knows of the migration: it is looked up, and none is run.
  REQUIRE(code_of(test.migrate(port, user, test.body("camping-2025"), traced(kTrace))) ==
          "resource/already-migrated");
  const auto refused = test.line("request", kTrace);
  CHECK(refused["outcome"] == "resource/already-migrated");
  CHECK(refused["registration_group_id"] == "camping-2025");
  CHECK(refused["user_id"] == user.text());

  const std::string other = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
  REQUIRE(code_of(test.migrate(port, user, test.body("nobody-here"), traced(other))) ==
          "validation/no-devices");
  CHECK(test.line("migration", other)["outcome"] == "validation/no-devices");
  CHECK(test.lines("migration", kTrace).empty()); // it would stand before this one

  // What is refused in http alone: no more than is known.
  REQUIRE(status_of(test.migrate(port, user, "{", traced(kTraceOfUndo))) == 400);
  const auto bad = test.line("request", kTraceOfUndo);
  CHECK(bad["outcome"] == "validation/invalid-json");
  CHECK(bad["user_id"] == user.text());
  CHECK_FALSE(bad.contains("registration_group_id"));
  CHECK_FALSE(bad.contains("migration_id"));
}

TEST_CASE("a migration that failed has its trace on record, and in its replica's log") {
  FollowedTest test;
  const auto user = test.world.add_user();
  test.world.add_devices("storm", 2, user);
  test.world.raise_at_device(1);
  REQUIRE(status_of(test.migrate(test.service.port(), user, test.body("storm"), traced(kTrace))) ==
          500);
  const auto failed = test.line("migration.failed", kTrace);
  CHECK(test.line("migration", kTrace)["outcome"] == "server/internal");
  const auto row = test.read("/migrations/" + failed["migration_id"].get<std::string>());
  CHECK(row["status"] == "failed");
  CHECK(row["trace_id"] == kTrace);
  std::string events;
  for (const auto& each : row["timeline"])
    events += each["event"].get<std::string>() + " ";
  CHECK(events == "received started failed ");
}
