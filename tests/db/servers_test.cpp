#include "db/conninfo.hpp"
#include "db/servers.hpp"
#include "tests/db/support.hpp"
#include "tests/support/phone_manager.hpp"

#include <catch2/catch.hpp>
#include <pqxx/connection>
#include <pqxx/nontransaction>

using namespace regroup;
using db::History;

namespace {

config::Settings::Database with(const std::string& url) {
  config::Settings::Database settings;
  settings.url = url;
  return settings;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("each host of a url is a server of its own, tried within a time that is bounded") {
  const auto each = db::conninfo_of_each_host(
      with("postgresql://a:1111,b:2222/regroup?target_session_attrs=read-write"));
  REQUIRE(each.size() == 2);
  CHECK(has(each[0], "host='a'"));
  CHECK(has(each[0], "port='1111'"));
  CHECK(has(each[1], "host='b'"));
  CHECK(has(each[1], "port='2222'"));
  for (const auto& one : each) {
    CHECK(has(one, "target_session_attrs='read-write'"));
    CHECK(has(one, "connect_timeout='5'"));
  }
  CHECK(db::conninfo_of_each_host(with("host=a,b,c port=5433 dbname=x")).size() == 3);
  CHECK(db::conninfo_of_each_host(with("dbname=x")).size() == 1);
  CHECK(has(db::conninfo(with("host=a connect_timeout=0")), "connect_timeout='5'"));
  CHECK(has(db::conninfo(with("host=a connect_timeout=7")), "connect_timeout='7'"));
  // libpq refuses these two, in its own words
  CHECK(db::conninfo_of_each_host(with("host=a,b,c port=1,2")).size() == 1);
  CHECK(db::conninfo_of_each_host(with("host=a,b hostaddr=127.0.0.1")).size() == 1);
}

TEST_CASE("the server that was writable last is tried first") {
  db::Servers servers{with("host=a,b,c")};
  CHECK(servers.order() == std::vector<std::size_t>{0, 1, 2});
  CHECK(servers.take(2, std::nullopt));
  CHECK(servers.order() == std::vector<std::size_t>{2, 0, 1});
}

TEST_CASE("a primary that was replaced is not used again") {
  db::Servers servers{with("host=a,b")};
  const auto first = servers.take(0, History{"7", 1});
  REQUIRE(first);
  CHECK(servers.take(0, History{"7", 1}) == first);
  const auto second = servers.take(1, History{"7", 2});
  REQUIRE(second);
  CHECK(second != first);
  CHECK(servers.era() == second);
  CHECK_FALSE(servers.take(0, History{"7", 1})); // it has woken
  CHECK(servers.order().front() == 1);
  CHECK(servers.take(1, History{"7", 2}) == second);
  CHECK(servers.take(0, std::nullopt) == second);      // it does not say: no PostgreSQL
  const auto moved = servers.take(0, History{"8", 1}); // another database altogether
  REQUIRE(moved);
  CHECK(moved != second);
}

TEST_CASE_METHOD(test::DatabaseTest, "the service's role may ask a server for its history") {
  pqxx::connection connection{test::granted_role_url(url)};
  pqxx::nontransaction work{connection};
  const auto row = work.exec(db::kAskForHistory).front();
  const auto history = db::history_from(row[0].c_str(), row[1].c_str());
  REQUIRE(history);
  CHECK(history->timeline == 1);
  CHECK_FALSE(db::history_from("7", ""));
  CHECK_FALSE(db::history_from("", "1"));
  CHECK_FALSE(db::history_from("7", "1x"));
}
