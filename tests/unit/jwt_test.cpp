// What a token must look like and say. HS256 throughout: the algorithms and the keys are in
// jwt_keys_test.cpp.
#include "http/auth/jwt.hpp"
#include "tests/support/jwt_forge.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

namespace {

using namespace regroup;
using Json = nlohmann::json;
using test::forge;

constexpr std::int64_t kNow = 1'800'000'000;
const http::JwtVerifier::Clock::time_point now{std::chrono::seconds{kNow}};
const std::string secret = "a secret of thirty-two bytes or more";
const std::string user = "7d4c1d2e-6f0a-4b5e-9c3d-0a1b2c3d4e5f";
const std::string plain_header = R"({"alg":"HS256","typ":"JWT"})";
const auto sign = test::hmac_signer(secret);

http::JwtSettings hs256_settings() {
  http::JwtSettings settings;
  settings.algorithm = "HS256";
  settings.secret = secret;
  return settings;
}

Json good_claims() { return {{"sub", user}, {"exp", kNow + 600}}; }

/// The good claims with some of them replaced, or removed where null.
std::string claims_with(const Json& changes) {
  auto claims = good_claims();
  claims.merge_patch(changes);
  return claims.dump();
}

std::string token_of(const std::string& claims) { return forge(plain_header, claims, sign); }

std::string token_with_header(const std::string& header) {
  return forge(header, good_claims().dump(), sign);
}

struct Case {
  std::string name;
  std::string token;
};

void check_all(const http::JwtVerifier& verifier, bool accepted, const std::vector<Case>& cases) {
  for (const auto& [name, token] : cases) {
    INFO(name << ": " << token.substr(0, 300));
    CHECK(verifier.verify(token, now).has_value() == accepted);
  }
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

/// A token of exactly this many bytes.
std::string token_of_size(std::size_t size) {
  for (std::size_t kid = 0; kid < 3; ++kid)
    for (std::size_t pad = size / 2; pad < size; ++pad) {
      const Json header{{"alg", "HS256"}, {"kid", std::string(kid, 'k')}};
      auto token = forge(header.dump(), claims_with({{"pad", std::string(pad, 'p')}}), sign);
      if (token.size() == size)
        return token;
      if (token.size() > size)
        break;
    }
  throw std::logic_error("no token has this size");
}

} // namespace

TEST_CASE("a valid token gives its user and when it expires") {
  const http::JwtVerifier verifier{hs256_settings()};
  const auto verified = verifier.verify(token_of(good_claims().dump()), now);
  REQUIRE(verified);
  CHECK(verified->user_id == domain::Uuid::parse(user));
  CHECK(verified->expires == now + std::chrono::seconds{600});
}

TEST_CASE(
    "a token that was accepted is not accepted after its time, nor is one that resembles it") {
  const http::JwtVerifier verifier{hs256_settings()};
  const auto token = token_of(good_claims().dump());
  for (int times = 0; times < 2; ++times)
    REQUIRE(verifier.verify(token, now));
  CHECK(verifier.verify(token, now + std::chrono::seconds{629}));
  CHECK_FALSE(verifier.verify(token, now + std::chrono::seconds{630}));
  REQUIRE(verifier.verify(token, now));
  for (const auto& other :
       {token + "=", token + ".", token + "A", token.substr(0, token.size() - 1)})
    CHECK_FALSE(verifier.verify(other, now));
}

TEST_CASE("an expiry beyond what a clock can hold is cut, not wrapped around") {
  const http::JwtVerifier verifier{hs256_settings()};
  for (const char* exp : {"1e300", "18446744073709551615", "9223372036854775807"}) {
    const auto verified =
        verifier.verify(token_of(R"({"sub":")" + user + R"(","exp":)" + exp + "}"), now);
    REQUIRE(verified);
    CHECK(verified->expires > now);
  }
}

TEST_CASE("claims within the rules are accepted") {
  const http::JwtVerifier verifier{hs256_settings()};
  check_all(verifier, true,
            {{"sub in upper case",
              token_of(claims_with({{"sub", "7D4C1D2E-6F0A-4B5E-9C3D-0A1B2C3D4E5F"}}))},
             {"exp with a fraction", token_of(claims_with({{"exp", kNow + 0.5}}))},
             {"expired 29 s ago", token_of(claims_with({{"exp", kNow - 29}}))},
             {"valid in 29 s", token_of(claims_with({{"nbf", kNow + 29}}))},
             {"valid in 30 s", token_of(claims_with({{"nbf", kNow + 30}}))},
             {"token_type access", token_of(claims_with({{"token_type", "access"}}))},
             {"issuer and audience when none is configured",
              token_of(claims_with({{"iss", "anybody"}, {"aud", Json::array({"a", "b"})}}))},
             {"unknown claims, nested 32 deep",
              token_of(R"({"sub":")" + user + R"(","exp":1800000600,"x":)" + nested(31) + "}")},
             {"one byte under 8 KiB", token_of_size(8191)}});
}

TEST_CASE("claims outside the rules are refused") {
  const http::JwtVerifier verifier{hs256_settings()};
  const std::string start = R"({"sub":")" + user + R"(","exp":)";
  check_all(
      verifier, false,
      {{"exp absent", token_of(claims_with({{"exp", nullptr}}))},
       {"exp null", token_of(start + "null}")},
       {"exp a string", token_of(claims_with({{"exp", "1800000600"}}))},
       {"exp a boolean", token_of(start + "true}")},
       {"exp an array", token_of(start + "[1800000600]}")},
       {"exp infinite", token_of(start + "1e400}")},
       {"exp not a number", token_of(start + "NaN}")},
       {"exp negative", token_of(start + "-1e300}")},
       {"expired 30 s ago", token_of(claims_with({{"exp", kNow - 30}}))},
       {"expired 31 s ago", token_of(claims_with({{"exp", kNow - 31}}))},
       {"expired a day ago", token_of(claims_with({{"exp", kNow - 86400}}))},
       {"valid in 31 s", token_of(claims_with({{"nbf", kNow + 31}}))},
       {"valid in a day", token_of(claims_with({{"nbf", kNow + 86400}}))},
       {"nbf a string", token_of(claims_with({{"nbf", "0"}}))},
       {"nbf a boolean", token_of(start + R"(1800000600,"nbf":true})")},
       {"nbf null", token_of(start + R"(1800000600,"nbf":null})")},
       {"sub absent", token_of(claims_with({{"sub", nullptr}}))},
       {"sub empty", token_of(claims_with({{"sub", ""}}))},
       {"sub a name", token_of(claims_with({{"sub", "admin"}}))},
       {"sub a number", token_of(claims_with({{"sub", 7}}))},
       {"sub a list", token_of(claims_with({{"sub", Json::array({user})}}))},
       {"sub a UUID without dashes", token_of(claims_with({{"sub", std::string(32, 'a')}}))},
       {"sub a UUID and more", token_of(claims_with({{"sub", user + "\n"}}))},
       {"a refresh token", token_of(claims_with({{"token_type", "refresh"}}))},
       {"token_type in other letters", token_of(claims_with({{"token_type", "Access"}}))},
       {"token_type a list", token_of(claims_with({{"token_type", Json::array({"access"})}}))},
       {"token_type null", token_of(start + R"(1800000600,"token_type":null})")},
       {"sub twice", token_of(start + R"(1800000600,"sub":")" + user + R"("})")},
       {"exp twice", token_of(start + R"(1,"exp":1800000600})")},
       {"exp twice, once escaped", token_of(start + R"(1,"\u0065xp":1800000600})")},
       {"a duplicate further in", token_of(start + R"(1800000600,"x":[{"a":1,"a":1}]})")},
       {"with a NUL behind it", token_with_header(plain_header + std::string(1, '\0'))},
       {"nested 33 deep", token_of(start + "1800000600,\"x\":" + nested(32) + "}")},
       {"nested 2,000 deep", token_of(start + "1800000600,\"x\":" + nested(2000) + "}")},
       {"claims in an array", token_of("[" + good_claims().dump() + "]")},
       {"claims in a string", token_of(Json(good_claims().dump()).dump())},
       {"claims that are not JSON", token_of("sub=" + user)},
       {"claims and then something", token_of(good_claims().dump() + "{}")},
       {"claims after a byte order mark", token_of("\xef\xbb\xbf" + good_claims().dump())},
       {"claims and a NUL", token_of(good_claims().dump() + std::string{"\0x", 2})},
       {"claims after a NUL", token_of(std::string(1, '\0') + good_claims().dump())},
       {"claims that are not UTF-8", token_of(start + "1800000600,\"x\":\"\xff\"}")},
       {"claims with a lone surrogate", token_of(start + R"(1800000600,"x":"\ud800"})")},
       {"8 KiB", token_of_size(8192)},
       {"over 8 KiB", token_of(claims_with({{"pad", std::string(100'000, 'p')}}))}});
}

TEST_CASE("the issuer must be the configured one") {
  auto settings = hs256_settings();
  settings.issuer = "https://id.example";
  const http::JwtVerifier verifier{settings};
  check_all(verifier, true, {{"ours", token_of(claims_with({{"iss", "https://id.example"}}))}});
  check_all(verifier, false,
            {{"another's", token_of(claims_with({{"iss", "https://id.example.evil"}}))},
             {"with a slash more", token_of(claims_with({{"iss", "https://id.example/"}}))},
             {"in a list", token_of(claims_with({{"iss", Json::array({"https://id.example"})}}))},
             {"absent", token_of(good_claims().dump())}});
}

TEST_CASE("the audience must have the configured one in it") {
  auto settings = hs256_settings();
  settings.audience = "regroup";
  const http::JwtVerifier verifier{settings};
  check_all(
      verifier, true,
      {{"ours alone", token_of(claims_with({{"aud", "regroup"}}))},
       {"ours among others", token_of(claims_with({{"aud", Json::array({"a", "regroup"})}}))}});
  check_all(verifier, false,
            {{"another's", token_of(claims_with({{"aud", "regroup2"}}))},
             {"others", token_of(claims_with({{"aud", Json::array({"a", "b"})}}))},
             {"nobody", token_of(claims_with({{"aud", Json::array()}}))},
             {"nested", token_of(claims_with({{"aud", Json::array({Json::array({"regroup"})})}}))},
             {"a key of an object", token_of(claims_with({{"aud", {{"regroup", "regroup"}}}}))},
             {"absent", token_of(good_claims().dump())}});
}

TEST_CASE("a header is held against the configured algorithm, and its keys are never looked at") {
  const http::JwtVerifier verifier{hs256_settings()};
  check_all(
      verifier, true,
      {{"without typ", token_with_header(R"({"alg":"HS256"})")},
       {"a kid where keys have no names", token_with_header(R"({"alg":"HS256","kid":"x"})")},
       {"a key of its own", token_with_header(R"({"alg":"HS256","jwk":{"kty":"oct","k":""}})")},
       {"a link to a key", token_with_header(R"({"alg":"HS256","jku":"https://a.example"})")}});
  std::vector<Case> cases{
      {"alg absent", token_with_header(R"({"typ":"JWT"})")},
      {"alg null", token_with_header(R"({"alg":null})")},
      {"alg a number", token_with_header(R"({"alg":256})")},
      {"alg a list", token_with_header(R"({"alg":["HS256"]})")},
      {"alg twice", token_with_header(R"({"alg":"HS256","alg":"HS256"})")},
      {"alg twice, once escaped", token_with_header(R"({"\u0061lg":"none","alg":"HS256"})")},
      {"crit", token_with_header(R"({"alg":"HS256","crit":["exp"]})")},
      {"crit with an unknown name", token_with_header(R"({"alg":"HS256","crit":["x"],"x":1})")},
      {"crit empty", token_with_header(R"({"alg":"HS256","crit":[]})")},
      {"crit null", token_with_header(R"({"alg":"HS256","crit":null})")},
      {"b64 false", token_with_header(R"({"alg":"HS256","b64":false})")},
      {"b64 true", token_with_header(R"({"alg":"HS256","b64":true})")},
      {"kid a number", token_with_header(R"({"alg":"HS256","kid":1})")},
      {"not JSON", token_with_header("HS256")},
      {"an array", token_with_header(R"([{"alg":"HS256"}])")},
      {"after a byte order mark", token_with_header("\xef\xbb\xbf" + plain_header)},
      {"nested 33 deep", token_with_header(R"({"alg":"HS256","x":)" + nested(32) + "}")},
      {"HS384 with our secret",
       forge(R"({"alg":"HS384"})", good_claims().dump(), test::hmac_signer(secret, EVP_sha384()))}};
  for (const char* alg : {"none", "None", "NONE", "nOnE", "none ", "", "hs256", "HS256 ", "RS256",
                          "PS256", "ES256", "HS512", "dir", "RSA-OAEP"}) {
    const auto header = Json{{"alg", alg}}.dump();
    cases.push_back({std::string{"signed, alg "} + alg, token_with_header(header)});
    cases.push_back({std::string{"unsigned, alg "} + alg,
                     forge(header, good_claims().dump(), [](const auto&) { return ""; })});
  }
  check_all(verifier, false, cases);
}

TEST_CASE("a token of another type than an access token's is refused") {
  const http::JwtVerifier verifier{hs256_settings()};
  const auto of_type = [](const std::string& type) {
    return Case{"typ " + type, token_with_header(R"({"alg":"HS256","typ":)" + type + "}")};
  };
  std::vector<Case> accepted, refused;
  for (const char* type : {R"("JWT")", R"("jwt")", R"("at+jwt")", R"("AT+JWT")",
                           R"("application/at+jwt")", R"("Application/AT+jwt")"})
    accepted.push_back(of_type(type));
  for (const char* type : {R"("logout+jwt")", R"("dpop+jwt")", R"("secevent+jwt")", R"("id_token")",
                           R"("JOSE")", R"("application/jwt")", R"("at+jwt ")", R"("JWT\u0000")",
                           R"("")", "null", "1", R"(["JWT"])"})
    refused.push_back(of_type(type));
  check_all(verifier, true, accepted);
  check_all(verifier, false, refused);
}

TEST_CASE("a token that is not three parts of canonical base64url is refused") {
  const http::JwtVerifier verifier{hs256_settings()};
  // Claims of 3n+1 bytes: the last character has four unused bits. A signature's has two.
  std::string claims = good_claims().dump();
  while (claims.size() % 3 != 1)
    claims += ' ';
  const auto good = token_of(claims);
  REQUIRE(verifier.verify(good, now));
  const auto first = good.find('.');
  const auto second = good.find('.', first + 1);
  const auto header = good.substr(0, first);
  const auto payload = good.substr(first + 1, second - first - 1);
  const auto signature = good.substr(second + 1);
  const auto signed_as = [](const std::string& text) {
    return text + "." + http::base64url_encode(sign(text));
  };
  auto other_bits = signature;
  ++other_bits.back(); // the alphabet's neighbour: only the unused bits differ
  auto loose_payload = payload;
  ++loose_payload.back();

  std::vector<Case> cases{
      {"empty", ""},
      {"one dot", "."},
      {"two dots", ".."},
      {"three dots", "..."},
      {"no dot", header},
      {"no signature", header + "." + payload},
      {"an empty signature", header + "." + payload + "."},
      {"an empty header", "." + payload + "." + signature},
      {"an empty payload", header + ".." + signature},
      {"an empty payload that is signed", signed_as(header + ".")},
      {"a fourth part", good + "." + signature},
      {"a dot at the end", good + "."},
      {"a dot in front", "." + good},
      {"a truncated signature", good.substr(0, good.size() - 2)},
      {"a signature of 16 bytes",
       header + "." + payload + "." +
           http::base64url_encode(sign(header + "." + payload).substr(0, 16))},
      {"a signature of one byte", header + "." + payload + ".AA"},
      {"a signature and a byte more",
       header + "." + payload + "." + http::base64url_encode(sign(header + "." + payload) + '\0')},
      {"a padded signature", good + "="},
      {"a signature that is padding", header + "." + payload + ".A==="},
      {"a padded payload, signed", signed_as(header + "." + payload + "==")},
      {"a padded header, signed", signed_as(header + "=." + payload)},
      {"another text of the same signature", header + "." + payload + "." + other_bits},
      {"a payload with unused bits, signed", signed_as(header + "." + loose_payload)},
      {"a length that no encoder gives, signed", signed_as(header + "." + payload + "AAA")},
      {"standard base64, signed", signed_as(header + "." + payload + "AA+/")},
      {"white space in front", " " + good},
      {"white space at the end", good + "\n"},
      {"a NUL at the end", good + std::string(1, '\0')},
      {"the scheme's name", "Bearer " + good}};
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_')
      continue;
    cases.push_back({"byte " + std::to_string(byte) + " in the payload, signed",
                     signed_as(header + "." + std::string(1, c) + payload)});
    cases.push_back({"byte " + std::to_string(byte) + " in the signature", good + c});
  }
  check_all(verifier, false, cases);
}

TEST_CASE("a minted token is accepted until it expires, and says what it is for") {
  auto settings = hs256_settings();
  settings.issuer = "https://id.example";
  settings.audience = "regroup";
  const http::JwtVerifier verifier{settings};
  const auto id = *domain::Uuid::parse(user);
  const auto token = http::mint_token(settings, id, std::chrono::minutes{15}, now);

  const auto verified = verifier.verify(token, now);
  REQUIRE(verified);
  CHECK(verified->user_id == id);
  CHECK(verified->expires == now + std::chrono::minutes{15});
  CHECK(verifier.verify(token, now + std::chrono::minutes{15} + std::chrono::seconds{29}));
  CHECK_FALSE(verifier.verify(token, now + std::chrono::minutes{15} + std::chrono::seconds{31}));

  const auto first = token.find('.');
  const auto second = token.find('.', first + 1);
  const auto header = Json::parse(*http::base64url_decode(token.substr(0, first)));
  CHECK(header == Json{{"alg", "HS256"}, {"typ", "JWT"}});
  auto claims = Json::parse(*http::base64url_decode(token.substr(first + 1, second - first - 1)));
  CHECK(domain::Uuid::parse(claims.at("jti").get<std::string>()));
  claims.erase("jti");
  CHECK(claims == Json{{"sub", user},
                       {"iat", kNow},
                       {"exp", kNow + 900},
                       {"token_type", "access"},
                       {"iss", "https://id.example"},
                       {"aud", "regroup"}});
  CHECK(token != http::mint_token(settings, id, std::chrono::minutes{15}, now)); // jti
}
