// Answers of Regroup for paths that the original backend serves as well, on its database: they hold
// all that its Android client reads, by the client's names and with its types (client_models.json).
#include "tests/service/documented.hpp"
#include "tests/service/support.hpp"
#include "tests/support/phone_manager.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>

using namespace regroup;
using namespace regroup::test;

namespace {

const auto kAda = *domain::Uuid::parse("00000000-0000-4000-8000-000000000001");
const auto kBen = *domain::Uuid::parse("00000000-0000-4000-8000-000000000002");
const std::string kFamily = "/api/v1/groups/00000000-0000-4000-a000-000000000001";

std::string phone(int number) {
  return "00000000-0000-4000-9000-0000000000" + std::to_string(number);
}

const json& client_models() {
  static const json models = [] {
    std::ifstream file{REGROUP_SOURCE_DIR "/tests/service/client_models.json"};
    return json::parse(std::string{std::istreambuf_iterator<char>{file}, {}});
  }();
  return models;
}

struct SamePaths {
  SamePaths() : url{original_backend_database(server, original_people())}, replica{url} {
    replica.wait_until_ready();
  }

  /// The body of an answer that the client's model can hold.
  json read(const std::string& model, int status, const Answered& answer) {
    INFO(model << ": " << (answer ? answer->body : "no answer"));
    REQUIRE(status_of(answer) == status);
    auto body = json::parse(answer->body);
    CHECK(mismatches(body, client_models().at(model)) == std::vector<std::string>{});
    return body;
  }
  Answered get(const std::string& path, const domain::Uuid& user = kAda) const {
    return HttpClient{replica.port()}.get(path, bearer(user));
  }
  Answered post(const std::string& path, const json& body, const domain::Uuid& user = kAda) const {
    return HttpClient{replica.port()}.post(path, body.dump(), bearer(user));
  }

  Postgres server;
  std::string url;
  Replica replica;
};

} // namespace

TEST_CASE_METHOD(SamePaths, "the original's client reads all answers on paths that both serve") {
  const std::string mine = "/api/v1/devices/me/registration-group";
  auto group = read("registration group", 200, get(mine));
  CHECK(group.at("has_registration_group") == true);
  CHECK(group.at("already_migrated") == false);
  CHECK(group.at("group_id") == "camping");
  CHECK(group.at("device_count") == 4);

  const json device{{"device_id", phone(20)},
                    {"display_name", "Tablet"},
                    {"group_id", "camping"},
                    {"platform", "android"}};
  const auto made = read("registered device", 201, post("/api/v1/devices/register", device));
  CHECK(made.at("owner_user_id") == kAda.text());
  CHECK(made.at("linked_at").is_string());
  CHECK(made.at("created_at") == made.at("updated_at"));
  const auto again = read("registered device", 200, post("/api/v1/devices/register", device));
  CHECK(again.at("created_at") == made.at("created_at"));
  CHECK(again.at("updated_at") >= made.at("updated_at"));
  const auto old = read("registered device", 200,
                        post("/api/v1/devices/register", {{"device_id", phone(10)},
                                                          {"display_name", "Old"},
                                                          {"group_id", "camping"},
                                                          {"platform", "android"}}));
  CHECK(old.at("created_at") == "2020-01-01T00:10:00.000Z");
  CHECK(old.at("is_primary") == true);

  const auto migrated = read(
      "migration", 201, post("/api/v1/groups/migrate", {{"registration_group_id", "camping"}}));
  const std::string path =
      "/api/v1/groups/" + migrated.at("authenticated_group_id").get<std::string>();
  group = read("registration group", 200, get(mine));
  CHECK(group.at("has_registration_group") == false);
  CHECK(group.at("already_migrated") == true);
  CHECK(group.at("migrated_to_group_id") == migrated.at("authenticated_group_id"));

  read("group devices", 200, get(path + "/devices"));
  read("group devices", 200, get(path + "/devices?include_location=true&page=1&per_page=20"));
  read("my devices", 200, get("/api/v1/devices/me"));
  read("groups of a device", 200,
       get("/api/v1/devices/" + phone(10) + "/groups?page=1&per_page=20"));
  read("added device", 201, post(kFamily + "/devices", {{"device_id", phone(11)}}));
}

TEST_CASE_METHOD(SamePaths, "lists take the parameters that the original's client sends") {
  auto groups = read("groups", 200, get("/api/v1/groups"));
  CHECK(groups.at("count") == 1);
  CHECK(groups.at("data") == groups.at("groups"));
  CHECK(groups.at("data").at(0).at("id") == groups.at("data").at(0).at("authenticated_group_id"));
  CHECK(groups.at("data").at(0).at("has_current_device") == true); // any of hers
  groups = read("groups", 200, get("/api/v1/groups?role=owner&device_id=" + phone(10)));
  CHECK(groups.at("data").at(0).at("has_current_device") == false);
  CHECK(read("groups", 200, get("/api/v1/groups?role=member")).at("count") == 0);
  CHECK(read("groups", 200, get("/api/v1/groups", kBen)).at("count") == 0);

  auto members = read("members", 200, get(kFamily + "/members"));
  REQUIRE(members.at("data").size() == 2);
  CHECK(members.at("data").at(0).at("user") ==
        json{{"id", kAda.text()}, {"display_name", "Ada"}, {"avatar_url", nullptr}});
  members = read("members", 200,
                 get(kFamily + "/members?page=1&per_page=1&role=member&include_devices=true"));
  CHECK(members.at("data").at(0).at("user").at("display_name") == "Cyd");
  CHECK(members.at("pagination") == json{{"page", 1},
                                         {"per_page", 1},
                                         {"page_size", 1},
                                         {"total", 1},
                                         {"total_count", 1},
                                         {"total_pages", 1}});

  const std::vector<std::string> wrong{"/members?role=boss", "/members?role=owner&role=owner",
                                       "/members?device_id=" + phone(10),
                                       "/devices?include_location=maybe", "/members?page=0"};
  for (const auto& each : wrong)
    CHECK(status_of(get(kFamily + each)) == 400);
}

TEST_CASE_METHOD(SamePaths, "a group's slug is no registration group to migrate") {
  // The phone that was linked last is in the family's group, which was made by hand.
  Sql{url}.exec("UPDATE devices SET owner_user_id = NULL WHERE group_id = 'camping'");
  const auto group = read("registration group", 200, get("/api/v1/devices/me/registration-group"));
  CHECK(group.at("group_id") == "family");
  CHECK(group.at("has_registration_group") == false);
}

TEST_CASE_METHOD(SamePaths, "a group_id that is too long for the column is reported by that name") {
  const auto answer = post("/api/v1/devices/register", {{"device_id", phone(20)},
                                                        {"display_name", "Tablet"},
                                                        {"group_id", std::string(51, 'x')},
                                                        {"platform", "android"}});
  REQUIRE(status_of(answer) == 400);
  CHECK(json::parse(answer->body).at("error").at("details").at("fields").at(0).at("field") ==
        "group_id");
}
