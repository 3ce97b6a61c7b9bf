#pragma once
#include "config/settings.hpp"
#include "db/embedded/embedded_postgres.hpp"
#include "domain/log.hpp"
#include "http/auth/jwt.hpp"

#include <memory>

namespace regroup::app {

/// What the embedded default adds to the settings: a running PostgreSQL and an HS256 secret beside
/// it. With a `database.url` it adds nothing.
class Foundation {
public:
  /// Starts the embedded PostgreSQL (or uses that of a running `regroup serve`) if no
  /// `database.url` is set. Call it from the main thread. Throws std::runtime_error with one line.
  explicit Foundation(config::Settings settings);

  /// Restarts the embedded PostgreSQL when its programs were replaced under it, as a package
  /// upgrade does: connections opened since then could call no function. Call it every few seconds
  /// from the main thread.
  void renew(domain::Log& log) noexcept;

  /// The settings, with `database.url` and the `auth` keys filled in.
  const config::Settings& settings() const { return settings_; }

private:
  config::Settings settings_;
  std::unique_ptr<db::EmbeddedPostgres> postgres_;
};

/// The part of the settings that tokens need.
http::JwtSettings jwt_settings(const config::Settings& settings);

/// Whether the embedded default makes the secret for tokens, because the settings name no key.
bool makes_own_secret(const config::Settings& settings);

/// `settings`, with the embedded default's secret if they name no key for tokens; the secret is
/// made if there is none yet. Starts nothing. Throws std::runtime_error with one line.
config::Settings with_embedded_secret(config::Settings settings);

} // namespace regroup::app
