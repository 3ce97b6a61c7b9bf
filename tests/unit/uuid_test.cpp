#include "domain/uuid.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <vector>

using regroup::domain::Uuid;

namespace {

const std::string kText = "0192f0c1-2b3d-7e4f-8a5b-0123456789ab";

Uuid parsed(const std::string& text) {
  const auto uuid = Uuid::parse(text);
  REQUIRE(uuid);
  return *uuid;
}

} // namespace

TEST_CASE("a UUID is read in either case and written in lower case") {
  CHECK(parsed(kText).text() == kText);
  CHECK(parsed("0192F0C1-2B3D-7E4F-8A5B-0123456789AB").text() == kText);
  CHECK(Uuid{}.text() == "00000000-0000-0000-0000-000000000000");
}

TEST_CASE("nothing but the canonical form of a UUID is read") {
  const std::string nul{"0192f0c1-2b3d-7e4f-8a5b-0123456789a\0", 36};
  for (const std::string& text :
       {std::string{}, std::string{"0192f0c1"}, kText + "0", kText.substr(1), "{" + kText + "}",
        "urn:uuid:" + kText, std::string{"0192f0c12b3d7e4f8a5b0123456789ab"},
        std::string{"0192f0c1-2b3d-7e4f-8a5b-0123456789ag"}, nul,
        std::string{"0192f0c12-b3d-7e4f-8a5b-0123456789ab"},
        std::string{"0192f0c1-2b3d-7e4f-8a5b_0123456789ab"},
        std::string{"0192f0c1-2b3d-7e4f-8a5b- 123456789ab"},
        std::string{"0x92f0c1-2b3d-7e4f-8a5b-0123456789ab"}}) {
    CAPTURE(text);
    CHECK_FALSE(Uuid::parse(text));
  }
}

TEST_CASE("UUIDs order as their text does") {
  std::vector<Uuid> uuids;
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) {
    uuids.push_back(Uuid::random());
    texts.push_back(uuids.back().text());
  }
  std::sort(uuids.begin(), uuids.end());
  std::sort(texts.begin(), texts.end());
  for (std::size_t i = 0; i < uuids.size(); ++i)
    CHECK(uuids[i].text() == texts[i]);
}

TEST_CASE("a random UUID is of version 4, variant 10, and never met twice") {
  std::set<Uuid> seen;
  for (int i = 0; i < 1000; ++i) {
    const Uuid uuid = Uuid::random();
    CHECK(uuid.text()[14] == '4');
    CHECK(std::string{"89ab"}.find(uuid.text()[19]) != std::string::npos);
    CHECK(seen.insert(uuid).second);
  }
}

TEST_CASE("a time-ordered UUID is of version 7 and begins with the milliseconds of now") {
  const auto millis = [] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  std::set<Uuid> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto before = millis();
    const std::string text = Uuid::time_ordered().text();
    const auto after = millis();
    const auto stamp = std::stoll(text.substr(0, 8) + text.substr(9, 4), nullptr, 16);
    CHECK(text[14] == '7');
    CHECK(std::string{"89ab"}.find(text[19]) != std::string::npos);
    CHECK(before <= stamp);
    CHECK(stamp <= after);
    CHECK(seen.insert(parsed(text)).second);
  }
}
