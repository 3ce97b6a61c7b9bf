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

/// Where the keys come from: the algorithm, and exactly one of `public_key_file`, `jwks_file` and
/// `secret` (contract, "Settings", `auth.*`).
struct JwtSettings {
  std::string algorithm;        // RS256, ES256 or HS256
  std::string public_key_file;  // PEM: a public key, or a certificate. Not for HS256
  std::string jwks_file;        // RFC 7517
  std::string secret;           // at least 32 bytes, as they are. For HS256 only
  std::string private_key_file; // may stand beside the others: only to mint
  std::string issuer;           // checked when not empty
  std::string audience;         // checked when not empty
};

/// Verifies bearer tokens (contract, "Who may call"). Thread-safe: any number of threads may call
/// verify() on one verifier.
class JwtVerifier {
public:
  using Clock = std::chrono::system_clock;

  /// Reads the keys, once: changed files are seen by reload(). Throws std::runtime_error
  /// with one line that names the setting when the algorithm is unknown, no source of keys or
  /// more than one is given, a file cannot be read or holds no key that fits the algorithm, an
  /// RSA key has fewer than 2048 bits or an HS256 secret fewer than 32 bytes. Of a JWKS such keys
  /// are skipped, as long as one is left.
  explicit JwtVerifier(const JwtSettings& settings);
  ~JwtVerifier();
  JwtVerifier(const JwtVerifier&) = delete;
  JwtVerifier& operator=(const JwtVerifier&) = delete;

  struct Verified {
    domain::Uuid user_id;
    Clock::time_point expires; // `exp`, without leeway; the year 2255 at the latest
  };

  /// The user of a token that is valid at `now`, else nothing, whatever the bytes are.
  std::optional<Verified> verify(std::string_view token, Clock::time_point now) const noexcept;

  /// Reads the keys anew, and forgets every token that was verified with the old ones; how many
  /// keys there are now. Throws as the constructor does, and the old keys stay.
  std::size_t reload(const JwtSettings& settings);

  /// The keys of the JWKS file that cannot be used, and why: a line each.
  std::vector<std::string> skipped_keys() const;

  /// Forgets what was remembered of tokens that nobody used since the sweep before.
  void sweep();

private:
  struct Impl; // the keys, and the tokens that they verified
  std::shared_ptr<Impl> current() const;

  mutable std::mutex mutex_; // guards the pointer
  std::shared_ptr<Impl> impl_;
};

/// A token for `user_id`, signed with the HS256 secret or the private key. For development and
/// tests. Throws std::runtime_error with one line when the settings have nothing to sign with.
std::string mint_token(const JwtSettings& settings, const domain::Uuid& user_id,
                       std::chrono::seconds ttl, JwtVerifier::Clock::time_point now);

} // namespace regroup::http
