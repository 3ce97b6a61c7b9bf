// Where the settings come from, which source wins, and which words are none.
#include "tests/unit/settings_support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

using namespace std::chrono_literals;
using namespace regroup::config; // NOLINT: the words of these files are config's
using namespace regroup::test;

namespace {

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
      {"http.idle_timeout", {"1m"}},
      {"http.cors_origins", {"https://a.example,http://localhost:3000"}},
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
    CHECK(keys()[i].print(loaded.settings) == keys()[i].print(built_in));
  }
  CHECK(loaded.settings.http.port == 8080);
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

TEST_CASE("a list is an array in the file, or one text with commas") {
  using List = std::vector<std::string>;
  const auto origins = [](const std::string& value) {
    return load_toml("[http]\ncors_origins = " + value + "\n").settings.http.cors_origins;
  };
  const List two{"https://a.example", "http://localhost:3000"};
  CHECK(origins("[\"https://a.example\", 'http://localhost:3000']") == two);
  CHECK(origins("\" https://a.example ,http://localhost:3000\"") == two);
  CHECK(origins("[]").empty());
  CHECK(origins("\"*\"") == List{"*"});
  for (const char* value : {"[1]", "[['a://b']]", "'a'", "'https://A.example'", "'https://a/'",
                            "'https://'", "'https://*.a'", "'null'"})
    CHECK(toml_error("[http]\ncors_origins = " + std::string{value} + "\n").find("cors_origins") !=
          std::string::npos);
  CHECK(toml_error("[http]\naddress = [\"::1\"]\n").find("http.address") != std::string::npos);
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

TEST_CASE("a variable that is empty counts as not set") {
  Variables all;
  for (const Key& key : keys())
    all.emplace(variable_of(key.name), "");
  const auto loaded = load_toml("[http]\nport = 1001\n", all);
  CHECK(loaded.settings.http.port == 1001);
  CHECK(loaded.sources[index_of("http.port")] == Source::file);
  CHECK(loaded.sources[index_of("log.level")] == Source::built_in);
}

TEST_CASE("what Kubernetes sets for a Service beside the pod is ignored, and known by name") {
  const Variables links{
      {"REGROUP_SERVICE_HOST", "10.0.0.1"},
      {"REGROUP_SERVICE_PORT", "8080"},
      {"REGROUP_SERVICE_PORT_HTTP", "8080"},
      {"REGROUP_PORT", "tcp://10.0.0.1:8080"},
      {"REGROUP_PORT_8080_TCP", "tcp://10.0.0.1:8080"},
      {"REGROUP_PORT_8080_TCP_PROTO", "tcp"},
      {"REGROUP_PORT_8080_TCP_PORT", "8080"},
      {"REGROUP_PORT_8080_TCP_ADDR", "10.0.0.1"},
      {"REGROUP_HTTP_SERVICE_HOST", "10.0.0.2"}, // of a Service named regroup-http
      {"REGROUP_HTTP_PORT", "tcp://10.0.0.2:80"},
      {"REGROUP_HTTP_PORT_80_TCP", "tcp://10.0.0.2:80"},
      {"REGROUP_DATABASE_PORT_53_UDP_ADDR", "10.0.0.3"},
      {"REGROUP_DNS_PORT", "udp://10.0.0.3:53"},
  };
  const auto loaded = load_from({}, links, {});
  CHECK(loaded.settings.http.port == 8080);
  CHECK(loaded.sources[index_of("http.port")] == Source::built_in);
  CHECK(loaded.ignored.size() == links.size());
  for (const auto& [name, value] : links)
    CHECK(std::count(loaded.ignored.begin(), loaded.ignored.end(), name) == 1);

  CHECK(variables_error({{"REGROUP_PORT", "8080"}}) == "unknown key REGROUP_PORT (environment)");
  for (const std::string name :
       {"REGROUP_PORT_X_TCP", "REGROUP_PORT_8080", "REGROUP_PORT_8080_TCP_NAME",
        "REGROUP_PORT__TCP", "REGROUP_SERVICE_PORTS", "REGROUP_SERVICE"})
    CHECK(variables_error({{name, "tcp://x"}}) == "unknown key " + name + " (environment)");
  CHECK(load_from({}, {{"REGROUP_HTTP_PORT", "1002"}}, {}).settings.http.port == 1002);
}

TEST_CASE("a key set twice in one place stops the start") {
  CHECK(flags_error({"--http.port=1", "--http.port", "1"}) ==
        "http.port (flag --http.port): set twice");
  const Arguments names{"REGROUP_HTTP_PORT", "REGROUP_HTTP_PORT"};
  CHECK_THROWS_WITH(load(
                        {}, {}, [](const std::string&) { return "1"; }, names),
                    "http.port (environment REGROUP_HTTP_PORT): set twice");
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
  CHECK(file_error("/nowhere/regroup.toml") ==
        "/nowhere/regroup.toml: the settings cannot be read: No such file or directory");
  CHECK(file_error("/") == "/: the settings cannot be read: it is a directory");
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
