// Story UGM-6.1 over HTTP: the owner of a migrated group undoes the migration within a week.
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;

namespace {

std::string rollback_path(const std::string& group) {
  return "/api/v1/groups/" + group + "/rollback";
}

struct UndoServiceTest : ServiceTest {
  explicit UndoServiceTest(unsigned replicas = 1, Replica::Settings settings = {})
      : ServiceTest(options(replicas, std::move(settings))), user(world.add_user()),
        devices(world.add_devices("camping-2025", 3, user)) {}

  static Service::Options options(unsigned replicas, Replica::Settings settings) {
    Service::Options options;
    options.replicas = replicas;
    options.settings = std::move(settings);
    return options;
  }

  json migrated() {
    const auto answer = migrate(service.port(), user, body("camping-2025"));
    REQUIRE(status_of(answer) == 201);
    return json::parse(answer->body);
  }

  Answered undo(unsigned port, const std::string& group, const domain::Uuid& who,
                Headers headers = {}, const std::string& text = "") const {
    headers.merge(bearer(who));
    HttpClient client{port};
    return text.empty() ? client.request("POST", rollback_path(group), headers)
                        : client.post(rollback_path(group), text, headers);
  }
  Answered undo(const json& done, Headers headers = {}, const std::string& text = "") const {
    return undo(service.port(), done.at("authenticated_group_id"), user, std::move(headers), text);
  }

  domain::Uuid user;
  std::vector<domain::Uuid> devices;
};

bool is_error(const Answered& answer, int status, const std::string& code) {
  INFO((answer ? answer->body : "no answer"));
  return status_of(answer) == status && code_of(answer) == code;
}

json details_of(const Answered& answer) { return json::parse(answer->body)["error"]["details"]; }

} // namespace

TEST_CASE("UGM-6.1: the owner undoes a migration, and the group can be migrated again") {
  UndoServiceTest test{2};
  const auto done = test.migrated();
  const auto other = test.service.replica(1).port();
  CHECK(is_error(test.migrate(other, test.user, test.body("camping-2025")), 409,
                 "resource/already-migrated")); // which it remembers
  const auto answer = test.undo(done);
  REQUIRE(status_of(answer) == 200);
  const auto undone = json::parse(answer->body);
  CHECK(undone.at("migration_id") == done.at("migration_id"));
  CHECK(undone.at("authenticated_group_id") == done.at("authenticated_group_id"));
  CHECK(undone.at("registration_group_id") == "camping-2025");
  CHECK(undone.at("status") == "rolled_back");
  CHECK(undone.at("devices_restored") == 3);
  CHECK(undone.at("device_ids") == done.at("device_ids"));
  CHECK(test.world.groups() == 0);
  CHECK(test.world.group_members() == 0);
  CHECK(test.world.memberships() == 0);
  CHECK(test.world.devices_in("camping-2025") == 3);

  for (std::size_t i : {0U, 1U}) { // any replica says what became of it
    const auto status = HttpClient{test.service.replica(i).port()}.get(
        "/api/v1/groups/migrations/" + done.at("migration_id").get<std::string>(),
        bearer(test.user));
    REQUIRE(status_of(status) == 200);
    CHECK(json::parse(status->body).at("status") == "rolled_back");
    CHECK(json::parse(status->body).at("rolled_back_at") == undone.at("rolled_back_at"));
  }
  const auto again = test.undo(done);
  CHECK(is_error(again, 409, "migration/already-rolled-back"));
  CHECK(details_of(again) == json{{"authenticated_group_id", done.at("authenticated_group_id")},
                                  {"migration_id", done.at("migration_id")}});

  // What the other replica remembers is out of date, and it finds out by itself.
  CHECK(status_of(test.migrate(other, test.user, test.body("camping-2025"))) == 201);
  CHECK(is_error(test.migrate(test.service.port(), test.user, test.body("camping-2025")), 409,
                 "resource/already-migrated"));
}

TEST_CASE("UGM-6.1: an undo is refused to others, after a change, and for what is not there") {
  UndoServiceTest test;
  const auto done = test.migrated();
  const std::string group = done.at("authenticated_group_id");
  auto client = test.service.client();
  CHECK(is_error(client.request("POST", rollback_path(group)), 401, "auth/unauthorized"));
  CHECK(is_error(test.undo(test.service.port(), group, domain::Uuid::random()), 401,
                 "auth/unauthorized"));
  CHECK(is_error(test.undo(test.service.port(), group, test.world.add_user()), 403,
                 "authz/not-group-member"));
  const auto admin = test.world.add_user();
  test.world.sql.exec(
      "INSERT INTO group_memberships (group_id, user_id, role) VALUES ($1, $2, 'admin')", group,
      admin.text());
  CHECK(is_error(test.undo(test.service.port(), group, admin), 403, "authz/forbidden"));
  const auto modified = test.undo(done);
  CHECK(is_error(modified, 409, "migration/group-modified"));
  CHECK(details_of(modified) == json{{"authenticated_group_id", group}});
  CHECK(is_error(test.undo(test.service.port(), domain::Uuid::random().text(), test.user), 404,
                 "resource/not-found"));
  CHECK(is_error(test.undo(test.service.port(), "nonsense", test.user), 400,
                 "validation/invalid-request"));
  CHECK(is_error(test.undo(done, {{"Idempotency-Key", "two words"}}), 400,
                 "validation/invalid-request"));
  CHECK(is_error(test.undo(done, {}, "{"), 400, "validation/invalid-json"));
  CHECK(is_error(test.undo(done, {}, R"({"force": true})"), 400, "validation/invalid-request"));
  CHECK(is_error(test.undo(done, {{"Content-Type", "text/plain"}}, "please"), 415,
                 "request/unsupported-media-type"));
  const auto method = client.get(rollback_path(group), bearer(test.user));
  CHECK(is_error(method, 405, "request/method-not-allowed"));
  CHECK(method->headers.at("Allow") == "POST, OPTIONS");

  test.world.sql.exec("DELETE FROM group_memberships WHERE role = 'admin'");
  HeldTransaction holder{test.service.database_url()};
  holder.exec("SELECT pg_advisory_xact_lock(regroup_lock_key('camping-2025'))");
  const auto locked = test.undo(done);
  CHECK(is_error(locked, 409, "migration/in-progress"));
  CHECK(locked->headers.at("Retry-After") == "1");
  holder.rollback();
  CHECK(test.world.groups() == 1);
  CHECK(status_of(test.undo(done, {}, "{}")) == 200);
}

TEST_CASE("UGM-6.1: after migration.rollback_window an undo is refused") {
  UndoServiceTest test{1, {{"migration.rollback_window", "1h"}}};
  const auto done = test.migrated();
  test.world.sql.exec("UPDATE migration_audit_logs SET created_at = now() - interval '61 minutes'");
  CHECK(is_error(test.undo(done), 409, "migration/rollback-expired"));
  CHECK(test.world.groups() == 1);
}

TEST_CASE("an undo's Idempotency-Key is answered by every replica") {
  UndoServiceTest test{2};
  const auto done = test.migrated();
  const Headers key{{"Idempotency-Key", "undo-1"}};
  const auto first = test.undo(done, key);
  REQUIRE(status_of(first) == 200);
  CHECK_FALSE(first->headers.contains("Idempotency-Replayed"));
  const auto again =
      test.undo(test.service.replica(1).port(), done.at("authenticated_group_id"), test.user, key);
  REQUIRE(status_of(again) == 200);
  CHECK(again->body == first->body);
  CHECK(again->headers.at("Idempotency-Replayed") == "true");
  CHECK(is_error(test.migrate(test.service.port(), test.user, test.body("camping-2025"), key), 422,
                 "request/idempotency-mismatch"));
}

TEST_CASE("undo against migrate over three replicas ends as the answers tell, thirty times") {
  UndoServiceTest test{3};
  const int deadlocks = test.deadlocks();
  auto current = test.migrated();
  for (int round = 0; round < 30; ++round) {
    const std::string group = current.at("authenticated_group_id");
    std::vector<std::function<Answered()>> asking;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto port = test.service.replica(i).port();
      for (int k = 0; k < 2; ++k)
        asking.push_back(test.asking(port, test.user, test.body("camping-2025")));
      asking.push_back([&test, port, group] { return test.undo(port, group, test.user); });
    }
    const auto answers = at_once(asking);
    auto counts = tally(answers);
    INFO("round " << round << ": " << Catch::Detail::stringify(counts));
    REQUIRE(counts["200"] <= 1);
    REQUIRE(counts["201"] <= counts["200"]); // migrated again only after it was undone
    REQUIRE(counts["200"] + counts["201"] + counts["409 migration/in-progress"] +
                counts["409 resource/already-migrated"] +
                counts["409 migration/already-rolled-back"] ==
            static_cast<int>(answers.size()));
    // The database has what was told, no more and no less.
    const bool is_migrated = counts["200"] == counts["201"];
    REQUIRE(test.world.groups() == (is_migrated ? 1 : 0));
    REQUIRE(test.world.memberships() == (is_migrated ? 3 : 0));
    REQUIRE(test.world.group_members() == (is_migrated ? 1 : 0));
    REQUIRE(test.world.devices_in("camping-2025") == 3);
    REQUIRE(test.world.audits("success") == (is_migrated ? 1 : 0));
    for (const auto& answer : answers)
      if (status_of(answer) == 201)
        current = json::parse(answer->body);
    if (!is_migrated)
      current = test.migrated();
    REQUIRE(test.world.sql.value<std::string>("SELECT id::text FROM groups WHERE is_active") ==
            current.at("authenticated_group_id").get<std::string>());
  }
  CHECK(test.world.audits("rolled_back") > 0);
  CHECK(test.deadlocks() == deadlocks);
}

TEST_CASE(
    "undo against bulk changes over three replicas: whoever is first, nothing is in between") {
  UndoServiceTest test{3};
  const int deadlocks = test.deadlocks();
  const auto ids = [](const std::vector<domain::Uuid>& some) {
    json list = json::array();
    for (const auto& each : some)
      list.push_back(each.text());
    return json{{"device_ids", list}}.dump();
  };
  for (int round = 0; round < 20; ++round) {
    const auto camp = "camp-" + std::to_string(round);
    const auto lake = "lake-" + std::to_string(round);
    const auto phones = test.world.add_devices(camp, 3, test.user);
    const auto others = test.world.add_devices(lake, 4, test.user);
    test.world.sql.exec("UPDATE devices SET owner_user_id = $1", test.user.text());
    const auto done = test.migrate(test.service.port(), test.user, test.body(camp));
    REQUIRE(status_of(done) == 201);
    const std::string group = json::parse(done->body).at("authenticated_group_id");
    const auto path = "/api/v1/groups/" + group + "/devices";
    const auto bulk = [&](std::size_t replica, const char* what, std::string body) {
      return std::function<Answered()>{[&test, replica, path = path + what, body] {
        return HttpClient{test.service.replica(replica).port()}.post(path, body, bearer(test.user));
      }};
    };
    const auto answers = at_once({
        [&] { return test.undo(test.service.replica(0).port(), group, test.user); },
        bulk(1, "/bulk-add", ids(others)),
        bulk(2, "/bulk-remove", ids({phones[2], phones[0]})),
    });
    INFO("round " << round << ": " << (answers[0] ? answers[0]->body : "nothing") << "\n"
                  << (answers[1] ? answers[1]->body : "nothing") << "\n"
                  << (answers[2] ? answers[2]->body : "nothing"));
    const bool added = status_of(answers[1]) == 200;
    const bool removed = status_of(answers[2]) == 200;
    const int members = test.world.sql.value<int>(
        "SELECT count(*) FROM device_group_memberships WHERE group_id = $1", group);
    if (status_of(answers[0]) == 200) {
      // Its members go with the group: who was let in before and looks after it is told so.
      for (const auto* late : {&answers[1], &answers[2]})
        CHECK((is_error(*late, 404, "resource/not-found") ||
               is_error(*late, 403, "authz/not-group-member")));
      CHECK(members == 0);
    } else {
      CHECK(is_error(answers[0], 409, "migration/group-modified"));
      CHECK((added || removed));
      CHECK(members == 3 + (added ? 4 : 0) - (removed ? 2 : 0));
    }
    CHECK(test.world.devices_in(lake) == 4);
  }
  CHECK(test.deadlocks() == deadlocks);
}
