// The whole program on a database that the backend of a phone manager has made.
#include "tests/service/command.hpp"
#include "tests/service/support.hpp"
#include "tests/support/phone_manager.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

Said schema(const std::string& action, const std::string& url) {
  return run_command(with_settings({"schema", action}, url));
}

/// What a replica that does not start says; the test fails where it does start.
std::string refusal_of(const std::string& url) {
  Replica replica{url};
  const auto status = replica.wait(60s);
  REQUIRE(status == 1);
  return replica.log();
}

} // namespace

TEST_CASE("a role without rights on the schema serves what its owner has let Regroup adopt") {
  Postgres server;
  const auto url = phone_manager_database(server);
  const auto limited = granted_role_url(url);
  CHECK_THAT(refusal_of(limited), Catch::Contains("may not do what is missing: adds the value "
                                                  "partial to the type migration_status") &&
                                      Catch::Contains("regroup schema apply"));

  const auto status = schema("status", url);
  CHECK(status.status == 0);
  CHECK_THAT(status.text(),
             Catch::Contains("\n  adds the value rolled_back to the type migration_status\n") &&
                 Catch::Contains("\n  warning schema/set-null: ") &&
                 Catch::Contains("take a NULL: ALTER"));
  const auto applied = schema("apply", url);
  CHECK(applied.status == 0);
  CHECK_THAT(applied.text(), Catch::Contains("\n  builds the unique index regroup_one_success on"));
  CHECK_THAT(schema("status", url).text(), Catch::Contains("in the database: nothing\n"));

  CHECK_THAT(refusal_of(limited), Catch::Contains("may not read the table regroup_schema"));
  granted_role_url(url); // grants it what is new
  Replica replica{limited};
  replica.wait_until_ready();
  World world{url};
  const auto user = world.add_user();
  world.add_devices("Camping 2025", 3, user);
  const auto answer =
      HttpClient{replica.port()}.post(kMigrate, ServiceTest::body("Camping 2025"), bearer(user));
  REQUIRE(status_of(answer) == 201);
  CHECK(world.sql.value<int>("SELECT count(*) FROM device_group_history") == 3);
  CHECK(world.sql.value<std::string>("SELECT payload ->> 'slug' FROM outbox") ==
        json::parse(answer->body).at("slug"));

  Sql as_service{limited};
  for (const char* forbidden :
       {"SELECT password_hash FROM users", "SELECT email FROM users", "SELECT * FROM users",
        "SELECT * FROM locations", "UPDATE users SET is_active = true",
        "UPDATE api_keys SET is_admin = true", "UPDATE api_keys SET key_hash = 'x'",
        "DELETE FROM api_keys"}) {
    INFO(forbidden);
    CHECK_THROWS_WITH(as_service.exec(forbidden), Catch::Contains("permission denied"));
  }
}

TEST_CASE(
    "three replicas that start together adopt a database once, and thirty at once give one 201") {
  Postgres server;
  const auto url = phone_manager_database(server);
  std::vector<std::unique_ptr<Replica>> replicas;
  for (int i = 0; i < 3; ++i)
    replicas.push_back(std::make_unique<Replica>(url));
  for (auto& each : replicas)
    each->wait_until_ready();
  World world{url};
  const auto user = world.add_user();
  world.add_devices("camping-2025", 5, user);
  std::vector<std::function<Answered()>> asking;
  for (std::size_t i = 0; i < 30; ++i)
    asking.emplace_back([&, port = replicas[i % 3]->port()] {
      return HttpClient{port}.post(kMigrate, ServiceTest::body("camping-2025"), bearer(user));
    });
  CHECK(is_one_success(at_once(asking)));
  CHECK(world.sql.value<bool>("SELECT bool_and(indisvalid) FROM pg_index"));
}

TEST_CASE("serve names the groups that were migrated twice, and starts when it is told to") {
  Postgres server;
  const auto url = phone_manager_database(
      server, "INSERT INTO migration_audit_logs (user_id, registration_group_id, "
              "authenticated_group_id, devices_migrated, device_ids, status) SELECT user_id, "
              "registration_group_id, authenticated_group_id, 0, '{}', status "
              "FROM migration_audit_logs");
  CHECK_THAT(refusal_of(url), Catch::Contains("lake-2024 was migrated 2 times: group "
                                              "00000000-0000-4000-a000-000000000001"));
  const auto status = schema("status", url);
  CHECK(status.status == 1);
  CHECK_THAT(status.text(), Catch::Contains("\n  error   schema/duplicates: lake-2024"));
  const std::string allow = "--database.allow_recorded_duplicates=true";
  CHECK(run_command(with_settings({"schema", "status", allow}, url)).status == 0);

  Replica replica{url, {{"database.allow_recorded_duplicates", "true"}}};
  replica.wait_until_ready();
  CHECK_THAT(replica.log(), Catch::Contains("schema.duplicates_allowed"));
  World world{url};
  const auto user = world.add_user();
  world.add_devices("camping-2025", 3, user);
  const auto migrate = [&](const std::string& group) {
    return HttpClient{replica.port()}.post(kMigrate, ServiceTest::body(group), bearer(user));
  };
  CHECK(status_of(migrate("camping-2025")) == 201);
  CHECK(code_of(migrate("lake-2024")) == "resource/already-migrated");
}
