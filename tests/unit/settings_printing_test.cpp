// What is printed of the settings: all of them but the secrets.
#include "tests/unit/settings_support.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <sstream>
#include <string>
#include <utility>

using namespace regroup::config; // NOLINT: the words of these files are config's
using namespace regroup::test;

namespace {

std::string printed_url(const std::string& url) {
  Settings settings;
  settings.database.url = url;
  return printed("database.url", settings);
}

} // namespace

TEST_CASE("a secret is never printed") {
  Settings settings;
  CHECK(printed("auth.jwt_secret", settings).empty());
  settings.auth.jwt_secret = "hunter2";
  CHECK(printed("auth.jwt_secret", settings) == "***");
  CHECK(keys()[index_of("auth.jwt_secret")].secret);
}

TEST_CASE("the database's URL is printed without its password") {
  const std::map<std::string, std::string> table{
      {"", ""},
      {"postgresql://u:pw@h1:5432,h2/db?target_session_attrs=read-write",
       "postgresql://u:***@h1:5432,h2/db?target_session_attrs=read-write"},
      {"postgres://u:pw@/db?host=/run", "postgres://u:***@/db?host=/run"},
      {"postgresql://u@h:5432/db", "postgresql://u@h:5432/db"},
      {"postgresql://h/db?user=u&password=pw&sslpassword=pw",
       "postgresql://h/db?user=u&password=***&sslpassword=***"},
      {"postgresql://h/db?pass%77ord=pw", "postgresql://h/db?pass%77ord=***"},
      {"postgresql://u:p/w@p?w&x=p@h/db", "postgresql://u:***@h/db"},
      {"host=h password=pw dbname=d", "host=h password=*** dbname=d"},
      {"host=h password='p w\\' pw' dbname='d e'", "host=h password=*** dbname='d e'"},
      {"password = p\\ w  host = h", "password=*** host=h"},
      {"password= pw", "password=***"},
      {"password='pw", "password=***"},
      {"password=", "password=***"},
      {"sslpassword=pw", "sslpassword=***"},
      {"host=h password=p w", "host=h password=*** ***"},
      {"POSTGRESQL://u:pw@h/db", "***"},
      {"\"postgresql://u:pw@h/db?sslmode=require\"", "***"},
  };
  for (const auto& [url, masked] : table)
    CHECK(printed_url(url) == masked);
}

TEST_CASE("no message repeats a value") {
  const std::string secret = "hunter2";
  for (const Key& key : keys())
    CHECK(flags_error({"--" + std::string{key.name} + "=" + secret + "\n"}).find(secret) ==
          std::string::npos);
  CHECK(toml_error("[auth]\njwt_secret = hunter2\n").find(secret) == std::string::npos);
  CHECK(toml_error("[auth]\njwt_secret = 'hunter2\n").find(secret) == std::string::npos);
  CHECK(toml_error("[auth]\njwt_secret='''\nhunter2 = 1\n").find(secret) == std::string::npos);
  CHECK(toml_error("[auth]\njwt_secret='a'hunter2\n").find(secret) == std::string::npos);
}

TEST_CASE("the help and the README's table have one line for each key") {
  for (const auto& [text, lines_before] : {std::pair{help_text(), 0U}, {markdown_table(), 2U}}) {
    std::istringstream lines{text};
    std::string line;
    for (unsigned i = 0; i < lines_before; ++i)
      std::getline(lines, line);
    for (const Key& key : keys()) {
      REQUIRE(std::getline(lines, line));
      CHECK_THAT(line, Catch::Contains(std::string{key.name}) &&
                           Catch::Contains(" " + key.type() + " ") &&
                           Catch::Contains(key.print(Settings{})) &&
                           Catch::Contains(std::string{key.help}));
      CHECK(key.help.find_first_of("|\n") == std::string_view::npos);
    }
    CHECK_FALSE(std::getline(lines, line));
  }
  CHECK_THAT(help_text(), Catch::Contains("  --http.port "));
  CHECK_THAT(markdown_table(),
             Catch::Contains("| `http.port` | 0 to 65535 | `8080` | | 0: any free port |\n"));
}

TEST_CASE("the settings in force are printed with their sources, and read again are the same") {
  const TempFile file{"[http]\nport = 8081\n[auth]\njwt_issuer = 'say \"who\"'\n"};
  const Variables variables{{"REGROUP_DATABASE_URL", "postgresql://u:hunter2@h/db"},
                            {"REGROUP_AUTH_JWT_ALGORITHM", "HS256"},
                            {"REGROUP_AUTH_JWT_SECRET", "hunter2"}};
  const Loaded loaded = load_from(file.path(), variables, {"--log.level=debug"});
  const std::string text = effective_text(loaded);
  CHECK(text.find("hunter2") == std::string::npos);
  const auto says = [&](const std::string& key, const std::string& value, const std::string& from) {
    INFO(text);
    CHECK_THAT(text,
               Catch::Matches("(.|\\n)*" + key + " = " + value + " +# " + from + "\\n(.|\\n)*"));
  };
  says("http.port", "8081", file.path() + ":2");
  says("http.address", R"("127\.0\.0\.1")", "built-in default");
  says("database.url", R"("postgresql://u:\*\*\*@h/db")", "environment REGROUP_DATABASE_URL");
  says("database.prepared_statements", R"("auto")", "built-in default");
  says("log.level", R"("debug")", "flag --log.level");
  const Loaded again = load_toml(text);
  for (const Key& key : keys()) {
    INFO(key.name);
    CHECK(key.print(again.settings) == key.print(loaded.settings));
    CHECK((key.secret || key.name == "database.url" || key.same(again.settings, loaded.settings)));
  }
}
