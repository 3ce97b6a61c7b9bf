// The algorithms, and which key a token is verified with.
#include "tests/support/jwt_setup.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace regroup;
using namespace regroup::test;
using namespace regroup::test::jwt;

TEST_CASE("each algorithm accepts its own tokens and no other algorithm's or key's") {
  const KeyFolder folder;
  const auto rsa_pem = public_pem(our_rsa());
  const auto ec_pem = public_pem(our_ec());
  const http::JwtVerifier rsa{with_public_key(folder, "RS256", rsa_pem)};
  const http::JwtVerifier ec{with_public_key(folder, "ES256", ec_pem)};
  const http::JwtVerifier hmac{with_secret()};
  const auto ps256 = key_signer(our_rsa(), RSA_PKCS1_PSS_PADDING);
  const Json own_key{{"alg", "RS256"}, {"jwk", rsa_jwk(other_rsa())}};

  struct Row {
    std::string name, token;
    bool by_rsa, by_ec, by_hmac;
  };
  const std::vector<Row> rows{
      {"RS256", rs256(our_rsa()), true, false, false},
      {"RS256 by another key", rs256(other_rsa()), false, false, false},
      {"RS256 by another key that the header brings",
       forge(own_key.dump(), claims, key_signer(other_rsa())), false, false, false},
      {"ES256", es256(our_ec()), false, true, false},
      {"ES256 by another key", es256(other_ec()), false, false, false},
      {"HS256", hs256(secret), false, false, true},
      {"HS256 by another secret", hs256(secret + "!"), false, false, false},
      {"HS256 by the RSA public key", hs256(rsa_pem), false, false, false},
      {"HS256 by the EC public key", hs256(ec_pem), false, false, false},
      {"HMAC by the RSA public key, called RS256",
       forge(header("RS256"), claims, hmac_signer(rsa_pem)), false, false, false},
      {"PS256 by the RSA key", forge(header("PS256"), claims, ps256), false, false, false},
      {"PSS by the RSA key, called RS256", forge(header("RS256"), claims, ps256), false, false,
       false},
      {"RS256 called RS512", forge(header("RS512"), claims, key_signer(our_rsa())), false, false,
       false},
      {"RS256 called none", forge(header("none"), claims, key_signer(our_rsa())), false, false,
       false}};
  for (const auto& row : rows) {
    INFO(row.name);
    CHECK(rsa.verify(row.token, now).has_value() == row.by_rsa);
    CHECK(ec.verify(row.token, now).has_value() == row.by_ec);
    CHECK(hmac.verify(row.token, now).has_value() == row.by_hmac);
  }
}

TEST_CASE("an ES256 signature is r and s and nothing else") {
  const KeyFolder folder;
  const http::JwtVerifier verifier{with_public_key(folder, "ES256", public_pem(our_ec()))};
  const auto good = es256_signer(our_ec());
  struct Row {
    const char* name;
    Signer sign;
  };
  const std::vector<Row> rows{
      {"DER", key_signer(our_ec())},
      {"r = s = 0", [](const auto&) { return std::string(64, '\0'); }},
      {"r = s = 0, short", [](const auto&) { return std::string(2, '\0'); }},
      {"all ones", [](const auto&) { return std::string(64, '\xff'); }},
      {"s = 0", [&](const auto& text) { return good(text).substr(0, 32) + std::string(32, '\0'); }},
      {"r alone", [&](const auto& text) { return good(text).substr(0, 32); }},
      {"a byte more", [&](const auto& text) { return good(text) + 'x'; }},
      {"longer numbers",
       [&](const auto& text) {
         return std::string(1, '\0') + good(text).substr(0, 32) + std::string(1, '\0') +
                good(text).substr(32);
       }},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    CHECK_FALSE(verifier.verify(forge(header("ES256"), claims, row.sign), now));
  }
}

TEST_CASE("an RS256 signature is as long as the modulus") {
  const KeyFolder folder;
  const http::JwtVerifier verifier{with_public_key(folder, "RS256", public_pem(our_rsa()))};
  const auto good = key_signer(our_rsa());
  const auto of = [&](const Signer& sign) { return forge(header("RS256"), claims, sign); };
  REQUIRE(verifier.verify(of(good), now));
  const std::vector<Signer> others{
      [&](const auto& text) { return std::string(1, '\0') + good(text); },
      [&](const auto& text) { return good(text) + std::string(1, '\0'); },
      [&](const auto& text) { return good(text).substr(1); },
      [](const auto&) { return std::string{}; },
      [](const auto&) { return std::string(256, '\0'); },
      [](const auto&) { return std::string(256, '\xff'); }};
  for (const auto& sign : others)
    CHECK_FALSE(verifier.verify(of(sign), now));
}

TEST_CASE("a JWK's numbers may have zeros in front, or lack those they should have") {
  const KeyFolder folder;
  const auto padded = [](const Key& key, const char* name) { return jwk_number(key, name, 300); };
  const http::JwtVerifier rsa{with_jwks(
      folder, "RS256",
      {rsa_jwk(our_rsa(), {{"n", padded(our_rsa(), "n")}, {"e", padded(our_rsa(), "e")}})})};
  CHECK(rsa.verify(rs256(our_rsa()), now));
  const http::JwtVerifier ec{with_jwks(
      folder, "ES256",
      {ec_jwk(our_ec(), {{"x", padded(our_ec(), "qx")}, {"y", padded(our_ec(), "qy")}})})};
  CHECK(ec.verify(es256(our_ec()), now));
  auto key = ec_key("P-256");
  while (jwk_number(key, "qx").size() == jwk_number(key, "qx", 32).size())
    key = ec_key("P-256"); // one in 256 has an x of 31 bytes
  const http::JwtVerifier shorter{
      with_jwks(folder, "ES256", {ec_jwk(key, {{"x", jwk_number(key, "qx")}})})};
  CHECK(shorter.verify(es256(key), now));
}

TEST_CASE("no bit of a token can be flipped") {
  const KeyFolder folder;
  struct Row {
    http::JwtSettings settings;
    std::string token;
  };
  const std::vector<Row> rows{
      {with_public_key(folder, "RS256", certificate_pem(our_rsa())), rs256(our_rsa())},
      {with_jwks(folder, "ES256", {ec_jwk(our_ec())}), es256(our_ec())},
      {with_secret(), hs256(secret)}};
  for (const auto& [settings, token] : rows) {
    const http::JwtVerifier verifier{settings};
    REQUIRE(verifier.verify(token, now));
    std::size_t accepted = 0;
    for (std::size_t i = 0; i < token.size() * 8; ++i) {
      auto flipped = token;
      flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
      accepted += verifier.verify(flipped, now) ? 1U : 0U;
    }
    INFO(settings.algorithm);
    CHECK(accepted == 0);
  }
}

TEST_CASE("a JWKS's keys rotate by kid") {
  const KeyFolder folder;
  const http::JwtVerifier verifier{
      with_jwks(folder, "RS256",
                {rsa_jwk(our_rsa(), {{"kid", "2025"}, {"use", "sig"}, {"alg", "RS256"}}),
                 rsa_jwk(other_rsa(), {{"kid", "2026"}}),
                 ec_jwk(our_ec(), {{"kid", "2027"}}),
                 {{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", "AA"}, {"kid", "2028"}}})};
  const auto by = [](const Key& key, const std::string& kid) {
    return forge(header("RS256", kid), claims, key_signer(key));
  };
  CHECK(verifier.verify(by(our_rsa(), "2025"), now));
  CHECK(verifier.verify(by(other_rsa(), "2026"), now));
  CHECK(verifier.verify(rs256(our_rsa()), now)); // no kid: whichever fits
  CHECK(verifier.verify(rs256(other_rsa()), now));
  CHECK_FALSE(verifier.verify(by(our_rsa(), "2026"), now));
  CHECK_FALSE(verifier.verify(by(our_rsa(), "2024"), now));
  CHECK_FALSE(verifier.verify(by(our_rsa(), ""), now));
  CHECK_FALSE(verifier.verify(by(our_rsa(), "2027"), now));
  CHECK_FALSE(verifier.verify(forge(header("ES256", "2027"), claims, es256_signer(our_ec())), now));
}

TEST_CASE("a JWKS's keys that are for something else are left out") {
  const KeyFolder folder;
  for (const Json& more :
       {Json{{"use", "enc"}}, Json{{"use", 1}}, Json{{"alg", "RS512"}}, Json{{"alg", "RSA-OAEP"}},
        Json{{"key_ops", {"encrypt"}}}, Json{{"kty", "rsa"}}}) {
    INFO(more.dump());
    const http::JwtVerifier verifier{
        with_jwks(folder, "RS256", {rsa_jwk(our_rsa(), more), rsa_jwk(other_rsa())})};
    CHECK_FALSE(verifier.verify(rs256(our_rsa()), now));
    CHECK(verifier.verify(rs256(other_rsa()), now));
  }
}

TEST_CASE("a JWKS's keys that are malformed are skipped and named, and the others are used") {
  const KeyFolder folder;
  auto off_curve = ec_jwk(our_ec(), {{"kid", "a"}});
  off_curve["y"] = off_curve["x"];
  struct Row {
    const char* algorithm;
    Json malformed;
    std::string why;
  };
  const std::vector<Row> rows{
      {"RS256", 1, "not an object"},
      {"RS256", nullptr, "not an object"},
      {"RS256", Json::array(), "not an object"},
      {"RS256", Json::object(), "no valid \"kty\""},
      {"RS256", {{"kty", 5}}, "no valid \"kty\""},
      {"RS256", {{"kty", "RSA"}, {"e", "AQAB"}}, "no valid \"n\""},
      {"RS256", {{"kty", "RSA"}, {"n", 7}, {"e", "AQAB"}}, "no valid \"n\""},
      {"RS256", rsa_jwk(our_rsa(), {{"n", "a=b"}}), "no valid \"n\""},
      {"RS256", rsa_jwk(our_rsa(), {{"e", ""}}), "no valid \"e\""},
      {"RS256", rsa_jwk(our_rsa(), {{"e", "AQ"}}), "not a usable one"},
      {"RS256", rsa_jwk(our_rsa(), {{"kid", 1}}), "no valid \"kid\""},
      {"RS256", rsa_jwk(rsa_key(1024)), "fewer than 2048 bits"},
      {"ES256", off_curve, "not a point of P-256"},
      {"HS256", oct_jwk("short"), "fewer than 32 bytes"},
  };
  const auto good = [](const std::string& algorithm) {
    return algorithm == "RS256"   ? rsa_jwk(other_rsa())
           : algorithm == "ES256" ? ec_jwk(other_ec())
                                  : oct_jwk(secret);
  };
  const auto token = [](const std::string& algorithm) {
    return algorithm == "RS256"   ? rs256(other_rsa())
           : algorithm == "ES256" ? es256(other_ec())
                                  : hs256(secret);
  };
  for (const auto& row : rows) {
    INFO(row.malformed.dump());
    const http::JwtVerifier verifier{
        with_jwks(folder, row.algorithm, {row.malformed, good(row.algorithm)})};
    CHECK(verifier.verify(token(row.algorithm), now));
    const auto skipped = verifier.skipped_keys();
    REQUIRE(skipped.size() == 1);
    CHECK_THAT(skipped.front(), Catch::StartsWith("key 1: ") && Catch::Contains(row.why));
  }
}

TEST_CASE("a rotation takes place although the new file has a malformed key too") {
  const KeyFolder folder;
  http::JwtVerifier verifier{with_jwks(folder, "RS256", {rsa_jwk(our_rsa())})};
  CHECK(verifier.skipped_keys().empty());
  CHECK(verifier.reload(with_jwks(folder, "RS256", {rsa_jwk(other_rsa()), Json{{"kty", "RSA"}}})) ==
        1);
  CHECK(verifier.verify(rs256(other_rsa()), now));
  CHECK_FALSE(verifier.verify(rs256(our_rsa()), now));
  CHECK(verifier.skipped_keys().size() == 1);
}

TEST_CASE("a JWKS can hold the secrets of HS256") {
  const KeyFolder folder;
  const http::JwtVerifier verifier{with_jwks(
      folder, "HS256", {oct_jwk(secret, {{"kid", "a"}}), oct_jwk(secret + "b", {{"kid", "b"}})})};
  CHECK(verifier.verify(hs256(secret + "b"), now));
  CHECK(verifier.verify(forge(header("HS256", "a"), claims, hmac_signer(secret)), now));
  CHECK_FALSE(verifier.verify(forge(header("HS256", "b"), claims, hmac_signer(secret)), now));
}

TEST_CASE("threads share a verifier") {
  const KeyFolder folder;
  struct Row {
    http::JwtSettings settings;
    std::string good, bad;
  };
  const std::vector<Row> rows{
      {with_jwks(folder, "RS256", {rsa_jwk(other_rsa()), rsa_jwk(our_rsa())}), rs256(our_rsa()),
       rs256(rsa_key(2048))},
      {with_public_key(folder, "ES256", public_pem(our_ec())), es256(our_ec()), es256(other_ec())},
      {with_secret(), hs256(secret), hs256(secret + "!")}};
  constexpr int kThreads = 4;
  constexpr int kRounds = 250;
  for (const auto& row : rows) {
    const http::JwtVerifier verifier{row.settings};
    std::atomic<int> right{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < kRounds; ++i)
          right += verifier.verify(row.good, now) && !verifier.verify(row.bad, now) ? 1 : 0;
      });
    for (auto& thread : threads)
      thread.join();
    CHECK(right == kThreads * kRounds);
  }
}

TEST_CASE("private keys mint tokens that their public keys accept") {
  const KeyFolder folder;
  const auto id = domain::Uuid::random();
  for (const auto& [algorithm, key] :
       {std::pair{"RS256", our_rsa()}, std::pair{"ES256", our_ec()}}) {
    auto settings = with_public_key(folder, algorithm, public_pem(key));
    settings.private_key_file = folder.file(private_pem(key));
    const http::JwtVerifier verifier{settings};
    const auto verified =
        verifier.verify(http::mint_token(settings, id, std::chrono::minutes{1}, now), now);
    REQUIRE(verified);
    CHECK(verified->user_id == id);
  }
}
