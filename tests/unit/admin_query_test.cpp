// What a query string may ask of the administration API.
#include "http/admin/admin_query.hpp"
#include "text/unicode.hpp"

#include <catch2/catch.hpp>

#include <variant>

using namespace regroup;
using domain::ReadAnalytics;
using domain::ReadHistory;
using domain::Refusal;

namespace {

const text::Utf8procUnicode unicode;

ReadHistory history(std::string_view query) {
  const auto parsed = http::parse_history(query, unicode);
  REQUIRE(std::holds_alternative<ReadHistory>(parsed));
  return std::get<ReadHistory>(parsed);
}

std::string wrong_field(std::string_view query) {
  const auto parsed = http::parse_history(query, unicode);
  const auto* refusal = std::get_if<Refusal>(&parsed);
  return refusal && refusal->fields.size() == 1 ? refusal->fields.front().field : "";
}

} // namespace

TEST_CASE("the history is not filtered by what the query does not name") {
  const auto all = history("");
  CHECK_FALSE(all.user_id);
  CHECK_FALSE(all.status);
  CHECK_FALSE(all.registration_group_id);
  CHECK_FALSE(all.from);
  CHECK_FALSE(all.to);
  CHECK_FALSE(all.after);
  CHECK(all.limit == 50);
}

TEST_CASE("a time in the query may be a day, have a fraction or an offset") {
  CHECK(history("from=2026-11-24").from == "2026-11-24T00:00:00.000000Z");
  CHECK(history("from=2026-11-24T20:33:18Z").from == "2026-11-24T20:33:18.000000Z");
  CHECK(history("to=2026-11-24T20:33:18.6051239Z").to == "2026-11-24T20:33:18.605123Z");
  CHECK(history("to=2026-11-24T00:30:00%2B01:00").to == "2026-11-23T23:30:00.000000Z");
  CHECK(history("to=2026-11-24T00:30:00+01:00").to == "2026-11-23T23:30:00.000000Z");
  CHECK(history("to=2024-02-29T23:30:00-01:00").to == "2024-03-01T00:30:00.000000Z");
}

TEST_CASE("a time outside of the years 1 to 9999 is no time, also by its offset") {
  for (const char* time : {"0000-01-01", "0000-12-31T23:59:59Z", "0001-01-01T00:30:00%2B01:00",
                           "9999-12-31T23:30:00-01:00"}) {
    INFO(time);
    CHECK(wrong_field(std::string{"from="} + time) == "from");
    CHECK(wrong_field(std::string{"to="} + time) == "to");
    const auto cursor = http::cursor_text({time, domain::Uuid::random()});
    CHECK(wrong_field("cursor=" + cursor) == "cursor");
    const auto now = std::chrono::sys_days{std::chrono::year{2026} / 11 / 24};
    for (const char* name : {"from=", "to="})
      CHECK(std::holds_alternative<Refusal>(
          http::parse_analytics(std::string{name} + time, unicode, now)));
  }
  CHECK(history("from=0001-01-01").from == "0001-01-01T00:00:00.000000Z");
  const auto early = http::parse_analytics("to=0001-01-05", unicode, {});
  REQUIRE(std::holds_alternative<ReadAnalytics>(early));
  CHECK(std::get<ReadAnalytics>(early).from == "0001-01-01T00:00:00.000000Z");
  CHECK(history("to=9999-12-31T23:59:59.999999Z").to == "9999-12-31T23:59:59.999999Z");
}

TEST_CASE("what is no time, no UUID, no status, no limit or no cursor is named") {
  for (const char* time :
       {"", "now", "2026-02-29", "2026-11-24T", "2026-11-24T25:00:00Z", "2026-11-24T20:33:18",
        "2026-11-24T20:33:18.Z", "2026-11-24T20:33:18ZZ", "26-11-24", "2026-11-24T20:33:18+1:00"})
    CHECK(wrong_field(std::string{"from="} + time) == "from");
  CHECK(wrong_field("user_id=chen") == "user_id");
  CHECK(wrong_field("status=completed") == "status");
  CHECK(wrong_field("limit=0") == "limit");
  CHECK(wrong_field("limit=201") == "limit");
  CHECK(wrong_field("limit=5x") == "limit");
  CHECK(wrong_field("cursor=2") == "cursor");
  CHECK(wrong_field("registration_group_id=") == "registration_group_id");
  CHECK(wrong_field("registration_group_id=a%00b") == "registration_group_id");
  CHECK(wrong_field("page=2") == "page");
  CHECK(wrong_field("status=failed&status=failed") == "status");
  CHECK(wrong_field("status=%zz") == "query");
  CHECK(wrong_field("registration_group_id=%ff") == "query");
}

TEST_CASE("a registration group's id is read as a form writes it") {
  CHECK(history("registration_group_id=caf%C3%A9+2025%2B1").registration_group_id == "café 2025+1");
}

TEST_CASE("a cursor comes back as the place it was made of") {
  const auto id = domain::Uuid::random();
  const auto text = http::cursor_text({"2026-11-24T20:33:18.605123Z", id});
  const auto after = history("cursor=" + text).after;
  REQUIRE(after);
  CHECK(after->created_at == "2026-11-24T20:33:18.605123Z");
  CHECK(after->migration_id == id);
}

TEST_CASE("the analytics are of the last thirty days, unless the query says otherwise") {
  const auto now = std::chrono::sys_days{std::chrono::year{2026} / 11 / 24};
  const auto parse = [&](std::string_view query) {
    return http::parse_analytics(query, unicode, now);
  };
  const auto usual = parse("");
  REQUIRE(std::holds_alternative<ReadAnalytics>(usual));
  CHECK(std::get<ReadAnalytics>(usual).from == "2026-10-25T00:00:00.000000Z");
  CHECK(std::get<ReadAnalytics>(usual).to == "2026-11-24T00:00:00.000000Z");
  CHECK(std::get<ReadAnalytics>(usual).granularity == "day");
  CHECK(std::holds_alternative<ReadAnalytics>(parse("from=2026-11-23&granularity=hour")));
  CHECK(std::holds_alternative<Refusal>(parse("from=2026-11-25")));
  CHECK(std::holds_alternative<Refusal>(parse("granularity=minute")));
  CHECK(std::holds_alternative<Refusal>(parse("from=2026-01-01&granularity=hour")));
  CHECK(std::holds_alternative<ReadAnalytics>(parse("from=2000-01-01&granularity=month")));
}
