#pragma once
#include "domain/uuid.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace regroup::http {

/// The algorithm and the source of the keys: exactly one of `public_key_file`, `jwks_file` and
/// `secret` (contract, "Settings", `auth.*`).
struct JwtSettings {
  std::string algorithm;        // RS256, ES256 or HS256
  std::string public_key_file;  // PEM: a public key, or a certificate. Not for HS256
  std::string jwks_file;        // RFC 7517
  std::string secret;           // at least 32 bytes, used as they are. For HS256 only
  std::string private_key_file; // may be set with any of the others: only to mint tokens
  std::string issuer;           // checked when not empty
  std::string audience;         // checked when not empty
};

/// Verifies bearer tokens (contract, "Who may call"). Thread-safe.
class JwtVerifier {
public:
  using Clock = std::chrono::system_clock;

  /// Reads the keys once; reload() reads changed files. Throws std::runtime_error with one line
  /// that names the setting if the algorithm is unknown, no source of keys or more than one is
  /// given, a file cannot be read or holds no key that fits the algorithm, an RSA key has fewer
  /// than 2048 bits, or an HS256 secret fewer than 32 bytes. In a JWKS such keys are skipped, as
  /// long as one usable key is left.
  explicit JwtVerifier(const JwtSettings& settings);
  ~JwtVerifier();
  JwtVerifier(const JwtVerifier&) = delete;
  JwtVerifier& operator=(const JwtVerifier&) = delete;

  struct Verified {
    domain::Uuid user_id;
    Clock::time_point expires; // `exp`, without leeway; the year 2255 at the latest
  };

  /// The user of a token that is valid at `now`, else nothing, and `why` is then the reason: a text
  /// with static lifetime that fits into a quoted-string. `token` may be any bytes.
  std::optional<Verified> verify(std::string_view token, Clock::time_point now,
                                 std::string_view* why = nullptr) const noexcept;

  /// Reads the keys again, forgets every token that was verified with the old ones, and returns the
  /// number of keys. Throws as the constructor does; the old keys then stay.
  std::size_t reload(const JwtSettings& settings);

  /// One line for each key of the JWKS file that cannot be used, with the reason.
  std::vector<std::string> skipped_keys() const;

  /// Forgets tokens that were not used since the previous sweep.
  void sweep();

private:
  struct Impl; // the keys, and the tokens that they verified
  std::shared_ptr<Impl> current() const;

  mutable std::mutex mutex_; // guards the pointer
  std::shared_ptr<Impl> impl_;
};

/// A token for `user_id`, signed with the HS256 secret or the private key. For development and
/// tests. Throws std::runtime_error with one line if the settings have no key to sign with.
std::string mint_token(const JwtSettings& settings, const domain::Uuid& user_id,
                       std::chrono::seconds ttl, JwtVerifier::Clock::time_point now);

} // namespace regroup::http
