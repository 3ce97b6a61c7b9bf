#pragma once
#include <cjose/jwk.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace regroup::http {

struct JwkRelease {
  void operator()(cjose_jwk_t* key) const noexcept { cjose_jwk_release(key); }
};
/// A key of libcjose: typed, so that an RSA key can never be used as an HMAC secret.
using Jwk = std::unique_ptr<cjose_jwk_t, JwkRelease>;

/// A key, and how long every signature made with it is.
struct SizedJwk {
  Jwk jwk;
  std::size_t signature_bytes = 0;
};

// The numbers are unsigned, big-endian. Each function throws std::runtime_error with what is
// wrong with the key, in words that can follow "auth.jwt_…: ".

/// RS256: 2048 to 16384 bits, which is as far as OpenSSL goes.
SizedJwk rsa_public_jwk(std::string modulus, std::string exponent);

/// ES256: a point of P-256.
SizedJwk ec_public_jwk(std::string x, std::string y);

/// HS256: at least 32 bytes (RFC 7518 section 3.2).
SizedJwk secret_jwk(std::string_view secret);

/// The first public key or certificate of a PEM text; other blocks are passed over. `algorithm`
/// is RS256 or ES256, and the key must be of its type.
SizedJwk public_jwk_of_pem(std::string_view pem, std::string_view algorithm);

/// The private key of a PEM text, unencrypted, to sign with; as above.
Jwk private_jwk_of_pem(std::string_view pem, std::string_view algorithm);

} // namespace regroup::http
