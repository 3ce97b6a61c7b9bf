// Answers that let their callers, and those who support them, see what to do.
#include "tests/service/support.hpp"
#include "tests/support/jwt_forge.hpp"

#include <catch2/catch.hpp>

#include <ctime>
#include <sstream>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

struct Signed {
  KeyFolder folder;
  Key key = rsa_key(2048);
  ServiceTest deployed{[this] {
    Service::Options options;
    options.settings = {{"auth.jwt_algorithm", "RS256"},
                        {"auth.jwt_public_key_file", folder.file(public_pem(key))},
                        {"auth.jwt_issuer", "https://id.example.com"},
                        {"auth.jwt_audience", "regroup"}};
    return options;
  }()};
  domain::Uuid user = deployed.world.add_user();

  json claims() const {
    return {{"sub", user.text()},
            {"exp", std::time(nullptr) + 600},
            {"iss", "https://id.example.com"},
            {"aud", "regroup"}};
  }
  json with(const char* name, const json& value) const {
    auto changed = claims();
    changed[name] = value;
    return changed;
  }
  std::string signed_token(const json& what) const {
    return forge(R"({"alg":"RS256"})", what.dump(), key_signer(key));
  }
  Answered ask(const Headers& headers) {
    return deployed.service.client().get("/api/v1/devices/me", headers);
  }
  Answered ask(const std::string& token) { return ask({{"Authorization", "Bearer " + token}}); }

  /// The `reason` in the log line of this answer's request.
  std::string logged_reason(const Answered& answer) {
    const auto id = answer->headers.at("X-Request-Id");
    json line;
    eventually([&] {
      std::istringstream log{deployed.service.replica().log()};
      for (std::string each; std::getline(log, each);)
        if (each.find("\"request\"") != std::string::npos && each.find(id) != std::string::npos)
          line = json::parse(each);
      return !line.is_null();
    });
    return line.value("reason", "");
  }
};

} // namespace

TEST_CASE_METHOD(Signed, "a 401 says why, to its caller and in the log") {
  auto no_exp = claims();
  no_exp.erase("exp");
  const auto now = std::time(nullptr);
  const std::vector<std::pair<std::string, std::string>> tokens{
      {signed_token(with("exp", now - 3600)), "expired"},
      {signed_token(no_exp), "no exp"},
      {signed_token(with("nbf", now + 3600)), "not valid yet"},
      {signed_token(with("iss", "https://other.example.com")), "iss"},
      {signed_token(with("aud", "billing")), "aud"},
      {signed_token(with("sub", "chen")), "sub"},
      {signed_token(with("token_type", "refresh")), "token_type"},
      {signed_token(with("sub", domain::Uuid::random().text())), "not known"},
      {forge(R"({"alg":"RS256"})", claims().dump(), key_signer(rsa_key(2048))), "signature"},
      {forge(R"({"alg":"none"})", claims().dump(), [](const auto&) { return ""; }), "alg"},
      {forge(R"({"alg":"RS256","crit":["x"]})", claims().dump(), key_signer(key)), "crit"},
      {"garbage", "not a JWT"}};
  for (const auto& [token, expected] : tokens) {
    const auto answer = ask(token);
    INFO(expected);
    REQUIRE(status_of(answer) == 401);
    const auto challenge = answer->headers.at("WWW-Authenticate");
    INFO(challenge);
    CHECK(challenge.starts_with("Bearer error=\"invalid_token\", error_description=\""));
    CHECK(challenge.find(expected) != std::string::npos);
    const auto reason = logged_reason(answer);
    CHECK_FALSE(reason.empty());
    CHECK(challenge.find(reason) != std::string::npos);
    CHECK(deployed.service.replica().log().find(token) == std::string::npos);
  }
  const auto nothing = ask(Headers{});
  REQUIRE(status_of(nothing) == 401);
  CHECK(nothing->headers.at("WWW-Authenticate") == "Bearer"); // RFC 6750, 3.1
  CHECK_FALSE(logged_reason(nothing).empty());
  const auto bad_key = deployed.service.client().get(
      "/api/admin/v1/api-keys", {{"X-API-Key", "rgk_" + std::string(43, 'a')}});
  REQUIRE(status_of(bad_key) == 401);
  CHECK(bad_key->headers.at("WWW-Authenticate").find("API key") != std::string::npos);
  CHECK(logged_reason(bad_key).find("API key") != std::string::npos);
  CHECK(status_of(ask(signed_token(claims()))) == 200);
}

TEST_CASE("a lock that somebody else holds is a lock timeout, and its migration can be found") {
  Service::Options options;
  options.settings = {{"database.lock_timeout", "200ms"}};
  ServiceTest test{options};
  const auto user = test.world.add_user();
  const auto devices = test.world.add_devices("camping-2025", 3, user);
  HeldTransaction other{test.service.database_url()};
  other.exec("SET application_name = 'nightly-export'");
  other.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[1].text());
  const auto answer = test.migrate(test.service.port(), user, ServiceTest::body("camping-2025"));
  CHECK(status_of(answer) == 503);
  CHECK(code_of(answer) == "server/lock-timeout");
  CHECK(answer->headers.at("Retry-After") == "5");
  const auto id =
      json::parse(answer->body).at("error").at("details").at("migration_id").get<std::string>();
  CHECK(eventually([&] {
    const auto log = test.service.replica().log();
    return log.find("\"migration.held_up\"") != std::string::npos &&
           log.find("nightly-export (process " + std::to_string(other.backend_pid())) !=
               std::string::npos;
  }));
  const auto status = test.service.client().get("/api/v1/groups/migrations/" + id, bearer(user));
  REQUIRE(status_of(status) == 200);
  CHECK(json::parse(status->body).at("error").at("code") == "server/lock-timeout");

  other.rollback();
  test.world.raise_at_device(2); // a defect
  const auto broken = test.migrate(test.service.port(), user, ServiceTest::body("camping-2025"));
  CHECK(code_of(broken) == "server/internal");
  const auto broken_id =
      json::parse(broken->body).at("error").at("details").at("migration_id").get<std::string>();
  CHECK(test.world.sql.value<int>("SELECT count(*) FROM regroup_operations WHERE id = $1",
                                  broken_id) == 1);
}

TEST_CASE("a path that is no route is told apart from an id that is not known") {
  ServiceTest test;
  const auto user = test.world.add_user();
  auto client = test.service.client();
  const auto mistyped = client.post("/api/v1/group/migrate?secret=1", "{}", bearer(user));
  REQUIRE(status_of(mistyped) == 404);
  const auto error = json::parse(mistyped->body).at("error");
  CHECK(error.at("code") == "resource/not-found");
  CHECK(error.at("details") == json{{"method", "POST"}, {"path", "/api/v1/group/migrate"}});
  CHECK(error.at("message").get<std::string>().find("no such route") != std::string::npos);
  const auto unknown =
      client.get("/api/v1/groups/migrations/" + domain::Uuid::random().text(), bearer(user));
  REQUIRE(status_of(unknown) == 404);
  CHECK(json::parse(unknown->body).at("error").at("details").empty());
  const auto longest = client.get("/" + std::string(4000, 'a'));
  CHECK(json::parse(longest->body).at("error").at("details").at("path").get<std::string>().size() ==
        200);
}

TEST_CASE("probes that succeed are not in the log, and those that fail are") {
  ServiceTest test;
  auto client = test.service.client();
  for (const char* probe : {"/api/health/live", "/api/health/ready", "/metrics"})
    CHECK(status_of(client.get(probe)) == 200);
  CHECK(status_of(client.get("/api/openapi.json")) == 200);
  CHECK(eventually(
      [&] { return test.service.replica().log().find("/api/openapi.json") != std::string::npos; }));
  CHECK(test.service.replica().log().find("\"/metrics\"") == std::string::npos);
  CHECK(test.service.replica().log().find("\"/api/health/live\"") == std::string::npos);
  test.service.postgres().kill9_all();
  CHECK(status_of(client.get("/api/health/ready")) == 503);
  CHECK(eventually([&] {
    return test.service.replica().log().find("\"/api/health/ready\"") != std::string::npos;
  }));
}
