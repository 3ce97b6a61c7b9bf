// POST /api/v1/groups/migrate?dry_run=true, and migration.require_owner, over HTTP.
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;

namespace {

constexpr const char* kRehearse = "/api/v1/groups/migrate?dry_run=true";

Service::Options one_with(Replica::Settings settings) {
  Service::Options options;
  options.settings = std::move(settings);
  return options;
}

} // namespace

TEST_CASE("a dry run answers with the plan or what would stop it, and changes nothing") {
  ServiceTest test;
  const auto user = test.world.add_user();
  const auto devices = test.world.add_devices("camping-2025", 3, user);
  auto client = test.service.client();
  const auto rehearse = [&](const json& body) {
    const auto answer = client.post(kRehearse, body.dump(), bearer(user));
    REQUIRE(status_of(answer) == 200);
    return json::parse(answer->body);
  };
  const json ids{devices[0].text()}; // the user's own; the others are counted
  CHECK(rehearse({{"registration_group_id", "camping-2025"}, {"group_name", "Chen Family"}}) ==
        json{{"dry_run", true},
             {"registration_group_id", "camping-2025"},
             {"authenticated_group_id", nullptr},
             {"name", "Chen Family"},
             {"slug", "chen-family"},
             {"devices_to_migrate", 3},
             {"device_ids", ids},
             {"devices_remaining", 0},
             {"ignored_device_ids", json::array()},
             {"obstacle", nullptr}});
  CHECK(rehearse({{"registration_group_id", "nobody-here"}}).at("obstacle") ==
        json{{"code", "validation/no-devices"},
             {"message", "No active device is in the registration group"},
             {"details", {{"registration_group_id", "nobody-here"}}}});
  CHECK(test.world.groups() == 0);

  REQUIRE(status_of(client.post("/api/v1/groups/migrate?dry_run=false", test.body("camping-2025"),
                                bearer(user))) == 201);
  CHECK(rehearse({{"registration_group_id", "camping-2025"}}).at("obstacle").at("code") ==
        "resource/already-migrated");
  for (const char* query :
       {"?dry_run=1", "?dry_run", "?dry_run=true&dry_run=true", "?wet_run=true"})
    CHECK(code_of(client.post(kMigrate + std::string{query}, test.body("x"), bearer(user))) ==
          "validation/invalid-request");
  CHECK(code_of(client.post(kRehearse, "{", bearer(user))) == "validation/invalid-json");
  CHECK(status_of(client.post(kRehearse, test.body("x"))) == 401);
  CHECK(status_of(client.post(kRehearse, test.body("x"), bearer(test.world.add_user(false)))) ==
        401);
}

TEST_CASE("a dry run is answered while every connection is busy and nothing more is queued") {
  ServiceTest test{one_with({{"database.pool_size", "1"},
                             {"database.queue_limit", "0"},
                             {"database.lock_timeout", "60s"},
                             {"database.statement_timeout", "60s"},
                             {"migration.async_after", "25s"}})};
  const auto user = test.world.add_user();
  const auto devices = test.world.add_devices("camping-2025", 2, user);
  test.world.add_devices("lake", 2, user);
  HeldTransaction holder{test.service.database_url()};
  holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[1].text());
  auto running = test.asking_now(test.service.port(), user, test.body("camping-2025"));
  REQUIRE(test.somebody_waits("transactionid"));
  CHECK(code_of(test.migrate(test.service.port(), user, test.body("lake"))) == "server/overloaded");
  auto client = test.service.client();
  const auto lake = client.post(kRehearse, test.body("lake"), bearer(user));
  REQUIRE(status_of(lake) == 200);
  CHECK(json::parse(lake->body).at("obstacle").is_null());
  const auto camping = client.post(kRehearse, test.body("camping-2025"), bearer(user));
  REQUIRE(status_of(camping) == 200);
  CHECK(json::parse(camping->body).at("obstacle").at("code") == "migration/in-progress");
  CHECK(json::parse(camping->body).at("devices_to_migrate") == 2);
  holder.rollback();
  CHECK(status_of(running.get()) == 201);
}

TEST_CASE("dry runs beside migrations make nobody's migration fail, on three replicas") {
  Service::Options options;
  options.replicas = 3;
  ServiceTest test{options};
  const auto user = test.world.add_user();
  for (int round = 0; round < 20; ++round) {
    const auto group = "camping-" + std::to_string(round);
    test.world.add_devices(group, 3, user);
    std::vector<std::function<Answered()>> asking;
    for (std::size_t i = 0; i < 12; ++i)
      asking.push_back([&test, group, user, port = test.service.replica(i % 3).port()] {
        return HttpClient{port}.post(kRehearse, test.body(group), bearer(user));
      });
    asking.push_back(test.asking(test.service.replica(0).port(), user, test.body(group)));
    REQUIRE(tally(at_once(asking)) == std::map<std::string, int>{{"200", 12}, {"201", 1}});
  }
}

TEST_CASE("with migration.require_owner one phone in a family's group does not take it over") {
  ServiceTest test{one_with({{"migration.require_owner", "majority"}})};
  const auto family = test.world.add_user();
  const auto stranger = test.world.add_user();
  const auto devices = test.world.add_devices("chens", 3, family);
  test.world.sql.exec("UPDATE devices SET owner_user_id = $1", family.text());
  test.world.add_devices("chens", 1, stranger);
  const auto refused = test.migrate(test.service.port(), stranger, test.body("chens"));
  CHECK(status_of(refused) == 403);
  CHECK(code_of(refused) == "authz/not-device-owner");
  CHECK(json::parse(refused->body).at("error").at("details") ==
        json{{"registration_group_id", "chens"},
             {"require_owner", "majority"},
             {"linked_devices", 4},
             {"owned_devices", 1}});
  CHECK(status_of(test.migrate(test.service.port(), family, test.body("chens"))) == 201);
}
