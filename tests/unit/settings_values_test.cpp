// Which values a setting takes, how they are written, and what must be set together.
#include "tests/unit/settings_support.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <string>

using namespace std::chrono_literals;
using namespace regroup::config; // NOLINT: the words of these files are config's
using namespace regroup::test;

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
      {"http.max_buffered_bytes", {{"4096", "1099511627776"}, {"0", "4095", "1099511627777"}}},
      {"http.max_connections", {{"1", "1000000"}, {"0", "1000001"}}},
      {"http.address", {{"0.0.0.0", "::", "localhost"}, {"", "example.com", "1.2.3", "::1%a\n"}}},
      {"http.request_timeout", {{"1ms", "2147483647ms"}, {"0s", "2147483648ms", "30", "-1s"}}},
      {"http.drain_delay", {{"0s", "0ms", "1h"}, {"1d", "s", "", "1 s", "1S", "1.5s"}}},
      {"http.drain_timeout", {{"1ms"}, {"0s"}}},
      {"database.pool_size", {{"1", "1000"}, {"0", "1001", "", "eight"}}},
      {"database.queue_limit", {{"0", "1000000"}, {"-1", "1000001"}}},
      {"database.lock_timeout", {{"250ms", "24h"}, {"0ms", "4294967295h", "4294967296ms"}}},
      {"database.prepared_statements", {{"true", "false", "auto"}, {"yes", "1", "TRUE", ""}}},
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
      {"log.level", {{"debug", "info", "warn", "warning", "error"}, {"", "INFO", "warns"}}},
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

TEST_CASE("warn is taken for warning, which is what is printed") {
  const auto settings = with_flags({"--log.level=warn"});
  CHECK(settings.log.level == regroup::domain::LogLevel::warning);
  CHECK(printed("log.level", settings) == "warning");
}

TEST_CASE("native values and strings are the same in the settings file") {
  const auto native = load_toml("[http]\nport = 0x50\n[database]\nprepared_statements = false\n");
  const auto strings = load_toml("[http]\nport = '80'\n[database]\nprepared_statements='false'\n");
  const auto dotted = load_toml("http.port = 80\ndatabase.prepared_statements = false\n");
  for (const Loaded* loaded : {&native, &strings, &dotted}) {
    CHECK(loaded->settings.http.port == 80);
    CHECK(loaded->settings.database.prepared_statements == Settings::Database::Prepared::never);
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
