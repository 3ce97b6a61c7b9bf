#include "app/commands.hpp"

#include "app/foundation.hpp"
#include "db/admin.hpp"
#include "db/conninfo.hpp"
#include "db/schema/schema.hpp"
#include "http/auth/api_key.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string_view>

namespace regroup::app {
namespace {

/// The flags of subcommands. Every other flag is a setting.
constexpr std::array<std::string_view, 5> kFlagsWithValue{"--user", "--ttl", "--name", "--replicas",
                                                          "--expires"};
constexpr std::array<std::string_view, 6> kFlagsAlone{"--admin", "--check-config", "--help",
                                                      "--json",  "--rehearse",     "--version"};

bool is_one_of(const auto& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

} // namespace

bool CommandLine::has(const std::string& flag) const {
  return std::any_of(options.begin(), options.end(),
                     [&](const auto& option) { return option.first == flag; });
}

std::string CommandLine::value_of(const std::string& flag) const {
  for (const auto& [name, value] : options)
    if (name == flag && !value.empty())
      return value;
  throw std::runtime_error(flag + " is required");
}

std::string CommandLine::value_of(const std::string& flag, const std::string& otherwise) const {
  return has(flag) ? value_of(flag) : otherwise;
}

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
  CommandLine line;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const auto next = [&] {
      if (++i == arguments.size())
        throw std::runtime_error(word + " needs a value");
      return arguments[i];
    };
    if (word == "--config")
      line.config_file = next();
    else if (word.starts_with("--config="))
      line.config_file = word.substr(std::string_view{"--config="}.size());
    else if (is_one_of(kFlagsWithValue, word))
      line.options.emplace_back(word, next());
    else if (is_one_of(kFlagsAlone, word))
      line.options.emplace_back(word, "");
    else if (!word.starts_with("--"))
      line.words.push_back(word);
    else if (line.settings.push_back(word); word.find('=') == std::string::npos)
      line.settings.push_back(next());
  }
  return line;
}

int check_config(const config::Loaded& loaded) {
  const auto& settings = loaded.settings;
  if (!makes_own_secret(settings))
    static_cast<void>(http::JwtVerifier{jwt_settings(settings)});
  static_cast<void>(db::conninfo(settings.database));
  std::cout << config::effective_text(loaded);
  return 0;
}

int token(const CommandLine& line, const config::Settings& settings) {
  const auto user = domain::Uuid::parse(line.value_of("--user"));
  if (!user)
    throw std::runtime_error("--user must be a UUID");
  const auto ttl = config::parse_duration(line.value_of("--ttl", "15m"));
  std::cout << http::mint_token(jwt_settings(with_embedded_secret(settings)), *user,
                                std::chrono::duration_cast<std::chrono::seconds>(ttl),
                                std::chrono::system_clock::now())
            << "\n";
  return 0;
}

int demo(const config::Settings& settings, domain::Log& log) {
  const Foundation foundation{settings};
  const auto& effective = foundation.settings();
  db::apply_schema(effective.database, log);
  const db::DemoData data = db::insert_demo_data(effective.database);
  const std::string bearer =
      http::mint_token(jwt_settings(effective), data.user_id, std::chrono::hours{12},
                       std::chrono::system_clock::now());
  const std::string curl = "curl -i -X POST http://" + effective.http.address + ":" +
                           std::to_string(effective.http.port) +
                           "/api/v1/groups/migrate -H 'Authorization: Bearer " + bearer +
                           "' -H 'Content-Type: application/json' -d "
                           "'{\"registration_group_id\": \"" +
                           data.registration_group_id + "\"}'";
  std::cout << "\nTurn the registration group " << data.registration_group_id
            << " and its three devices into an authenticated group (201):\n\n"
            << curl << "\n\nThe same again is refused (409 resource/already-migrated):\n\n"
            << curl << "\n"
            << std::endl;
  return 0;
}

} // namespace regroup::app
