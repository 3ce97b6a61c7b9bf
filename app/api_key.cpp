// regroup api-key create | list | revoke
#include "http/auth/api_key.hpp"

#include "app/commands.hpp"
#include "app/foundation.hpp"
#include "db/admin.hpp"
#include "db/schema/schema.hpp"
#include "http/admin/admin_query.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <limits.h>
#include <pwd.h>
#include <stdexcept>

namespace regroup::app {
namespace {

/// The value of `--expires`: a duration from now, or a time.
std::string expiry(const std::string& text) {
  const auto now = std::chrono::system_clock::now();
  auto at = http::parse_time(text);
  try {
    if (!at)
      at = std::chrono::floor<std::chrono::microseconds>(now + config::parse_duration(text));
  } catch (const config::SettingsError&) {
    throw UsageError("regroup api-key create: --expires must be a time such as "
                     "2030-01-31T00:00:00Z, or a duration such as 720h");
  }
  if (*at <= now)
    throw UsageError("regroup api-key create: --expires must be in the future");
  return http::time_text(*at);
}

/// "chen@host": who makes a key, for the list of keys.
std::string somebody_here() {
  std::array<char, HOST_NAME_MAX + 1> host{};
  if (gethostname(host.data(), host.size() - 1) != 0)
    host.front() = '\0';
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet
  const passwd* user = getpwuid(geteuid());
  const std::string name = user != nullptr ? user->pw_name : std::to_string(geteuid());
  return (name + "@" + host.data()).substr(0, 100); // the column's width
}

int create(const CommandLine& line, const config::Settings& settings, domain::Log& log) {
  domain::CreateApiKey key;
  key.name = line.has("--name") ? line.value_of("--name") : somebody_here();
  key.is_admin = line.has("--admin");
  if (line.has("--expires"))
    key.expires_at = expiry(line.value_of("--expires"));
  const Foundation foundation{settings};
  const auto& database = foundation.settings().database;
  db::apply_schema(database, log);
  const std::string secret = http::new_api_key();
  key.key_hash = http::sha256_hex(secret);
  key.prefix = secret.substr(0, 8);
  db::insert_api_key(database, key);
  std::cout << secret << "\n";
  return 0;
}

int list(const CommandLine& line, const config::Settings& settings) {
  const Foundation foundation{settings};
  const auto keys = db::list_api_keys(foundation.settings().database);
  if (line.has("--json")) {
    std::cout << keys << "\n";
    return 0;
  }
  const auto row = [](const std::array<std::string, 7>& cells) {
    constexpr std::array<int, 6> kWidths{6, 10, 8, 9, 26, 26};
    for (std::size_t i = 0; i < kWidths.size(); ++i)
      std::cout << std::left << std::setw(kWidths.at(i)) << cells.at(i);
    std::cout << cells.back() << "\n";
  };
  const auto text_or_dash = [](const nlohmann::json& value) {
    return value.is_null() ? std::string{"-"} : value.get<std::string>();
  };
  row({"id", "prefix", "admin", "status", "created", "expires", "name"});
  for (const auto& key : nlohmann::json::parse(keys))
    row({key.at("id").dump(), key.at("prefix"), key.at("is_admin") ? "yes" : "no", key.at("status"),
         text_or_dash(key.at("created_at")), text_or_dash(key.at("expires_at")), key.at("name")});
  return 0;
}

int revoke(const CommandLine& line, const config::Settings& settings) {
  const std::string& text = line.words[2];
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id < 1)
    throw UsageError("regroup api-key revoke: ID is a number in `regroup api-key list`");
  const Foundation foundation{settings};
  db::revoke_api_key(foundation.settings().database, id);
  return 0;
}

} // namespace

int api_key(const CommandLine& line, const config::Settings& settings, domain::Log& log) {
  const std::string& verb = line.words[1];
  if (verb == "create")
    return create(line, settings, log);
  return verb == "list" ? list(line, settings) : revoke(line, settings);
}

} // namespace regroup::app
