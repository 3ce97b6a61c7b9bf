// Hostile tokens through the whole service; every rule by itself is in tests/unit/jwt_test.cpp.
#include "tests/service/support.hpp"
#include "tests/support/jwt_forge.hpp"

#include <catch2/catch.hpp>

#include <ctime>

using namespace regroup;
using namespace regroup::test;

namespace {

struct SignedService {
  KeyFolder folder;
  Key key = rsa_key(2048);
  ServiceTest deployed{[this] {
    Service::Options options;
    options.settings = {{"auth.jwt_algorithm", "RS256"},
                        {"auth.jwt_public_key_file", folder.file(public_pem(key))}};
    return options;
  }()};
  domain::Uuid user = deployed.world.add_user();

  /// Claims of a token that is valid for `seconds` from now.
  json claims(int seconds = 600) const {
    return {{"sub", user.text()}, {"exp", std::time(nullptr) + seconds}};
  }
  Answered ask(const std::string& token) {
    return HttpClient{deployed.service.port()}.post(kMigrate, ServiceTest::body("camping-2025"),
                                                    {{"Authorization", "Bearer " + token}});
  }
};

} // namespace

TEST_CASE_METHOD(SignedService, "hostile tokens are 401 and change nothing, the true one is 201") {
  deployed.world.add_devices("camping-2025", 3, user);
  const std::string rs256 = R"({"alg":"RS256"})";
  const auto sign = key_signer(key);
  const auto without = [&](const char* name) {
    auto fewer = claims();
    fewer.erase(name);
    return fewer.dump();
  };
  auto refresh = claims();
  refresh["token_type"] = "refresh";
  const std::vector<std::pair<std::string, std::string>> hostile{
      {"none", forge(R"({"alg":"none"})", claims().dump(), [](const auto&) { return ""; })},
      {"HS256 signed with the public key",
       forge(R"({"alg":"HS256"})", claims().dump(), hmac_signer(public_pem(key)))},
      {"PS256 of the right key",
       forge(R"({"alg":"PS256"})", claims().dump(), key_signer(key, RSA_PKCS1_PSS_PADDING))},
      {"another key", forge(rs256, claims().dump(), key_signer(rsa_key(2048)))},
      {"expired", forge(rs256, claims(-31).dump(), sign)},
      {"no exp", forge(rs256, without("exp"), sign)},
      {"no sub", forge(rs256, without("sub"), sign)},
      {"crit", forge(R"({"alg":"RS256","crit":["x"],"x":1})", claims().dump(), sign)},
      {"a refresh token", forge(rs256, refresh.dump(), sign)},
      {"padding", forge(rs256, claims().dump(), sign) + "="},
  };
  for (const auto& [name, token] : hostile) {
    INFO(name);
    const auto answer = ask(token);
    CHECK(status_of(answer) == 401);
    CHECK(code_of(answer) == "auth/unauthorized");
  }
  CHECK(deployed.world.groups() == 0);
  CHECK(status_of(ask(forge(rs256, claims().dump(), sign))) == 201);
}
