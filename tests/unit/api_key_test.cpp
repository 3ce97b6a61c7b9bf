#include "http/auth/api_key.hpp"
#include "http/auth/base64url.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <string>

using namespace regroup::http;

TEST_CASE("SHA-256 is written in lower-case hex") {
  // FIPS 180-2, appendix B.1, and the digest of nothing
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex(std::string_view{"a\0b", 3}) != sha256_hex("a"));
}

TEST_CASE("an API key is 256 random bits that fit into a header") {
  std::set<std::string> keys;
  for (int i = 0; i < 1000; ++i) {
    const auto key = new_api_key();
    REQUIRE(key.size() == 47);
    REQUIRE(key.starts_with("rgk_"));
    const auto bytes = base64url_decode(key.substr(4));
    REQUIRE(bytes);
    REQUIRE(bytes->size() == 32);
    keys.insert(key);
  }
  CHECK(keys.size() == 1000);
}

TEST_CASE("base64url has one text for each bytes") {
  // RFC 4648 section 10, without its padding
  const std::pair<const char*, const char*> vectors[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xff\xef\xbe", "_---"}};
  for (const auto& [bytes, text] : vectors) {
    CHECK(base64url_encode(bytes) == text);
    CHECK(base64url_decode(text) == bytes);
  }
  for (const char* text :
       {"A", "Z", "Zm9vA", "Zh", "Zm9", "Zm9vY", "Zg==", "Zg=", "+---", "/---", "Zm9v\n", " Zm9v"})
    CHECK_FALSE(base64url_decode(text));
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes{'x', static_cast<char>(byte)};
    CHECK(base64url_decode(base64url_encode(bytes)) == bytes);
  }
}
