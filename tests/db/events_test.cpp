// The outbox: what is in it, who gets it out, and in which order.
#include "domain/events.hpp"
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

using namespace regroup;
using namespace regroup::test;
using domain::Delivery;
using domain::Uuid;
using namespace std::chrono_literals;
using Outcome = domain::SettleEvents::Outcome;

namespace {

struct EventsTest : DatabaseTest {
  EventsTest() : store(new_store()), user(world->add_user()) {}

  Uuid add_endpoint() {
    const auto id = Uuid::random();
    world->sql.exec(
        "INSERT INTO regroup_webhook_endpoints (id, url, secret) VALUES ($1, 'https://x', 's')",
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

  std::vector<Delivery> claim(std::vector<Uuid> busy = {}, std::chrono::milliseconds lease = 60s,
                              std::vector<Uuid> barred = {}, std::size_t most = 64) {
    auto answer =
        store->execute(domain::ClaimEvents{std::move(busy), std::move(barred), most, lease, {}});
    REQUIRE(answer.is<domain::EventsClaimed>());
    return answer.get<domain::EventsClaimed>().deliveries;
  }

  void settle(const Delivery& delivery, const std::string& error = "") {
    settle(delivery, error.empty() ? Outcome::delivered : Outcome::failed, error);
  }
  void settle(const Delivery& delivery, Outcome outcome, const std::string& error,
              std::chrono::seconds hold = {}) {
    const auto answer = store->execute(
        domain::SettleEvents{{{delivery.id, delivery.endpoint_id, outcome, error, hold}}, {}});
    REQUIRE(answer.is<domain::Done>());
  }

  /// A column of the one endpoint, as text; "" for NULL.
  std::string endpoint(const std::string& column) {
    return world->sql.value<std::string>("SELECT coalesce((" + column +
                                         ")::text, '') FROM regroup_webhook_endpoints");
  }
  std::string group_of(const Delivery& delivery) {
    return nlohmann::json::parse(delivery.body)["data"]["registration_group_id"];
  }

  int pending() { return world->sql.value<int>("SELECT count(*) FROM regroup_migration_events"); }
  void make_due() { world->sql.exec("UPDATE regroup_migration_events SET due_at = now()"); }

  static std::string migration_of(const Delivery& delivery) {
    return nlohmann::json::parse(delivery.body)["data"]["migration_id"];
  }

  std::unique_ptr<TestStore> store;
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
  REQUIRE(store->execute(request).is<domain::MigrationUndone>());
  CHECK(store->execute(request).is<domain::Refusal>());
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
        auto answer = own->execute(domain::ClaimEvents{{}, {}, 64, 60s, {}});
        for (auto& each : answer.get<domain::EventsClaimed>().deliveries)
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
    const auto wait = world->sql.value<double>(
        "SELECT extract(epoch FROM due_at - now()) FROM regroup_migration_events");
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

TEST_CASE_METHOD(EventsTest, "an event that its receiver refuses stops none of other groups") {
  add_endpoint();
  migrate_one("poisoned");
  for (int failures = 0; failures < 8; ++failures) {
    const auto claimed = claim();
    REQUIRE(claimed.size() == 1);
    settle(claimed[0], failures % 2 == 0 ? Outcome::refused : Outcome::failed,
           "answered 4xx or 5xx");
    make_due();
  }
  CHECK(endpoint("open_until").empty());
  CHECK(endpoint("failures") == "1");
  for (int i = 0; i < 3; ++i)
    migrate_one("group-" + std::to_string(i));
  std::set<std::string> groups;
  for (const auto& delivery : claim())
    groups.insert(group_of(delivery));
  CHECK(groups == std::set<std::string>{"group-0", "group-1", "group-2", "poisoned"});
}

TEST_CASE_METHOD(EventsTest,
                 "where a circuit was opened the one that tries is an event never tried") {
  add_endpoint();
  for (int i = 0; i < 5; ++i)
    migrate_one("poisoned-" + std::to_string(i));
  for (int round = 0; round < 2; ++round)
    for (const auto& delivery : claim())
      settle(delivery, Outcome::failed, "answered 500");
  REQUIRE_FALSE(endpoint("open_until").empty());
  migrate_one("good");
  make_due();
  world->sql.exec("UPDATE regroup_webhook_endpoints SET open_until = now()");
  const auto tries = claim();
  REQUIRE(tries.size() == 1);
  CHECK(group_of(tries[0]) == "good");
  settle(tries[0]);
  CHECK(endpoint("open_until").empty());
  CHECK(claim().size() == 4);
}

TEST_CASE_METHOD(EventsTest, "an event that is refused ten times is given up, kept, and can be had "
                             "delivered again") {
  const auto id = add_endpoint();
  const auto first = migrate_one("camping");
  const auto second = migrate_one("camping");
  for (int attempt = 1; attempt <= 10; ++attempt) {
    const auto claimed = claim();
    REQUIRE(claimed.size() == 1);
    CHECK(migration_of(claimed[0]) == first.text());
    settle(claimed[0], Outcome::refused, "answered 422");
    CHECK(pending() == (attempt < 10 ? 2 : 1));
    world->sql.exec("UPDATE regroup_migration_events SET due_at = now() WHERE attempts > 0");
  }
  const auto next = claim(); // it waits no longer
  REQUIRE(next.size() == 1);
  CHECK(migration_of(next[0]) == second.text());

  const auto dead = nlohmann::json::parse(
      world->sql.value<std::string>("SELECT regroup_dead_events_json($1, 0, 50)", id.text()));
  REQUIRE(dead["events"].size() == 1);
  CHECK(dead["next_cursor"].is_null());
  CHECK(dead["events"][0]["migration_id"] == first.text());
  CHECK(dead["events"][0]["attempts"] == 10);
  CHECK(dead["events"][0]["last_error"] == "answered 422");
  const auto webhooks =
      nlohmann::json::parse(world->sql.value<std::string>("SELECT regroup_webhooks_json()"));
  CHECK(webhooks[0]["dead"] == 1);
  CHECK(webhooks[0]["pending"] == 1);

  settle(next[0]);
  CHECK(world->sql.value<int>("SELECT regroup_redeliver_events_v1($1, NULL)", id.text()) == 1);
  const auto again = claim();
  REQUIRE(again.size() == 1);
  CHECK(migration_of(again[0]) == first.text());
  CHECK("evt_" + std::to_string(again[0].id) == dead["events"][0]["id"]);
  settle(again[0]);
  CHECK(pending() == 0);
}

TEST_CASE_METHOD(EventsTest, "an outage of an endpoint gives no event up before three days") {
  add_endpoint();
  migrate_one("camping");
  for (int attempt = 1; attempt <= 20; ++attempt) {
    const auto claimed = claim();
    REQUIRE(claimed.size() == 1);
    settle(claimed[0], Outcome::failed, "Could not connect to server");
    make_due();
  }
  CHECK(pending() == 1);
  SECTION("but one that the endpoint alone of all does not take") {
    migrate_one("other");
    for (const auto& delivery : claim())
      settle(delivery, group_of(delivery) == "other" ? "" : "answered 500");
    make_due();
    for (const auto& delivery : claim())
      settle(delivery, "answered 500");
  }
  SECTION("and then") {
    world->sql.exec("UPDATE regroup_migration_events SET tried_at = now() - interval '73 hours'");
    settle(claim().at(0), Outcome::failed, "Could not connect to server");
  }
  CHECK(pending() == 0);
  CHECK(world->sql.value<int>("SELECT count(*) FROM regroup_dead_events") == 1);
}

TEST_CASE_METHOD(EventsTest, "an endpoint that says 410 is asked no more, until it is enabled") {
  const auto id = add_endpoint();
  migrate_one("camping");
  settle(claim().at(0), Outcome::gone, "answered 410");
  CHECK(endpoint("is_active") == "false");
  CHECK_FALSE(endpoint("disabled_at").empty());
  CHECK(claim().empty());
  migrate_one("lake"); // not for it
  CHECK(pending() == 1);
  CHECK(world->sql.value<bool>("SELECT regroup_enable_webhook_v1($1)", id.text()));
  CHECK(endpoint("disabled_at").empty());
  const auto claimed = claim();
  REQUIRE(claimed.size() == 1);
  CHECK(group_of(claimed[0]) == "camping");
}

TEST_CASE_METHOD(EventsTest, "an endpoint that asks for a pause has it, for all of its events") {
  add_endpoint();
  migrate_one("camping");
  migrate_one("lake");
  auto claimed = claim({}, 60s, {}, 1);
  REQUIRE(claimed.size() == 1);
  settle(claimed[0], Outcome::held, "answered 429", 120s);
  CHECK(claim().empty());
  CHECK(endpoint("failures") == "0");
  CHECK(endpoint("extract(epoch FROM held_until - now()) BETWEEN 100 AND 120") == "true");
  CHECK(world->sql.value<int>("SELECT sum(attempts) FROM regroup_migration_events") == 0);
  world->sql.exec("UPDATE regroup_webhook_endpoints SET held_until = now()");
  make_due();
  CHECK(claim().size() == 2);
}

TEST_CASE_METHOD(EventsTest, "what a replica may not reach it leaves to one that may") {
  const auto id = add_endpoint();
  migrate_one("camping");
  settle(claim().at(0), Outcome::barred, "the address is not a public one");
  CHECK(endpoint("failures") == "0");
  CHECK(endpoint("last_error") == "the address is not a public one");
  CHECK(claim({}, 60s, {id}).empty());
  REQUIRE(claim().size() == 1);
  CHECK(world->sql.value<int>("SELECT attempts FROM regroup_migration_events") == 1);
}

TEST_CASE_METHOD(EventsTest,
                 "an event that is put aside while the one before it goes is not lost") {
  add_endpoint();
  migrate_one("camping");
  const auto second = migrate_one("camping");
  const auto first = claim().at(0); // and the second waits aside
  const auto due = [&] {
    return world->sql.value<bool>(
        "SELECT due_at <= now() FROM regroup_migration_events WHERE migration_id = $1",
        second.text());
  };
  world->sql.exec("UPDATE regroup_migration_events SET due_at = now() WHERE migration_id = $1",
                  second.text());
  const std::string claiming =
      "SELECT regroup_claim_events_v2('{}', '{}', 64, interval '1 minute')";
  SECTION("since the one that goes is locked") {
    HeldTransaction settling{url};
    settling.exec("DELETE FROM regroup_migration_events WHERE id = $1", first.id);
    world->sql.exec(claiming);
    settling.commit();
    CHECK(due());
  }
  SECTION("since who settles waits for who puts aside") {
    HeldTransaction putting_aside{url};
    putting_aside.exec(claiming);
    auto settled = std::async(std::launch::async, [&] { settle(first); });
    REQUIRE(somebody_waits("transactionid"));
    putting_aside.commit();
    settled.get();
    CHECK(due());
  }
  CHECK(migration_of(claim().at(0)) == second.text());
}

TEST_CASE_METHOD(EventsTest, "to claim takes as much of an outbox of 300,000 as of a small one") {
  const auto busy = add_endpoint();
  const auto idle = add_endpoint();
  const auto fill = [&](const std::string& group, const std::string& due) {
    world->sql.exec("TRUNCATE regroup_migration_events");
    world->sql.exec("INSERT INTO regroup_migration_events (endpoint_id, type, migration_id, "
                    "registration_group_id, attempts, due_at) "
                    "SELECT e::uuid, 'migration.completed', gen_random_uuid(), " +
                        group + ", n % 2, " + due +
                        " FROM unnest(ARRAY[$1, $2]) AS e, generate_series(1, 150000) AS n",
                    busy.text(), idle.text());
    world->sql.exec("ANALYZE regroup_migration_events");
  };
  const auto buffers = [&] {
    const auto plan = nlohmann::json::parse(world->sql.value<std::string>(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM regroup_claim_events_v2("
        "ARRAY[$1, $1, $1, $1]::uuid[], '{}', 64, interval '1 minute')",
        busy.text()));
    const auto& node = plan[0]["Plan"];
    return node["Shared Hit Blocks"].get<int>() + node["Shared Read Blocks"].get<int>();
  };
  constexpr int kLittle = 2000;    // the table alone has 4,000 pages
  constexpr int kPutAside = 15000; // 500 events, once each
  fill("'group-' || n", "now() - n * interval '1 ms'");
  CHECK(buffers() < kLittle);
  CHECK(claim().size() > 0);
  fill("'group-' || n % 10", "now()"); // nearly all wait for an earlier one
  CHECK(buffers() < kPutAside);
  // The statistics are still of that outbox, with its few groups: an empty table changes none.
  world->sql.exec("TRUNCATE regroup_migration_events");
  world->sql.exec("ANALYZE regroup_migration_events");
  world->sql.exec("INSERT INTO regroup_migration_events (endpoint_id, type, migration_id, "
                  "registration_group_id) SELECT $1::uuid, 'migration.completed', "
                  "gen_random_uuid(), 'group-' || n FROM generate_series(1, 300000) AS n",
                  idle.text());
  CHECK(buffers() < kLittle);
}
