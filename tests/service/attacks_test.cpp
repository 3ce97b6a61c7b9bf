// What somebody tries who has a token, or the key that all phones share, and knows a family's
// string: step by step, and what the family sees of it.
#include "tests/service/admin_support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace regroup;
using namespace regroup::test;
using domain::Uuid;

namespace {

const std::string kFamily = "chen-family-7431";

class AttackTest : public AdminServiceTest {
public:
  explicit AttackTest(const Service::Options& options = {})
      : AdminServiceTest(options), victim(world.add_user()), attacker(world.add_user()) {}

  Answered register_device(const Headers& as, const Uuid& device, const std::string& group,
                           const std::string& name = "phone") {
    return service.client().post("/api/v1/devices/register",
                                 json{{"device_id", device.text()},
                                      {"display_name", name},
                                      {"group_id", group},
                                      {"platform", "android"},
                                      {"fcm_token", "token of " + name}}
                                     .dump(),
                                 as);
  }
  Headers key() const { return {{"X-API-Key", device_key}}; }

  /// Devices of the family's string, each linked to `owner`, or to nobody.
  std::vector<Uuid> family(std::size_t count, const std::optional<Uuid>& owner) {
    std::vector<Uuid> ids;
    for (std::size_t i = 0; i < count; ++i) {
      ids.push_back(Uuid::random());
      const auto answer = register_device(owner ? bearer(*owner) : key(), ids.back(), kFamily);
      REQUIRE(status_of(answer) == 201);
    }
    return ids;
  }

  Answered migrate_family(const Uuid& as, const std::string& query = "") {
    return service.client().post(kMigrate + query, body(kFamily), bearer(as));
  }

  /// The row as programs that read the table see it, but for when it was seen last.
  std::string row_of_device(const Uuid& device) {
    return world.sql.value<std::string>(
        "SELECT (to_jsonb(d) - 'last_seen_at')::text FROM devices d WHERE device_id = $1",
        device.text());
  }
  std::string seen(const Uuid& device) {
    return world.sql.value<std::string>(
        "SELECT coalesce(last_seen_at::text, 'never') FROM devices WHERE device_id = $1",
        device.text());
  }

  Uuid victim, attacker;
};

json details_of(const Answered& answer) {
  return json::parse(answer->body).at("error").at("details");
}

/// Whether any of these ids is in the answer.
bool shows(const Answered& answer, const std::vector<Uuid>& ids) {
  return std::any_of(ids.begin(), ids.end(), [&](const Uuid& id) {
    return answer->body.find(id.text()) != std::string::npos;
  });
}

Service::Options with(Replica::Settings settings) {
  Service::Options options;
  options.settings = std::move(settings);
  return options;
}

} // namespace

TEST_CASE("the key that all phones share does not change a device that belongs to a user") {
  AttackTest test;
  const auto phone = test.family(1, test.victim).front();
  test.world.sql.exec("UPDATE devices SET active = false, last_seen_at = '2020-01-01'");
  const auto before = test.row_of_device(phone);
  const auto seen_before = test.seen(phone);

  for (const auto& key : {test.device_key, test.admin_key}) {
    const auto answer =
        test.register_device({{"X-API-Key", key}}, phone, "attackers-string", "taken over");
    REQUIRE(status_of(answer) == 409);
    CHECK(code_of(answer) == "resource/device-linked");
    CHECK(details_of(answer) == json{{"device_id", phone.text()}});
  }
  CHECK(test.row_of_device(phone) == before);
  CHECK(test.seen(phone) != seen_before);

  // Nothing of the victim's comes along when the attacker migrates a string of theirs.
  REQUIRE(status_of(test.register_device(bearer(test.attacker), Uuid::random(),
                                         "attackers-string")) == 201);
  const auto migrated =
      test.migrate(test.service.port(), test.attacker, test.body("attackers-string"));
  REQUIRE(status_of(migrated) == 201);
  CHECK_FALSE(shows(migrated, {phone}));

  // What belongs to nobody is the key's to change, as ever; and what is the user's, the user's.
  const auto free = test.family(1, std::nullopt).front();
  CHECK(status_of(test.register_device(test.key(), free, "another")) == 200);
  CHECK(status_of(test.register_device(bearer(test.victim), phone, kFamily)) == 200);
  CHECK(code_of(test.register_device(bearer(test.attacker), phone, kFamily)) ==
        "resource/already-exists");
}

TEST_CASE("who knows a family's string learns no id of their devices before the migration") {
  AttackTest test{with({{"migration.require_owner", "majority"}})};
  const auto theirs = test.family(3, test.victim);
  const auto nobodys = test.family(2, std::nullopt);
  const auto fake = Uuid::random();
  REQUIRE(status_of(test.register_device(bearer(test.attacker), fake, kFamily)) == 201);

  const auto rehearsed = test.migrate_family(test.attacker, "?dry_run=true");
  REQUIRE(status_of(rehearsed) == 200);
  CHECK_FALSE(shows(rehearsed, theirs));
  CHECK_FALSE(shows(rehearsed, nobodys));
  const auto plan = json::parse(rehearsed->body);
  CHECK(plan.at("device_ids") == json{fake.text()});
  CHECK(plan.at("devices_to_migrate") == 6);
  CHECK(plan.at("obstacle").at("code") == "authz/not-device-owner");
  CHECK(plan.at("obstacle").at("details").at("linked_devices") == 4);

  for (const auto& answer :
       {test.migrate_family(test.attacker),
        test.service.client().get("/api/v1/devices/me/registration-group", bearer(test.attacker)),
        test.service.client().get("/api/v1/devices/me", bearer(test.attacker)),
        test.service.client().get("/api/v1/devices/" + theirs[0].text() + "/groups",
                                  bearer(test.attacker))}) {
    INFO(answer->body);
    CHECK_FALSE(shows(answer, {theirs[1], theirs[2], nobodys[0], nobodys[1]}));
  }

  // A choice of some is no way around it; what is echoed is the caller's own word.
  const auto guess = test.service.client().post(
      std::string{kMigrate} + "?dry_run=true",
      json{{"registration_group_id", kFamily}, {"device_ids", {fake.text(), Uuid::random().text()}}}
          .dump(),
      bearer(test.attacker));
  REQUIRE(status_of(guess) == 200);
  CHECK_FALSE(shows(guess, theirs));
  CHECK(json::parse(guess->body).at("devices_to_migrate") == 1);

  const auto done = test.migrate_family(test.victim); // 3 of 4 linked: more than half
  REQUIRE(status_of(done) == 201);
  CHECK(shows(done, theirs));
}

TEST_CASE("the owner of a device that was swept along learns where it went, and takes it out") {
  AttackTest test; // migration.require_owner = any: what it allows
  const auto phone = test.family(1, test.victim).front();
  const auto other = test.family(1, test.world.add_user()).front();
  REQUIRE(status_of(test.register_device(bearer(test.attacker), Uuid::random(), kFamily)) == 201);
  const auto taken = test.migrate_family(test.attacker);
  REQUIRE(status_of(taken) == 201);
  const std::string group = json::parse(taken->body).at("authenticated_group_id");

  const auto told = test.migrate_family(test.victim);
  REQUIRE(code_of(told) == "resource/already-migrated");
  CHECK(details_of(told).at("group_name") == kFamily);
  CHECK(details_of(told).at("authenticated_group_id") == group);
  const auto mine =
      test.service.client().get("/api/v1/devices/me/registration-group", bearer(test.victim));
  CHECK(json::parse(mine->body).at("group_name") == kFamily);
  const auto by_a_stranger = test.migrate_family(test.world.add_user());
  CHECK(details_of(by_a_stranger) == json{{"registration_group_id", kFamily}});

  const auto devices = "/api/v1/groups/" + group + "/devices";
  CHECK(status_of(test.service.client().get(devices, bearer(test.victim))) == 403);
  CHECK(code_of(test.service.client().remove(devices + "/" + other.text(), bearer(test.victim))) ==
        "authz/not-group-member");
  const auto out = test.service.client().remove(devices + "/" + phone.text(), bearer(test.victim));
  INFO(out->body);
  REQUIRE(status_of(out) == 200);
  CHECK(test.world.sql.value<int>("SELECT count(*) FROM device_group_memberships "
                                  "WHERE device_id = $1",
                                  phone.text()) == 0);
  CHECK(test.world.sql.value<std::string>("SELECT group_id FROM devices WHERE device_id = $1",
                                          phone.text()) == kFamily);
  CHECK(status_of(test.register_device(bearer(test.victim), phone, "somewhere-else")) == 200);
  // Together with another's it is only one's own that goes.
  const auto second = test.world.sql.value<int>("SELECT count(*) FROM device_group_memberships");
  const auto bulk = test.service.client().post(
      devices + "/bulk-remove",
      json{{"device_ids", {phone.text(), other.text(), Uuid::random().text()}}, {"partial", true}}
          .dump(),
      bearer(test.victim));
  REQUIRE(status_of(bulk) == 200);
  CHECK(test.world.sql.value<int>("SELECT count(*) FROM device_group_memberships") == second);
}

TEST_CASE("a device's owner takes it out of a group that another program has made inactive") {
  AttackTest test;
  const auto phone = test.family(1, test.victim).front();
  const auto other = test.family(1, test.world.add_user()).front();
  REQUIRE(status_of(test.register_device(bearer(test.attacker), Uuid::random(), kFamily)) == 201);
  const auto taken = test.migrate_family(test.attacker);
  REQUIRE(status_of(taken) == 201);
  const std::string group = json::parse(taken->body).at("authenticated_group_id");
  test.world.sql.exec("UPDATE groups SET is_active = false");

  const auto devices = "/api/v1/groups/" + group + "/devices";
  const auto remove = [&](const Uuid& device, const Uuid& as) {
    return test.service.client().remove(devices + "/" + device.text(), bearer(as));
  };
  CHECK(status_of(test.service.client().get(devices, bearer(test.victim))) == 404);
  CHECK(code_of(remove(other, test.victim)) == "resource/not-found");
  CHECK(code_of(remove(phone, test.attacker)) == "resource/not-found");
  REQUIRE(status_of(remove(phone, test.victim)) == 200);
  CHECK(code_of(remove(phone, test.victim)) == "resource/not-found");
  CHECK(test.world.sql.value<std::string>("SELECT group_id FROM devices WHERE device_id = $1",
                                          phone.text()) == kFamily);
  CHECK(test.world.sql.value<int>("SELECT count(*) FROM device_group_memberships") == 2);
  CHECK(status_of(test.register_device(bearer(test.victim), phone, "somewhere-else")) == 200);
}

TEST_CASE("devices that were linked, or came, a moment ago do not outvote a family") {
  const auto age = [](const std::string& rule) {
    return with({{"migration.require_owner", rule}, {"migration.link_age", "1h"}});
  };
  const auto long_ago = [](AttackTest& test) {
    test.world.sql.exec("UPDATE devices SET linked_at = now() - interval '2 hours', "
                        "group_joined_at = now() - interval '2 hours'");
  };
  const auto fakes = [](AttackTest& test, int count) {
    for (int i = 0; i < count; ++i)
      REQUIRE(status_of(test.register_device(bearer(test.attacker), Uuid::random(), kFamily)) ==
              201);
  };
  SECTION("majority") {
    AttackTest test{age("majority")};
    test.family(3, test.victim);
    long_ago(test);
    fakes(test, 4);
    const auto answer = test.migrate_family(test.attacker);
    CHECK(code_of(answer) == "authz/not-device-owner");
    CHECK(details_of(answer).at("linked_devices") == 3);
    CHECK(details_of(answer).at("owned_devices") == 0);
    CHECK(json::parse(test.migrate_family(test.attacker, "?dry_run=true")->body)
              .at("obstacle")
              .at("details") == details_of(answer));
    CHECK(status_of(test.migrate_family(test.victim)) == 201);
  }
  SECTION("all_linked") {
    AttackTest test{age("all_linked")};
    test.family(3, test.victim);
    long_ago(test);
    fakes(test, 1);
    CHECK(code_of(test.migrate_family(test.attacker)) == "authz/not-device-owner");
    CHECK(status_of(test.migrate_family(test.victim)) == 201);
  }
  SECTION("a string without any vote yet is nobody's") {
    AttackTest test{age("all_linked")};
    test.family(2, std::nullopt);
    fakes(test, 1);
    const auto answer = test.migrate_family(test.attacker);
    CHECK(code_of(answer) == "authz/not-device-owner");
    CHECK(json::parse(test.migrate_family(test.attacker, "?dry_run=true")->body)
              .at("obstacle")
              .at("code") == "authz/not-device-owner");
  }
  SECTION("devices that were linked elsewhere long ago and brought along") {
    AttackTest test{age("majority")};
    std::vector<Uuid> prepared;
    for (int i = 0; i < 4; ++i) {
      prepared.push_back(Uuid::random());
      REQUIRE(status_of(test.register_device(bearer(test.attacker), prepared.back(),
                                             "prepared-" + std::to_string(i))) == 201);
    }
    test.family(3, test.victim);
    long_ago(test);
    for (const auto& device : prepared)
      REQUIRE(status_of(test.register_device(bearer(test.attacker), device, kFamily)) == 200);
    CHECK(code_of(test.migrate_family(test.attacker)) == "authz/not-device-owner");
    CHECK(status_of(test.migrate_family(test.victim)) == 201);
  }
  SECTION("fakes that fill the string are left out by a choice of devices") {
    AttackTest test{with({{"limits.max_devices_per_group", "5"}})};
    const auto theirs = test.family(3, test.victim);
    fakes(test, 4);
    const auto full = test.migrate_family(test.victim);
    REQUIRE(code_of(full) == "validation/too-many-devices");
    CHECK(full->body.find("device_ids can choose") != std::string::npos);
    std::vector<std::string> chosen;
    for (const auto& id : theirs)
      chosen.push_back(id.text());
    CHECK(status_of(test.migrate(
              test.service.port(), test.victim,
              json{{"registration_group_id", kFamily}, {"device_ids", chosen}}.dump())) == 201);
  }
}

TEST_CASE("nothing new gets into a group by its name or its old string") {
  AttackTest test;
  const auto phone = test.family(1, test.victim).front();
  const auto late = test.family(1, std::nullopt).front();
  const auto done = test.service.client().post(
      kMigrate, json{{"registration_group_id", kFamily}, {"group_name", "Chens"}}.dump(),
      bearer(test.victim));
  REQUIRE(status_of(done) == 201);
  test.world.sql.exec("INSERT INTO groups (name, slug, created_by) VALUES ('Club', 'club', $1)",
                      test.victim.text());
  const auto others = test.world.sql.value<std::string>(
      "SELECT string_agg(device_id::text, ',' ORDER BY device_id) FROM devices "
      "WHERE group_id IN ('chens', 'club', $1)",
      kFamily);

  const auto moving = Uuid::random();
  REQUIRE(status_of(test.register_device(bearer(test.attacker), moving, "elsewhere")) == 201);
  for (const auto& device : {Uuid::random(), moving})
    for (const auto& as : {test.key(), bearer(test.attacker)}) {
      if (device == moving && as.contains("X-API-Key"))
        continue; // it is the attacker's
      const auto into_slug = test.register_device(as, device, "chens");
      CHECK(code_of(into_slug) == "resource/already-migrated");
      CHECK(details_of(into_slug) == json{{"registration_group_id", "chens"}});
      CHECK(code_of(test.register_device(as, device, kFamily)) == "resource/already-migrated");
      CHECK(code_of(test.register_device(as, device, "club")) == "resource/group-name-exists");
    }
  // A member's new phone is told which group it is, to be added there.
  const auto told = test.register_device(bearer(test.victim), Uuid::random(), kFamily);
  CHECK(details_of(told).at("authenticated_group_id") ==
        json::parse(done->body).at("authenticated_group_id"));

  CHECK(test.world.sql.value<std::string>(
            "SELECT string_agg(device_id::text, ',' ORDER BY device_id) FROM devices "
            "WHERE group_id IN ('chens', 'club', $1)",
            kFamily) == others);
  // The group's own phones register as ever, by either name.
  for (const auto* string : {"chens", kFamily.c_str(), "elsewhere"}) {
    const auto again = test.register_device(bearer(test.victim), phone, string);
    CHECK(status_of(again) == 200);
    CHECK(json::parse(again->body).at("group_id") == "chens");
  }
  CHECK(status_of(test.register_device(test.key(), late, kFamily)) == 200);

  // After an undo the string is a string again, and so is the slug.
  const std::string group = json::parse(done->body).at("authenticated_group_id");
  REQUIRE(status_of(test.service.client().post("/api/v1/groups/" + group + "/rollback", "",
                                               bearer(test.victim))) == 200);
  CHECK(status_of(test.register_device(test.key(), Uuid::random(), kFamily)) == 201);
  CHECK(status_of(test.register_device(test.key(), Uuid::random(), "chens")) == 201);
}

TEST_CASE("a device that waits in a group's string is added by the group, and stays known there") {
  AttackTest test;
  test.family(1, test.victim);
  const auto waiting = Uuid::random();
  REQUIRE(status_of(test.register_device(bearer(test.victim), waiting, kFamily)) == 201);
  REQUIRE(status_of(test.service.client().post(
              kMigrate,
              json{{"registration_group_id", kFamily},
                   {"group_name", "Chens"},
                   {"device_ids", {test.family(1, test.victim).front().text()}}}
                  .dump(),
              bearer(test.victim))) == 201);
  // Migrated in part: the string still takes what is new.
  CHECK(status_of(test.register_device(test.key(), Uuid::random(), kFamily)) == 201);
  CHECK(code_of(test.register_device(test.key(), Uuid::random(), "chens")) ==
        "resource/already-migrated");
  const auto group = test.world.sql.value<std::string>("SELECT id::text FROM groups");
  REQUIRE(status_of(test.service.client().post("/api/v1/groups/" + group + "/devices",
                                               json{{"device_id", waiting.text()}}.dump(),
                                               bearer(test.victim))) == 201);
  CHECK(status_of(test.register_device(bearer(test.victim), waiting, "chens")) == 200);
}

TEST_CASE("a deactivated user's token reads nothing, and is told so") {
  AttackTest test;
  test.family(2, test.victim);
  const auto done = test.migrate_family(test.victim);
  REQUIRE(status_of(done) == 201);
  const auto migration = json::parse(done->body);
  const auto status_url =
      "/api/v1/groups/migrations/" + migration.at("migration_id").get<std::string>();
  const auto undo_url =
      "/api/v1/groups/" + migration.at("authenticated_group_id").get<std::string>() + "/rollback";
  REQUIRE(status_of(test.service.client().get(status_url, bearer(test.victim))) == 200);
  test.world.sql.exec("UPDATE users SET is_active = false WHERE id = $1", test.victim.text());
  const auto nowhere = "/api/v1/groups/migrations/" + Uuid::random().text();
  const auto no_group = "/api/v1/groups/" + Uuid::random().text() + "/rollback";
  for (const auto& user : {test.victim, Uuid::random()}) {
    CHECK(status_of(test.service.client().get(status_url, bearer(user))) == 401);
    CHECK(status_of(test.service.client().get(nowhere, bearer(user))) == 401);
    auto stream = bearer(user);
    stream["Accept"] = "text/event-stream";
    CHECK(status_of(test.service.client().get(status_url, stream)) == 401);
    CHECK(status_of(test.service.client().post(undo_url, "", bearer(user))) == 401);
    CHECK(status_of(test.service.client().post(no_group, "", bearer(user))) == 401);
    CHECK(status_of(test.migrate_family(user)) == 401);
    CHECK(status_of(test.migrate_family(user, "?dry_run=true")) == 401);
  }
}
