#pragma once
#include "domain/uuid.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace regroup::http {

/// Where the key comes from; exactly one of the first four is set (contract, "Settings", `auth.*`).
struct JwtSettings {
  std::string algorithm; // RS256, ES256 or HS256
  std::string public_key_file;
  std::string jwks_file;
  std::string secret;
  std::string private_key_file; // may stand beside the others: only to mint
  std::string issuer;           // checked when not empty
  std::string audience;         // checked when not empty
};

/// Verifies bearer tokens (contract, "Who may call"). Thread-safe.
class JwtVerifier {
public:
  using Clock = std::chrono::system_clock;

  /// Reads the keys. Throws std::runtime_error with one line that names the setting when the
  /// algorithm is unknown, no key or more than one is given, a file cannot be read or holds no
  /// key that fits the algorithm, or an HS256 secret is shorter than 32 bytes.
  explicit JwtVerifier(const JwtSettings& settings);
  ~JwtVerifier();
  JwtVerifier(const JwtVerifier&) = delete;
  JwtVerifier& operator=(const JwtVerifier&) = delete;

  struct Verified {
    domain::Uuid user_id;
    Clock::time_point expires; // `exp`, without leeway
  };

  /// The user of a token that is valid at `now`, else nothing. Never throws on hostile input.
  std::optional<Verified> verify(std::string_view token, Clock::time_point now) const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A token for `user_id`, signed with the HS256 secret or the private key. For development and
/// tests. Throws std::runtime_error with one line when the settings have nothing to sign with.
std::string mint_token(const JwtSettings& settings, const domain::Uuid& user_id,
                       std::chrono::seconds ttl, JwtVerifier::Clock::time_point now);

} // namespace regroup::http
