// The outbox: what is in it, who gets it out, and in which order.
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

using namespace regroup;
using namespace regroup::test;
using domain::Delivery;
using domain::EventJob;
using domain::Uuid;
using namespace std::chrono_literals;

namespace {

struct EventsTest : DatabaseTest {
  EventsTest() : store(new_store()), user(world->add_user()) {}

  Uuid add_endpoint() {
    const auto id = Uuid::random();
    world->sql.exec("INSERT INTO regroup_webhook_endpoints (id, url, secret) VALUES ($1, 'https://x', 's')",
                    id.text());
    return id;
  }

  /// A migration of one device of the group, in parts, so that a group can have several events.
  Uuid migrate_one(const std::string& group) {
    const auto devices = world->add_devices(group, 1, user);
    auto what = *command(group, user, devices);
    what.group_name = "part " + what.migration_id.text();
    what.slug = "part-" + what.migration_id.text();
    const auto done = migrate(std::make_shared<const domain::MigrationCommand>(std::move(what)));
    REQUIRE(completed(done));
    return completed(done)->migration_id;
  }

  std::vector<Delivery> claim(std::vector<Uuid> busy = {}, std::chrono::milliseconds lease = 60s) {
    auto answer = store->execute(EventJob{domain::ClaimEvents{std::move(busy), lease}, {}});
    REQUIRE(std::holds_alternative<domain::EventsClaimed>(answer));
    return std::get<domain::EventsClaimed>(std::move(answer)).deliveries;
  }

  void settle(const Delivery& delivery, const std::string& error = "") {
    const auto answer = store->execute(EventJob{domain::SettleEvents{{{delivery.id, error}}}, {}});
    REQUIRE(std::holds_alternative<domain::Healthy>(answer));
  }

  int pending() { return world->sql.value<int>("SELECT count(*) FROM regroup_migration_events"); }
  void make_due() { world->sql.exec("UPDATE regroup_migration_events SET due_at = now()"); }

  static std::string migration_of(const Delivery& delivery) {
    return nlohmann::json::parse(delivery.body)["data"]["migration_id"];
  }

  std::unique_ptr<db::PgStore> store;
  Uuid user;
};

} // namespace

TEST_CASE_METHOD(EventsTest,
                 "a migration has an event for each endpoint there is, and says what it did") {
  world->add_devices("quiet", 2, user);
  REQUIRE(completed(migrate(command("quiet", user))));
  CHECK(pending() == 0); // nobody wants to know
  const auto first = add_endpoint();
  const auto second = add_endpoint();
  world->add_devices("camping-2025", 3, user);
  const auto done = migrate(named("camping-2025", user, "Chen Family"));
  REQUIRE(completed(done));
  const auto claimed = claim();
  REQUIRE(claimed.size() == 2);
  CHECK(std::set<Uuid>{claimed[0].endpoint_id, claimed[1].endpoint_id} ==
        std::set<Uuid>{first, second});
  const auto body = nlohmann::json::parse(claimed[0].body);
  CHECK(body["type"] == "migration.completed");
  CHECK(body["id"] == "evt_" + std::to_string(claimed[0].id));
  CHECK(body["data"]["migration_id"] == completed(done)->migration_id.text());
  CHECK(body["data"]["slug"] == "chen-family");
  CHECK(body["data"]["device_ids"].size() == 3);
}

TEST_CASE_METHOD(EventsTest, "a migration into a group that is there, and a large one, are told") {
  add_endpoint();
  world->add_devices("camping", 2, user);
  const auto first = migrate(command("camping", user));
  REQUIRE(completed(first));
  const auto more = world->add_devices("lake", 1, user);
  auto what = *command("lake", user, more);
  what.authenticated_group_id = completed(first)->authenticated_group_id;
  what.into_group = true;
  const auto into = migrate(std::make_shared<const domain::MigrationCommand>(std::move(what)));
  REQUIRE(completed(into));
  world->add_devices("crowd", 1500, user); // not written by one statement
  what = *command("crowd", user);
  what.max_devices = 2000;
  const auto large = migrate(std::make_shared<const domain::MigrationCommand>(std::move(what)));
  REQUIRE(completed(large));

  const auto claimed = claim();
  REQUIRE(claimed.size() == 3);
  CHECK(migration_of(claimed[1]) == completed(into)->migration_id.text());
  CHECK(migration_of(claimed[2]) == completed(large)->migration_id.text());
}

TEST_CASE_METHOD(EventsTest, "an undo is told after its migration, a refused one not at all") {
  add_endpoint();
  world->add_devices("camping", 2, user);
  const auto done = migrate(command("camping", user));
  REQUIRE(completed(done));
  const auto request =
      std::make_shared<const domain::UndoCommand>(undo_of(*completed(done), user, "camping"));
  REQUIRE(std::holds_alternative<domain::MigrationUndone>(store->execute(request)));
  CHECK(std::holds_alternative<domain::Refusal>(store->execute(request)));
  CHECK(pending() == 2);

  settle(claim().at(0));
  const auto told = claim();
  REQUIRE(told.size() == 1);
  CHECK(told[0].type == "migration.rolled_back");
  const auto data = nlohmann::json::parse(told[0].body)["data"];
  CHECK(data["migration_id"] == completed(done)->migration_id.text());
  CHECK(data["authenticated_group_id"] == completed(done)->authenticated_group_id.text());
}

TEST_CASE_METHOD(EventsTest, "a migration that fails has no event") {
  add_endpoint();
  world->add_devices("camping-2025", 3, user);
  world->raise_at_device(3);
  CHECK_FALSE(completed(migrate(command("camping-2025", user))));
  CHECK(pending() == 0);
}

TEST_CASE_METHOD(EventsTest, "an event waits until the earlier ones of its group were taken") {
  add_endpoint();
  const auto first = migrate_one("camping");
  const auto second = migrate_one("camping");
  const auto other = migrate_one("lake");
  auto claimed = claim();
  REQUIRE(claimed.size() == 2);
  CHECK(migration_of(claimed[0]) == first.text());
  CHECK(migration_of(claimed[1]) == other.text());
  settle(claimed[1]);
  CHECK(claim().empty()); // the first is under way
  settle(claimed[0], "answered 500");
  CHECK(claim().empty()); // and has to be tried again first
  make_due();
  claimed = claim();
  REQUIRE(claimed.size() == 1);
  CHECK(migration_of(claimed[0]) == first.text());
  settle(claimed[0]);
  claimed = claim();
  REQUIRE(claimed.size() == 1);
  CHECK(migration_of(claimed[0]) == second.text());
}

TEST_CASE_METHOD(EventsTest, "what a lost replica had taken is due again when its lease is over") {
  add_endpoint();
  migrate_one("camping");
  const auto taken = claim({}, 0ms);
  REQUIRE(taken.size() == 1);
  const auto again = claim();
  REQUIRE(again.size() == 1);
  CHECK(again[0].id == taken[0].id);
  CHECK(again[0].body == taken[0].body);
  CHECK(claim().empty());
}

TEST_CASE_METHOD(EventsTest, "replicas that look at once never take the same event") {
  add_endpoint();
  for (int i = 0; i < 24; ++i)
    migrate_one("group-" + std::to_string(i));
  std::vector<std::future<std::vector<Delivery>>> replicas;
  for (int i = 0; i < 4; ++i)
    replicas.push_back(std::async(std::launch::async, [this] {
      const auto own = new_store();
      std::vector<Delivery> all;
      for (int round = 0; round < 5; ++round) {
        auto answer = own->execute(EventJob{domain::ClaimEvents{{}, 60s}, {}});
        for (auto& each : std::get<domain::EventsClaimed>(answer).deliveries)
          all.push_back(std::move(each));
      }
      return all;
    }));
  std::multiset<std::int64_t> ids;
  for (auto& replica : replicas)
    for (const auto& delivery : replica.get())
      ids.insert(delivery.id);
  CHECK(ids.size() == std::set<std::int64_t>(ids.begin(), ids.end()).size());
  CHECK(ids.size() + claim().size() + claim().size() <= 24);
}

TEST_CASE_METHOD(EventsTest, "an endpoint has four events under way at once in a replica") {
  const auto endpoint = add_endpoint();
  for (int i = 0; i < 7; ++i)
    migrate_one("group-" + std::to_string(i));
  CHECK(claim().size() == 4);
  CHECK(claim({endpoint, endpoint, endpoint, endpoint}).empty());
  CHECK(claim({endpoint, endpoint, endpoint}).size() == 1);
}

TEST_CASE_METHOD(EventsTest,
                 "five failures in a row open an endpoint's circuit, and one success closes it") {
  const auto bad = add_endpoint();
  const auto good = add_endpoint();
  for (int i = 0; i < 6; ++i)
    migrate_one("group-" + std::to_string(i));
  for (int failures = 0; failures < 5;) {
    make_due();
    for (const auto& delivery : claim()) {
      settle(delivery, delivery.endpoint_id == bad ? "answered 500" : "");
      failures += delivery.endpoint_id == bad ? 1 : 0;
    }
  }
  const auto is_open = [&](const Uuid& endpoint) {
    return world->sql.value<bool>("SELECT coalesce(open_until > now(), false) FROM "
                                  "regroup_webhook_endpoints WHERE id = $1",
                                  endpoint.text());
  };
  CHECK(is_open(bad));
  CHECK_FALSE(is_open(good));
  make_due();
  for (const auto& delivery : claim())
    CHECK(delivery.endpoint_id == good);
  world->sql.exec("UPDATE regroup_webhook_endpoints SET open_until = now() - interval '1 second'");
  std::vector<Delivery> tries;
  for (auto& delivery : claim())
    if (delivery.endpoint_id == bad)
      tries.push_back(std::move(delivery));
  REQUIRE(tries.size() == 1); // one alone tries
  settle(tries[0], "answered 500");
  CHECK(is_open(bad));
  world->sql.exec("UPDATE regroup_webhook_endpoints SET open_until = NULL");
  make_due();
  tries.clear();
  for (auto& delivery : claim())
    if (delivery.endpoint_id == bad)
      tries.push_back(std::move(delivery));
  REQUIRE(tries.size() == 1);
  settle(tries[0]);
  CHECK_FALSE(is_open(bad));
  make_due();
  CHECK(claim().size() == 4); // as many as ever
}

TEST_CASE_METHOD(EventsTest, "a failure is tried again later each time") {
  add_endpoint();
  migrate_one("camping");
  double before = 0;
  for (int attempt = 1; attempt <= 4; ++attempt) {
    make_due();
    world->sql.exec("UPDATE regroup_webhook_endpoints SET open_until = NULL");
    const auto claimed = claim();
    REQUIRE(claimed.size() == 1);
    settle(claimed[0], "Timeout was reached");
    const auto wait =
        world->sql.value<double>("SELECT extract(epoch FROM due_at - now()) FROM regroup_migration_events");
    CHECK(wait > before);
    before = wait;
  }
  CHECK(world->sql.value<std::string>("SELECT last_error FROM regroup_webhook_endpoints") ==
        "Timeout was reached");
}

TEST_CASE_METHOD(EventsTest, "with an endpoint its events go") {
  const auto endpoint = add_endpoint();
  add_endpoint();
  migrate_one("camping");
  REQUIRE(pending() == 2);
  CHECK(world->sql.value<bool>("SELECT regroup_delete_webhook_v1($1)", endpoint.text()));
  CHECK(pending() == 1);
  CHECK_FALSE(world->sql.value<bool>("SELECT regroup_delete_webhook_v1($1)", endpoint.text()));
}
