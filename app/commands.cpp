#include "app/commands.hpp"

#include "app/foundation.hpp"
#include "app/terminal.hpp"
#include "config/masked_url.hpp"
#include "db/admin.hpp"
#include "db/conninfo.hpp"
#include "db/schema/schema.hpp"
#include "http/auth/api_key.hpp"

#include <chrono>
#include <iostream>

namespace regroup::app {
namespace {

config::Settings::Duration duration_of(const std::string& flag, const std::string& text) {
  try {
    return config::parse_duration(text);
  } catch (const config::SettingsError& why) {
    throw UsageError(flag + " " + why.what());
  }
}

/// Asks before demo data is written into a database that others may use.
void ask_first(const CommandLine& line, const config::Settings& settings) {
  if (settings.database.url.empty() || line.has("--yes"))
    return;
  const std::string database = config::masked_url(settings.database.url);
  if (!says_yes("Write demo data into " + database + "?"))
    throw UsageError("regroup demo: it writes into " + database +
                     ", which database.url names, only with --yes");
}

} // namespace

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
    throw UsageError("regroup token: --user must be a UUID");
  const auto ttl = duration_of("regroup token: --ttl", line.value_of("--ttl", "15m"));
  std::cout << http::mint_token(jwt_settings(with_embedded_secret(settings)), *user,
                                std::chrono::duration_cast<std::chrono::seconds>(ttl),
                                std::chrono::system_clock::now())
            << "\n";
  return 0;
}

int demo(const CommandLine& line, const config::Settings& settings, domain::Log& log) {
  ask_first(line, settings);
  const Foundation foundation{settings};
  const auto& effective = foundation.settings();
  const auto token_of = [&](const domain::Uuid& user) {
    return http::mint_token(jwt_settings(effective), user, std::chrono::hours{12},
                            std::chrono::system_clock::now());
  };
  static_cast<void>(token_of(domain::Uuid::random())); // throws, before anything is written
  db::apply_schema(effective.database, log);
  const db::DemoData data = db::insert_demo_data(effective.database);
  const std::string bearer = token_of(data.user_id);
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
