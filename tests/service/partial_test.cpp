// Story UGM-6.2 over HTTP: some devices now, the rest later, into a new group or the same one.
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;

namespace {

Service::Options replicas(unsigned count) {
  Service::Options options;
  options.replicas = count;
  return options;
}

json texts(const std::vector<domain::Uuid>& ids) {
  json all = json::array();
  for (const auto& id : ids)
    all.push_back(id.text());
  return all;
}

} // namespace

TEST_CASE("UGM-6.2: the rest stays, and goes into a new group or the same one later") {
  ServiceTest test;
  const auto user = test.world.add_user();
  const auto devices = test.world.add_devices("camping-2025", 4, user);
  test.world.sql.exec("UPDATE devices SET owner_user_id = $1", user.text());
  const auto ask = [&](json body) {
    body["registration_group_id"] = "camping-2025";
    return test.migrate(test.service.port(), user, body.dump());
  };
  const auto first =
      ask({{"group_name", "Chen Family"}, {"device_ids", texts({devices[0], devices[1]})}});
  REQUIRE(status_of(first) == 201);
  const auto made = json::parse(first->body);
  CHECK(made.at("devices_remaining") == 2);
  CHECK(test.world.devices_in("camping-2025") == 2);

  const json group = made.at("authenticated_group_id");
  const auto same = ask({{"authenticated_group_id", group}, {"device_ids", texts({devices[2]})}});
  REQUIRE(status_of(same) == 201);
  const auto joined = json::parse(same->body);
  CHECK(joined.at("authenticated_group_id") == group);
  CHECK(joined.at("name") == "Chen Family");
  CHECK(joined.at("slug") == "chen-family");
  CHECK(joined.at("device_ids") == texts({devices[2]}));
  CHECK(joined.at("devices_remaining") == 1);
  CHECK(same->headers.at("Location") ==
        "/api/v1/groups/migrations/" + joined.at("migration_id").get<std::string>());

  const auto other = ask({{"group_name", "The last one"}});
  REQUIRE(status_of(other) == 201);
  CHECK(json::parse(other->body).at("device_ids") == texts({devices[3]}));
  CHECK(test.world.groups() == 2);
  CHECK(test.world.memberships() == 4);
  CHECK(test.world.devices_in("camping-2025") == 0);
  CHECK(code_of(ask({{"authenticated_group_id", group}})) == "resource/already-migrated");
}

TEST_CASE("UGM-6.2: into a group only its owner and administrators may migrate") {
  ServiceTest test;
  const auto user = test.world.add_user();
  const auto other = test.world.add_user();
  const auto devices = test.world.add_devices("camping-2025", 2, user);
  test.world.add_devices("lake", 2, other);
  const auto made = test.migrate(test.service.port(), user, test.body("camping-2025"));
  REQUIRE(status_of(made) == 201);
  const json group = json::parse(made->body).at("authenticated_group_id");
  const auto ask = [&](json body) {
    body["registration_group_id"] = "lake";
    return test.migrate(test.service.port(), other, body.dump());
  };
  const auto stranger = ask({{"authenticated_group_id", group}});
  CHECK(status_of(stranger) == 403);
  CHECK(code_of(stranger) == "authz/not-group-member");
  test.world.sql.exec("INSERT INTO group_memberships (group_id, user_id) VALUES ($1, $2)",
                      group.get<std::string>(), other.text());
  const auto member = ask({{"authenticated_group_id", group}});
  CHECK(status_of(member) == 403);
  CHECK(code_of(member) == "authz/forbidden");
  const auto nowhere = ask({{"authenticated_group_id", domain::Uuid::random().text()}});
  CHECK(status_of(nowhere) == 404);
  CHECK(code_of(nowhere) == "resource/not-found");
  const auto named = ask({{"authenticated_group_id", group}, {"group_name", "Lake"}});
  CHECK(status_of(named) == 400);
  CHECK(json::parse(named->body).at("error").at("details").at("fields") ==
        json::array({{{"field", "group_name"},
                      {"message", "cannot be given with authenticated_group_id"}}}));
  CHECK(code_of(ask({{"authenticated_group_id", "nonsense"}})) == "validation/invalid-request");
  CHECK(test.world.memberships() == 2);
  test.world.sql.exec("UPDATE group_memberships SET role = 'admin' WHERE user_id = $1",
                      other.text());
  CHECK(status_of(ask({{"authenticated_group_id", group}})) == 201);
  CHECK(test.world.memberships() == 4);
}

TEST_CASE("UGM-6.2: of overlapping partial migrations at once one runs and the others are 409") {
  ServiceTest test{replicas(3)};
  const auto user = test.world.add_user();
  const int deadlocks = test.deadlocks();
  for (int round = 0; round < 15; ++round) {
    const auto group = "camping-" + std::to_string(round);
    const auto devices = test.world.add_devices(group, 6, user);
    std::vector<std::function<Answered()>> asking;
    for (std::size_t i = 0; i < 6; ++i) { // each shares devices[0] with every other
      const json body{{"registration_group_id", group},
                      {"group_name", group + " " + std::to_string(i)},
                      {"device_ids", texts({devices[i], devices[0]})}};
      asking.push_back(test.asking(test.service.replica(i % 3).port(), user, body.dump()));
    }
    const auto answers = at_once(asking);
    auto counts = tally(answers);
    INFO("round " << round << ": " << Catch::Detail::stringify(counts));
    // Who comes after the winner owns nothing that is left, or asks for the rest alone.
    REQUIRE(counts["201"] == 1);
    REQUIRE(counts["409 migration/in-progress"] + counts["409 resource/already-migrated"] +
                counts["403 authz/not-device-owner"] ==
            5);
  }
  CHECK(test.world.groups() == 15);
  CHECK(test.deadlocks() == deadlocks);
}

TEST_CASE("UGM-6.2: while a partial migration runs, others of its group are told so at once") {
  auto options = replicas(3);
  options.settings = {{"database.lock_timeout", "60s"},
                      {"database.statement_timeout", "60s"},
                      {"migration.async_after", "25s"}};
  ServiceTest test{options};
  const auto user = test.world.add_user();
  const auto devices = test.world.add_devices("camping-2025", 4, user);
  const auto body = [&](std::vector<domain::Uuid> ids) {
    return json{{"registration_group_id", "camping-2025"}, {"device_ids", texts(ids)}}.dump();
  };
  HeldTransaction holder{test.service.database_url()};
  holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[1].text());
  auto running =
      test.asking_now(test.service.replica(0).port(), user, body({devices[0], devices[1]}));
  REQUIRE(test.somebody_waits("transactionid"));
  std::vector<std::function<Answered()>> asking;
  for (std::size_t i = 0; i < 6; ++i) // some overlap, some do not: one at a time all the same
    asking.push_back(test.asking(test.service.replica(i % 3).port(), user,
                                 body({devices[i % 2 == 0 ? 1 : 3], devices[2]})));
  CHECK(tally(at_once(asking)) == std::map<std::string, int>{{"409 migration/in-progress", 6}});
  holder.rollback();
  CHECK(status_of(running.get()) == 201);
  CHECK(test.world.memberships() == 2);
}

TEST_CASE("migrations of many registration groups into one group at once lose no device") {
  ServiceTest test{replicas(3)};
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 1, user);
  const auto made = test.migrate(test.service.port(), user, test.body("camping-2025"));
  REQUIRE(status_of(made) == 201);
  const json group = json::parse(made->body).at("authenticated_group_id");
  const int deadlocks = test.deadlocks();
  std::vector<std::function<Answered()>> asking;
  for (std::size_t i = 0; i < 12; ++i) {
    const auto from = "lake-" + std::to_string(i);
    test.world.add_devices(from, 5, user);
    asking.push_back(test.asking(
        test.service.replica(i % 3).port(), user,
        json{{"registration_group_id", from}, {"authenticated_group_id", group}}.dump()));
  }
  CHECK(tally(at_once(asking)) == std::map<std::string, int>{{"201", 12}});
  CHECK(test.world.groups() == 1);
  CHECK(test.world.memberships() == 61);
  CHECK(test.world.sql.value<int>("SELECT max_devices FROM groups") == 61);
  CHECK(test.deadlocks() == deadlocks);
}
