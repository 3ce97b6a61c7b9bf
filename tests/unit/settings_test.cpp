#include "config/loader.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <unistd.h>
#include <utility>

using namespace std::chrono_literals;
using namespace regroup::config; // NOLINT: the words of this file are config's

namespace {

using Arguments = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;

/// A file that is gone when its test is over.
class TempFile {
public:
  explicit TempFile(const std::string& text) {
    const int handle = ::mkstemp(path_.data());
    REQUIRE(handle >= 0);
    ::close(handle);
    std::ofstream{path_} << text;
  }
  ~TempFile() { std::filesystem::remove(path_); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  const std::string& path() const { return path_; }

private:
  std::string path_ = std::filesystem::temp_directory_path() / "regroup-settings-XXXXXX";
};

Loaded load_from(const std::optional<std::string>& file, const Variables& variables,
                 const Arguments& flags) {
  std::vector<std::string> names;
  for (const auto& [name, value] : variables)
    names.push_back(name);
  return load(
      file, flags, [&](const std::string& name) { return variables.at(name); }, names);
}

Loaded load_toml(const std::string& text, const Variables& variables = {},
                 const Arguments& flags = {}) {
  return load_from(TempFile{text}.path(), variables, flags);
}

Settings with_flags(const Arguments& flags) { return load_from({}, {}, flags).settings; }

template <class Load> std::string line_of_error(Load load_it) {
  std::string line = "no error";
  try {
    load_it();
  } catch (const SettingsError& error) {
    line = error.what();
  }
  CHECK(line.find('\n') == std::string::npos);
  return line;
}

std::string flags_error(const Arguments& flags) {
  return line_of_error([&] { with_flags(flags); });
}

std::string variables_error(const Variables& variables) {
  return line_of_error([&] { load_from({}, variables, {}); });
}

/// Without the file's path: "FILE:2: ...".
std::string toml_error(const std::string& text) {
  const TempFile file{text};
  std::string line = line_of_error([&] { load_from(file.path(), {}, {}); });
  const auto at = line.find(file.path());
  return at == std::string::npos ? line : line.replace(at, file.path().size(), "FILE");
}

std::size_t index_of(std::string_view name) {
  const auto found =
      std::find_if(keys().begin(), keys().end(), [&](const Key& key) { return key.name == name; });
  REQUIRE(found != keys().end());
  return static_cast<std::size_t>(found - keys().begin());
}

std::string printed(std::string_view name, const Settings& settings) {
  return keys()[index_of(name)].print(settings);
}

std::string printed_url(const std::string& url) {
  Settings settings;
  settings.database.url = url;
  return printed("database.url", settings);
}

/// A value that is not the default, and what must be set beside it.
struct Example {
  std::string value;
  Variables beside{};
};

Example example_of(const Key& key) {
  static const std::string file = "/dev/null"; // any that can be read
  static const Variables rsa{{"REGROUP_AUTH_JWT_ALGORITHM", "RS256"}};
  static const Variables rsa_file{{"REGROUP_AUTH_JWT_ALGORITHM", "RS256"},
                                  {"REGROUP_AUTH_JWT_JWKS_FILE", file}};
  static const Variables hmac{{"REGROUP_AUTH_JWT_ALGORITHM", "HS256"}};
  static const Variables hmac_secret{{"REGROUP_AUTH_JWT_ALGORITHM", "HS256"},
                                     {"REGROUP_AUTH_JWT_SECRET", "s"}};
  static const std::map<std::string_view, Example> examples{
      {"http.address", {"::1"}},
      {"database.url", {"host=db", hmac_secret}},
      {"database.prepared_statements", {"true"}},
      {"database.allow_recorded_duplicates", {"true"}},
      {"webhooks.allow_private_addresses", {"true"}},
      {"auth.jwt_algorithm", {"ES256", {{"REGROUP_AUTH_JWT_JWKS_FILE", file}}}},
      {"auth.jwt_public_key_file", {file, rsa}},
      {"auth.jwt_jwks_file", {file, rsa}},
      {"auth.jwt_secret", {"s", hmac}},
      {"auth.jwt_private_key_file", {file, rsa_file}},
      {"migration.require_owner", {"majority"}},
      {"log.level", {"debug"}},
      {"log.format", {"json"}}};
  if (const auto found = examples.find(key.name); found != examples.end())
    return found->second;
  const std::string value = key.print(Settings{});
  const bool has_number = !value.empty() && value[0] >= '0' && value[0] <= '9';
  return {has_number ? "7" + value.substr(1) : "other"};
}

std::string variable_of(std::string_view key) {
  std::string name = "REGROUP_" + std::string{key};
  std::replace(name.begin(), name.end(), '.', '_');
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return name;
}

const std::filesystem::path kDefaults =
    std::filesystem::path{REGROUP_SOURCE_DIR} / "config" / "regroup.toml";

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream{path}.rdbuf();
  REQUIRE_FALSE(text.view().empty());
  return text.str();
}

} // namespace

TEST_CASE("without any source the settings are the built-in defaults on the embedded database") {
  const Loaded loaded = load_from({}, {{"PATH", "/bin"}, {"REGROUPING", "x"}}, {});
  const Settings built_in;
  for (std::size_t i = 0; i < keys().size(); ++i) {
    INFO(keys()[i].name);
    CHECK(loaded.sources[i] == Source::built_in);
    if (keys()[i].name != "database.prepared_statements")
      CHECK(keys()[i].print(loaded.settings) == keys()[i].print(built_in));
  }
  CHECK(loaded.settings.http.port == 8080);
  CHECK(loaded.settings.database.prepared_statements);
}

TEST_CASE("a flag wins over the environment, which wins over the file") {
  const std::string toml = "[http]\nport = 1001\nthreads = 2\ndrain_delay = \"3s\"\n";
  const Variables variables{{"REGROUP_HTTP_PORT", "1002"}, {"REGROUP_HTTP_THREADS", "4"}};
  const Loaded loaded = load_toml(toml, variables, {"--http.port", "1003"});
  CHECK(loaded.settings.http.port == 1003);
  CHECK(loaded.settings.http.threads == 4);
  CHECK(loaded.settings.http.drain_delay == 3s);
  CHECK(loaded.settings.http.drain_timeout == 30s);
  CHECK(loaded.sources[index_of("http.port")] == Source::flag);
  CHECK(loaded.sources[index_of("http.threads")] == Source::environment);
  CHECK(loaded.sources[index_of("http.drain_delay")] == Source::file);
  CHECK(loaded.sources[index_of("http.drain_timeout")] == Source::built_in);
}

TEST_CASE("every key can be set by the file, the environment and both forms of a flag") {
  for (const Key& key : keys()) {
    const std::string name{key.name};
    const auto [value, beside] = example_of(key);
    INFO(name << " " << value);
    Settings expected;
    key.parse(expected, value);
    REQUIRE(key.print(expected) != key.print(Settings{}));
    Variables variables = beside;
    variables[variable_of(name)] = value;
    const auto dot = name.find('.');
    const std::string toml =
        "[" + name.substr(0, dot) + "]\n" + name.substr(dot + 1) + " = '" + value + "'\n";
    const auto print = [&](const Loaded& loaded) { return key.print(loaded.settings); };
    CHECK(print(load_toml(toml, beside)) == key.print(expected));
    CHECK(print(load_from({}, variables, {})) == key.print(expected));
    CHECK(print(load_from({}, beside, {"--" + name, value})) == key.print(expected));
    CHECK(print(load_from({}, beside, {"--" + name + "=" + value})) == key.print(expected));
  }
}

TEST_CASE("the commented settings file shows every key with its built-in default") {
  std::istringstream lines{text_of(kDefaults)};
  std::string toml;
  for (std::string line; std::getline(lines, line);) {
    const bool is_default = line.size() > 1 && line[0] == '#' && line[1] != ' ';
    toml += line.substr(is_default ? 1 : 0) + "\n";
  }
  const Loaded loaded = load_toml(toml);
  for (std::size_t i = 0; i < keys().size(); ++i) {
    INFO(keys()[i].name);
    CHECK(loaded.sources[i] == Source::file);
    CHECK(keys()[i].print(loaded.settings) == keys()[i].print(Settings{}));
  }
}

TEST_CASE("the settings file as it is shipped changes nothing") {
  const Loaded loaded = load_from(kDefaults.string(), {}, {});
  for (const Source source : loaded.sources)
    CHECK(source == Source::built_in);
}

TEST_CASE("prepared statements are on for the embedded database unless something says otherwise") {
  const std::string off = "[database]\nprepared_statements = false\n";
  const Arguments external{"--database.url=host=db", "--auth.jwt_algorithm=HS256",
                           "--auth.jwt_secret=s"};
  CHECK(load_toml("").settings.database.prepared_statements);
  CHECK_FALSE(load_toml(off).settings.database.prepared_statements);
  CHECK_FALSE(load_from({}, {{"REGROUP_DATABASE_PREPARED_STATEMENTS", "false"}}, {})
                  .settings.database.prepared_statements);
  CHECK_FALSE(with_flags({"--database.prepared_statements=false"}).database.prepared_statements);
  CHECK_FALSE(with_flags(external).database.prepared_statements);
}

TEST_CASE("an unknown key stops the start with a line that names it and where it stands") {
  CHECK(toml_error("[http]\nport = 1\nprot = 2\n") == "unknown key http.prot (FILE:3)");
  CHECK(toml_error("\n[htpp]\n") == "unknown key htpp (FILE:2)");
  CHECK(toml_error("port = 1\n") == "unknown key port (FILE:1)");
  CHECK(toml_error("'http.port' = 1\n") == "unknown key http.port (FILE:1)");
  CHECK(toml_error("[http.tls]\nkey = 1\n") == "unknown key http.tls (FILE:1)");
  CHECK(toml_error("['a\\nb']\n") == "unknown key a\\nb (FILE:1)");
  CHECK(toml_error("[\"a\\nb\"]\n") == "unknown key a?b (FILE:1)");
  CHECK(variables_error({{"REGROUP_HTTP_PROT", "1"}}) ==
        "unknown key REGROUP_HTTP_PROT (environment)");
  CHECK(variables_error({{"REGROUP_", "1"}}) == "unknown key REGROUP_ (environment)");
  CHECK(variables_error({{"REGROUP_http_port", "1"}}) ==
        "unknown key REGROUP_http_port (environment)");
  CHECK(flags_error({"--http.prot", "1"}) == "unknown key --http.prot (flag)");
  CHECK(flags_error({"--auth.secret=hunter2"}) == "unknown key --auth.secret (flag)");
  CHECK(flags_error({"--http.port\n=1"}) == "unknown key --http.port? (flag)");
  CHECK(flags_error({"--", "1"}) == "unknown key -- (flag)");
}

TEST_CASE("a key set twice in one place stops the start") {
  CHECK(flags_error({"--http.port=1", "--http.port", "1"}) ==
        "http.port (flag --http.port): set twice");
  CHECK(line_of_error([] {
          const Arguments names{"REGROUP_HTTP_PORT", "REGROUP_HTTP_PORT"};
          load(
              {}, {}, [](const std::string&) { return "1"; }, names);
        }) == "http.port (environment REGROUP_HTTP_PORT): set twice");
  CHECK_THAT(toml_error("[http]\nport = 1\nport = 2\n"), Catch::StartsWith("FILE:3: port: "));
}

TEST_CASE("a flag needs a value, and nothing but flags is taken") {
  CHECK(flags_error({"--http.port"}) == "http.port (flag --http.port): the value is missing");
  CHECK(flags_error({"--http.port", "--http.threads=1"}) ==
        "http.port (flag --http.port): the value is missing");
  CHECK(flags_error({"--auth.jwt_secret", "correct", "horse"}) ==
        "argument 3: not a flag (--section.key VALUE)");
  CHECK(with_flags({"--auth.jwt_issuer=--a=b"}).auth.jwt_issuer == "--a=b");
  CHECK(with_flags({"--auth.jwt_issuer", ""}).auth.jwt_issuer.empty());
}

TEST_CASE("a value that does not parse names its key and where it stands") {
  const std::string port = "must be a whole number from 0 to 65535";
  CHECK(toml_error("[http]\n\nport = 'x'\n") == "http.port (FILE:3): " + port);
  CHECK(variables_error({{"REGROUP_HTTP_PORT", ""}}) ==
        "http.port (environment REGROUP_HTTP_PORT): " + port);
  CHECK(flags_error({"--http.port", "8080x"}) == "http.port (flag --http.port): " + port);
  const std::string type = "): must be a string, a whole number, true or false";
  CHECK(toml_error("[http]\nport = 80.5\n") == "http.port (FILE:2" + type);
  CHECK(toml_error("[http]\nport = [1]\n") == "http.port (FILE:2" + type);
  CHECK(toml_error("[http]\nport.x = 1\n") == "http.port (FILE:2" + type);
  CHECK(toml_error("[database]\nlock_timeout = 2s\n") ==
        "FILE:2: lock_timeout: not TOML (text and durations stand in quotes): "
        "Error while parsing decimal integer: expected digit, saw 's'");
}

TEST_CASE("a settings file that cannot be read is named") {
  CHECK(line_of_error([] { load_from("/nowhere/regroup.toml", {}, {}); }) ==
        "/nowhere/regroup.toml: the settings cannot be read: No such file or directory");
  CHECK(line_of_error([] { load_from("/", {}, {}); }) ==
        "/: the settings cannot be read: it is a directory");
}

TEST_CASE("a value out of its range is refused, and the ends of the range are taken") {
  const auto is_taken = [](const std::string& key, const std::string& value) {
    const std::string line = flags_error({"--" + key + "=" + value});
    CHECK((line == "no error" || line.starts_with(key + " (flag --" + key + "): must ")));
    return line == "no error";
  };
  const std::map<std::string, std::pair<Arguments, Arguments>> table{
      {"http.port", {{"0", "65535", "0080"}, {"-1", "65536", "+1", " 1", "1 ", "0x50", "1e3"}}},
      {"http.threads", {{"0", "1024"}, {"-1", "1025", "99999999999999999999"}}},
      {"http.max_body_bytes", {{"1", "1073741824"}, {"0", "1073741825"}}},
      {"http.max_connections", {{"1", "1000000"}, {"0", "1000001"}}},
      {"http.address", {{"0.0.0.0", "::", "localhost"}, {"", "example.com", "1.2.3", "::1%a\n"}}},
      {"http.request_timeout", {{"1ms", "2147483647ms"}, {"0s", "2147483648ms", "30", "-1s"}}},
      {"http.drain_delay", {{"0s", "0ms", "1h"}, {"1d", "s", "", "1 s", "1S", "1.5s"}}},
      {"http.drain_timeout", {{"1ms"}, {"0s"}}},
      {"database.pool_size", {{"1", "1000"}, {"0", "1001", "", "eight"}}},
      {"database.queue_limit", {{"0", "1000000"}, {"-1", "1000001"}}},
      {"database.lock_timeout", {{"250ms", "24h"}, {"0ms", "4294967295h", "4294967296ms"}}},
      {"database.prepared_statements", {{"true", "false"}, {"yes", "1", "TRUE", ""}}},
      {"database.embedded_dir", {{"x"}, {"", "a\nb"}}},
      {"auth.jwt_algorithm", {{"", "HS256"}, {"none", "hs256", "RS512"}}},
      {"auth.jwt_issuer", {{"", "https://id.example"}, {"a\tb", std::string{"a\0b", 3}}}},
      {"migration.async_after", {{"1ms"}, {"0s"}}},
      {"migration.rollback_window", {{"0s", "168h", "2160h"}, {"-1h", "7d", "100000h"}}},
      {"migration.require_owner", {{"any", "majority", "all_linked"}, {"", "all", "Any"}}},
      {"limits.max_devices_per_group", {{"1", "1000000"}, {"0", "1000001"}}},
      {"limits.requests_per_minute", {{"0", "1"}, {"-1"}}},
      {"webhooks.timeout", {{"1ms"}, {"0s"}}},
      {"webhooks.allow_private_addresses", {{"true", "false"}, {"yes"}}},
      {"log.level", {{"debug", "info", "warning", "error"}, {"", "INFO", "warn"}}},
      {"log.format", {{"", "text", "json"}, {"xml"}}},
  };
  for (const auto& [key, values] : table) {
    for (const std::string& value : values.first) {
      INFO(key << " " << value);
      CHECK(is_taken(key, value));
    }
    for (const std::string& value : values.second) {
      INFO(key << " " << value);
      CHECK_FALSE(is_taken(key, value));
    }
  }
}

TEST_CASE("native values and strings are the same in the settings file") {
  const auto native = load_toml("[http]\nport = 0x50\n[database]\nprepared_statements = false\n");
  const auto strings = load_toml("[http]\nport = '80'\n[database]\nprepared_statements='false'\n");
  const auto dotted = load_toml("http.port = 80\ndatabase.prepared_statements = false\n");
  for (const Loaded* loaded : {&native, &strings, &dotted}) {
    CHECK(loaded->settings.http.port == 80);
    CHECK_FALSE(loaded->settings.database.prepared_statements);
  }
}

TEST_CASE("durations are printed in the largest unit that divides them") {
  for (const std::string text : {"0s", "1ms", "250ms", "1500ms", "2s", "90s", "15m", "24h", "25h"})
    CHECK(print_duration(parse_duration(text)) == text);
  CHECK(print_duration(parse_duration("1000ms")) == "1s");
  CHECK(print_duration(parse_duration("60s")) == "1m");
  CHECK(print_duration(parse_duration("3600000ms")) == "1h");
  CHECK(parse_duration("4294967295h") == 4294967295h);
  CHECK(printed("http.threads", Settings{}) == "0");
}

TEST_CASE("with a database of one's own, an algorithm and exactly one source of keys must be set") {
  const auto error = [](Arguments flags) {
    flags.emplace_back("--database.url=host=db");
    return flags_error(flags);
  };
  const std::string rsa = "--auth.jwt_algorithm=RS256";
  const std::string hmac = "--auth.jwt_algorithm=HS256";
  const std::string pem = "--auth.jwt_public_key_file=/dev/null";
  const std::string jwks = "--auth.jwt_jwks_file=/dev/null";
  const std::string private_key = "--auth.jwt_private_key_file=/dev/null";
  const std::string secret = "--auth.jwt_secret=hunter2";
  for (const Arguments& good :
       std::initializer_list<Arguments>{{rsa, pem},
                                        {rsa, jwks},
                                        {rsa, pem, private_key},
                                        {hmac, secret},
                                        {hmac, jwks},
                                        {"--auth.jwt_algorithm=ES256", jwks},
                                        {rsa, pem, "--auth.jwt_secret="}})
    CHECK(error(good) == "no error");
  CHECK(error({}) == "auth.jwt_algorithm (built-in default): must be set where database.url is");
  CHECK(error({secret}) ==
        "auth.jwt_algorithm (built-in default): must be set where database.url is");
  CHECK(error({rsa}) == "auth.jwt_algorithm (flag --auth.jwt_algorithm): "
                        "auth.jwt_public_key_file or auth.jwt_jwks_file must be set");
  CHECK(error({hmac}) == "auth.jwt_algorithm (flag --auth.jwt_algorithm): "
                         "auth.jwt_secret or auth.jwt_jwks_file must be set");
  CHECK(error({rsa, pem, jwks}) ==
        "auth.jwt_jwks_file (flag --auth.jwt_jwks_file): does not go with "
        "auth.jwt_public_key_file: exactly one of them must be set");
  CHECK(error({hmac, secret, jwks}) ==
        "auth.jwt_secret (flag --auth.jwt_secret): does not go with auth.jwt_jwks_file: "
        "exactly one of them must be set");
  CHECK(error({rsa, secret}) == "auth.jwt_secret (flag --auth.jwt_secret): does not go with RS256");
  CHECK(error({"--auth.jwt_algorithm=ES256", secret}) ==
        "auth.jwt_secret (flag --auth.jwt_secret): does not go with ES256");
  CHECK(error({hmac, pem}) ==
        "auth.jwt_public_key_file (flag --auth.jwt_public_key_file): does not go with HS256");
  CHECK(error({hmac, secret, private_key}) ==
        "auth.jwt_private_key_file (flag --auth.jwt_private_key_file): does not go with HS256");
}

TEST_CASE("on the embedded database nothing of tokens must be set, but it must fit together") {
  CHECK(flags_error({"--auth.jwt_algorithm=HS256"}) == "no error");
  CHECK(flags_error({"--auth.jwt_algorithm=HS256", "--auth.jwt_secret=s"}) == "no error");
  CHECK(variables_error({{"REGROUP_AUTH_JWT_SECRET", "s"}}) ==
        "auth.jwt_secret (environment REGROUP_AUTH_JWT_SECRET): "
        "auth.jwt_algorithm must be set with it");
  CHECK_THAT(flags_error({"--auth.jwt_private_key_file", "/dev/null"}),
             Catch::StartsWith("auth.jwt_private_key_file (flag "));
  CHECK_THAT(flags_error({"--auth.jwt_algorithm=ES256"}),
             Catch::StartsWith("auth.jwt_algorithm (flag "));
}

TEST_CASE("a key file that cannot be read is named with its key") {
  const std::string missing = "/nowhere/key.pem";
  for (const std::string key :
       {"auth.jwt_public_key_file", "auth.jwt_jwks_file", "auth.jwt_private_key_file"}) {
    Arguments flags{"--auth.jwt_algorithm=RS256", "--" + key, missing};
    if (key == "auth.jwt_private_key_file")
      flags.push_back("--auth.jwt_jwks_file=/dev/null");
    CHECK(flags_error(flags) ==
          key + " (flag --" + key + "): cannot read " + missing + ": No such file or directory");
  }
  CHECK(toml_error("[auth]\njwt_algorithm = 'RS256'\njwt_jwks_file = '/'\n") ==
        "auth.jwt_jwks_file (FILE:3): cannot read /: it is a directory");
}

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
  says("database.prepared_statements", "false", "built-in default");
  says("log.level", R"("debug")", "flag --log.level");
  const Loaded again = load_toml(text);
  for (const Key& key : keys()) {
    INFO(key.name);
    CHECK(key.print(again.settings) == key.print(loaded.settings));
    CHECK((key.secret || key.name == "database.url" || key.same(again.settings, loaded.settings)));
  }
}

TEST_CASE("what differs between two settings is seen key by key, and copied") {
  for (const Key& key : keys()) {
    INFO(key.name);
    Settings changed;
    key.parse(changed, example_of(key).value);
    CHECK_FALSE(key.same(changed, Settings{}));
    Settings copied;
    key.copy(changed, copied);
    for (const Key& other : keys())
      CHECK(other.same(copied, changed));
  }
}
