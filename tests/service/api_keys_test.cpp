// API keys: made, listed, revoked and expired, by command and over HTTP.
#include "tests/service/admin_support.hpp"
#include "tests/service/command.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace regroup;
using namespace regroup::test;

namespace {

class ApiKeysTest : public AdminServiceTest {
public:
  Said command(std::vector<std::string> words) {
    words.insert(words.begin(), "api-key");
    return run_command(with_settings(std::move(words), service.database_url()));
  }

  /// Whether the key opens an administrator's route, or a device's.
  bool opens(const std::string& key) {
    return status_of(service.client().get("/api/admin/v1/webhooks", {{"X-API-Key", key}})) == 200;
  }
  int registers(const std::string& key) {
    return status_of(service.client().post("/api/v1/devices/register",
                                           json{{"device_id", domain::Uuid::random().text()},
                                                {"display_name", "phone"},
                                                {"group_id", "camping-2025"},
                                                {"platform", "android"}}
                                               .dump(),
                                           {{"X-API-Key", key}}));
  }

  json made(const json& what) {
    const auto answer = post("/api-keys", what.dump());
    INFO(answer->body);
    REQUIRE(status_of(answer) == 201);
    return json::parse(answer->body);
  }
  json listed(std::int64_t id) {
    const json all = read("/api-keys");
    for (const auto& key : all.at("api_keys"))
      if (key.at("id") == id)
        return key;
    return nullptr;
  }
};

std::string line_of(const std::string& text) { return text.substr(0, text.find('\n')); }

} // namespace

TEST_CASE_METHOD(ApiKeysTest, "an administrator makes, lists and revokes keys") {
  const auto made_one = made({{"name", " phones "}});
  const std::string key = made_one.at("key");
  const std::int64_t id = made_one.at("id");
  CHECK(made_one.at("name") == "phones");
  CHECK(made_one.at("is_admin") == false);
  CHECK(made_one.at("status") == "active");
  CHECK(made_one.at("expires_at").is_null());
  CHECK(key.starts_with(made_one.at("prefix").get<std::string>()));
  CHECK(registers(key) == 201);
  CHECK_FALSE(opens(key));
  CHECK(world.sql.value<int>("SELECT count(*) FROM api_keys WHERE key_hash = $1",
                             http::sha256_hex(key)) == 1);

  const auto list = get("/api-keys");
  CHECK(list->body.find(key) == std::string::npos);
  CHECK(listed(id).at("status") == "active");

  const auto admin_two = made({{"name", "me"}, {"is_admin", true}});
  CHECK(opens(admin_two.at("key")));

  const auto remove = [&](const std::string& which) {
    return service.client().remove("/api/admin/v1/api-keys/" + which, admin());
  };
  CHECK(status_of(remove(std::to_string(id))) == 200);
  CHECK(registers(key) == 401);
  CHECK(listed(id).at("status") == "revoked");
  CHECK(status_of(remove(std::to_string(id))) == 200);
  CHECK(status_of(remove("999999999999")) == 404);
  for (const char* which : {"0", "-1", "1x", "x", "99999999999999999999"})
    CHECK(code_of(remove(which)) == "validation/invalid-request");

  // Rotated: the key that asks may go as well.
  const std::string self = std::to_string(world.sql.value<std::int64_t>(
      "SELECT id FROM api_keys WHERE key_hash = $1", http::sha256_hex(admin_key)));
  CHECK(status_of(remove(self)) == 200);
  CHECK_FALSE(opens(admin_key));
  CHECK(opens(admin_two.at("key")));
}

TEST_CASE_METHOD(ApiKeysTest, "a key expires when it was to, and not in the past") {
  const auto made_one = made({{"name", "phones"}, {"expires_at", "2099-01-31"}});
  CHECK(made_one.at("expires_at") == "2099-01-31T00:00:00.000Z");
  CHECK(registers(made_one.at("key")) == 201);
  world.sql.exec("UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1",
                 made_one.at("id").get<std::int64_t>());
  CHECK(registers(made_one.at("key")) == 401);
  CHECK(listed(made_one.at("id")).at("status") == "expired");
  for (const json& wrong :
       {json{{"name", ""}}, json::object(), json{{"name", std::string(101, 'n')}},
        json{{"name", "a"}, {"expires_at", "2020-01-01"}},
        json{{"name", "a"}, {"expires_at", "soon"}}, json{{"name", "a"}, {"expires_at", 1}},
        json{{"name", "a"}, {"is_admin", "yes"}}, json{{"name", "a"}, {"key", "mine"}}}) {
    INFO(wrong.dump());
    CHECK(code_of(post("/api-keys", wrong.dump())) == "validation/invalid-request");
  }
}

TEST_CASE_METHOD(ApiKeysTest, "the command makes, lists and revokes keys") {
  const auto created = command({"create", "--name", "me", "--admin", "--expires", "720h"});
  REQUIRE(created.status == 0);
  const auto key = line_of(created.output);
  CHECK(opens(key));
  CHECK(world.sql.value<bool>("SELECT expires_at BETWEEN now() + interval '719 hours' AND "
                              "now() + interval '721 hours' FROM api_keys WHERE name = 'me'"));
  CHECK(command({"create", "--name", "b", "--expires", "2099-01-31T12:00:00Z"}).status == 0);
  for (const char* when : {"2020-01-01", "yesterday", "0s", "-1h"}) {
    INFO(when);
    CHECK(command({"create", "--name", "c", "--expires", when}).status == 2);
  }

  const auto list = command({"list"});
  CHECK(list.status == 0);
  CHECK(line_of(list.output).starts_with("id "));
  CHECK(list.output.find(" me\n") != std::string::npos);
  CHECK(list.output.find(key) == std::string::npos);
  const auto keys = json::parse(command({"list", "--json"}).output);
  const auto id = world.sql.value<std::string>("SELECT id::text FROM api_keys WHERE name = 'me'");
  CHECK(std::any_of(keys.begin(), keys.end(),
                    [&](const json& each) { return each.at("id").dump() == id; }));

  CHECK(command({"revoke", id}).status == 0);
  CHECK_FALSE(opens(key));
  CHECK(command({"list"}).output.find("revoked") != std::string::npos);
  CHECK(command({"revoke", "999999"}).status == 1);
  CHECK(command({"revoke", "me"}).status == 2);
  CHECK(command({"revoke"}).status == 2);
  CHECK(command({"delete", id}).status == 2);

  const auto unnamed = command({"create", "--admin"}); // as the console says
  CHECK(opens(line_of(unnamed.output)));
  CHECK(world.sql.value<bool>("SELECT name LIKE '%_@_%' FROM api_keys ORDER BY id DESC LIMIT 1"));
}
