// Names in every script, whatever encoding the environment, the role or the database would have.
#include "db/adoption/doctor.hpp"
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>

using namespace regroup;
using namespace regroup::test;
using domain::Finding;

namespace {

constexpr const char* kName = "Žofie Łódź 東京 😀";

/// While it lives, libpq finds it in the environment.
class ClientEncoding {
public:
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the tests of this program run one after the other
  explicit ClientEncoding(const char* name) { ::setenv("PGCLIENTENCODING", name, 1); }
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  ~ClientEncoding() { ::unsetenv("PGCLIENTENCODING"); }
  ClientEncoding(const ClientEncoding&) = delete;
  ClientEncoding& operator=(const ClientEncoding&) = delete;
};

/// Also of a name that comes from the database again.
void check_name_is_kept(DatabaseTest& test) {
  const auto user = test.world->add_user();
  test.world->add_devices("camping", 1, user);
  const auto done = test.migrate(test.named("camping", user, kName));
  REQUIRE(completed(done));
  CHECK(completed(done)->name == kName);
  CHECK(test.world->sql.value<std::string>(
            "SELECT encode(convert_to(name, 'UTF8'), 'hex') FROM groups") ==
        test.world->sql.value<std::string>(
            "SELECT encode($1::bytea, 'hex')", std::string{"\\x"} + [] {
              std::string hex;
              for (const unsigned char c : std::string{kName}) {
                hex += "0123456789abcdef"[c >> 4U];
                hex += "0123456789abcdef"[c & 15U];
              }
              return hex;
            }()));
}

std::string database_in(const std::string& encoding) {
  static int count = 0;
  const auto name = "other_encoding_" + std::to_string(++count);
  Sql{postgres().url()}.exec("CREATE DATABASE " + name + " ENCODING '" + encoding +
                             "' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
  return postgres().url(name);
}

Finding encoding_finding(const config::Settings::Database& settings) {
  const auto findings = db::examine(settings, 1);
  const auto found = std::find_if(findings.begin(), findings.end(), [](const Finding& each) {
    return each.code == "database/encoding";
  });
  REQUIRE(found != findings.end());
  return *found;
}

} // namespace

TEST_CASE("a name is stored as it was written although PGCLIENTENCODING says another encoding") {
  const ClientEncoding other{"LATIN1"};
  DatabaseTest test;
  check_name_is_kept(test);
}

TEST_CASE("a name is stored as it was written although the database's sessions begin in another "
          "encoding") {
  DatabaseTest test;
  test.world->sql.exec(
      "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET client_encoding = latin1', "
      "current_database()); END $$");
  check_name_is_kept(test);
  CHECK(encoding_finding(test.settings).severity == Finding::Severity::good);
}

TEST_CASE("a name is stored as it was written although the url says another encoding") {
  DatabaseTest test;
  test.settings.url += " client_encoding=LATIN1";
  check_name_is_kept(test);
}

TEST_CASE("a database that is not in UTF-8 is refused in a sentence, and the doctor finds it") {
  for (const std::string encoding : {"LATIN1", "SQL_ASCII", "WIN1250"}) {
    INFO(encoding);
    config::Settings::Database settings;
    settings.url = database_in(encoding);
    SilentLog log;
    CHECK_THROWS_WITH(db::apply_schema(settings, log),
                      Catch::StartsWith("database: the encoding of the database is " + encoding +
                                        ", and Regroup needs UTF8"));
    const auto finding = encoding_finding(settings);
    CHECK(finding.severity == Finding::Severity::error);
    CHECK_FALSE(finding.remedy.empty());
  }
}
