// What the settings and the files that they name must be.
#include "tests/support/jwt_setup.hpp"

#include <catch2/catch.hpp>

#include <stdexcept>
#include <string>
#include <vector>

using namespace regroup;
using namespace regroup::test;
using namespace regroup::test::jwt;

namespace {

std::string error_of(const http::JwtSettings& settings) {
  try {
    const http::JwtVerifier verifier{settings};
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

} // namespace

TEST_CASE("settings that cannot sign say so in one line") {
  const KeyFolder folder;
  const auto signing = [&](const std::string& algorithm, const std::string& pem) {
    auto settings = settings_of(algorithm);
    settings.private_key_file = folder.file(pem);
    return settings;
  };
  struct Row {
    http::JwtSettings settings;
    std::string error;
  };
  const std::vector<Row> rows{
      {settings_of("none"), "auth.jwt_algorithm: must be"},
      {settings_of("HS256"), "auth.jwt_secret: must be set"},
      {settings_of("RS256"), "auth.jwt_private_key_file: must be set"},
      {with_public_key(folder, "RS256", public_pem(our_rsa())), "auth.jwt_private_key_file"},
      {signing("ES256", private_pem(our_rsa())), "not an EC key"},
      {signing("RS256", private_pem(rsa_key(1024))), "fewer than 2048 bits"},
      {signing("RS256", private_pem(our_rsa(), "password")), "no unencrypted private key"},
      {signing("RS256", public_pem(our_rsa())), "no unencrypted private key"}};
  for (const auto& row : rows) {
    INFO(row.error);
    CHECK_THROWS_WITH(http::mint_token(row.settings, domain::Uuid{}, std::chrono::seconds{1}, now),
                      Catch::Contains(row.error) && !Catch::Contains("\n"));
  }
}

TEST_CASE("settings that cannot verify stop the start with one line that names them") {
  const KeyFolder folder;
  const auto pem = [&](const std::string& algorithm, const std::string& text) {
    return error_of(with_public_key(folder, algorithm, text));
  };
  const auto set = [&](const std::string& algorithm, const std::vector<Json>& keys) {
    return error_of(with_jwks(folder, algorithm, keys));
  };
  const auto set_text = [&](const std::string& text) {
    auto settings = settings_of("RS256");
    settings.jwks_file = folder.file(text);
    return error_of(settings);
  };
  auto two_sources = with_secret();
  two_sources.jwks_file = folder.file("{}");
  auto no_file = settings_of("RS256");
  no_file.public_key_file = folder.path() + "/absent.pem";
  auto a_folder = settings_of("RS256");
  a_folder.jwks_file = folder.path();
  auto short_secret = with_secret();
  short_secret.secret.resize(31);
  auto pem_secret = with_secret();
  pem_secret.secret = public_pem(our_rsa());
  auto off_curve = ec_jwk(our_ec());
  off_curve["y"] = off_curve["x"];
  const std::string infinity = "-----BEGIN PUBLIC KEY-----\n"
                               "MBkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDAgAA\n"
                               "-----END PUBLIC KEY-----\n";
  const auto rsa_pss = rsa_key(2048, "RSA-PSS");
  const auto rsa_pem = public_pem(our_rsa());

  struct Row {
    std::string error, says;
  };
  const std::vector<Row> rows{
      {error_of(settings_of("")), "auth.jwt_algorithm: must be RS256, ES256 or HS256"},
      {error_of(with_secret("none")), "auth.jwt_algorithm: must be"},
      {error_of(with_secret("PS256")), "auth.jwt_algorithm: must be"},
      {error_of(with_secret("hs256")), "auth.jwt_algorithm: must be"},
      {error_of(settings_of("RS256")), "exactly one of them must be set"},
      {error_of(two_sources), "exactly one of them must be set"},
      {error_of(with_secret("RS256")), "auth.jwt_secret: is for HS256 only"},
      {pem("HS256", rsa_pem), "auth.jwt_public_key_file: HS256 needs auth.jwt_secret"},
      {error_of(short_secret), "auth.jwt_secret: the secret has fewer than 32 bytes"},
      {error_of(pem_secret), "auth.jwt_secret: is a key in PEM"},
      {error_of(no_file), "auth.jwt_public_key_file: " + no_file.public_key_file},
      {error_of(a_folder), "auth.jwt_jwks_file: " + a_folder.jwks_file},
      {pem("RS256", ""), "cannot be read, or is empty"},
      {pem("RS256", "not PEM"), "no public key or certificate"},
      {pem("RS256", rsa_pem.substr(0, rsa_pem.size() / 2)), "no public key or certificate"},
      {pem("RS256", private_pem(our_rsa())), "no public key or certificate"},
      {pem("RS256", public_pem(our_ec())), "not an RSA key"},
      {pem("RS256", public_pem(rsa_pss)), "not an RSA key"},
      {pem("RS256", public_pem(rsa_key(1024))), "fewer than 2048 bits"},
      {pem("RS256", certificate_pem(rsa_key(2047))), "fewer than 2048 bits"},
      {pem("ES256", rsa_pem), "not an EC key on P-256"},
      {pem("ES256", public_pem(ec_key("P-384"))), "not an EC key on P-256"},
      {pem("ES256", public_pem(ec_key("secp256k1"))), "not an EC key on P-256"},
      {pem("ES256", infinity), "not a point of P-256"},
      {set_text("not JSON"), "not a JSON Web Key Set"},
      {set_text("[]"), "not a JSON Web Key Set"},
      {set_text(R"({"keys":[)" + rsa_jwk(our_rsa()).dump() + "]}" + std::string(1, '\0')),
       "not a JSON Web Key Set"},
      {set_text(R"({"keys":{}})"), "not a JSON Web Key Set"},
      {set_text(R"({"keys":[],"keys":[]})"), "not a JSON Web Key Set"},
      {set_text(R"({"keys":[1,"RSA",null]})"), "no key for RS256"},
      {set("RS256", {}), "no key for RS256"},
      {set("RS256", {rsa_jwk(our_rsa(), {{"use", "enc"}})}), "no key for RS256"},
      {set("RS256", {ec_jwk(our_ec()), oct_jwk(secret)}), "no key for RS256"},
      {set("ES256", {ec_jwk(our_ec(), {{"crv", "P-384"}})}), "no key for ES256"},
      {set("HS256", {rsa_jwk(our_rsa())}), "no key for HS256"},
      {set("HS256", {oct_jwk("short")}), "fewer than 32 bytes"},
      {set("RS256", {rsa_jwk(rsa_key(1024))}), "fewer than 2048 bits"},
      {set("RS256", {rsa_jwk(our_rsa(), {{"e", "AQ"}})}), "not a usable one"},
      {set("RS256", {rsa_jwk(our_rsa(), {{"e", "Ag"}})}), "not a usable one"},
      {set("RS256", {rsa_jwk(our_rsa(), {{"e", "AQEBAQEBAQEB"}})}), "not a usable one"},
      {set("RS256", {rsa_jwk(our_rsa(), {{"e", "AA"}})}), "not a usable one"},
      {set("RS256", {rsa_jwk(our_rsa(), {{"n", "AA"}})}), "fewer than 2048 bits"},
      {set("RS256", {rsa_jwk(our_rsa(), {{"n", std::string(2800, '_')}})}), "not a usable one"},
      {set("RS256", {rsa_jwk(our_rsa(), {{"n", "a=b"}})}), "no valid \"n\""},
      {set("RS256", {{{"kty", "RSA"}, {"e", "AQAB"}}}), "no valid \"n\""},
      {set("ES256", {off_curve}), "not a point of P-256"},
      {set("ES256", {ec_jwk(our_ec(), {{"x", std::string(64, 'A')}})}), "not a point of P-256"},
      // The generator of P-256, with the field's prime added to its x.
      {set("ES256", {ec_jwk(our_ec(), {{"x", "AWsX0fHhLEJI-Lzm5WOkQPJ3A32CLeszoPShOUXYmMKV"},
                                       {"y", "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}})}),
       "not a point of P-256"}};
  for (const auto& row : rows) {
    INFO(row.says);
    CHECK_THAT(row.error, Catch::Contains(row.says) && Catch::StartsWith("auth.") &&
                              !Catch::Contains("\n") && !Catch::Contains(secret.substr(0, 31)));
  }
}
