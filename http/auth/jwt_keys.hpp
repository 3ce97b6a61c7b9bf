#pragma once
#include "http/auth/jws_key.hpp"
#include "http/auth/jwt.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace regroup::http {

/// The keys that a token may be signed with. All of them are of the configured algorithm's type.
struct VerificationKeys {
  struct Key {
    JwsVerifier verifier;
    std::optional<std::string> kid;
  };
  std::vector<Key> keys;            // at least one
  bool have_names = false;          // from a JWKS: a token's `kid` chooses
  std::vector<std::string> skipped; // keys of a JWKS that cannot be used, and why: a line each
};

/// Reads the one source of keys that the settings name; see JwtVerifier's constructor.
VerificationKeys load_verification_keys(const JwtSettings& settings);

/// What tokens are signed with; see mint_token.
Openssl<EVP_PKEY> load_signing_key(const JwtSettings& settings);

} // namespace regroup::http
