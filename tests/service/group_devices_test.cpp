// Groups, their members and their devices over HTTP: what each route answers, and what three
// replicas make of changes that meet.
#include "tests/service/expect.hpp"
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

using namespace regroup;
using namespace regroup::test;

namespace {

Service::Options replicas(unsigned count) {
  Service::Options options;
  options.replicas = count;
  return options;
}

/// A user with a group of two devices, one of them theirs, that was migrated from "home".
struct GroupsTest : ServiceTest {
  explicit GroupsTest(unsigned count = 1)
      : ServiceTest(replicas(count)), user(world.add_user()),
        migrated(world.add_devices("home", 2, user)) {
    const auto made =
        migrate(service.port(), user,
                json{{"registration_group_id", "home"}, {"group_name", "Chen Family"}}.dump());
    REQUIRE(status_of(made) == 201);
    group = json::parse(made->body).at("authenticated_group_id");
    devices = "/api/v1/groups/" + group + "/devices";
  }

  std::vector<domain::Uuid> phones(const std::string& registration_group, std::size_t count,
                                   const domain::Uuid& owner) {
    auto ids = world.add_devices(registration_group, count, owner);
    world.sql.exec("UPDATE devices SET owner_user_id = $1 WHERE group_id = $2", owner.text(),
                   registration_group);
    return ids;
  }

  static std::string one(const domain::Uuid& device) {
    return json{{"device_id", device.text()}}.dump();
  }
  static std::string several(const std::vector<domain::Uuid>& ids, bool partial = false) {
    json body{{"device_ids", json::array()}};
    for (const auto& id : ids)
      body["device_ids"].push_back(id.text());
    if (partial)
      body["partial"] = true;
    return body.dump();
  }

  Answered get(const std::string& path, const domain::Uuid& who, Headers headers = {}) const {
    headers.merge(bearer(who));
    return service.client().get(path, headers);
  }
  Answered post(const std::string& path, const std::string& body, const domain::Uuid& who,
                Headers headers = {}, std::size_t replica = 0) {
    headers.merge(bearer(who));
    return HttpClient{service.replica(replica).port()}.post(path, body, headers);
  }
  Answered add(const domain::Uuid& device, const domain::Uuid& who, const Headers& headers = {}) {
    return post(devices, one(device), who, headers);
  }
  Answered remove(const domain::Uuid& device, const domain::Uuid& who, Headers headers = {}) const {
    headers.merge(bearer(who));
    return service.client().remove(devices + "/" + device.text(), headers);
  }
  void join(const domain::Uuid& who, const std::string& role) {
    world.sql.exec("INSERT INTO group_memberships (group_id, user_id, role) "
                   "VALUES ($1, $2, $3::group_role)",
                   group, who.text(), role);
  }
  int members_of(const std::string& of_group) {
    return world.sql.value<int>("SELECT count(*) FROM device_group_memberships WHERE group_id = $1",
                                of_group);
  }

  domain::Uuid user;
  std::vector<domain::Uuid> migrated;
  std::string group;
  std::string devices; // the path of the group's
};

struct ReplicasTest : GroupsTest {
  ReplicasTest() : GroupsTest(3) {}
};

std::vector<std::string> statuses_of(const json& results) {
  std::vector<std::string> all;
  for (const auto& each : results)
    all.push_back(each.contains("error") ? each.at("error").at("code").get<std::string>()
                                         : each.at("status").get<std::string>());
  return all;
}

} // namespace

TEST_CASE_METHOD(GroupsTest,
                 "UGM-3.2 to 3.7: a device is put into a group, seen there and taken out again") {
  const auto phone = phones("lake", 1, user)[0];
  const auto added = add(phone, user);
  REQUIRE(status_of(added) == 201);
  const auto body = json::parse(added->body);
  CHECK(body.size() == 4);
  CHECK(body.at("authenticated_group_id") == group);
  CHECK(body.at("device_id") == phone.text());
  const auto listed = json::parse(get(devices, user)->body);
  CHECK(listed.at("total") == 3);
  for (const auto& device : listed.at("devices"))
    if (device.at("device_id") == phone.text())
      CHECK(device.at("added_at") == body.at("added_at"));
  is_error(add(phone, user), 409, "resource/already-exists");
  const auto removed = remove(phone, user);
  REQUIRE(status_of(removed) == 200);
  CHECK(json::parse(removed->body).at("device_id") == phone.text());
  CHECK(json::parse(removed->body).contains("removed_at"));
  is_error(remove(phone, user), 404, "resource/not-found");
  CHECK(members_of(group) == 2);
}

TEST_CASE_METHOD(GroupsTest, "a migrated device that is taken out is where it was migrated from") {
  REQUIRE(status_of(remove(migrated[0], user)) == 200);
  const auto found = get("/api/v1/devices/me/registration-group", user);
  REQUIRE(status_of(found) == 200);
  CHECK(json::parse(found->body).at("registration_group_id") == "home");
  CHECK(json::parse(found->body).at("migrated") == false);
  is_error(migrate(service.port(), user, body("home")), 409, "resource/already-migrated");
  REQUIRE(status_of(add(migrated[0], user)) == 201);
  CHECK(world.devices_in("chen-family") == 2);
}

TEST_CASE_METHOD(GroupsTest,
                 "UGM-3.2 to 3.7: each refusal of a change has its code and changes nothing") {
  const auto other = world.add_user();
  const auto phone = phones("lake", 1, user)[0];
  const auto theirs = phones("hut", 1, other)[0];
  is_error(add(theirs, other), 403, "authz/not-group-member");
  is_error(remove(migrated[0], other), 403, "authz/not-group-member");
  join(other, "viewer");
  is_error(add(theirs, other), 403, "authz/forbidden");
  is_error(remove(migrated[0], other), 403, "authz/not-device-owner");
  is_error(add(theirs, user), 403, "authz/not-device-owner");
  is_error(add(domain::Uuid::random(), user), 404, "resource/not-found");
  is_error(post("/api/v1/groups/" + domain::Uuid::random().text() + "/devices", one(phone), user),
           404, "resource/not-found");
  is_error(add(phone, domain::Uuid::random()), 401, "auth/unauthorized");
  is_error(service.client().post(devices, one(phone)), 401, "auth/unauthorized");
  is_error(service.client().remove(devices + "/" + phone.text()), 401, "auth/unauthorized");

  is_error(post(devices, "{", user), 400, "validation/invalid-json");
  const auto wrong = post(devices, R"({"device_id": "x", "colour": 1})", user);
  is_error(wrong, 400, "validation/invalid-request");
  CHECK(fields_of(wrong) == std::vector<std::string>{"colour", "device_id"});
  is_error(post("/api/v1/groups/nonsense/devices", one(phone), user), 400,
           "validation/invalid-request");
  is_error(get("/api/v1/groups/nonsense/members", user), 400, "validation/invalid-request");
  const auto no_id = service.client().remove(devices + "/nonsense", bearer(user));
  is_error(no_id, 400, "validation/invalid-request");
  CHECK(fields_of(no_id) == std::vector<std::string>{"device_id"});
  is_error(add(phone, user, {{"Idempotency-Key", "two words"}}), 400, "validation/invalid-request");
  is_error(add(phone, user, {{"Content-Type", "text/plain"}}), 415,
           "request/unsupported-media-type");
  is_error(post(devices, std::string(std::size_t{2} << 20U, 'a'), user), 413, "request/too-large");
  CHECK(members_of(group) == 2);
}

TEST_CASE_METHOD(GroupsTest, "the methods of a path are named, and the nearest path is meant") {
  auto client = service.client();
  const auto allowed = [&](const std::string& method, const std::string& path) {
    const auto answer = client.request(method, path, bearer(user));
    is_error(answer, 405, "request/method-not-allowed");
    return answer->headers.at("Allow");
  };
  CHECK(allowed("DELETE", devices) == "GET, HEAD, POST, OPTIONS");
  CHECK(allowed("PUT", devices) == "GET, HEAD, POST, OPTIONS");
  CHECK(allowed("GET", devices + "/" + migrated[0].text()) == "DELETE, OPTIONS");
  CHECK(allowed("GET", devices + "/bulk-add") == "POST, OPTIONS");
  CHECK(allowed("DELETE", devices + "/bulk-remove") == "POST, OPTIONS");
  CHECK(allowed("POST", "/api/v1/devices/me") == "GET, HEAD, OPTIONS");
  CHECK(allowed("POST", "/api/v1/groups") == "GET, HEAD, OPTIONS");
  CHECK(status_of(get("/api/v1/devices/me", user)) == 200);
  is_error(get("/api/v1/devices/me/groups", user), 400, "validation/invalid-request");
}

TEST_CASE_METHOD(GroupsTest,
                 "UGM-6.4: several devices are added and removed with a result for each") {
  const auto mine = phones("lake", 3, user);
  const auto theirs = phones("hut", 1, world.add_user())[0];
  const auto whole = post(devices + "/bulk-add", several({mine[0], theirs, migrated[0]}), user);
  is_error(whole, 403, "authz/not-device-owner");
  CHECK(details_of(whole) ==
        json{{"devices",
              {{{"device_id", theirs.text()}, {"code", "authz/not-device-owner"}},
               {{"device_id", migrated[0].text()}, {"code", "resource/already-exists"}}}}});
  CHECK(members_of(group) == 2);

  const auto part =
      post(devices + "/bulk-add", several({mine[0], theirs, migrated[0], mine[0]}, true), user);
  REQUIRE(status_of(part) == 200);
  const auto done = json::parse(part->body);
  CHECK(done.at("devices_added") == 1);
  CHECK(statuses_of(done.at("results")) ==
        std::vector<std::string>{"added", "authz/not-device-owner", "resource/already-exists"});
  const auto rest = post(devices + "/bulk-add", several({mine[2], mine[1]}), user);
  REQUIRE(status_of(rest) == 200);
  CHECK(json::parse(rest->body).at("results").at(0).at("device_id") == mine[2].text());
  CHECK(members_of(group) == 5);

  is_error(post(devices + "/bulk-remove", several({mine[0], theirs}), user), 404,
           "resource/not-found");
  const auto out = post(devices + "/bulk-remove", several({mine[0], theirs}, true), user);
  REQUIRE(status_of(out) == 200);
  CHECK(json::parse(out->body).at("devices_removed") == 1);
  CHECK(statuses_of(json::parse(out->body).at("results")) ==
        std::vector<std::string>{"removed", "resource/not-found"});
  REQUIRE(status_of(post(devices + "/bulk-remove", several({mine[1], mine[2]}), user)) == 200);
  CHECK(members_of(group) == 2);
}

TEST_CASE_METHOD(GroupsTest,
                 "UGM-6.4: at most fifty devices are changed at once, and no group is overfull") {
  const auto mine = phones("lake", 50, user);
  auto too_many = mine;
  too_many.push_back(domain::Uuid::random());
  for (const std::string& body :
       {several(too_many), several({}), std::string{"{}"}, std::string{R"({"device_ids": "x"})"},
        R"({"partial": 1, "device_ids": [")" + mine[0].text() + "\"]}"})
    for (const char* path : {"/bulk-add", "/bulk-remove"})
      is_error(post(devices + path, body, user), 400, "validation/invalid-request");
  const auto full = post(devices + "/bulk-add", several(mine), user);
  is_error(full, 400, "validation/too-many-devices");
  const auto details = details_of(full);
  CHECK(details.at("authenticated_group_id") == group);
  CHECK(details.at("device_count") == 52);
  CHECK(details.at("limit") == 20);
  CHECK(details.at("devices").size() == 32);
  world.sql.exec("UPDATE groups SET max_devices = 52");
  REQUIRE(status_of(post(devices + "/bulk-add", several(mine), user)) == 200);
  const auto one_more = add(phones("hut", 1, user)[0], user);
  is_error(one_more, 400, "validation/too-many-devices");
  CHECK(details_of(one_more) ==
        json{{"authenticated_group_id", group}, {"device_count", 53}, {"limit", 52}});
  REQUIRE(status_of(post(devices + "/bulk-remove", several(mine), user)) == 200);
  CHECK(members_of(group) == 2);
}

TEST_CASE_METHOD(
    GroupsTest,
    "UGM-3, UGM-5.8: members, groups and devices are listed for those whom they concern") {
  const auto other = world.add_user();
  join(other, "member");
  const auto phone = phones("lake", 1, user)[0];
  REQUIRE(status_of(add(phone, user)) == 201);
  const auto page = [](const Answered& answer) {
    REQUIRE(status_of(answer) == 200);
    return json::parse(answer->body);
  };
  const auto members_path = "/api/v1/groups/" + group + "/members";
  const auto members = page(get(members_path + "?per_page=1&page=1", other));
  CHECK(members.at("total") == 2);
  CHECK(members.at("total_pages") == 2);
  const auto& owner = members.at("members").at(0);
  CHECK(owner.at("user_id") == user.text());
  CHECK(owner.at("display_name").is_null());
  CHECK(owner.at("role") == "owner");
  CHECK(owner.at("device_count") == 2);
  const auto second = page(get(members_path + "?per_page=1&page=2", other));
  CHECK(second.at("members").at(0).at("user_id") == other.text());
  CHECK(second.at("members").at(0).at("device_count") == 0);
  is_error(get(members_path, world.add_user()), 403, "authz/not-group-member");
  is_error(get("/api/v1/groups/" + domain::Uuid::random().text() + "/members", user), 404,
           "resource/not-found");

  const auto groups = page(get("/api/v1/groups", user, {{"X-Device-Id", phone.text()}}));
  REQUIRE(groups.at("total") == 1);
  const auto& mine = groups.at("groups").at(0);
  CHECK(mine.at("authenticated_group_id") == group);
  CHECK(mine.at("slug") == "chen-family");
  CHECK(mine.at("device_count") == 3);
  CHECK(mine.at("member_count") == 2);
  CHECK(mine.at("max_devices") == 20);
  CHECK(mine.at("has_current_device") == true);
  const auto without = page(get("/api/v1/groups", other));
  CHECK(without.at("groups").at(0).at("has_current_device") == false); // none of theirs
  CHECK(page(get("/api/v1/groups", user)).at("groups").at(0).at("has_current_device") == true);
  CHECK(without.at("groups").at(0).at("role") == "member");
  is_error(get("/api/v1/groups", user, {{"X-Device-Id", "x"}}), 400, "validation/invalid-request");
  CHECK(page(get("/api/v1/groups", world.add_user())).at("total_pages") == 0);

  const auto of_device = "/api/v1/devices/" + phone.text() + "/groups";
  CHECK(page(get(of_device, user)).at("groups").at(0).at("added_by") == user.text());
  is_error(get(of_device, other), 403, "authz/not-device-owner");
  is_error(get("/api/v1/devices/" + domain::Uuid::random().text() + "/groups", user), 404,
           "resource/not-found");

  const auto own = page(get("/api/v1/devices/me", user, {{"X-Device-Id", phone.text()}}));
  REQUIRE(own.at("total") == 2);
  for (const auto& device : own.at("devices")) {
    const bool current = device.at("device_id") == phone.text();
    CHECK(device.at("is_current") == current);
    CHECK(device.at("group_id") == (current ? "lake" : "chen-family"));
  }
  for (const auto& path : {std::string{"/api/v1/groups"}, std::string{"/api/v1/devices/me"},
                           members_path, of_device}) {
    is_error(get(path + "?per_page=101", user), 400, "validation/invalid-request");
    is_error(get(path, world.add_user(false)), 401, "auth/unauthorized");
    is_error(service.client().get(path), 401, "auth/unauthorized");
  }
}

TEST_CASE_METHOD(ReplicasTest, "an Idempotency-Key of a change is answered by every replica") {
  const auto phone = phones("lake", 1, user)[0];
  const Headers key{{"Idempotency-Key", "tap-1"}};
  const auto first = post(devices, one(phone), user, key, 0);
  REQUIRE(status_of(first) == 201);
  CHECK_FALSE(first->headers.contains("Idempotency-Replayed"));
  const auto again = post(devices, " " + one(phone), user, key, 1);
  REQUIRE(status_of(again) == 201);
  CHECK(again->headers.at("Idempotency-Replayed") == "true");
  CHECK(again->body == first->body);
  is_error(post(devices, one(migrated[0]), user, key, 2), 422, "request/idempotency-mismatch");
  is_error(remove(phone, user, key), 422, "request/idempotency-mismatch");
  // Sent once more after it was taken out, the old answer is given and nothing is changed.
  REQUIRE(status_of(remove(phone, user, {{"Idempotency-Key", "tap-2"}})) == 200);
  CHECK(remove(phone, user, {{"Idempotency-Key", "tap-2"}})->headers.at("Idempotency-Replayed") ==
        "true");
  CHECK(status_of(post(devices, one(phone), user, key, 2)) == 201);
  CHECK(members_of(group) == 2);
}

TEST_CASE_METHOD(ReplicasTest, "a device that is added while it is migrated ends in both groups") {
  const int deadlocks = this->deadlocks();
  for (int round = 0; round < 15; ++round) {
    const auto lake = "lake-" + std::to_string(round);
    const auto mine = phones(lake, 4, user);
    world.sql.exec("UPDATE groups SET max_devices = 1000");
    const auto answers = at_once({
        [&] { return post(kMigrate, body(lake), user, {}, 0); },
        [&] { return post(devices, one(mine[1]), user, {}, 1); },
        [&] { return post(devices, one(mine[1]), user, {}, 2); },
        [&] {
          return post(devices + "/bulk-add", several({mine[3], mine[0]}), user, {}, 1);
        },
        [&] {
          return post(devices + "/bulk-add", several({mine[0], mine[2]}, true), user, {}, 2);
        },
    });
    INFO("round " << round << ": " << Catch::Detail::stringify(tally(answers)));
    REQUIRE(status_of(answers[0]) == 201);
    const auto migration = json::parse(answers[0]->body);
    CHECK(migration.at("devices_migrated") == 4);
    CHECK(tally({answers[1], answers[2]}) ==
          std::map<std::string, int>{{"201", 1}, {"409 resource/already-exists", 1}});
    REQUIRE(status_of(answers[4]) == 200);
    // mine[0] was added by one of the two; were it the partial one, the whole one was refused.
    const bool whole = status_of(answers[3]) == 200;
    CHECK(statuses_of(json::parse(answers[4]->body).at("results")) ==
          std::vector<std::string>{whole ? "resource/already-exists" : "added", "added"});
    CHECK(code_of(answers[3]) == (whole ? "" : "resource/already-exists"));
    CHECK(members_of(migration.at("authenticated_group_id")) == 4);
    CHECK(members_of(group) == 2 + (whole ? 4 : 3));
    CHECK(world.devices_in(lake) == 4); // the slug, which is the registration group's id
    world.sql.exec("DELETE FROM device_group_memberships WHERE group_id = $1 AND device_id <> ALL "
                   "($2::uuid[])",
                   group, "{" + migrated[0].text() + "," + migrated[1].text() + "}");
  }
  CHECK(this->deadlocks() == deadlocks);
}

TEST_CASE_METHOD(ReplicasTest,
                 "UGM-6.4: bulk changes that meet are each whole, and nothing is in between") {
  const int deadlocks = this->deadlocks();
  world.sql.exec("UPDATE groups SET max_devices = 100");
  auto mine = phones("lake", 20, user);
  std::minstd_rand random{7};
  const auto shuffled = [&] {
    std::shuffle(mine.begin(), mine.end(), random);
    return several(mine);
  };
  for (int round = 0; round < 15; ++round) {
    const bool there = members_of(group) == 22;
    const std::vector<std::string> bodies{shuffled(), shuffled(), shuffled(), shuffled()};
    const auto answers = at_once({
        [&] { return post(devices + "/bulk-add", bodies[0], user, {}, 0); },
        [&] { return post(devices + "/bulk-remove", bodies[1], user, {}, 1); },
        [&] { return post(devices + "/bulk-add", bodies[2], user, {}, 2); },
        [&] { return post(devices + "/bulk-remove", bodies[3], user, {}, 0); },
    });
    INFO("round " << round << ": " << Catch::Detail::stringify(tally(answers)));
    int balance = there ? 1 : 0;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const bool adds = i % 2 == 0;
      if (status_of(answers[i]) == 200)
        balance += adds ? 1 : -1;
      else
        CHECK(code_of(answers[i]) == (adds ? "resource/already-exists" : "resource/not-found"));
    }
    REQUIRE(balance >= 0);
    REQUIRE(balance <= 1);
    CHECK(members_of(group) == 2 + 20 * balance);
  }
  CHECK(this->deadlocks() == deadlocks);
}
