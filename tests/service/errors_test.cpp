// Each row of the contract's table "Errors" that these routes can give: status, body and headers.
#include "http/auth/api_key.hpp"
#include "tests/service/expect.hpp"
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

#include <regex>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kRegister = "/api/v1/devices/register";

/// One service for a whole test case, with a user and a registration group that may be migrated.
struct ErrorsTest : ServiceTest {
  ErrorsTest() : user(world.add_user()), devices(world.add_devices("camping-2025", 3, user)) {}
  ~ErrorsTest() {
    try { // Whatever was refused has changed nothing.
      CHECK(world.groups() == groups_made);
      CHECK(world.audits("failed") == 0);
    } catch (const std::exception& why) {
      FAIL_CHECK(why.what());
    }
  }

  Answered ask(const std::string& text, const Headers& headers = {}) {
    return migrate(service.port(), user, text, headers);
  }

  domain::Uuid user;
  std::vector<domain::Uuid> devices;
  int groups_made = 0;
};

std::string with_id(const std::string& json_string) {
  return R"({"registration_group_id": )" + json_string + "}";
}

} // namespace

TEST_CASE_METHOD(ErrorsTest, "a body that is not strict JSON is invalid-json") {
  const std::string deep = std::string(10'000, '[') + std::string(10'000, ']');
  for (const std::string& text :
       {std::string{}, std::string{"{"}, std::string{"not json"}, with_id("\"a\"") + "x",
        with_id("\"\xff\xfe\""), with_id("\"\\ud800\""), with_id("\"\xed\xa0\x80\""), deep,
        std::string{R"({"registration_group_id": "a", "registration_group_id": "b"})"},
        std::string{"{\"registration_group_id\": \"a\0b\"}", 32},
        with_id("\"camping-2025\"") + std::string(1, '\0'),
        with_id("\"camping-2025\"") + std::string{"\0x", 2}, std::string{"\0{}", 3},
        "\xef\xbb\xbf" + with_id("\"camping-2025\"")})
    is_error(ask(text), 400, "validation/invalid-json");
}

TEST_CASE_METHOD(ErrorsTest, "every field that is wrong is named") {
  const auto wrong = [&](const std::string& text, const std::vector<std::string>& fields) {
    const auto answer = ask(text);
    is_error(answer, 400, "validation/invalid-request");
    CHECK(fields_of(answer) == fields);
  };
  const std::string id = "registration_group_id";
  wrong("{}", {id});
  wrong("[]", {""});
  wrong(with_id("7"), {id});
  wrong(with_id("\"\""), {id});
  wrong(with_id("\"" + std::string(256, 'a') + "\""), {id});
  wrong(with_id("\"a\\u0000b\""), {id});
  wrong(with_id("\"a\\nb\""), {id});
  wrong(with_id("\"a\\u007fb\""), {id});
  wrong(with_id("\"a\\u0085b\""), {id});
  wrong(R"({"registration_group_id": "a", "device_ids": []})", {"device_ids"});
  wrong(R"({"registration_group_id": "a", "device_ids": "x"})", {"device_ids"});
  wrong(R"({"registration_group_id": "a", "device_ids": ["x"]})", {"device_ids[0]"});
  wrong(R"({"registration_group_id": "a", "group_name": "   "})", {"group_name"});
  wrong(R"({"registration_group_id": "a", "group_name": "a\u0001"})", {"group_name"});
  wrong(R"({"registration_group_id": "a", "group_name": ")" + std::string(101, 'n') + "\"}",
        {"group_name"});
  wrong(R"({"registration_group_id": 1, "group_name": 2, "owner": 3})",
        {"owner", id, "group_name"});
  const auto key = ask(body("camping-2025"), {{"Idempotency-Key", std::string(256, 'k')}});
  is_error(key, 400, "validation/invalid-request");
  CHECK(fields_of(key) == std::vector<std::string>{"Idempotency-Key"});
  is_error(ask(body("camping-2025"), {{"Idempotency-Key", "two words"}}), 400,
           "validation/invalid-request");
}

TEST_CASE_METHOD(ErrorsTest, "255 characters of any script are an id, and SQL in one is text") {
  std::string longest;
  for (int i = 0; i < 255; ++i)
    longest += "\xe6\xb9\x96"; // 湖, three bytes each
  is_error(ask(body(longest)), 400, "validation/no-devices");
  const std::string hostile = "'); DROP TABLE devices; --";
  is_error(ask(body(hostile)), 400, "validation/no-devices");
  world.add_devices(hostile, 1, user);
  const auto answer = ask(body(hostile));
  CHECK(status_of(answer) == 201);
  CHECK(json::parse(answer->body).at("name") == hostile);
  CHECK(json::parse(answer->body).at("slug") == "drop-table-devices");
  groups_made = 1;
}

TEST_CASE_METHOD(ErrorsTest, "no device, too many devices and another's devices are refused") {
  const auto none = ask(body("nobody-here"));
  is_error(none, 400, "validation/no-devices");
  CHECK(details_of(none) == json{{"registration_group_id", "nobody-here"}});

  world.add_devices("crowd", 101, user);
  const auto many = ask(body("crowd"));
  is_error(many, 400, "validation/too-many-devices");
  CHECK(details_of(many) ==
        json{{"registration_group_id", "crowd"}, {"device_count", 101}, {"limit", 100}});

  const auto other = migrate(service.port(), world.add_user(), body("camping-2025"));
  is_error(other, 403, "authz/not-device-owner");
  CHECK(details_of(other) == json{{"registration_group_id", "camping-2025"}});
}

TEST_CASE_METHOD(ErrorsTest, "a token that is not valid is 401 with a challenge") {
  const auto bad = [&](const Headers& headers) {
    const auto answer = HttpClient{service.port()}.post(kMigrate, body("camping-2025"), headers);
    is_error(answer, 401, "auth/unauthorized");
    CHECK_THAT(answer->headers.at("WWW-Authenticate"),
               Catch::StartsWith(headers.contains("Authorization")
                                     ? "Bearer error=\"invalid_token\""
                                     : "Bearer"));
  };
  bad({});
  bad({{"Authorization", "Bearer"}});
  bad({{"Authorization", "Basic dXNlcjpwYXNz"}});
  bad({{"Authorization", "Bearer " + std::string(9000, 'a')}});
  // {"alg":"none"} and an unsigned payload
  bad({{"Authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4IiwiZXhwIjo5OTk5OTk5OTk5fQ."}});
  auto token = token_for(user);
  token.back() = token.back() == 'A' ? 'Q' : 'A';
  bad({{"Authorization", "Bearer " + token}});
  bad(bearer(domain::Uuid::random())); // well signed, of nobody
  bad(bearer(world.add_user(false)));
  bad({{"X-API-Key", "rgk_nothing"}}); // no way in here
}

TEST_CASE_METHOD(ErrorsTest, "a name that is taken and a group that was migrated are 409") {
  const auto taken = [&] {
    return ask(json{{"registration_group_id", "lake"}, {"group_name", "Camping 2025"}}.dump());
  };
  const auto first = ask(body("camping-2025"));
  REQUIRE(status_of(first) == 201);
  groups_made = 1;
  world.add_devices("lake", 1, user);
  is_error(taken(), 409, "resource/group-name-exists");
  CHECK(details_of(taken()) == json{{"group_name", "Camping 2025"}});

  const auto again = ask(body("camping-2025"));
  is_error(again, 409, "resource/already-migrated");
  const auto made = json::parse(first->body);
  CHECK(details_of(again) == json{{"registration_group_id", "camping-2025"},
                                  {"authenticated_group_id", made.at("authenticated_group_id")},
                                  {"migration_id", made.at("migration_id")}});
  const auto stranger = migrate(service.port(), world.add_user(), body("camping-2025"));
  is_error(stranger, 409, "resource/already-migrated");
  CHECK(details_of(stranger) == json{{"registration_group_id", "camping-2025"}});
}

TEST_CASE_METHOD(ErrorsTest, "wrong routes, methods, media types and sizes have their codes") {
  auto client = service.client();
  is_error(client.get("/nope"), 404, "resource/not-found");
  is_error(client.get("/nope/%ZZ"), 404, "resource/not-found");
  is_error(client.get("/api"), 404, "resource/not-found");
  const auto root = client.get("/");
  CHECK(status_of(root) == 302);
  CHECK(root->headers.at("Location") == "/docs");
  const auto method = client.get(kMigrate);
  is_error(method, 405, "request/method-not-allowed");
  CHECK(method->headers.at("Allow") == "POST, OPTIONS");
  is_error(client.remove("/api/health/live"), 405, "request/method-not-allowed");
  is_error(ask(body("camping-2025"), {{"Content-Type", "text/plain"}}), 415,
           "request/unsupported-media-type");
  const auto large = ask(body(std::string(std::size_t{2} << 20U, 'a')));
  is_error(large, 413, "request/too-large");
  CHECK(details_of(large) == json{{"limit_bytes", 1048576}});
  CHECK(status_of(ask(body("camping-2025"),
                      {{"Content-Type", "Application/JSON; charset=utf-8"}})) == 201);
  groups_made = 1;
}

TEST_CASE_METHOD(ErrorsTest, "the caller's X-Request-Id comes back, and an unfit one does not") {
  auto client = service.client();
  const auto id_for = [&](const std::string& given) {
    return client.get("/api/health/live", {{"X-Request-Id", given}})->headers.at("X-Request-Id");
  };
  CHECK(id_for("tap-1") == "tap-1");
  CHECK(id_for(std::string(128, 'x')) == std::string(128, 'x'));
  CHECK(domain::Uuid::parse(id_for(std::string(129, 'x'))));
  CHECK(domain::Uuid::parse(id_for("two words")));
  CHECK(domain::Uuid::parse(client.get("/nope")->headers.at("X-Request-Id")));
}

TEST_CASE_METHOD(ErrorsTest,
                 "the status of a migration is its initiator's and an administrator's") {
  const auto made = ask(body("camping-2025"));
  REQUIRE(status_of(made) == 201);
  groups_made = 1;
  const auto url = made->headers.at("Location");
  auto client = service.client();
  const auto mine = client.get(url, bearer(user));
  REQUIRE(status_of(mine) == 200);
  auto expected = json::parse(made->body);
  expected["registration_group_id"] = "camping-2025";
  expected["status"] = "completed";
  auto seen = json::parse(mine->body);
  CHECK(std::regex_match(seen.at("completed_at").get<std::string>(),
                         std::regex{R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"}));
  seen.erase("completed_at");
  CHECK(seen == expected);

  is_error(client.get(url, bearer(world.add_user())), 404, "resource/not-found");
  is_error(client.get(url), 401, "auth/unauthorized");
  is_error(client.get("/api/v1/groups/migrations/nonsense", bearer(user)), 400,
           "validation/invalid-request");
  const auto key = [&](const std::string& text, bool admin, const std::string& expires) {
    world.sql.exec("INSERT INTO api_keys (key_hash, key_prefix, name, is_admin, expires_at) "
                   "VALUES ($1, 'rgk_', 'test', $2, now() + $3::interval)",
                   http::sha256_hex(text), admin, expires);
    return Headers{{"X-API-Key", text}};
  };
  CHECK(status_of(client.get(url, key("admin", true, "1 hour"))) == 200);
  is_error(client.get(url, key("device", false, "1 hour")), 403, "authz/forbidden");
  is_error(client.get(url, key("expired", true, "-1 hour")), 401, "auth/unauthorized");
  is_error(client.get(url, {{"X-API-Key", "unknown"}}), 401, "auth/unauthorized");
}

TEST_CASE_METHOD(ErrorsTest,
                 "devices register by key or token, and their group's members see them") {
  auto client = service.client();
  world.sql.exec("INSERT INTO api_keys (key_hash, key_prefix, name) VALUES ($1, 'rgk_', 'phones')",
                 http::sha256_hex("phones"));
  const auto device = domain::Uuid::random();
  json phone{{"device_id", device.text()},
             {"display_name", "Kayak"},
             {"group_id", "camping-2025"},
             {"platform", "android"}};
  is_error(client.post(kRegister, phone.dump()), 401, "auth/unauthorized");
  is_error(client.post(kRegister, phone.dump(), {{"X-API-Key", "x"}}), 401, "auth/unauthorized");
  const auto created = client.post(kRegister, phone.dump(), {{"X-API-Key", "phones"}});
  CHECK(status_of(created) == 201);
  CHECK(json::parse(created->body).at("owner_user_id").is_null());
  const auto linked = client.post(kRegister, phone.dump(), bearer(user));
  CHECK(status_of(linked) == 200);
  CHECK(json::parse(linked->body).at("owner_user_id") == user.text());
  is_error(client.post(kRegister, phone.dump(), bearer(world.add_user())), 409,
           "resource/already-exists");
  phone["platform"] = "";
  phone["colour"] = "red";
  const auto wrong = client.post(kRegister, phone.dump(), bearer(user));
  is_error(wrong, 400, "validation/invalid-request");
  CHECK(fields_of(wrong) == std::vector<std::string>{"colour", "platform"});

  const char* mine = "/api/v1/devices/me/registration-group";
  const auto found = client.get(mine, bearer(user));
  REQUIRE(status_of(found) == 200);
  CHECK(json::parse(found->body).at("registration_group_id") == "camping-2025");
  CHECK(json::parse(found->body).at("device_count") == 4);
  is_error(client.get(mine, bearer(world.add_user())), 404, "resource/not-found");
  auto headers = bearer(user);
  headers["X-Device-Id"] = "nonsense";
  is_error(client.get(mine, headers), 400, "validation/invalid-request");

  const auto made = ask(body("camping-2025"));
  REQUIRE(status_of(made) == 201);
  groups_made = 1;
  const auto list = "/api/v1/groups/" +
                    json::parse(made->body).at("authenticated_group_id").get<std::string>() +
                    "/devices";
  const auto page = client.get(list + "?per_page=3&page=2", bearer(user));
  REQUIRE(status_of(page) == 200);
  const auto listed = json::parse(page->body);
  CHECK(listed.at("devices").size() == 1);
  CHECK(listed.at("total") == 4);
  CHECK(listed.at("total_pages") == 2);
  for (const char* query :
       {"?page=0", "?per_page=101", "?page=x", "?page=1&page=2", "?size=3", "?page"})
    is_error(client.get(list + query, bearer(user)), 400, "validation/invalid-request");
  is_error(client.get(list, bearer(world.add_user())), 403, "authz/not-group-member");
  is_error(client.get("/api/v1/groups/" + domain::Uuid::random().text() + "/devices", bearer(user)),
           404, "resource/not-found");
}
