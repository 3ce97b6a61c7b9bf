#include "app/foundation.hpp"

#include "http/api_key.hpp"

#include <sys/stat.h>

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace regroup::app {
namespace {

/// Written whole or not at all, readable by its owner alone.
void write_secret(const std::filesystem::path& file, const std::string& secret) {
  const std::filesystem::path draft = file.string() + "." + std::to_string(getpid());
  const int fd = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
  const bool written =
      fd >= 0 && write(fd, secret.data(), secret.size()) == static_cast<ssize_t>(secret.size());
  if (fd >= 0)
    close(fd);
  // A link, not a rename: of two that start together the first one's secret stays.
  if (!written || (link(draft.c_str(), file.c_str()) != 0 && errno != EEXIST)) {
    unlink(draft.c_str());
    throw std::runtime_error("database.embedded_dir: cannot write " + file.string());
  }
  unlink(draft.c_str());
}

std::string read_secret(const std::filesystem::path& file) {
  std::ifstream stream{file};
  std::string secret;
  std::getline(stream, secret);
  if (secret.empty())
    throw std::runtime_error("database.embedded_dir: cannot read " + file.string());
  return secret;
}

} // namespace

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
  const auto file = directory / "jwt_secret";
  if (!std::filesystem::exists(file)) {
    std::filesystem::create_directories(directory);
    write_secret(file, http::new_api_key()); // 256 random bits as text
  }
  settings.auth.jwt_algorithm = "HS256";
  settings.auth.jwt_secret = read_secret(file);
  return settings;
}

} // namespace regroup::app
