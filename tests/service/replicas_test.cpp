// Guarantees 1 and 6 through several replicas.
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;

namespace {

Service::Options three_replicas() {
  Service::Options options;
  options.replicas = 3;
  return options;
}

void storm(ServiceTest& test, int rounds, std::size_t requests,
           const std::function<unsigned(std::size_t)>& port) {
  const auto user = test.world.add_user();
  const int deadlocks = test.deadlocks();
  for (int round = 0; round < rounds; ++round) {
    const auto group = "camping-" + std::to_string(round);
    test.world.add_devices(group, 3, user);
    std::vector<std::function<Answered()>> asking;
    for (std::size_t i = 0; i < requests; ++i)
      asking.push_back(test.asking(port(i), user, test.body(group)));
    const auto answers = at_once(asking);
    INFO("round " << round << ": " << Catch::Detail::stringify(tally(answers)));
    REQUIRE(is_one_success(answers));
  }
  CHECK(test.world.groups() == rounds);
  CHECK(test.world.group_members() == rounds);
  CHECK(test.world.memberships() == 3 * rounds);
  CHECK(test.world.audits("success") == rounds);
  CHECK(test.world.sql.value<int>("SELECT count(*) FROM devices d JOIN groups g ON d.group_id = "
                                  "g.slug") == 3 * rounds);
  CHECK(test.deadlocks() == deadlocks);
}

} // namespace

TEST_CASE("thirty at once through HAProxy and three replicas give one 201, fifty times") {
  auto options = three_replicas();
  options.haproxy = true;
  ServiceTest test{options};
  storm(test, 50, 30, [&](std::size_t) { return test.service.port(); });
}

TEST_CASE("without the group actors it is still exactly once over three replicas") {
  auto options = three_replicas();
  options.binary = REGROUP_BYPASS_BINARY;
  ServiceTest test{options};
  storm(test, 30, 30, [&](std::size_t i) { return test.service.replica(i % 3).port(); });
}

TEST_CASE("two groups whose hashtext is equal are migrated side by side") {
  ServiceTest test{three_replicas()};
  const auto user = test.world.add_user();
  for (int round = 0; round < 20; ++round) {
    test.world.sql.exec(
        "DELETE FROM devices; DELETE FROM groups; DELETE FROM migration_audit_logs");
    test.world.add_devices("camping-130764", 2, user);
    test.world.add_devices("camping-131791", 2, user);
    const auto answers =
        at_once({test.asking(test.service.replica(0).port(), user, test.body("camping-130764")),
                 test.asking(test.service.replica(1).port(), user, test.body("camping-131791"))});
    CHECK(tally(answers) == std::map<std::string, int>{{"201", 2}});
  }
}

TEST_CASE("thirty at once for a migrated group are told so, and after an undo one succeeds") {
  ServiceTest test{three_replicas()};
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 3, user);
  const auto port = [&](std::size_t i) { return test.service.replica(i % 3).port(); };
  const std::vector<std::function<Answered()>> asking = [&] {
    std::vector<std::function<Answered()>> all;
    for (std::size_t i = 0; i < 30; ++i)
      all.push_back(test.asking(port(i), user, test.body("camping-2025")));
    return all;
  }();
  for (std::size_t i = 0; i < 3; ++i) // and each replica has seen that it is migrated
    test.migrate(port(i), user, test.body("camping-2025"));
  for (int round = 1; round <= 10; ++round) {
    CHECK(tally(at_once(asking)) ==
          std::map<std::string, int>{{"409 resource/already-migrated", 30}});
    // An undo by another program: what every replica remembers is out of date.
    test.world.sql.exec("UPDATE groups SET is_active = false, slug = id::text WHERE is_active; "
                        "UPDATE devices SET group_id = 'camping-2025'");
    CHECK(is_one_success(at_once(asking)));
    REQUIRE(test.world.groups() == 1);
    for (std::size_t i = 0; i < 3; ++i)
      test.migrate(port(i), user, test.body("camping-2025"));
  }
}

TEST_CASE("an Idempotency-Key is answered by every replica, and after the first one was killed") {
  ServiceTest test{three_replicas()};
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 3, user);
  const Headers key{{"Idempotency-Key", "tap-1"}};
  const auto first =
      test.migrate(test.service.replica(0).port(), user, test.body("camping-2025"), key);
  REQUIRE(status_of(first) == 201);
  CHECK_FALSE(first->headers.contains("Idempotency-Replayed"));
  test.service.replica(0).signal(SIGKILL);
  for (std::size_t i : {1U, 2U}) {
    // The same JSON value, written otherwise.
    const auto again = test.migrate(test.service.replica(i).port(), user,
                                    " { \"registration_group_id\":\t\"camping-2025\" } ", key);
    REQUIRE(status_of(again) == 201);
    CHECK(again->body == first->body);
    CHECK(again->headers.at("Idempotency-Replayed") == "true");
    CHECK(again->headers.at("Location") == first->headers.at("Location"));
  }
  const auto other = test.migrate(test.service.replica(1).port(), user, test.body("lake"), key);
  CHECK(status_of(other) == 422);
  CHECK(code_of(other) == "request/idempotency-mismatch");
}

TEST_CASE("replicas that start together on an empty database add the schema once") {
  ServiceTest test{three_replicas()};
  CHECK(test.world.sql.value<int>("SELECT count(*) FROM regroup_schema") >= 6);
}
