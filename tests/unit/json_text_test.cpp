#include "text/json_text.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <limits>

using nlohmann::json;
using regroup::text::JsonCharset;
using regroup::text::JsonObject;

TEST_CASE("what is written member by member reads as it was meant") {
  const std::string text = JsonObject{}
                               .add("text", "plain")
                               .add("count", std::int64_t{-3})
                               .add("ratio", 0.25)
                               .add("none", std::numeric_limits<double>::quiet_NaN())
                               .add("yes", true)
                               .add_null("nothing")
                               .add_or_null("absent", std::optional<bool>{})
                               .add_or_null("present", std::optional{regroup::domain::Uuid{}})
                               .add("inner", JsonObject{}.add("a", "b"))
                               .add("empty", JsonObject{})
                               .add("texts", std::vector<std::string>{"x", "y"})
                               .add("objects", std::vector<JsonObject>(2))
                               .text();
  CHECK(json::parse(text) == json{{"text", "plain"},
                                  {"count", -3},
                                  {"ratio", 0.25},
                                  {"none", nullptr},
                                  {"yes", true},
                                  {"nothing", nullptr},
                                  {"absent", nullptr},
                                  {"present", "00000000-0000-0000-0000-000000000000"},
                                  {"inner", {{"a", "b"}}},
                                  {"empty", json::object()},
                                  {"texts", {"x", "y"}},
                                  {"objects", {json::object(), json::object()}}});
  CHECK(JsonObject{}.text() == "{}");
}

TEST_CASE("every character that JSON escapes comes back, and what is not UTF-8 is replaced") {
  for (const auto charset : {JsonCharset::utf8, JsonCharset::ascii}) {
    std::string all = "Zoë \xf0\x9f\x8f\x95";
    for (char c = 1; c < 127; ++c)
      all += c;
    const auto text = JsonObject{charset}.add("a", all).text();
    CHECK(json::parse(text).at("a") == all);
    const bool is_ascii = text.find_first_of("\xc3\xf0") == std::string::npos; // of the two above
    CHECK(is_ascii == (charset == JsonCharset::ascii));
    CHECK(json::parse(JsonObject{charset}.add("a", "x\xffy").text()).at("a") == "x\xef\xbf\xbdy");
  }
}
