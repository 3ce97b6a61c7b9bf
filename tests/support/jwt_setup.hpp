#pragma once
// The keys, settings and tokens that the tests of JWT keys start from.
#include "http/auth/jwt.hpp"
#include "tests/support/jwt_forge.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace regroup::test::jwt {

using Json = nlohmann::json;

inline const http::JwtVerifier::Clock::time_point now{std::chrono::seconds{1'800'000'000}};
inline const std::string claims =
    R"({"sub":"7d4c1d2e-6f0a-4b5e-9c3d-0a1b2c3d4e5f","exp":1800000600})";
inline const std::string secret = "a secret of thirty-two bytes or more";

// Made once: an RSA key takes a tenth of a second.
inline const Key& our_rsa() {
  static const Key key = rsa_key(2048);
  return key;
}
inline const Key& other_rsa() {
  static const Key key = rsa_key(2048);
  return key;
}
inline const Key& our_ec() {
  static const Key key = ec_key("P-256");
  return key;
}
inline const Key& other_ec() {
  static const Key key = ec_key("P-256");
  return key;
}

inline std::string header(const std::string& alg) {
  return Json{{"alg", alg}, {"typ", "JWT"}}.dump();
}
inline std::string header(const std::string& alg, const std::string& kid) {
  return Json{{"alg", alg}, {"kid", kid}}.dump();
}

inline std::string rs256(const Key& key) { return forge(header("RS256"), claims, key_signer(key)); }
inline std::string es256(const Key& key) {
  return forge(header("ES256"), claims, es256_signer(key));
}
inline std::string hs256(const std::string& with) {
  return forge(header("HS256"), claims, hmac_signer(with));
}

inline http::JwtSettings settings_of(const std::string& algorithm) {
  http::JwtSettings settings;
  settings.algorithm = algorithm;
  return settings;
}

inline http::JwtSettings with_public_key(const KeyFolder& folder, const std::string& algorithm,
                                         const std::string& pem) {
  auto settings = settings_of(algorithm);
  settings.public_key_file = folder.file(pem);
  return settings;
}

inline http::JwtSettings with_jwks(const KeyFolder& folder, const std::string& algorithm,
                                   const std::vector<Json>& keys) {
  auto settings = settings_of(algorithm);
  settings.jwks_file = folder.file(Json{{"keys", keys}}.dump());
  return settings;
}

inline http::JwtSettings with_secret(const std::string& algorithm = "HS256") {
  auto settings = settings_of(algorithm);
  settings.secret = secret;
  return settings;
}

/// A JWK, and what else is said of it.
inline Json jwk(Json key, const Json& more) {
  key.update(more);
  return key;
}
inline Json rsa_jwk(const Key& key, const Json& more = Json::object()) {
  return jwk({{"kty", "RSA"}, {"n", jwk_number(key, "n")}, {"e", jwk_number(key, "e")}}, more);
}
inline Json ec_jwk(const Key& key, const Json& more = Json::object()) {
  return jwk({{"kty", "EC"},
              {"crv", "P-256"},
              {"x", jwk_number(key, "qx", 32)},
              {"y", jwk_number(key, "qy", 32)}},
             more);
}
inline Json oct_jwk(const std::string& bytes, const Json& more = Json::object()) {
  return jwk({{"kty", "oct"}, {"k", http::base64url_encode(bytes)}}, more);
}

} // namespace regroup::test::jwt
