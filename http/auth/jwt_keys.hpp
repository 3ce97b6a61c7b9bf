#pragma once
#include "http/auth/jws_key.hpp"
#include "http/auth/jwt.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace regroup::http {

/// The keys that verify tokens. All of them are of the configured algorithm's type.
struct VerificationKeys {
  struct Key {
    JwsVerifier verifier;
    std::optional<std::string> kid;
  };
  std::vector<Key> keys;            // at least one
  bool have_names = false;          // from a JWKS: a token's `kid` selects the key
  std::vector<std::string> skipped; // a line with the reason for each unusable key of a JWKS
};

/// Reads the one source of keys that the settings name; see JwtVerifier's constructor.
VerificationKeys load_verification_keys(const JwtSettings& settings);

/// Reads the key that signs tokens; see mint_token.
Openssl<EVP_PKEY> load_signing_key(const JwtSettings& settings);

} // namespace regroup::http
