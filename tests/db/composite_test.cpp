// What PostgreSQL writes, read back.
#include "db/composite.hpp"
#include "db/lock_key.hpp"
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <libpq-fe.h>

using namespace regroup;
using namespace regroup::test;

namespace {

const std::vector<std::string> kOdd{"plain",
                                    "",
                                    " ",
                                    "a,b",
                                    "(x)",
                                    "\"",
                                    "\"\"",
                                    "\\",
                                    "\\\"",
                                    "{a,\"b\"}",
                                    "new\nline",
                                    "NULL",
                                    "camping\t2025",
                                    "\xc3\xa4\xf0\x9f\x8f\x95",
                                    "),("};

/// The reply to a query without parameters.
db::Reply reply_to(const std::string& url, const std::string& sql) {
  const std::shared_ptr<PGconn> connection{PQconnectdb(url.c_str()), &PQfinish};
  return db::Reply{db::PgResult{PQexec(connection.get(), sql.c_str()), &PQclear}};
}

} // namespace

TEST_CASE("the fields of a composite value are what was put into it") {
  Sql sql{postgres().url()};
  for (const auto& odd : kOdd) {
    INFO(odd);
    const auto written = sql.value<std::string>(
        "SELECT quote_literal(ROW($1::text, NULL, $1 || $1, ARRAY[$1::text])::text)", odd);
    const auto reply = reply_to(postgres().url(), "SELECT " + written + " AS composite");
    constexpr std::array names{"once", "nothing", "twice", "array"};
    const auto fields = db::fields_of(reply, names);
    CHECK(fields.text(0, "once") == odd);
    CHECK_FALSE(fields.is_null(0, "once"));
    CHECK(fields.is_null(0, "nothing"));
    CHECK(fields.text(0, "twice") == odd + odd);
    CHECK(fields.text(0, "array") == sql.value<std::string>("SELECT (ARRAY[$1::text])::text", odd));
  }
}

TEST_CASE("what is no composite value of that many fields is an error") {
  constexpr std::array names{"one", "two"};
  const auto of = [&](const std::string& value) {
    return db::fields_of(reply_to(postgres().url(), "SELECT '" + value + "' AS composite"), names);
  };
  CHECK(of("(1,2)").number(0, "two") == 2);
  CHECK(of("(,)").is_null(0, "one"));
  for (const auto* wrong : {"", "1,2", "(1,2", "(1,2)3", "(\"1,2)", "(1,2\\"})
    CHECK_THROWS_AS(of(wrong), std::runtime_error);
  for (const auto* other : {"(1)", "(1,2,3)", "()"})
    CHECK_THROWS_AS(of(other), std::logic_error);
}

TEST_CASE_METHOD(DatabaseTest, "the lock's key is the same here and in the database") {
  CHECK(db::lock_key("camping-2025") == -5918583588527051083);
  for (const auto& odd : kOdd) {
    INFO(odd);
    CHECK(db::lock_key(odd) == world->sql.value<std::int64_t>("SELECT regroup_lock_key($1)", odd));
  }
}
