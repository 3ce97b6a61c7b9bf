#include "app/foundation.hpp"

#include "app/secret_file.hpp"
#include "http/auth/api_key.hpp"

#include <filesystem>

namespace regroup::app {

Foundation::Foundation(config::Settings settings) : settings_(std::move(settings)) {
  if (!settings_.database.url.empty())
    return;
  postgres_ = std::make_unique<db::EmbeddedPostgres>(
      db::EmbeddedPostgres::Options{settings_.database.embedded_dir, {}, std::chrono::seconds{60}});
  settings_ = with_embedded_secret(std::move(settings_));
  settings_.database.url = postgres_->url();
}

void Foundation::renew(domain::Log& log) noexcept {
  try {
    if (postgres_ && postgres_->restart_if_replaced())
      log.event(domain::LogLevel::warning, "database.embedded_restarted",
                {{"why", "its programs were replaced"}});
  } catch (const std::exception& why) {
    log.event(domain::LogLevel::error, "database.embedded_down",
              {{"error", std::string_view{why.what()}}});
  }
}

http::JwtSettings jwt_settings(const config::Settings& settings) {
  const auto& auth = settings.auth;
  return {auth.jwt_algorithm,        auth.jwt_public_key_file, auth.jwt_jwks_file, auth.jwt_secret,
          auth.jwt_private_key_file, auth.jwt_issuer,          auth.jwt_audience};
}

bool makes_own_secret(const config::Settings& settings) {
  const auto& auth = settings.auth;
  return settings.database.url.empty() && auth.jwt_public_key_file.empty() &&
         auth.jwt_jwks_file.empty() && auth.jwt_secret.empty();
}

config::Settings with_embedded_secret(config::Settings settings) {
  if (!makes_own_secret(settings))
    return settings;
  const std::filesystem::path directory = settings.database.embedded_dir;
  std::filesystem::create_directories(directory);
  settings.auth.jwt_algorithm = "HS256";
  settings.auth.jwt_secret =
      secret_in(directory, "jwt_secret", http::new_api_key()); // 256 random bits as text
  return settings;
}

} // namespace regroup::app
