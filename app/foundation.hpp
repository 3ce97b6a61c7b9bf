#pragma once
#include "config/settings.hpp"
#include "db/embedded_postgres.hpp"
#include "domain/log.hpp"
#include "http/auth/jwt.hpp"

#include <memory>

namespace regroup::app {

/// What the embedded default adds to the settings: a PostgreSQL that is running and the HS256
/// secret beside it. With a `database.url` it is nothing.
class Foundation {
public:
  /// Starts the embedded PostgreSQL (or uses the running one of `regroup serve`) where no
  /// `database.url` is set. To be called from the main thread. Throws std::runtime_error with one
  /// line.
  explicit Foundation(config::Settings settings);

  /// Restarts the embedded PostgreSQL when its programs were replaced under it, as an upgrade of
  /// their package does: connections that it opened since could call no function. To be called
  /// every few seconds from the main thread.
  void renew(domain::Log& log) noexcept;

  /// With `database.url` and the `auth` keys filled in.
  const config::Settings& settings() const { return settings_; }

private:
  config::Settings settings_;
  std::unique_ptr<db::EmbeddedPostgres> postgres_;
};

/// The part of the settings that tokens need.
http::JwtSettings jwt_settings(const config::Settings& settings);

/// Whether the embedded default keeps the secret for tokens, since the settings name no key.
bool makes_own_secret(const config::Settings& settings);

/// As `settings`, with the secret that the embedded default keeps where it says nothing of tokens;
/// it is made when it is not there. Starts nothing. Throws std::runtime_error with one line.
config::Settings with_embedded_secret(config::Settings settings);

} // namespace regroup::app
